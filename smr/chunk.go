package smr

import (
	"unsafe"

	"github.com/gosmr/gosmr/internal/held"
	"github.com/gosmr/gosmr/internal/owned"
	"github.com/gosmr/gosmr/internal/relacq"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
)

// A deferred call goes this way:
//
//	 Call                hand over             intake      grace period   worker
//	──────▶ open chunk ────────────▶ inbox ─────────▶ waiting ──────▶ ready ──▶ run
//	        (its processor's)        (lock-free push) (by goal, under reclaimer.mu)
//
// One stage at a time owns a chunk. A call whose object is held leaves its chunk before it runs: see
// hold_park.go.

// An entry is one deferred call. fn is the caller's func(*T), unconverted: a *T is passed like any
// pointer, so no closure is needed.
type entry struct {
	fn  func(unsafe.Pointer)
	obj unsafe.Pointer
}

// A chunk is a batch of deferred calls that share a goal. While it is open, the owner of its slot
// writes to it; then the stage that holds it. The steps between stages (compare-and-swap on the
// slot and on the inbox, reclaimer.mu) order the plain fields.
type chunk struct {
	entries []entry // of fixed length; [n:] are zero
	n       int     // number of entries
	bytes   int64   // sum of the sizes, less those in large
	each    int64   // the size of each entry or, once they differ, -1: then sizes has them
	done    int     // number of callbacks started; the worker's
	large   int64   // units of largeSize; only in a chunk of one call
	counted bool    // bytes are in reclaimer.handedOver
	sizes   []uint32

	goal   Seq    // set when it is handed over
	ticket uint64 // place in the order of intake
	parked bool   // it is, or was, in parking; then it is in outParked

	// For Diagnose; guarded by reclaimer.mu. since is when it came into waiting or ready, or to its
	// worker, by Domain.age; ready is when it came into ready; run is what that worker runs of it.
	since, ready int64
	run          amount

	held *held.Set // what was held when the goal had been reached; nil: nothing, or known to the worker

	home  *callSlot // takes the empty chunk back; nil: none
	next  *chunk    // in the inbox, waiting, ready, or a list of empty chunks
	newer *chunk    // by ticket, from intake until finished
	older *chunk
}

// A callSlot is one processor's end of the queue of deferred calls. The pads keep what the
// processor writes and what workers write on different cache lines.
type callSlot struct {
	ownedCalls
	_ [pcpu.Stride - unsafe.Sizeof(ownedCalls{})%pcpu.Stride]byte

	returned returnedChunks
	_        [pcpu.Stride - unsafe.Sizeof(returnedChunks{})%pcpu.Stride]byte
}

// ownedCalls is the part of a callSlot that its owner writes. The Slot's value is the open chunk:
// the owner appends to it, drain revokes it.
type ownedCalls struct {
	owned.Slot[chunk]

	// called and calledBytes only grow. Written by the owner, read by Throttle and Stats.
	called      relacq.Uint64
	calledBytes relacq.Uint64

	empty *chunk // chunks for reuse; the owner's
}

// returnedChunks holds empty chunks that workers return and the slot's owner takes.
type returnedChunks struct {
	chunkStack
	n satomic.Int32 // roughly how many
}

// maxReturned bounds how many empty chunks workers return to a slot.
const maxReturned = 32

// An amount is a number of calls, and of their bytes.
type amount struct{ calls, bytes int64 }

func (a *amount) add(b amount) { a.calls, a.bytes = a.calls+b.calls, a.bytes+b.bytes }
func (a *amount) sub(b amount) { a.calls, a.bytes = a.calls-b.calls, a.bytes-b.bytes }

// amount returns what the chunk has. The stage that holds it calls it.
func (c *chunk) amount() amount { return amount{int64(c.n), c.bytes + c.large*largeSize} }

// closedChunk is the value of every slot of a closed domain. It has no room, which sends a call
// from the fast path to callSlow.
var closedChunk = new(chunk)

// newChunk returns an empty chunk that goes back to home after use.
func (d *Domain) newChunk(home *callSlot) *chunk {
	return &chunk{entries: make([]entry, d.opts.ChunkCalls), home: home}
}

// noteSize records a size, below largeSize, other than c.each for the next entry of an open chunk.
//
// Rejected: to store each size. It costs Call a tenth, for what only parkHeld reads.
//
//go:noinline
func (c *chunk) noteSize(size int) {
	if c.n == 0 {
		c.each = int64(size)
		return
	}
	if c.each >= 0 {
		if c.sizes == nil {
			c.sizes = make([]uint32, len(c.entries))
		}
		for i := range c.n {
			c.sizes[i] = uint32(c.each)
		}
		c.each = -1
	}
	c.sizes[c.n] = uint32(size)
}

// install puts an empty chunk into the slot, which is locked and has none, and returns it, or
// closedChunk if the domain was closed.
func (sl *callSlot) install(d *Domain) *chunk {
	c := sl.empty
	if c == nil {
		c = sl.returned.head.Swap(nil)
		sl.returned.n.Store(0)
	}
	if c == nil {
		c = d.newChunk(sl)
	}
	sl.empty = c.next
	c.next = nil
	if !sl.Value.CompareAndSwap(nil, c) {
		c.next, sl.empty = sl.empty, c
		return closedChunk
	}
	return c
}

// giveBack returns a chunk whose callbacks have run to its slot, for reuse.
func (c *chunk) giveBack() {
	if c.home == nil || c.home.returned.n.Add(1) > maxReturned {
		return
	}
	c.n, c.done, c.bytes, c.counted = 0, 0, 0, false
	c.home.returned.push(c)
}

// A chunkStack is a lock-free stack of chunks. It is taken whole: without a pop there is no ABA
// problem.
type chunkStack struct{ head satomic.Pointer[chunk] }

func (s *chunkStack) push(c *chunk) {
	for {
		head := s.head.Load()
		c.next = head
		if s.head.CompareAndSwap(head, c) {
			return
		}
	}
}

// takeAll empties the stack and returns the chunks, oldest first.
func (s *chunkStack) takeAll() *chunk {
	var oldest *chunk
	for c := s.head.Swap(nil); c != nil; {
		next := c.next
		c.next = oldest
		oldest, c = c, next
	}
	return oldest
}

func (s *chunkStack) empty() bool { return s.head.Load() == nil }

// full reports whether the open chunk c must be handed over.
func (c *chunk) full(d *Domain) bool {
	return c.n >= len(c.entries) || c.bytes >= int64(d.opts.ChunkBytes)
}

// handOverOpen hands the open chunk of the locked slot to the reclaimer, unless a drain took it
// first. It counts the chunk either way, so that the caller's next Throttle sees it.
func (d *Domain) handOverOpen(sl *callSlot, c *chunk) {
	d.count(c)
	if sl.Value.CompareAndSwap(c, nil) {
		d.handOver(c, d.clk.DeferredAdvance())
	}
}

// handOver hands a chunk that is in no slot to the reclaimer. goal covers all its entries.
func (d *Domain) handOver(c *chunk, goal Seq) {
	d.count(c)
	c.goal = goal
	d.reclaim.inbox.push(c)
}

// count adds the chunk's bytes to handedOver, once. No entry is appended afterwards.
func (d *Domain) count(c *chunk) {
	if !c.counted {
		c.counted = true
		d.reclaim.handedOver.Add(c.bytes)
	}
}
