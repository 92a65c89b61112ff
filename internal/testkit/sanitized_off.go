//go:build !asan && !msan

package testkit

// Sanitized tells whether this is a build with -asan or -msan, in which what is converted to
// an unsafe.Pointer is moved to the heap: so operations allocate that do not else.
const Sanitized = false
