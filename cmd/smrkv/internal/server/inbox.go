package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"
	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
)

// An inbox has the messages that publishers have accepted for a subscriber, and that its
// connection has not taken yet. Publishers push, without a lock; the connection takes all.
//
//	newest ─▶ delivery ─▶ delivery ─▶ empty        pushed last, ..., pushed first
//
// An empty inbox has one that is nobody's message at its end. By it a publisher notices that
// the subscriber has left the channel meanwhile: the connection marks the subscription as
// over, and only then takes what there is, and leaves another empty one. A publisher
// loads newest, then looks whether the subscription is over, then swaps newest. Either its
// swap comes before the connection's, and the message is taken before the reply to
// UNSUBSCRIBE; or it fails, for newest can't be what it was again; or newest was loaded
// later, and then the subscription was over. So no message comes after the reply, and what
// is counted as received comes before.
//
// The same holds for a connection that ends (close): a publisher's swap comes before, and the
// message is lost with the connection; or it fails, and the message is not counted.
//
// The publisher that finds the inbox empty wakes the connection, after its section. A wake may
// come late, when the connection has taken the message for another reason, or has ended: then
// it finds nothing to do.
//
// The first publisher that finds more than a limit allows sets full, and then ends the
// connection, after its section. Until the connection has closed the inbox the others find full, or that
// it was killed,
// and push nothing: what is kept exceeds the limit by no more than a message of each publisher.
type inbox struct {
	c *conn

	// newest is swapped by publishers (push), and by the connection (take, leave, close). A
	// delivery is complete before it is there; after that only the connection writes to it.
	newest atomic.Pointer[delivery]

	empty *delivery // belongs to the connection: newest, when there is no message

	taken     atomic.Int64 // bytes that were taken and are not written; by the connection, read by publishers
	slowSince atomic.Int64 // when more than the soft limit was found, in Unix nanoseconds; 0: not so
	full      atomic.Bool  // more than a limit was found: the connection ends; by publishers

	mu      sync.Mutex // held for an account of the budget only, in no section
	charged int
	closed  bool
}

// A delivery is a message in an inbox.
type delivery struct {
	frame []byte    // a reply without its first byte; shared by all inboxes; nil: of no message
	bytes int64     // of it and those before
	next  *delivery // the one before
}

const (
	// deliveryOverhead is about what a message takes in an inbox beside its bytes.
	deliveryOverhead = 48

	// chargedStep is in which steps an inbox is charged, so that one that is read is not.
	chargedStep = buffer.Base
)

var closedInbox = new(delivery) // newest, when the connection has ended

func (b *inbox) init(c *conn) {
	b.c, b.empty = c, new(delivery)
	b.newest.Store(b.empty)
}

// What became of a message.
type outcome int

const (
	refused  outcome = 0
	accepted outcome = 1 << iota
	toWake           // the inbox was empty
	toCharge         // it has grown by a step
	toClose          // it is full: refused as well
	toWatch          // it is over the soft limit
)

// post gives the message to r's subscriber. It does not wait.
func (b *inbox) post(r *subscription, frame []byte, limit *outputLimit) outcome {
	d := &delivery{frame: frame}
	for {
		taken := b.taken.Load() // before newest: what is taken meanwhile must not count twice
		h, ok := b.open(r)
		if !ok {
			return refused
		}
		d.next, d.bytes = h, h.bytes+int64(len(frame)+deliveryOverhead)
		if b.exceeds(limit, d.bytes+taken) {
			if b.full.CompareAndSwap(false, true) {
				return toClose
			}
			return refused
		}
		if !b.push(h, d) {
			continue
		}
		o := accepted
		if h.frame == nil {
			o |= toWake
		}
		if h.bytes/chargedStep != d.bytes/chargedStep {
			o |= toCharge
		}
		if b.slowSince.Load() != 0 {
			o |= toWatch
		}
		return o
	}
}

// open returns what push is to push on, unless the subscription is over.
func (b *inbox) open(r *subscription) (h *delivery, ok bool) {
	h = b.newest.Load() // before over
	return h, h != closedInbox && !r.over.Load() && !b.full.Load() && !b.c.shared.killed.Load()
}

func (b *inbox) push(h, d *delivery) bool { return b.newest.CompareAndSwap(h, d) }

