package slab

import (
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
	"github.com/gosmr/gosmr/smr"
)

// A depot holds the magazines of a store that are in no cache: full ones, empty ones, and
// those whose retired objects readers may still hold.
//
//	          keep                       take
//	cache ─────────────────────▶ full ─────────▶ cache
//	  │                          ▲  │ beyond mostFull
//	  │            reached, poll │  └─────▶ heap
//	  │ retire                   │
//	  └─────────▶ arrived ──▶ waiting (by goal)
//
// Each retired magazine brings its bytes to the domain's account in one deferred call, reached.
// The call makes full every magazine whose goal is reached, its own among them. So Barrier finds
// free what was retired before it, Throttle counts bytes until they are free, and the
// reclaimer's pace follows them.
//
// The lock is never held for long. Retire may be called in a pinned section, where it must not
// block: it pushes the magazine to arrived without the lock.
type depot struct {
	s *store // constant

	// arrived is a stack of retired magazines that are not in waiting yet, each with its goal.
	// Pushed to by compare-and-swap without mu, taken whole by the holder of mu.
	arrived satomic.Pointer[magazine]

	mu      ssync.Mutex // guards all below
	full    magazineStack
	empty   magazineStack // for reuse
	waiting waitList
	refused magazineStack // of readyLocked, until waitAgainLocked
	pollAt  int           // length of waiting at which take polls the readers again
	readied bool          // magazines became full since ready was last called
	bypass  bool          // keep nothing full: objects must find their way to their slabs
	closed  bool          // the same, and give nothing out
}

const (
	// depotBytes bounds what full magazines the depot keeps.
	depotBytes = 1 << 20
	// pollEvery is how many more magazines must wait before a Get that finds nothing else
	// polls the readers: up to 3 us, or 3 ns for each object of 8 magazines.
	pollEvery = 8
)

// take returns a full magazine, and true; else an empty one, or one whose objects must go to the
// heap first; nil once the depot is closed. With force it polls the readers even if few magazines
// wait for them.
func (d *depot) take(force bool) (m *magazine, ready bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, false
	}
	if d.full.n == 0 {
		d.pollLocked(force)
	}
	if m = d.full.pop(); m != nil {
		return m, !d.bypass
	}
	return d.getEmptyLocked(), false
}

// keep takes in a magazine of free objects, or an empty one. It reports false if there are as
// many full ones as are kept.
func (d *depot) keep(m *magazine) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case m.n == 0:
		d.keepEmptyLocked(m)
	case d.full.n >= d.mostFullLocked():
		return false
	default:
		d.full.push(m)
	}
	return true
}

// mostFullLocked returns how many full magazines are kept.
func (d *depot) mostFullLocked() int {
	if d.bypass || d.closed {
		return 0
	}
	return d.usualFull()
}

// usualFull returns how many full magazines are kept unless objects must go to their slabs: two
// for each processor, and some for those that become full together.
func (d *depot) usualFull() int {
	return min(2*len(d.s.caches.All())+32, max(2, depotBytes/(d.s.capacity*int(d.s.size))))
}

func (d *depot) getEmpty() *magazine {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.getEmptyLocked()
}

func (d *depot) getEmptyLocked() *magazine {
	if m := d.empty.pop(); m != nil {
		return m
	}
	return new(magazine)
}

// keepEmptyLocked takes in an empty magazine; one too many is left to the collector.
func (d *depot) keepEmptyLocked(m *magazine) {
	if d.empty.n < 2*d.usualFull() {
		d.empty.push(m)
	}
}

// tryGetEmpty is getEmpty that does not block: if the lock is taken, it makes a new magazine.
func (d *depot) tryGetEmpty() *magazine {
	if !d.tryLock() {
		return new(magazine)
	}
	defer d.mu.Unlock()
	return d.getEmptyLocked()
}

// tryLock takes the lock if it is free. It may be called in a pinned section.
func (d *depot) tryLock() bool {
	return d.mu.TryLock()
}

