//go:build asan || msan

package testkit

// Sanitized tells whether this is a build with -asan or -msan. These move to the heap what is
// converted to an unsafe.Pointer, so more operations allocate.
const Sanitized = true
