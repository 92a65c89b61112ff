package smr

import satomic "github.com/gosmr/gosmr/internal/sched/atomic"

// toldSlots is a lock-free stack of slots, linked by their field told, which is nil in a slot that is
// not in it. It is taken whole. A slot may be taken, marked and released again while it is there:
// then it stays there. The reclaimer clears told and then loads the slot's state; a Release stores
// state and then loads told. So it misses none.
type toldSlots struct{ top satomic.Pointer[holdSlot] }

// bottomSlot ends the list of told slots.
var bottomSlot = new(holdSlot)

// push adds a slot, or reports false if it is there.
func (t *toldSlots) push(sl *holdSlot) bool {
	if !sl.told.CompareAndSwap(nil, bottomSlot) {
		return false
	}
	for {
		top := t.top.Load()
		if top != nil {
			sl.told.Store(top)
		}
		if t.top.CompareAndSwap(top, sl) {
			return true
		}
		sl.told.Store(bottomSlot)
	}
}

func (t *toldSlots) empty() bool { return t.top.Load() == nil }

// takeAll empties the stack, and calls fn for each slot, which may be pushed again by then.
func (t *toldSlots) takeAll(fn func(sl *holdSlot)) {
	for sl := t.top.Swap(nil); sl != nil && sl != bottomSlot; {
		next := sl.told.Swap(nil)
		fn(sl)
		sl = next
	}
}

// heldReleased tells the reclaimer that a marked hold was released. It never blocks.
func (d *Domain) heldReleased(sl *holdSlot) {
	if d.reclaim.told.push(sl) {
		d.reclaim.wakeUp(d)
	}
}
