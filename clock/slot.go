package clock

import (
	"unsafe"

	"github.com/gosmr/gosmr/internal/relacq"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
)

// A slot holds the trackers of one processor. Only a goroutine pinned to the processor claims one,
// so a claim needs no atomic instruction. Any goroutine, on any processor, frees one by storing 0
// to it.
//
//	slot ── cur ─────────────┐  where the next entry begins
//	  │                      ▼
//	  └─ all ─▶ [rec] ─▶ [rec] ─▶ [rec] ─▶ nil    (next; newest first)
//
// An entry takes cur if it is idle: it is, unless the last section here is still open. Otherwise
// the entry walks the list from cur to an idle record. If every record is taken, or if walks
// average more than maxWalk records because few are idle and far apart, it doubles the list. Then
// half the records are idle, and in a row. If scans keep finding most of them idle, the slot
// shrinks: see shrink.go. So the number of trackers follows the number of sections open at once, and
// an entry visits at most maxWalk records on average.
//
// Rejected: a list of free trackers for each processor, popped on entry and pushed on leaving. A
// push needs a second pin, and trackers pile up where sections are left, which takes a global list.
//
// Where pcpu.Exclusive is false a slot is a stripe. Its records are claimed by compare-and-swap,
// which is then the entry's fence.
type slot struct {
	// cur is where to begin. Stored and loaded on the processor. A scan stores closedRecord, to ask
	// for a shrink; in vain if the processor stores another at the same time.
	cur relacq.Pointer[Record]

	all  link           // head of the list; swapped on the processor, loaded by scans
	last *Record        // end of the list, which is never given back; constant
	n    satomic.Int32  // length of the list; changed and loaded on the processor
	idle satomic.Uint32 // scans in a row that found most of the list idle; changed by scans and shrink
	id   int32

	shrinkAt relacq.Pointer[link] // where the next shrink begins; stored and loaded like cur

	// walkBudget is how many records walks may visit before the list grows. Each search adds
	// maxWalk. Stored and loaded like cur.
	walkBudget relacq.Uint64
}

// paddedSlot keeps the slot's words and each tracker on lines of their own.
type paddedSlot struct {
	slot
	_ [pcpu.Stride - unsafe.Sizeof(slot{})%pcpu.Stride]byte

	first [maxFirst]Record
}

// maxFirst is how many trackers a slot has from the start: one for a section and one for a section
// nested in it.
const maxFirst = 2

// firstRecords is how many of them are used. Each costs a poller a cache line, so a stripe, of
// which there are many, uses only one.
func firstRecords() int {
	if pcpu.Exclusive {
		return maxFirst
	}
	return 1
}

// maxGrowth bounds how many trackers are added at a time; maxWalk is how many an entry may visit on
// average.
const (
	maxGrowth = 4096
	maxWalk   = 64
)

func (c *Clock) newSlot(id int) *slot {
	sl := new(paddedSlot)
	sl.id = int32(id)
	n := firstRecords()
	for i := range n {
		sl.first[i].initTracker(c, id, i)
		if i > 0 {
			sl.first[i-1].next.StorePrivate(&sl.first[i])
		}
	}
	sl.last = &sl.first[n-1]
	sl.link(&sl.first[0], sl.last, n)
	sl.cur.Store(sl.last)
	sl.shrinkAt.Store(&sl.all)
	return &sl.slot
}

// link pushes n linked trackers to the slot's list. They count before they are in it: a shrink that
// runs meanwhile does not retire more than count.
func (sl *slot) link(first, last *Record, n int) {
	sl.n.Add(int32(n))
	for {
		head := sl.all.Load()
		last.next.StorePrivate(head)
		if sl.all.CompareAndSwap(head, first) {
			return
		}
	}
}

// grow adds n trackers, and returns the first, which holds word.
//
// Each is an object of its own. Of an array, one tracker that stays would keep them all, and with
// the retired ones what those led to when they were retired: all bursts before.
func (sl *slot) grow(c *Clock, n int, word uint64) *Record {
	place := int(sl.n.Load())
	first := sl.newTracker(c, place)
	first.seq.Store(word)
	last := first
	for i := range n - 1 {
		r := sl.newTracker(c, place+1+i)
		last.next.StorePrivate(r)
		last = r
	}
	sl.link(first, last, n)
	return first
}

func (sl *slot) newTracker(c *Clock, place int) *Record {
	r := new(Record)
	r.initTracker(c, int(sl.id), place)
	return r
}

// search claims an idle record of the slot, or a new one. The caller is pinned.
func (sl *slot) search(c *Clock, word uint64) *Record {
	r := sl.cur.Load()
	if r == closedRecord { // a scan asks for it
		sl.shrink()
		r = sl.last
	}
	n := sl.n.Load()
	budget := min(sl.walkBudget.Load()+maxWalk, maxWalk*uint64(n))
	for walked := range min(uint64(n), budget) {
		if r = r.next.Load(); r == nil {
			r = sl.all.Load()
		}
		if r.seq.Load() == 0 && r.claim(word) {
			sl.cur.Store(r)
			sl.walkBudget.Store(budget - walked)
			return r
		}
	}
	sl.walkBudget.Store(0)
	r = sl.grow(c, int(min(n, maxGrowth)), word)
	sl.cur.Store(r)
	return r
}
