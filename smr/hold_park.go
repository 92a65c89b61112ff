package smr

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/gosmr/gosmr/internal/held"
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
)

// A call whose object is held goes this way, once its goal is reached:
//
//	 waiting ──▶ ready ──▶ parked ──────────────────▶ ready ──▶ run
//	 (its chunk)           (a chunk of its own,       (the last Release of a marked
//	                        by the object's address)   slot, and none names the object)
//
// A parked chunk keeps the ticket of the one that it was in, so Barrier waits for it.

// parking is the part of the reclaimer that knows of holds.
type parking struct {
	// told has the slots whose marked holds were released. The last Release of one pushes it, before
	// it wakes the reclaimer. Like flush it is checked again after the reclaimer has stored its state.
	told toldSlots

	// parked has the objects that are held. Guarded by mu, as is waitForHolds: channels that are
	// closed when a marked hold is released.
	parked       map[uintptr]*parkedObject
	waitForHolds []chan struct{}

	outParked outstanding // the parked chunks, until they are finished; guarded by mu

	byAge struct{ oldest, newest *parkedObject } // linked by newer; guarded by mu

	// known is what was found held last. Stored by any goroutine that looks, loaded by any.
	known satomic.Pointer[knownHolds]

	// Totals of the parked calls, and since when the oldest is parked (0: none; else by Domain.age).
	// Written under mu, loaded by Stats.
	heldCalls, heldBytes, heldSince satomic.Int64
}

// A parkedObject is an object that is held, with its calls. It is in the list of a slot that was
// marked when it was held by the hold of generation gen.
type parkedObject struct {
	addr  uintptr
	calls *chunk        // linked by next
	slot  *holdSlot     // nil: not sought yet
	next  *parkedObject // of the same slot
	gen   uint64
	since int64

	older, newer *parkedObject
}

// parkHeld takes out of c, which is ready, the calls whose objects are in c.held, and parks them.
func (d *Domain) parkHeld(c *chunk) {
	held := c.held
	c.held = nil
	var split []*chunk
	for i := 0; i < c.n; {
		if held.Has(uintptr(c.entries[i].obj)) {
			split = append(split, c.split(i))
		} else {
			i++
		}
	}
	if len(split) == 0 {
		return
	}
	r := &d.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	c.run = c.amount()
	sought := make(map[uintptr]*parkedObject)
	r.outParked.addParts(split, c.ticket)
	for _, p := range split {
		if o := d.parkLocked(p); o.slot == nil {
			sought[o.addr] = o
		}
	}
	if d.seekHoldsLocked(sought); len(sought) > 0 {
		// They are ready behind c, whose callbacks may be slow, and the reclaimer may have stopped.
		r.wakeUp(d)
	}
}

// split moves call i of c to a chunk of its own.
func (c *chunk) split(i int) *chunk {
	p := &chunk{entries: []entry{c.entries[i]}, n: 1, counted: true, goal: c.goal, parked: true}
	switch {
	case c.n == 1:
		p.bytes, p.large = c.bytes, c.large
	case c.each >= 0:
		p.bytes = c.each
	default:
		p.bytes = int64(c.sizes[i])
		c.sizes[i] = c.sizes[c.n-1]
	}
	c.bytes -= p.bytes
	c.large -= p.large
	c.n--
	c.entries[i], c.entries[c.n] = c.entries[c.n], entry{}
	return p
}

// parkLocked parks a chunk of one call, and returns its object.
func (d *Domain) parkLocked(c *chunk) *parkedObject {
	r := &d.reclaim
	addr := uintptr(c.entries[0].obj)
	o := r.parked[addr]
	if o == nil {
		if r.parked == nil {
			r.parked = make(map[uintptr]*parkedObject)
		}
		o = &parkedObject{addr: addr, since: d.age(), older: r.byAge.newest}
		r.parked[addr] = o
		if o.older == nil {
			r.byAge.oldest = o
			r.heldSince.Store(o.since)
		} else {
			o.older.newer = o
		}
		r.byAge.newest = o
	}
	c.next, o.calls = o.calls, c
	r.heldCalls.Add(1)
	r.heldBytes.Add(c.amount().bytes)
	return o
}

