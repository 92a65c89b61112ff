package slab

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"runtime"
	"time"
	"unsafe"

	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/internal/pinned"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
	"github.com/gosmr/gosmr/smr"
)

// Quarantine has a pool find uses of freed objects in production, by sampling: one Get in OneIn
// hands out an object that lies alone in pages of its own. Once it is freed, or retired and past its
// grace period, its pages can't be touched for a while. A stray read or write faults where it
// happens, and [Explain] tells about the object: where it was gotten, and given back. A second Free
// or Retire of it panics and says the same. The zero Quarantine is off, and costs nothing.
//
// Objects on the Go heap (see [Pool.OffHeap]) are not sampled. Where the system can't protect pages,
// and under the race detector, a sample is poisoned instead, and what wrote to it is reported by
// log/slog when its time is over.
//
// Nothing runs in the background: a sample whose time is over stays until its pages are needed.
// Each takes addresses, and 700 bytes of the Go heap. In the [Budget] it counts with whole pages, until
// it can't be touched: then it has no memory. Close gives all of it back, the addresses once the pool
// is unreachable.
type Quarantine struct {
	// OneIn is how many Gets there are to a sample, on average. 1: each is one. 0: off.
	OneIn int

	// For is how long a sample is kept at least. Default: a minute.
	For time.Duration

	// MaxBytes bounds the addresses of samples, in use and kept, whole pages each. While they are
	// used up no more samples are taken; so it bounds the cost, too. At most 64 MiB; more counts as
	// that. Default: 4 MiB. The samples of all pools together are bounded as well, since each page
	// may become a mapping: by a quarter of those that the system permits a process (on Linux
	// vm.max_map_count; by default that is 64 MiB of pages).
	MaxBytes int64
}

const (
	defaultFor    = time.Minute
	defaultRegion = 4 << 20
	maxRegion     = 64 << 20
)

// normalize panics if a field is negative.
func (o Quarantine) normalize() Quarantine {
	if o.OneIn < 0 || o.For < 0 || o.MaxBytes < 0 {
		panic(fmt.Sprintf("slab: negative Quarantine: %+v", o))
	}
	if o.For == 0 {
		o.For = defaultFor
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultRegion
	}
	page := int64(pages.PageSize)
	o.MaxBytes = max(min(o.MaxBytes, maxRegion)/page, 1) * page
	o.OneIn = min(o.OneIn, math.MaxInt32)
	return o
}

// A quarantine has the samples of a Pool or Blocks: objects in use, given back and waiting for
// readers, or kept. It is one range of addresses, so that Free and Retire know a sample by its own.
//
//	         take          given            end               expire, or close
//	over ──────────▶ inUse ─────▶ waiting ──────────▶ kept ───────────────────▶ over
//	(its pages are      (open)        for readers       (shut, else poisoned)
//	 taken again)                     if there may be
type quarantine struct {
	o        Quarantine
	name     string
	budget   *Budget
	stable   bool // readers may hold an object that was freed; all above are constant
	guard    *pages.Guard
	base     uintptr // of guard
	readable bool

	// moving is held while pages are opened, shut, or searched for: a leaf of the order of locks,
	// but for mu. Free, Get, callbacks and Close take it; Retire does not.
	moving ssync.Mutex
	sealed bool      // no more samples are taken; guarded by moving
	gone   bool      // the guard was cleared; guarded by moving
	open   int       // samples that are kept and not shut; guarded by moving
	cursor int       // where the next search for pages begins; guarded by moving
	idle   time.Time // no pages are searched for before that; guarded by moving
	damage []string  // to be logged when moving is unlocked; guarded by moving

	mu             pinned.Lock // guards all below, and the samples' fields but for those that say otherwise
	at             []*sample   // by page: the last object that had it
	busy           int         // pages that are not over
	oldest, newest *sample     // that are kept
	nKept          int64
	keptBytes      int64
	reserved       int64 // bytes that count in the budget

	readers deferral[sample] // of samples that wait for them
}

// A sample is an object that is alone in its pages.
type sample struct {
	q        *quarantine
	s        *store // nil: a large block
	p        unsafe.Pointer
	size     uintptr // of the object
	first, n int     // pages; all above are constant

	state   sampleState
	retired bool // else freed
	shut    bool // else poisoned; of one that is kept
	gotten  trace
	given   trace
	kept    time.Time
	next    *sample // in quarantine.oldest
}

type sampleState int

const (
	sampleInUse sampleState = iota
	sampleWaiting
	sampleKept
	sampleOver
)