// exceeds reports whether so many bytes are too many, or have been for too long.
func (b *inbox) exceeds(limit *outputLimit, n int64) bool {
	switch {
	case limit.hard > 0 && n > limit.hard:
		return true
	case limit.soft == 0 || n <= limit.soft:
		b.clearSlow()
		return false
	}
	now := time.Now().UnixNano()
	if b.slowSince.CompareAndSwap(0, now) {
		return false
	}
	since := b.slowSince.Load()
	return since != 0 && now-since > limit.seconds*int64(time.Second)
}

func (b *inbox) clearSlow() {
	if b.slowSince.Load() != 0 {
		b.slowSince.Store(0)
	}
}

// cut ends the connection of an inbox that is full.
func (b *inbox) cut() {
	b.c.srv.stats.outputLimit.Add(1)
	b.c.kill()
}

// watch looks at a slow inbox while nothing is published to it. It reports whether it is still one.
// (That it is since when may be wrong: a publisher may say so after the connection has taken all.)
func (b *inbox) watch(limit *outputLimit) (slow bool) {
	taken := b.taken.Load() // before newest, as in post
	newest := b.newest.Load()
	if newest == closedInbox || b.full.Load() {
		return false
	}
	if b.exceeds(limit, newest.bytes+taken) && b.full.CompareAndSwap(false, true) {
		b.cut()
	}
	return b.slowSince.Load() != 0
}

// pending reports whether there is a message to take.
func (b *inbox) pending() bool { return b.newest.Load().frame != nil }

// take returns the messages, the first one first. It is the connection's, as are leave and close.
func (b *inbox) take() (first *delivery) {
	if !b.pending() {
		return nil
	}
	return b.takeFor(b.empty)
}

// leave is take, after a subscription was marked as over.
func (b *inbox) leave() (first *delivery) {
	b.empty = new(delivery)
	return b.takeFor(b.empty)
}

func (b *inbox) takeFor(empty *delivery) (first *delivery) {
	d := b.newest.Swap(empty)
	b.taken.Add(d.bytes)
	for d.frame != nil {
		next := d.next
		d.next = first
		first, d = d, next
	}
	return first
}

// wrote says that a message that was taken is written.
func (b *inbox) wrote(d *delivery) { b.taken.Add(-int64(len(d.frame) + deliveryOverhead)) }

// settle charges to the client what the inbox has, in steps. It may be called by any
// goroutine: the last one to call it sees what is there.
func (b *inbox) settle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := b.taken.Load() // before newest, as in post
	want := int(b.newest.Load().bytes+taken) / chargedStep * chargedStep
	if b.closed {
		want = 0
	}
	if want > b.charged {
		b.c.mem.Queries.Take(want - b.charged) // it may end this connection, or a larger one
	} else {
		b.c.mem.Queries.Release(b.charged - want)
	}
	b.charged = want
}

// close refuses what comes, and forgets what there is.
func (b *inbox) close() {
	b.newest.Store(closedInbox)
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.settle()
}

// deliver appends the messages there are to the output. It may wait for the client, as all
// output may. It does nothing after QUIT, nor within EXEC, so that they come after the reply; but where
// EXEC unsubscribes they come within, before the reply to that, as all of them do with Redis 7.0.
func (c *conn) deliver() {
	if c.sub != nil && !c.out.holding && !c.closing {
		c.deliverAll(c.sub.take())
	}
}

func (c *conn) deliverAll(list *delivery) {
	b := &c.sub.inbox
	if list == nil {
		return
	}
	defer c.endPush(c.beginPush())
	b.settle()
	for d := list; d != nil && !c.broken && c.goOn(); d = d.next {
		c.frame(d.frame)
		b.wrote(d)
	}
	if soft := c.srv.settings.pubsubLimit().soft; b.newest.Load().bytes+b.taken.Load() <= soft {
		b.clearSlow()
	}
	b.settle()
}

// frame appends a message: an array, or in RESP3 a push, which differ in the first byte.
func (c *conn) frame(frame []byte) {
	kind := c.pushKind()
	if frame[0] == '+' { // of MONITOR: a line, in both protocols
		kind, frame = '+', frame[1:]
	}
	switch {
	case !c.reserve(1 + len(frame)): // within EXEC: a message must not be lost
		c.kill()
	case len(frame) < buffer.Base:
		c.room(1 + len(frame))
		c.out.b = append(append(c.out.b, kind), frame...)
	default:
		c.room(1)
		c.out.b = append(c.out.b, kind)
		c.raw(frame)
	}
}

func (c *conn) pushKind() byte {
	if c.protocol() == resp.RESP3 {
		return '>'
	}
	return '*'
}
