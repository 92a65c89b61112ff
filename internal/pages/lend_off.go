//go:build invariants && (!unix || race)

package pages

import "unsafe"

// Lend returns nil: there are no pages to protect.
func Lend(int) unsafe.Pointer { return nil }

// IsLent returns false.
func IsLent(unsafe.Pointer) bool { return false }

// Recall is not called.
func Recall(unsafe.Pointer, int, bool) {}
