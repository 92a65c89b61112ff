package buffer

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// A Budget bounds the bytes that all clients together hold, for what they have sent and
// what they do not read.
//
// Room is asked for in two ways. Try does not wait. It is for queries: where there is no
// room the largest client is disconnected, as Redis does, so that nobody waits for anybody
// else's client to finish its command. Acquire waits, for others who have acquired
// room: for replies, which are given back after one write that has a deadline. If none
// has, it gets its room whatever the limit is: one reply at a time gets through.
//
// What a client holds that is being disconnected does not count any more. A client that is
// spared stays as long as disconnecting others makes room: the limit holds for all.
type Budget struct {
	mu      sync.Mutex
	limit   int64
	used    int64
	doomed  int64 // of used: by clients that are being disconnected
	lent    int64 // of used: acquired, or tried by who might have
	waiters []*waiter
	holders map[*Client]struct{} // those that hold something
	evicted int64
}

// A Client is one of those that share a budget.
type Client struct {
	Queries, Replies Account

	budget *Budget
	cut    func()

	// Guarded by budget.mu.
	held   int64
	spared bool
	doomed bool
}

// An Account is a client's use of the budget for one purpose. All its methods may be called by any
// number of goroutines.
type Account struct {
	client *Client
	lends  bool
}

type waiter struct {
	client *Client
	n      int64
	ready  chan struct{}
	failed bool // written before ready is closed
}

// ErrDisconnected is returned to a client that waits for room, and was disconnected for it.
var ErrDisconnected = errors.New("buffer: the client was disconnected")

// NewBudget returns a budget of limit bytes.
func NewBudget(limit int64) *Budget {
	return &Budget{limit: limit, holders: make(map[*Client]struct{})}
}

// Init makes c a client of b. cut is called when it is to be disconnected; it may be called by
// any goroutine, with no lock held, and must not wait.
func (c *Client) Init(b *Budget, cut func()) {
	c.budget, c.cut = b, cut
	c.Queries = Account{c, false}
	c.Replies = Account{c, true}
}

// Limit returns the bound.
func (b *Budget) Limit() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.limit
}

// SetLimit changes the bound. The largest clients are disconnected until the others are
// within it.
func (b *Budget) SetLimit(limit int64) {
	b.mu.Lock()
	b.limit = limit
	cut := b.makeRoomLocked(0, nil)
	b.wakeLocked()
	b.mu.Unlock()
	disconnect(cut)
}

// Used returns how many bytes are held, for queries and for replies.
func (b *Budget) Used() (queries, replies int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used - b.lent, b.lent
}

// Evicted returns how many clients were disconnected for want of room.
func (b *Budget) Evicted() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.evicted
}

// Spare says whether the client is spared: all that are not are disconnected before it is.
func (c *Client) Spare(yes bool) {
	c.budget.mu.Lock()
	defer c.budget.mu.Unlock()
	c.spared = yes
}

// Evict dooms a client that is being disconnected because Try found no room for it.
func (c *Client) Evict() {
	c.budget.mu.Lock()
	defer c.budget.mu.Unlock()
	if !c.doomed {
		c.budget.doomLocked(c)
	}
}

// Try takes n bytes and reports whether there was room for them. For queries there is, as
// long as another client holds more than this one would: that is disconnected. For replies
// there must be nobody who waits.
func (a *Account) Try(n int) bool {
	b := a.client.budget
	b.mu.Lock()
	var cut []*Client
	if !a.lends {
		cut = b.makeRoomLocked(int64(n), a.client)
	}
	ok := b.fitsLocked(int64(n)) && !(a.lends && len(b.waiters) > 0)
	if ok {
		a.takeLocked(int64(n))
	}
	b.mu.Unlock()
	disconnect(cut)
	return ok
}

// TrySpare is Try for who can do without: half of the budget is left to others, and nobody is
// disconnected.
func (a *Account) TrySpare(n int) bool { return a.tryWithin(n, 2) }

// TryAhead is Try for who holds room and can't wait: it overtakes those who do, and nobody is
// disconnected.
func (a *Account) TryAhead(n int) bool { return a.tryWithin(n, 1) }

// tryWithin takes n bytes if they fit into a part of the limit.
func (a *Account) tryWithin(n int, part int64) bool {
	b := a.client.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	ok := b.used-b.doomed+int64(n) <= b.limit/part
	if ok {
		a.takeLocked(int64(n))
	}
	return ok
}

