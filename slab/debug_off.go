//go:build !invariants

package slab

import "unsafe"

// checks are those of -tags invariants: none.
type checks struct{}

func (*checks) init(*store, string, bool) {}
func (*checks) close()                    {}
func (*checks) got(unsafe.Pointer)        {}
func (*checks) freed(unsafe.Pointer)      {}
func (*checks) retired(unsafe.Pointer)    {}
func (*checks) unretired(unsafe.Pointer)  {}
func (*checks) forget(unsafe.Pointer)     {}
func (*checks) expedite(unsafe.Pointer)   {}
func (*checks) ready(*magazine)           {}
func (*checks) ended(unsafe.Pointer)      {}
func (*checks) drop(*slab)                {}
func (*checks) leaks() string             { return "" }
