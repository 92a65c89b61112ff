//go:build !invariants

package stw

import "time"

const defaultStallAfter = 10 * time.Second

// Without -tags invariants nothing is checked.

//lint:ignore U1000 it has fields under -tags invariants
type domainDebug struct{}

func (d *Domain) owned()          {}
func (d *Domain) disowned()       {}
func checkMayBlock(string)        {}
func (d *Domain) check(string)    {}
func (d *Domain) checkLocked()    {}
func (d *Domain) checkNext(phase) {}

func (w *World) checkOutside(string) {}
