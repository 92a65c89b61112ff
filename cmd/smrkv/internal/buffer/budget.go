package buffer

import (
	"context"
	"sync"
)

// A Budget bounds the bytes that all connections together hold in buffers above
// [Base]. (Those of size Base are bounded by the number of connections.)
//
// Room is asked for in two ways. Try fails when there is none: for queries, where
// a client that sends more than there is room for is cut off, so that nobody
// waits for anybody else's client to finish its command. Acquire waits: for
// replies, which are given back after one write that has a deadline. Whoever
// waits in Acquire must hold nothing of the same budget, or all could wait for
// each other. Try leaves to them what there is, or who wants much could wait for
// ever; TryAhead does not.
type Budget struct {
	limit int64

	mu      sync.Mutex
	used    int64
	waiters []waiter // first come, first served
}

type waiter struct {
	n     int64
	ready chan struct{}
}

// NewBudget returns a budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// Used returns how many bytes are taken.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// Try takes n bytes and reports whether there was room for them, and nobody who
// waits for it.
func (b *Budget) Try(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiters) == 0 && b.takeLocked(n)
}

// TrySpare is Try for who can do without: half of the budget is left to others.
func (b *Budget) TrySpare(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiters) == 0 && b.used+int64(n) <= b.limit/2 && b.takeLocked(n)
}

// TryAhead is Try for who holds room and can't wait: it overtakes those who do.
func (b *Budget) TryAhead(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.takeLocked(n)
}

func (b *Budget) takeLocked(n int) bool {
	if b.used+int64(n) > b.limit {
		return false
	}
	b.used += int64(n)
	return true
}

// Acquire takes n bytes, and waits until there is room for them. What is larger
// than the limit has room when nothing else is taken: one reply at a time gets
// through however small the limit is. It returns ctx.Err() when ctx ends first.
func (b *Budget) Acquire(ctx context.Context, n int) error { return b.wait(ctx, b.enqueue(n)) }

// enqueue makes a waiter for n bytes, which may have them at once.
func (b *Budget) enqueue(n int) waiter {
	w := waiter{int64(n), make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiters = append(b.waiters, w)
	b.wakeLocked()
	return w
}

func (b *Budget) wait(ctx context.Context, w waiter) error {
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.ready: // just now: take it back
		b.used -= w.n
	default:
		for i := range b.waiters {
			if b.waiters[i].ready == w.ready {
				b.waiters = append(b.waiters[:i], b.waiters[i+1:]...)
				break
			}
		}
	}
	b.wakeLocked()
	return ctx.Err()
}

// Release gives n bytes back.
func (b *Budget) Release(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= int64(n)
	b.wakeLocked()
}

func (b *Budget) wakeLocked() {
	for len(b.waiters) > 0 {
		w := b.waiters[0]
		if b.used > 0 && b.used+w.n > b.limit {
			return
		}
		b.used += w.n
		b.waiters = b.waiters[1:]
		close(w.ready)
	}
}