// newQuarantine returns nil if it is off, or the system has no addresses for it.
func newQuarantine(d *smr.Domain, o Options, stable bool) *quarantine {
	opts := o.Quarantine.normalize()
	if opts.OneIn == 0 {
		return nil
	}
	g, err := pages.NewGuard(uintptr(opts.MaxBytes), o.OptimisticReaders)
	if err != nil {
		slog.Warn("slab: a pool has no quarantine", "pool", o.Name, "error", err)
		return nil
	}
	q := &quarantine{
		o: opts, name: o.Name, budget: o.Budget, stable: stable, readable: o.OptimisticReaders,
		guard: g, base: uintptr(g.Base()), at: make([]*sample, uintptr(opts.MaxBytes)/pages.PageSize),
	}
	q.readers.init(d, (*sample).end, q.sampleAt)
	// The addresses are not another's as long as a store takes what is there for samples.
	runtime.AddCleanup(q, (*pages.Guard).End, g)
	quarantines.add(q)
	return q
}

// nextAfter returns the number of gets from which on the next is a sample, after n.
func (q *quarantine) nextAfter(n uint64) uint64 {
	if q == nil {
		return math.MaxUint64
	}
	return n + 1 + rand.Uint64N(2*uint64(q.o.OneIn)-1)
}

func (x *sample) bytes() int64 { return int64(x.n) * int64(pages.PageSize) }

// span returns the pages, as the guard's methods take them.
func (x *sample) span() (off, n uintptr) {
	return uintptr(x.first) * pages.PageSize, uintptr(x.n) * pages.PageSize
}

// take returns a sample in use, for an object of size bytes of s, nil if there is no room, or the
// budget has none. counted says that the caller has taken its bytes from the budget.
func (q *quarantine) take(s *store, size uintptr, counted bool) *sample {
	need := int((size + pages.PageSize - 1) / pages.PageSize)
	q.moving.Lock()
	defer q.unlock()
	now := time.Now()
	q.expireMoving(now)
	if q.sealed || q.busy+need > len(q.at) || now.Before(q.idle) { // busy grows with moving held
		return nil
	}
	x := &sample{q: q, s: s, size: size, n: need}
	if !q.findMoving(x) {
		q.idle = now.Add(searchPause)
		return nil
	}
	if !counted && q.budget.reserve(x.bytes()) != nil {
		return nil
	}
	off, n := x.span()
	if q.guard.Open(off, n) != nil {
		if !counted {
			q.budget.Release(x.bytes())
		}
		q.cursor = 0 // where pages were open before, which is less to ask for
		q.idle = now.Add(searchPause)
		return nil
	}
	x.p = unsafe.Add(q.guard.Base(), off)
	x.gotten.record()
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range x.n {
		q.at[x.first+i] = x
	}
	q.busy += x.n
	q.reserved += x.bytes()
	return x
}

// mostSearched bounds a search for pages, which holds up others, and searchPause how often it is
// done in vain: up to 100 us each.
const (
	mostSearched = 1 << 12
	searchPause  = 10 * time.Millisecond
)

// findMoving finds pages for x. It takes those that were over first, as far as it can.
func (q *quarantine) findMoving(x *sample) bool {
	run := 0
	for range min(len(q.at), mostSearched) + x.n {
		if q.cursor == len(q.at) {
			q.cursor, run = 0, 0
		}
		if old := q.at[q.cursor]; old == nil || old.over() {
			run++
		} else {
			run = 0
		}
		q.cursor++
		if run == x.n {
			x.first = q.cursor - x.n
			return true
		}
	}
	return false
}

// over reports whether the pages may be taken; they become so, and are taken, with moving held.
func (x *sample) over() bool {
	x.q.mu.Lock()
	defer x.q.mu.Unlock()
	return x.state == sampleOver
}

// given records that the object at p, of s, is given back. It panics if there is none in use. It
// does not block.
func (q *quarantine) given(s *store, p unsafe.Pointer, retired bool) *sample {
	var by trace
	by.record()
	q.mu.Lock()
	var x *sample
	if i := (uintptr(p) - q.base) / pages.PageSize; i < uintptr(len(q.at)) {
		x = q.at[i]
	}
	if x == nil || x.s != s || x.p != p || x.state != sampleInUse {
		q.mu.Unlock()
		what := "Free"
		if retired {
			what = "Retire"
		}
		panic(fmt.Sprintf("slab: %s: %s of %p, which is not the start of an object in use\n%s", q.name, what, p, q.explain(uintptr(p))))
	}
	x.state, x.retired, x.given = sampleWaiting, retired, by
	q.mu.Unlock()
	return x
}

// sampleAt returns the sample whose object is at p, nil if all was abandoned.
func (q *quarantine) sampleAt(p unsafe.Pointer) *sample {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.at == nil {
		return nil
	}
	return q.at[(uintptr(p)-q.base)/pages.PageSize]
}

// has reports whether addr is of the samples' memory.
func (q *quarantine) has(addr uintptr) bool {
	return q != nil && addr-q.base < uintptr(q.o.MaxBytes)
}