// retire makes a magazine wait for its objects' readers, or keeps an empty one. It never blocks.
func (d *depot) retire(m *magazine) {
	if m.n == 0 {
		if d.tryLock() {
			d.keepEmptyLocked(m)
			d.mu.Unlock()
		}
		return
	}
	size := m.n * int(d.s.size)
	m.goal = d.s.dom.DeferredAdvance()
	for {
		m.next = d.arrived.Load()
		if d.arrived.CompareAndSwap(m.next, m) { // m may be another's from here on
			break
		}
	}
	if d.tryLock() { // else many arrive at a time, each to be sorted in among many
		d.arriveLocked()
		d.mu.Unlock()
	}
	// After the push, so that the call finds the magazine. A closed domain refuses the call:
	// then the magazine waits for a Get, or Close.
	if !smr.TryCall(d.s.dom, d.s, size, (*store).reached) {
		d.s.freed.tell()
	}
}

// reached is called back after a grace period for each retired magazine. It makes full the
// magazines that no reader holds, and moves surplus ones to the slabs.
func (s *store) reached() {
	if s.depot.ready() {
		s.policy.spill()
		s.suggestTrim()
	}
}

// ready makes full the magazines whose goals are reached. It reports whether any became full,
// here or by a poll, since it was last called.
func (d *depot) ready() (readied bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.arriveLocked()
	for d.waiting.n > 0 && d.s.dom.Poll(d.waiting.oldest.goal) {
		d.readyLocked(d.waiting.oldest.goal)
	}
	d.waitAgainLocked()
	readied, d.readied = d.readied, false
	return readied
}

// arriveLocked moves magazines from arrived to waiting.
func (d *depot) arriveLocked() {
	if d.arrived.Load() == nil {
		return
	}
	// The first to arrive is at the bottom. Insert that first, then each is inserted near the end.
	var first *magazine
	for m := d.arrived.Swap(nil); m != nil; {
		next := m.next
		m.next = first
		first, m = m, next
	}
	for m := first; m != nil; {
		next := m.next
		d.waiting.insert(m)
		m = next
	}
}

// pollLocked makes all waiting magazines full if every reader has reached the newest one's goal.
// It polls if enough magazines wait, or with force.
func (d *depot) pollLocked(force bool) {
	d.arriveLocked()
	if d.waiting.n == 0 || d.waiting.n < d.pollAt && !force {
		return
	}
	goal := d.waiting.newest.goal
	d.s.dom.Commit(goal)
	if !d.s.dom.Poll(goal) {
		d.pollAt = d.waiting.n + pollEvery
		return
	}
	d.readyLocked(goal)
	d.waitAgainLocked()
	d.pollAt = d.waiting.n + d.pollEvery()
}

// pollEvery returns how many more magazines must wait after a poll that found the readers gone. It
// has walked over all holds, a few hundred ns for each that is open: so there is another object to pay
// for each. What waits is not for polls only: each magazine has its call.
func (d *depot) pollEvery() int { return pollEvery + d.s.holds.Slots()/d.s.capacity }

// readyAll makes all waiting magazines full. No reader is left, and nothing is held.
func (d *depot) readyAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.arriveLocked()
	if d.waiting.n > 0 {
		d.readyLocked(d.waiting.newest.goal)
		d.waitAgainLocked()
	}
}

// readyLocked makes full the magazines that wait for goal, which every reader has reached, or
// for an earlier one, but for what is held. That can be more than are kept, until the next reached
// or trim. waitAgainLocked must follow.
func (d *depot) readyLocked(goal smr.Seq) {
	set := d.s.holds.Held(uint64(goal))
	for d.waiting.n > 0 && !goal.Before(d.waiting.oldest.goal) {
		m := d.waiting.pop()
		if set != nil {
			if d.setAsideLocked(m, set); m.n == 0 {
				d.keepEmptyLocked(m)
				continue
			}
		}
		d.s.check.ready(m)
		d.s.readied.Add(uint64(m.n))
		d.full.push(m)
		d.readied = true
	}
	d.pollAt = min(d.pollAt, d.waiting.n+d.pollEvery())
	d.s.freed.tell()
}

// takeExcess returns a full magazine beyond those that are kept, or with all any full one; nil
// if there is none.
func (d *depot) takeExcess(all bool) *magazine {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !all && d.full.n <= d.mostFullLocked() {
		return nil
	}
	return d.full.pop()
}

func (d *depot) nFull() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.full.n
}

func (d *depot) setBypass(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bypass = on
}

func (d *depot) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// close makes the depot give out nothing and keep nothing full from now on.
func (d *depot) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}
