package slab

import (
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
	"github.com/gosmr/gosmr/smr"
)

// A depot is the magazines of a store that are in no cache: full, empty, and waiting with
// retired objects for the readers that may hold them. A retired magazine waits here only,
// with its goal. The domain is given a tick: when it calls that back, the readers have left
// that the goal is for. A tick, and a Get that finds nothing else, make full what waits.
//
//	          keep                     take
//	cache ──────────▶ full ───────────────────▶ cache
//	  │                ▲ │ beyond mostFull
//	  │     tick, poll │ └──────▶ heap
//	  │ retire         │
//	  ├─────────▶ waiting (by goal)
//	  │ mu taken     ▲ mu taken next
//	  └─────────▶ arrived
//
// There is a tick for each moment of the clock at which something was retired, rather than
// one at a time: so Barrier, which waits for calls made before it, finds all objects free
// whose magazines were retired before. (A tick that calls itself again, as long as
// something waits, is not waited for.) Each retired magazine brings its bytes to the
// domain's account in a call of its own, which makes full what no reader holds, if the tick has
// not: so Throttle counts the bytes until then, and the reclaimer's pace follows them.
//
// The lock is never held for long. Retire must not block, since it may be called in a pinned
// section: where the lock is taken it leaves the magazine in arrived.
type depot struct {
	s *store // constant

	// arrived is a stack of retired magazines for which the lock was taken, each with a goal
	// of its own. Pushed to by compare-and-swap without mu, taken whole by the holder of mu.
	// The push comes before the call of the tick, which therefore finds the magazine.
	arrived satomic.Pointer[magazine]

	mu      ssync.Mutex // guards all below
	full    magazineStack
	empty   magazineStack // for reuse
	waiting waitList
	pollAt  int     // length of waiting at which take polls the readers again
	ticked  smr.Seq // goal of the last tick that was called
	ticks   *tick   // for reuse
	bypass  bool    // keep nothing full: objects must find their way to their slabs
	closed  bool    // the same, and give nothing out
}

// A tick is what the domain calls back for all that waits for one goal.
type tick struct {
	s    *store
	goal smr.Seq
	next *tick // in depot.ticks
}

const (
	// depotBytes bounds what full magazines the depot keeps.
	depotBytes = 1 << 20
	// pollEvery is how many more magazines must wait before a Get that finds nothing else
	// polls the readers: that costs up to 3 us, 3 ns for each object of 8.
	pollEvery = 8
)

// take returns a full magazine, and true; else an empty one, or one whose objects must go
// to the heap first. With force it polls the readers even if few magazines wait for them.
func (d *depot) take(force bool) (m *magazine, ready bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		panic("slab: Get from closed pool " + d.s.name)
	}
	if d.full.n == 0 {
		d.pollLocked(force)
	}
	if m = d.full.pop(); m != nil {
		return m, !d.bypass
	}
	return d.getEmptyLocked(), false
}

// keep takes a magazine with free objects in, and reports whether there was room for it.
func (d *depot) keep(m *magazine) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full.n >= d.mostFullLocked() {
		return false
	}
	d.full.push(m)
	return true
}

// mostFullLocked is how many full magazines are kept.
func (d *depot) mostFullLocked() int {
	if d.bypass || d.closed {
		return 0
	}
	return d.usualFull()
}

// usualFull is how many full magazines are kept as a rule: two for each processor, and what
// one tick brings back at a time.
func (d *depot) usualFull() int {
	return min(2*len(d.s.caches.All())+32, max(2, depotBytes/(d.s.capacity*int(d.s.size))))
}

// getEmpty returns an empty magazine.
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

// keepEmpty takes an empty magazine in, if there is room; else the collector gets it.
func (d *depot) keepEmpty(m *magazine) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keepEmptyLocked(m)
}

func (d *depot) keepEmptyLocked(m *magazine) {
	if d.empty.n < 2*d.usualFull() {
		d.empty.push(m)
	}
}

// tryGetEmpty is getEmpty for a goroutine that must not block: where the lock is taken it
// makes a new magazine.
func (d *depot) tryGetEmpty() *magazine {
	if !d.tryLock() {
		return new(magazine)
	}
	defer d.mu.Unlock()
	return d.getEmptyLocked()
}

// tryLock takes the lock if it is free, as may be done in a pinned section.
func (d *depot) tryLock() bool {
	return d.mu.TryLock()
}

