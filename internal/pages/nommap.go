//go:build !unix || race

package pages

import "unsafe"

const (
	onGoHeap   = true
	protection = 0
	readOnly   = 0
	untouched  = 0
)

func reserve(_, _ uintptr) (unsafe.Pointer, error) { panic("pages: no mmap in this build") }
func reserveBare(uintptr) (unsafe.Pointer, error)  { panic("pages: no mmap in this build") }
func mapLarge(uintptr) (unsafe.Pointer, error)     { panic("pages: no mmap in this build") }
func protect(block, int) error                     { return nil }
func unmap(unsafe.Pointer, uintptr)                {}
func decommit(unsafe.Pointer, uintptr)             {}
func mended(unsafe.Pointer)                        {}
