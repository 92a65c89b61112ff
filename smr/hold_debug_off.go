//go:build !invariants

package smr

import "unsafe"

// Without -tags invariants holdDebug is empty and its functions do nothing. See hold_debug_on.go.

//lint:ignore U1000 it has fields under -tags invariants
type holdDebug struct{}

func (sl *holdSlot) opened(unsafe.Pointer, uint64) holdDebug { return holdDebug{} }

func (sl *holdSlot) cloned(holdDebug, uint64) holdDebug { return holdDebug{} }

func (holdDebug) releasing() {}

func (d *Domain) holdStacks() string { return "" }

func (d *Domain) holdStacksOf(uintptr) []string { return nil }
