//go:build invariants

package stw

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/internal/goid"
	"github.com/gosmr/gosmr/smr"
)

// defaultStallAfter is short: it is to find domains that block outside of Blocking.
const defaultStallAfter = time.Second

// domainDebug has the owner's goroutine number, or 0 while the domain is blocked or ending.
type domainDebug struct{ owner atomic.Uint64 }

// owned makes the calling goroutine the owner; disowned leaves the domain without one.

func (d *Domain) owned()    { d.debug.owner.Store(goid.Get()) }
func (d *Domain) disowned() { d.debug.owner.Store(0) }

// checkMayBlock panics if the caller is in a pinned section.
func checkMayBlock(op string) { smr.CheckMayBlock("stw: " + op) }

// check panics if the caller is not the domain's owner.
func (d *Domain) check(op string) {
	checkMayBlock(op)
	owner := d.debug.owner.Load()
	if id := goid.Get(); owner != 0 && owner != id {
		panic(fmt.Sprintf("stw: %s of domain %d by goroutine %d: its own is %d", op, d.id, id, owner))
	}
}

// checkNext panics if next does not follow the domain's phase: see phase.
func (d *Domain) checkNext(next phase) {
	if !slices.Contains(phases[d.phase].next, next) {
		panic(fmt.Sprintf("stw: domain %d goes from %v to %v", d.id, d.phase, next))
	}
}

// illegalLocked returns what is wrong between the domain's phase and its notes, or "".
func (d *Domain) illegalLocked() string {
	n := &d.noted
	unserved := d.phase == blocked || d.phase == ending
	outside := d.phase == starting || d.phase == dead
	switch {
	case (unserved || d.phase == suspended) && n.held != (n.suspends > 0):
		return "held differs from suspended"
	case n.held && n.suspends == 0:
		return "held, and not suspended"
	case unserved && (n.stop != nil || n.rest()):
		return "asked, and not served"
	case outside && (n.held || n.stop != nil || len(n.ragged) > 0):
		return "asked, and not part of the world"
	case d.phase == dead && n.any():
		return "asked"
	}
	return ""
}

// checkLocked panics if the phase and the notes do not fit together. Call it before releasing mu.
func (d *Domain) checkLocked() {
	if what := d.illegalLocked(); what != "" {
		panic(fmt.Sprintf("stw: domain %d is %v and %s (%d suspensions, held: %v)",
			d.id, d.phase, what, d.noted.suspends, d.noted.held))
	}
}

// checkOutside panics if the caller is a running domain of the world.
func (w *World) checkOutside(op string) {
	checkMayBlock(op)
	id := goid.Get()
	for _, d := range w.Domains() {
		if d.debug.owner.Load() == id {
			panic(fmt.Sprintf("stw: %s by %v outside Blocking: it would wait for itself", op, d))
		}
	}
}
