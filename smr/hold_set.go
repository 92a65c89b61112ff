package smr

import (
	"context"
	"unsafe"

	"github.com/gosmr/gosmr/internal/held"
)

// A knownHolds is what was held when reached was reached: of the objects that wait for that goal, or
// an earlier one, no more can be held since. It does not change.
type knownHolds struct {
	reached Seq
	set     *held.Set
}

// heldOf returns what is held of the objects that wait for goals up to reached, which is reached.
//
// What is known is not for longer than a Seq: a set from more than 2^43 advances ago, past which nothing
// has asked, would count as one of the future. See Seq.Before.
//
// What is held is collected after the reached goal was loaded: so all holds that readers took of
// these objects are seen, and none of them can be taken later.
func (d *Domain) heldOf(reached Seq) *held.Set {
	if len(d.holds.All()) == 0 {
		return nil
	}
	if k := d.reclaim.known.Load(); k != nil && !k.reached.Before(reached) {
		return k.set
	}
	k := &knownHolds{reached: d.clk.Reached()} // it was reached before
	k.set = d.heldNow()
	d.reclaim.known.Store(k)
	return k.set
}

// heldNow returns what is held, or nil if nothing is.
func (d *Domain) heldNow() *held.Set {
	var addrs []uintptr
	if k := d.reclaim.known.Load(); k != nil {
		addrs = make([]uintptr, 0, k.set.Len()+k.set.Len()/8) // about as many
	}
	for _, g := range d.holds.All() {
		for b := g.blocks.Load(); b != nil; b = b.older {
			for i := range b.slots { // as eachHold does, and faster
				if sl := &b.slots[i]; sl.state.Load()&holdRefs != 0 {
					addrs = append(addrs, uintptr(sl.addr.Load()))
				}
			}
		}
	}
	return held.NewSet(addrs)
}

// A holder is a Domain with the methods of [held.Domain].
type holder struct{ *Domain }

func init() { // before slab and smrmap, which import this package, are initialized
	held.Of = func(domain any) held.Domain { return holder{domain.(*Domain)} }
}

func (h holder) Held(goal uint64) *held.Set {
	if h.clk.Sealed() { // it takes no call that waits for a Release: the same goals are asked for again
		return h.heldNow()
	}
	return h.heldOf(Seq(goal))
}

func (h holder) Slots() (n int) {
	for _, g := range h.holds.All() {
		n += int(g.n.Load())
	}
	return n
}

func (h holder) Now() *held.Set { return h.heldNow() }

func (h holder) Call(obj unsafe.Pointer, size int, free func(unsafe.Pointer)) bool {
	return h.call(free, obj, size)
}

func (h holder) Barrier(ctx context.Context) error {
	if err := h.mayWait("Barrier"); err != nil {
		return err
	}
	return h.barrier(ctx, "Barrier", false)
}
