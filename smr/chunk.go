package smr

import (
	"unsafe"

	"github.com/gosmr/gosmr/internal/owned"
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
)

// A deferred call goes this way:
//
//	 Call                seal                  intake      grace period   worker
//	──────▶ open chunk ────────▶ sealed stack ────────▶ waiting ──────▶ ready ──▶ run
//	        (its processor's)    (lock-free push)       (by goal, under reclaimer.mu)
//
// A chunk is owned by one stage at a time; what moves it on is said where it
// happens.

// An entry is one deferred call. The function is the caller's func(*T) as it
// is: a pointer to T is passed like any pointer, so no closure is needed.
type entry struct {
	fn  func(unsafe.Pointer)
	obj unsafe.Pointer
}

// A chunk is a batch of deferred calls that share a goal.
//
// While open, it is written by the owner of its slot. Sealed, it
// belongs to the stage that holds it; the hand-overs (compare-and-swap on the
// slot or the stack, reclaimer.mu) order the plain fields.
type chunk struct {
	entries []entry // of fixed length; [n:] are zero
	n       int     // entries made
	done    int     // entries whose callbacks were started; the worker's
	bytes   int64   // sum of the sizes, but for
	large   int64   // units of largeSize, in a chunk of one call
	counted int64   // how much of bytes is in reclaimer.handedOver

	goal   Seq    // set at sealing
	ticket uint64 // place in the order of intake

	home  *callSlot // where the empty chunk goes back to; nil: nowhere
	next  *chunk    // in the sealed stack, waiting, ready, or a spare list
	newer *chunk    // by ticket, until finished
	older *chunk
}

// A callSlot is a processor's end of the queue of deferred calls. The value of the slot is
// the open chunk, to which its owner appends and which drain revokes.
type callSlot struct {
	owned.Slot[chunk]

	// called and calledBytes only grow. Written by the owner, read by Throttle and
	// Stats from anywhere.
	called      relacq.Uint64
	calledBytes relacq.Uint64

	spare *chunk // empty chunks; the owner's

	returned *returnedChunks
}

// returnedChunks is a stack of empty chunks from the workers: pushed one at a
// time, taken whole, so that the pop problem (ABA) does not arise.
type returnedChunks struct {
	head atomic.Pointer[chunk]
	n    atomic.Int32 // about how many
}

// paddedCallSlot keeps what the processor writes apart from what workers write.
type paddedCallSlot struct {
	callSlot
	_ [pcpu.Stride - unsafe.Sizeof(callSlot{})%pcpu.Stride]byte

	returned returnedChunks
	_        [pcpu.Stride - unsafe.Sizeof(returnedChunks{})%pcpu.Stride]byte
}

// maxSpare bounds how many empty chunks a slot keeps for reuse.
const maxSpare = 32

// closedChunk is in the slots of a closed domain: it has no room, so that a
// call that was on its way finds out.
var closedChunk = new(chunk)

func (d *Domain) newCallSlot(int) *callSlot {
	sl := new(paddedCallSlot)
	sl.callSlot.returned = &sl.returned
	return &sl.callSlot
}

func (d *Domain) newChunk(home *callSlot) *chunk {
	return &chunk{entries: make([]entry, d.opts.ChunkCalls), home: home}
}

// install puts an empty chunk into the slot and returns it, or nil if the
// domain closed the slot. The slot is locked and holds none.
func (sl *callSlot) install(d *Domain) *chunk {
	c := sl.spare
	if c == nil {
		c = sl.returned.head.Swap(nil)
		sl.returned.n.Store(0)
	}
	if c == nil {
		c = d.newChunk(sl)
	}
	sl.spare = c.next
	c.next = nil
	if !sl.Value.CompareAndSwap(nil, c) {
		c.next, sl.spare = sl.spare, c
		return nil
	}
	return c
}

// giveBack returns an empty chunk to its slot for reuse.
func (c *chunk) giveBack() {
	if c.home == nil || c.home.returned.n.Add(1) > maxSpare {
		return
	}
	c.n, c.done, c.bytes, c.counted = 0, 0, 0, 0
	pushChunk(&c.home.returned.head, c)
}

// pushChunk pushes a chunk to a stack that is only pushed to and taken whole.
func pushChunk(stack *atomic.Pointer[chunk], c *chunk) {
	for {
		head := stack.Load()
		c.next = head
		if stack.CompareAndSwap(head, c) {
			return
		}
	}
}

// sealedStack is a stack of chunks: pushed by callers without a lock, taken
// whole under reclaimer.mu.
type sealedStack struct{ head atomic.Pointer[chunk] }

func (s *sealedStack) push(c *chunk) { pushChunk(&s.head, c) }

// takeAll empties the stack and returns the chunks in the order of pushing.
func (s *sealedStack) takeAll() *chunk {
	var oldest *chunk
	for c := s.head.Swap(nil); c != nil; {
		next := c.next
		c.next = oldest
		oldest, c = c, next
	}
	return oldest
}

func (s *sealedStack) empty() bool { return s.head.Load() == nil }

// seal takes a full chunk out of the locked slot and hands it to the reclaimer,
// with a goal that covers all its entries. It does nothing if a drain took the
// chunk first.
func (d *Domain) seal(sl *callSlot, c *chunk) {
	// Counted before the swap, so that Throttle never misses them; and left so
	// if a drain has the chunk, which takes into account what is counted.
	d.count(c)
	if !sl.Value.CompareAndSwap(c, nil) {
		return
	}
	c.goal = d.clk.DeferredAdvance()
	d.reclaim.sealed.push(c)
}

// handOver hands a chunk that is in no slot to the reclaimer.
func (d *Domain) handOver(c *chunk, goal Seq) {
	d.count(c)
	c.goal = goal
	d.reclaim.sealed.push(c)
}

// full reports whether an open chunk is to be sealed.
func (c *chunk) full(d *Domain) bool {
	return c.n >= len(c.entries) || c.bytes >= int64(d.opts.ChunkBytes)
}

// count adds to handedOver what of the chunk is not in it yet.
func (d *Domain) count(c *chunk) {
	d.reclaim.handedOver.Add(c.bytes - c.counted)
	c.counted = c.bytes
}