// retire has a magazine wait for the readers that may hold its objects; an empty one is
// kept. It does not block.
func (d *depot) retire(m *magazine) {
	locked := d.tryLock()
	if locked {
		defer d.mu.Unlock()
	}
	if m.n == 0 {
		if locked {
			d.keepEmptyLocked(m)
		}
		return
	}
	size := m.n * int(d.s.size)
	if locked {
		d.arriveLocked() // else they are many by the time that a tick comes, among many that wait
	}
	// Under the lock, if that is held: were the goal older, its tick could have run already.
	goal := d.s.dom.DeferredAdvance()
	m.goal = goal
	if locked {
		d.waiting.insert(m)
		d.callTickLocked(goal, size)
		return
	}
	for {
		m.next = d.arrived.Load()
		if d.arrived.CompareAndSwap(m.next, m) { // m may be another's from here on
			break
		}
	}
	smr.TryCall(d.s.dom, &tick{s: d.s, goal: goal}, size, (*tick).run)
}

// callTickLocked brings size bytes to the domain's account, and calls a tick for what waits
// for goal, unless there is one. A closed domain takes no call: then magazines wait for Get,
// or Close. The call is made under the lock, so that nothing is retired in reliance on a tick
// that is yet to be called.
func (d *depot) callTickLocked(goal smr.Seq, size int) {
	if goal == d.ticked {
		smr.TryCall(d.s.dom, d.s, size, (*store).reached)
		return
	}
	t := d.ticks
	if t != nil {
		d.ticks = t.next
	} else {
		t = &tick{s: d.s}
	}
	t.goal = goal
	if smr.TryCall(d.s.dom, t, size, (*tick).run) {
		d.ticked = goal
	}
}

// reached is called back for a retired magazine whose tick another call brought. It makes
// full what waits for no reader: the tick may be in another processor's chunk, that runs later,
// and the bytes go off the domain's account now.
func (s *store) reached() {
	d := &s.depot
	d.mu.Lock()
	defer d.mu.Unlock()
	d.arriveLocked()
	for d.waiting.n > 0 && s.dom.Poll(d.waiting.oldest.goal) {
		d.readyLocked(d.waiting.oldest.goal)
	}
}

// callTick calls a tick for the sake of the policy, unless there is one that comes after the
// readers of now.
func (d *depot) callTick() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if goal := d.s.dom.DeferredAdvance(); goal != d.ticked {
		d.callTickLocked(goal, 0)
	}
}

// arriveLocked puts the magazines that came while the lock was taken with those that wait.
func (d *depot) arriveLocked() {
	if d.arrived.Load() == nil {
		return
	}
	for m := d.arrived.Swap(nil); m != nil; {
		next := m.next
		d.waiting.insert(m)
		m = next
	}
}

// pollLocked makes all waiting magazines full, if every reader has reached the newest's
// goal. It polls if enough of them wait, or with force.
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
}

// ready makes full what waits for the goal of a tick, or for an earlier one, and returns the
// goal. The tick is over.
func (d *depot) ready(t *tick) smr.Seq {
	d.mu.Lock()
	defer d.mu.Unlock()
	goal := t.goal
	t.next, d.ticks = d.ticks, t
	d.arriveLocked()
	d.readyLocked(goal)
	return goal
}

// readyAll makes full all that waits: no reader is left.
func (d *depot) readyAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.arriveLocked()
	if d.waiting.n > 0 {
		d.readyLocked(d.waiting.newest.goal)
	}
}

// readyLocked makes full what waits for a goal that every reader has reached, or for an
// earlier one. There may be more full magazines then than are kept, until the next tick or trim.
func (d *depot) readyLocked(goal smr.Seq) {
	for d.waiting.n > 0 && !goal.Before(d.waiting.oldest.goal) {
		m := d.waiting.pop()
		d.s.check.poison(m)
		d.s.readied.Add(uint64(m.n))
		d.full.push(m)
	}
	d.pollAt = min(d.pollAt, d.waiting.n+pollEvery)
}

// takeExcess returns a full magazine beyond those that are kept, or with all any; nil if
// there is none.
func (d *depot) takeExcess(all bool) *magazine {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !all && d.full.n <= d.mostFullLocked() {
		return nil
	}
	return d.full.pop()
}

// nFull returns how many full magazines there are.
func (d *depot) nFull() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.full.n
}

// setBypass has the depot keep nothing full, or as usual.
func (d *depot) setBypass(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bypass = on
}

// close has the depot give out nothing from now on, and keep nothing full.
func (d *depot) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}