// end begins the time in quarantine of a sample that no reader can hold.
func (x *sample) end() {
	q := x.q
	q.moving.Lock()
	defer q.unlock()
	if q.gone { // abandoned
		return
	}
	if x.retired && x.s != nil {
		x.s.check.ended(x.p)
	}
	off, n := x.span()
	shut := q.guard.Shut(off, n)
	if shut {
		q.budget.Release(x.bytes())
	} else {
		poison(x.p, n)
		q.open++
	}
	now := time.Now()
	q.mu.Lock()
	x.state, x.kept, x.shut = sampleKept, now, shut
	if q.oldest == nil {
		q.oldest = x
	} else {
		q.newest.next = x
	}
	q.newest = x
	q.nKept++
	q.keptBytes += x.bytes()
	if shut {
		q.reserved -= x.bytes()
	}
	q.mu.Unlock()
	if x.retired && x.s != nil {
		x.s.readied.Add(1)
		x.s.outside.Add(-1)
		x.s.freed.tell()
	}
	q.expireMoving(now)
}

// expireMoving ends the quarantine of those whose time is over.
func (q *quarantine) expireMoving(now time.Time) {
	for q.oldest != nil && now.Sub(q.oldest.kept) >= q.o.For { // written with moving held
		q.dropMoving(q.oldest)
	}
}

// dropMoving ends the quarantine of the oldest sample. What wrote to one that could not be shut is
// found here.
func (q *quarantine) dropMoving(x *sample) {
	if x.s != nil {
		x.s.check.forget(x.p) // the next sample there may begin elsewhere
	}
	if !x.shut { // written with moving held
		q.open--
		off, n := x.span()
		if i := unpoisoned(x.p, n); i >= 0 {
			q.damage = append(q.damage, fmt.Sprintf("byte %d was written\n%s", i, q.explain(uintptr(x.p)+uintptr(i))))
		}
		q.guard.Wipe(off, n)
		q.budget.Release(x.bytes())
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.oldest = x.next; q.oldest == nil {
		q.newest = nil
	}
	x.next = nil
	x.state = sampleOver
	q.busy -= x.n
	q.nKept--
	q.keptBytes -= x.bytes()
	if !x.shut {
		q.reserved -= x.bytes()
	}
}

// unlock unlocks moving, and logs what was found meanwhile: by a goroutine, since the caller may hold
// a lock that a log's handler takes, if that uses the pool.
func (q *quarantine) unlock() {
	damage := q.damage
	q.damage = nil
	q.moving.Unlock()
	for _, text := range damage {
		go slog.Error("slab: an object was written after it was given back", "pool", q.name, "found", text)
	}
}

// trim gives back the memory of samples that could not be shut, before their time is over. It
// reports whether there were any.
func (q *quarantine) trim() (any bool) {
	if q == nil {
		return false
	}
	q.readers.poll()
	q.moving.Lock()
	defer q.unlock()
	for any = q.open > 0; q.open > 0; {
		q.dropMoving(q.oldest)
	}
	return any
}

// seal has no more samples taken.
func (q *quarantine) seal() {
	if q == nil {
		return
	}
	q.moving.Lock()
	defer q.unlock()
	q.sealed = true
}

// close gives all back that is not in use and has no readers, if the quarantine is sealed. It returns
// how many pages are left.
func (q *quarantine) close() (left int) {
	if q == nil {
		return 0
	}
	q.readers.poll()
	q.moving.Lock()
	defer q.unlock()
	if !q.sealed || q.gone {
		return 0
	}
	for q.oldest != nil {
		q.dropMoving(q.oldest)
	}
	if q.busy == 0 { // it does not grow any more
		q.endMoving()
	}
	return q.busy
}

// abandon gives all back, also what is in use. Calls of end that are still to come find nothing.
func (q *quarantine) abandon() {
	if q == nil {
		return
	}
	q.moving.Lock()
	defer q.unlock()
	q.endMoving()
}

func (q *quarantine) endMoving() {
	if q.gone {
		return
	}
	q.sealed, q.gone, q.open = true, true, 0
	quarantines.remove(q)
	for _, x := range q.at { // written with moving held
		if x != nil && x.s != nil {
			x.s.check.forget(x.p)
		}
	}
	q.mu.Lock()
	reserved := q.reserved
	q.at, q.oldest, q.newest = nil, nil, nil
	q.reserved, q.nKept, q.keptBytes = 0, 0, 0
	q.mu.Unlock()
	q.guard.Clear()
	q.budget.Release(reserved)
}

// addTo adds the samples to a pool's Stats.
func (q *quarantine) addTo(st *Stats) {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	st.Quarantined += q.nKept
	st.QuarantinedBytes += q.keptBytes
	st.ReservedBytes += q.reserved
}

// leaks returns how many samples of s are in use or wait for readers, and where they were gotten.
func (q *quarantine) leaks(s *store) (n int64, text string) {
	if q == nil {
		return 0, ""
	}
	q.mu.Lock()
	var found []*sample
	for _, x := range q.at {
		if x != nil && x.s == s && x.state <= sampleWaiting && (len(found) == 0 || found[len(found)-1] != x) {
			found = append(found, x)
		}
	}
	q.mu.Unlock()
	for i, x := range found {
		if i < maxLeaks {
			text += fmt.Sprintf("; %p, gotten%s", x.p, frames(x.gotten.stack())) // written before it was in use
		}
	}
	return int64(len(found)), text
}
