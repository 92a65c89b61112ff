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
