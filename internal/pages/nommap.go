//go:build !unix || race

package pages

import (
	"math"
	"unsafe"
)

const (
	onGoHeap = true

	// Divisible tells whether a large block may be freed in parts.
	Divisible = false

	protection = 0
	readOnly   = 0
	untouched  = 0
)

func reserve(_, _ uintptr) (unsafe.Pointer, error) { panic("pages: no mmap in this build") }
func reserveBare(uintptr) (unsafe.Pointer, error)  { panic("pages: no mmap in this build") }
func mapLarge(uintptr) (unsafe.Pointer, error)     { panic("pages: no mmap in this build") }
func protect(block, int) error                     { return nil }
func protectBare(block, int) error                 { return nil }
func mostMappings() int64                          { return math.MaxInt64 }
func unmap(unsafe.Pointer, uintptr)                {}
func decommit(unsafe.Pointer, uintptr)             {}
func mended(unsafe.Pointer)                        {}
func adviseHuge(block)                             {}
func adviseSmall(block)                            {}
