package smr

import (
	"unsafe"

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
// While open, it is written by the owner of its slot. Handed over, it
// belongs to the stage that holds it; the hand-overs (compare-and-swap on the
// slot or the stack, reclaimer.mu) order the plain fields.
type chunk struct {
	entries []entry // of fixed length; [n:] are zero
	n       int     // entries made
	done    int     // entries whose callbacks were started; the worker's
	bytes   int64   // sum of the sizes, but for
	large   int64   // units of largeSize, in a chunk of one call
	counted bool    // bytes are in reclaimer.handedOver

	goal   Seq    // set as it is handed over
	ticket uint64 // place in the order of intake

	home  *callSlot // where the empty chunk goes back to; nil: nowhere
	next  *chunk    // in the inbox, waiting, ready, or a spare list
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
	head satomic.Pointer[chunk]
	n    satomic.Int32 // about how many
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

// install puts an empty chunk into the slot and returns it, or closedChunk if the
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
		return closedChunk
	}
	return c
}

// giveBack returns an empty chunk to its slot for reuse.
func (c *chunk) giveBack() {
	if c.home == nil || c.home.returned.n.Add(1) > maxSpare {
		return
	}
	c.n, c.done, c.bytes, c.counted = 0, 0, 0, false
	pushChunk(&c.home.returned.head, c)
}

// pushChunk pushes a chunk to a stack that is only pushed to and taken whole.
func pushChunk(stack *satomic.Pointer[chunk], c *chunk) {
	for {
		head := stack.Load()
		c.next = head
		if stack.CompareAndSwap(head, c) {
			return
		}
	}
}

// A chunkStack is a stack of chunks: pushed by callers without a lock, taken
// whole under reclaimer.mu.
type chunkStack struct{ head satomic.Pointer[chunk] }

func (s *chunkStack) push(c *chunk) { pushChunk(&s.head, c) }

// takeAll empties the stack and returns the chunks in the order of pushing.
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

// full reports whether an open chunk is to be handed over.
func (c *chunk) full(d *Domain) bool {
	return c.n >= len(c.entries) || c.bytes >= int64(d.opts.ChunkBytes)
}

// handOverOpen hands the open chunk of the locked slot to the reclaimer, unless a drain
// took it first. It counts the chunk either way, so that the caller's next Throttle does
// not miss it.
func (d *Domain) handOverOpen(sl *callSlot, c *chunk) {
	d.count(c)
	if sl.Value.CompareAndSwap(c, nil) {
		d.handOver(c, d.clk.DeferredAdvance())
	}
}

// handOver hands a chunk that is in no slot to the reclaimer, with a goal that covers all
// its entries.
func (d *Domain) handOver(c *chunk, goal Seq) {
	d.count(c)
	c.goal = goal
	d.reclaim.inbox.push(c)
}

// count adds the chunk to handedOver, once. No entry is appended after that.
func (d *Domain) count(c *chunk) {
	if !c.counted {
		c.counted = true
		d.reclaim.handedOver.Add(c.bytes)
	}
}
