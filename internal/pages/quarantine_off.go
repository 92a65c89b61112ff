//go:build !invariants || !unix || race

package pages

import "unsafe"

func quarantine(p unsafe.Pointer, size uintptr) [1]block { return [1]block{{p, size}} }