// Take takes n bytes that the client holds already, whatever the limit is. The largest
// clients are disconnected if that is too much.
func (a *Account) Take(n int) {
	b := a.client.budget
	b.mu.Lock()
	a.takeLocked(int64(n))
	cut := b.makeRoomLocked(0, nil)
	b.mu.Unlock()
	disconnect(cut)
}

// TakeAhead is Take that disconnects nobody: the bound is exceeded until others ask for room.
func (a *Account) TakeAhead(n int) {
	b := a.client.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	a.takeLocked(int64(n))
}

// Acquire takes n bytes, and waits until there is room for them: first come, first
// served. It returns ctx.Err() when ctx ends first, and ErrDisconnected.
func (a *Account) Acquire(ctx context.Context, n int) error {
	return a.client.budget.wait(ctx, a.enqueue(n))
}

// enqueue makes a waiter for n bytes, which may have them at once.
func (a *Account) enqueue(n int) *waiter {
	b := a.client.budget
	w := &waiter{client: a.client, n: int64(n), ready: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.client.doomed {
		w.failed = true
		close(w.ready)
		return w
	}
	b.waiters = append(b.waiters, w)
	b.wakeLocked()
	return w
}

func (b *Budget) wait(ctx context.Context, w *waiter) error {
	select {
	case <-w.ready:
		if w.failed {
			return ErrDisconnected
		}
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.ready: // just now: take it back
		if !w.failed {
			w.client.Replies.releaseLocked(w.n)
		}
	default:
		b.waiters = slices.DeleteFunc(b.waiters, func(other *waiter) bool { return other == w })
	}
	b.wakeLocked()
	return ctx.Err()
}

// Release gives n bytes back.
func (a *Account) Release(n int) {
	if n == 0 {
		return
	}
	b := a.client.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	a.releaseLocked(int64(n))
	b.wakeLocked()
}

func (b *Budget) fitsLocked(n int64) bool { return b.used-b.doomed+n <= b.limit }

func (a *Account) takeLocked(n int64) {
	c := a.client
	b := c.budget
	if c.held == 0 && n > 0 {
		b.holders[c] = struct{}{}
	}
	a.addLocked(n)
}

func (a *Account) releaseLocked(n int64) {
	c := a.client
	a.addLocked(-n)
	if c.held < 0 || a.lends && c.budget.lent < 0 {
		panic("buffer: more bytes given back than were taken")
	}
	if c.held == 0 {
		delete(c.budget.holders, c)
	}
}

func (a *Account) addLocked(n int64) {
	c := a.client
	b := c.budget
	c.held += n
	b.used += n
	if c.doomed {
		b.doomed += n
	}
	if a.lends {
		b.lent += n
	}
}

// makeRoomLocked dooms clients until there is room for n bytes of who, or who would be the next:
// the largest first, and those that are spared last. It returns those to disconnect once b.mu is
// unlocked.
func (b *Budget) makeRoomLocked(n int64, who *Client) (cut []*Client) {
	for !b.fitsLocked(n) {
		var next *Client
		for c := range b.holders {
			if !c.doomed && c != who && (next == nil || c.precedes(next, 0)) {
				next = c
			}
		}
		if next == nil || who != nil && !next.precedes(who, n) {
			return cut
		}
		b.doomLocked(next)
		cut = append(cut, next)
	}
	return cut
}

// precedes reports whether c is disconnected before other would be with n bytes more.
func (c *Client) precedes(other *Client, n int64) bool {
	if c.spared != other.spared {
		return other.spared
	}
	return c.held >= other.held+n
}

func (b *Budget) doomLocked(c *Client) {
	c.doomed = true
	b.doomed += c.held
	b.evicted++
	b.waiters = slices.DeleteFunc(b.waiters, func(w *waiter) bool {
		if w.client == c {
			w.failed = true
			close(w.ready)
		}
		return w.client == c
	})
	b.wakeLocked()
}

func disconnect(clients []*Client) {
	for _, c := range clients {
		c.cut()
	}
}

func (b *Budget) wakeLocked() {
	for len(b.waiters) > 0 {
		w := b.waiters[0]
		if b.lent > 0 && !b.fitsLocked(w.n) {
			return
		}
		w.client.Replies.takeLocked(w.n)
		b.waiters = b.waiters[1:]
		close(w.ready)
	}
}
