// Package sandbox denies this process system calls, as sandboxes do, to test what the library does
// then.
package sandbox
