// Package sandbox takes system calls away from this process, as the sandboxes do that
// programs are run in: for tests of what the library does then.
package sandbox
