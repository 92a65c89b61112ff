//go:build !unix || race

package pages

import "unsafe"

const onGoHeap = true

func reserve(uintptr) (unsafe.Pointer, error)  { panic("pages: no mmap in this build") }
func mapLarge(uintptr) (unsafe.Pointer, error) { panic("pages: no mmap in this build") }
func unmapLarge(unsafe.Pointer, uintptr)       {}
func decommit(unsafe.Pointer, uintptr)         {}
func adviseHuge(unsafe.Pointer, uintptr)       {}
func mended(unsafe.Pointer)                    {}