// seekHoldsLocked looks at each slot once. It marks one that names each of the sought objects, which
// are parked, and makes those ready that none names. It leaves the latter in sought.
func (d *Domain) seekHoldsLocked(sought map[uintptr]*parkedObject) {
	if len(sought) == 0 {
		return
	}
	addrs := held.NewSet(slices.Collect(maps.Keys(sought))) // asked faster than a map
	d.eachHold(func(sl *holdSlot, word uint64) bool {
		addr := uintptr(sl.addr.Load())
		if !addrs.Has(addr) {
			return true
		}
		if o := sought[addr]; o != nil && sl.mark(word) {
			o.slot, o.gen = sl, word&^holdBusy
			o.next, sl.parked = sl.parked, o
			delete(sought, addr)
		}
		return len(sought) > 0
	})
	for _, o := range sought {
		d.reclaim.unparkLocked(o, d.age())
	}
	d.startWorkersLocked()
}

// unparkLocked makes the calls of an object ready.
func (r *reclaimer) unparkLocked(o *parkedObject, now int64) {
	delete(r.parked, o.addr)
	for c := o.calls; c != nil; {
		next := c.next
		r.heldCalls.Add(-1)
		r.heldBytes.Add(-c.amount().bytes)
		c.since, c.ready = now, now
		r.ready.push(c)
		c = next
	}
	if o.newer == nil {
		r.byAge.newest = o.older
	} else {
		o.newer.older = o.older
	}
	if o.older != nil {
		o.older.newer = o.newer
		return
	}
	r.byAge.oldest = o.newer
	since := int64(0)
	if o.newer != nil {
		since = o.newer.since
	}
	r.heldSince.Store(since)
}

// unpark looks again for the holds of parked objects whose marked slots are released, and wakes
// what waits for holds.
func (d *Domain) unpark() {
	r := &d.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	sought := make(map[uintptr]*parkedObject)
	r.told.takeAll(func(sl *holdSlot) {
		at := &sl.parked
		for o := *at; o != nil; o = *at {
			if sl.holds(o.gen) { // it was taken and marked again
				at = &o.next
				continue
			}
			*at, o.next, o.slot = o.next, nil, nil
			sought[o.addr] = o
		}
	})
	d.seekHoldsLocked(sought)
	for _, wake := range r.waitForHolds {
		sched.Wakes()
		close(wake)
	}
	r.waitForHolds = nil
}

// awaitHolds waits until nothing is held, on a domain that has no section open and admits none. It
// reports false if ctx ends first.
func (d *Domain) awaitHolds(ctx context.Context) bool {
	r := &d.reclaim
	for {
		wake := make(chan struct{})
		if !d.markAny(wake) {
			return true
		}
		select {
		case <-wake:
		case <-ctx.Done():
			r.mu.Lock()
			r.waitForHolds = slices.DeleteFunc(r.waitForHolds, func(o chan struct{}) bool { return o == wake })
			r.mu.Unlock()
			return false
		}
	}
}

// markAny marks a hold, and has wake closed when a marked one is released. It reports false if there
// is none.
func (d *Domain) markAny(wake chan struct{}) (any bool) {
	r := &d.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	d.eachHold(func(sl *holdSlot, word uint64) bool {
		any = sl.mark(word)
		return !any
	})
	if any {
		r.waitForHolds = append(r.waitForHolds, wake)
	}
	return any
}

// holdCensus returns the number of holds, clones not counted.
func (d *Domain) holdCensus() (n int) {
	d.eachHold(func(*holdSlot, uint64) bool { n++; return true })
	return n
}

// heldFor returns for how long the oldest parked object has been parked.
func (d *Domain) heldFor() time.Duration {
	since := d.reclaim.heldSince.Load()
	if since == 0 {
		return 0
	}
	return time.Duration(d.age() - since)
}

// age is the time since New, and not 0.
func (d *Domain) age() int64 { return d.ageAt(time.Now()) }

// ageAt is age at a moment.
func (d *Domain) ageAt(t time.Time) int64 { return int64(t.Sub(d.made)) + 1 }
