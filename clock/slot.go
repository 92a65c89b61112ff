package clock

import (
	"unsafe"

	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
)

// A slot holds the trackers of one processor. Only a goroutine that has the
// processor to itself claims one of them, so that claiming needs no atomic
// instruction; any goroutine may free one, wherever it has got to, by storing 0
// to it. Nothing is handed back, so leaving does not need the processor at all.
//
//	slot ── cur ─────────────┐  where the next entry looks first
//	  │                      ▼
//	  └─ all ─▶ [rec] ─▶ [rec] ─▶ [rec] ─▶ nil    (next; newest first)
//
// An entry takes cur when that is idle, which it is unless the last section
// here is still open. Otherwise it walks the list from cur on to an idle one, and
// if every record is taken, doubles the list. It also doubles the list when
// walks have become long, more than maxWalk records each on the average: that
// is when few idle records are left, far apart. After that half the records are
// idle and in a row. So the number of trackers follows the number of sections
// open at once, and an entry looks at maxWalk at the most on the average.
//
// Rejected: a list of free trackers per processor, popped on entry and pushed
// on leaving. It needs a second pin to push, lets trackers pile up on
// processors where goroutines end up, and so needs a global list to spill to.
//
// Where pcpu.Exclusive is false a slot is a stripe and its records are claimed
// by compare-and-swap, which is then also the entry's fence.
type slot struct {
	cur relacq.Pointer[Record] // written by the processor; a hint
	all atomic.Pointer[Record] // head of the list; only pushed to
	n   atomic.Int32           // length of the list
	id  int32

	// credit is how many records walks may look at before the list must grow:
	// maxWalk more with each search. Written like cur.
	credit relacq.Uint64
}

// paddedSlot keeps the slot's words and each tracker on lines of their own.
type paddedSlot struct {
	slot
	_ [pcpu.Stride - unsafe.Sizeof(slot{})%pcpu.Stride]byte

	first [maxFirst]Record
}

// maxFirst is how many trackers a slot has room for from the start: one for a
// section and one nested in it. Each costs the poller a line to look at, so where
// slots are stripes, and many, only one is used.
const maxFirst = 2

func firstRecords() int {
	if pcpu.Exclusive {
		return maxFirst
	}
	return 1
}

// maxGrowth bounds how many trackers are added at a time; maxWalk is how many
// an entry may look at on the average.
const (
	maxGrowth = 4096
	maxWalk   = 64
)

func (c *Clock) newSlot(id int) *slot {
	sl := new(paddedSlot)
	sl.id = int32(id)
	c.link(&sl.slot, sl.first[:firstRecords()])
	sl.cur.Store(&sl.first[0])
	return &sl.slot
}

// link initializes records and pushes them to the slot's list.
func (c *Clock) link(sl *slot, recs []Record) {
	for i := range recs {
		recs[i].init(c, Tracker, int(sl.id))
		if i > 0 {
			recs[i-1].next = &recs[i]
		}
	}
	for {
		head := sl.all.Load()
		recs[len(recs)-1].next = head
		if sl.all.CompareAndSwap(head, &recs[0]) {
			sl.n.Add(int32(len(recs)))
			return
		}
	}
}

// search claims any idle record of the slot, or a new one.
func (sl *slot) search(c *Clock, word uint64) *Record {
	n := sl.n.Load()
	r := sl.cur.Load()
	credit := min(sl.credit.Load()+maxWalk, maxWalk*uint64(n))
	for walked := range min(uint64(n), credit) {
		if r = r.next; r == nil {
			r = sl.all.Load()
		}
		if r.seq.Load() == 0 && r.claim(word) {
			sl.cur.Store(r)
			sl.credit.Store(credit - walked)
			return r
		}
	}
	sl.credit.Store(0)
	recs := make([]Record, min(n, maxGrowth))
	recs[0].seq.Store(word)
	c.link(sl, recs)
	sl.cur.Store(&recs[0])
	return &recs[0]
}
