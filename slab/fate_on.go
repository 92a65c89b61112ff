//go:build invariants

package slab

import (
	"fmt"
	"unsafe"

	"github.com/gosmr/gosmr/internal/fate"
)

// notCalled panics if an object that was just given back waits for the callback of an smr.Call, or was
// freed and is held.
func (c *checks) notCalled(p unsafe.Pointer, what string) {
	if call := fate.Of(p); call != nil {
		panic(fmt.Sprintf("slab: pool %s: %s of %p, which was given to smr.Call on domain %s, as a %T, and whose callback has not begun: "+
			"it would use memory that is another object's. Give each object once, to one of Call, Retire and Free. "+
			"It was given to Call at:\n%sand to %s%s",
			c.pool, what, p, call.Domain, call.Object, call.At, what, frames(callStack())))
	}
	if hold := fate.HoldOf(p); hold != nil && what == "Free" {
		panic(fmt.Sprintf("slab: pool %s: %s of %p, which is held (smr.Hold, on domain %s): it would be the next user's at once. "+
			"Retire what readers may hold. It was held at:\n%sand given to %s%s",
			c.pool, what, p, hold.Domain, hold.At, what, frames(callStack())))
	}
}

// tell notes what became of an object, for smr.Call.
func (c *checks) tell(p unsafe.Pointer, o *objectState) {
	if o.state == inUse {
		fate.TakeBack(p)
		return
	}
	fate.GiveBack(p, fate.Back{Pool: c.s.name, Became: string(o.state), At: o.stack})
}
