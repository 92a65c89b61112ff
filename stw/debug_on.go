//go:build invariants

package stw

import (
	"fmt"
	"sync/atomic"

	"github.com/gosmr/gosmr/internal/goid"
)

// domainDebug knows the goroutine that the domain's own code runs on; 0 while that
// does not matter, because the domain is blocked.
type domainDebug struct{ owner atomic.Uint64 }

func (d *Domain) owned()    { d.debug.owner.Store(goid.Get()) }
func (d *Domain) disowned() { d.debug.owner.Store(0) }

// check panics if the caller is not the domain's owner.
func (d *Domain) check(op string) {
	owner := d.debug.owner.Load()
	if id := goid.Get(); owner != 0 && owner != id {
		panic(fmt.Sprintf("stw: %s of domain %d by goroutine %d: its own is %d", op, d.id, id, owner))
	}
}

// illegalLocked returns what is wrong with the combination that the domain is in, "" if
// it is one of the table's.
func (d *Domain) illegalLocked() string {
	is := func(states ...State) bool {
		for _, s := range states {
			if d.state == s {
				return true
			}
		}
		return false
	}
	asked := d.stop != nil || len(d.ragged) > 0 || d.suspends == 0 && (len(d.interrupts) > 0 || d.external)
	switch {
	case d.served && !is(Blocked):
		return "served"
	case d.returning && !is(Blocked):
		return "returning"
	case d.ending && !is(Blocked, Dead):
		return "ending"
	case d.held && (d.suspends == 0 || is(Starting, Dead)):
		return "held"
	case is(Suspended) && d.held != (d.suspends > 0):
		return "suspended, and not held"
	case d.unservedLocked() && (asked || d.held != (d.suspends > 0)):
		return "asked, and not served"
	case is(Starting, Dead) && (d.stop != nil || len(d.ragged) > 0):
		return "asked, and not part of the world"
	}
	return ""
}

// checkLocked panics if the domain is in a combination of states that there is not. mu is
// about to be released.
func (d *Domain) checkLocked() {
	if what := d.illegalLocked(); what != "" {
		panic(fmt.Sprintf("stw: domain %d is %v and %s (%d suspensions, held: %v, served: %v, returning: %v, ending: %v)",
			d.id, d.state, what, d.suspends, d.held, d.served, d.returning, d.ending))
	}
}

// checkOutside panics if the caller is a domain of the world that would wait for
// itself.
func (w *World) checkOutside(op string) {
	id := goid.Get()
	for _, d := range w.Domains() {
		if d.debug.owner.Load() == id {
			panic(fmt.Sprintf("stw: %s by %v outside Blocking: it would wait for itself", op, d))
		}
	}
}
