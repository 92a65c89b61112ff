package slab

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNoMemory is wrapped by the errors of allocations for which the [Budget] has no
// room, or the system no memory. Memory that was retired comes back a grace period
// later: so a caller may evict, wait for [smr.Domain.Barrier], and try again.
var ErrNoMemory = errors.New("out of memory")

// A Budget bounds the bytes that pools, blocks and maps take from the system
// together: whole slabs, with what is free in them. All methods may be called by
// any number of goroutines. The zero Budget has no bound.
type Budget struct {
	limit, used atomic.Int64

	mu      sync.Mutex // guards all below
	members map[*store]struct{}
	tried   time.Time // when reclaim was last called
}

// NewBudget returns a budget of limit bytes; 0 is no bound. It panics if limit is
// negative.
func NewBudget(limit int64) *Budget {
	b := new(Budget)
	b.SetLimit(limit)
	return b
}

// Limit returns the bound, 0 if there is none.
func (b *Budget) Limit() int64 { return b.limit.Load() }

// SetLimit changes the bound. What is taken already stays taken. It panics if limit
// is negative.
func (b *Budget) SetLimit(limit int64) {
	if limit < 0 {
		panic("slab: negative limit")
	}
	b.limit.Store(limit)
}

// Used returns how many bytes are taken from the system now.
func (b *Budget) Used() int64 { return b.used.Load() }

// Take counts n bytes that the caller is about to take from the system, or returns
// an error that wraps [ErrNoMemory]: for memory beside this package's that is to
// count, such as a map's table. Give it back with Put. It panics if n is negative.
func (b *Budget) Take(n int64) error {
	if b == nil {
		return nil
	}
	if n < 0 {
		panic("slab: Take of a negative size")
	}
	for again := false; ; again = true {
		used := b.used.Add(n)
		limit := b.limit.Load()
		if limit == 0 || used <= limit {
			return nil
		}
		b.used.Add(-n)
		if again || !b.reclaim() {
			return fmt.Errorf("slab: %w: %d bytes wanted, %d of %d used", ErrNoMemory, n, used-n, limit)
		}
	}
}

// Put gives back n bytes of Take.
func (b *Budget) Put(n int64) {
	if b != nil && b.used.Add(-n) < 0 {
		panic("slab: Put of more bytes than were taken")
	}
}

// reclaimEvery keeps allocations that fail in a row from collecting each time: it
// costs a fence on all processors.
const reclaimEvery = 10 * time.Millisecond

// reclaim makes all members return what they hold and nobody uses. It reports
// whether that was worth a try.
func (b *Budget) reclaim() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); now.Sub(b.tried) < reclaimEvery {
		return false
	}
	for s := range b.members {
		s.trim()
	}
	b.tried = time.Now()
	return true
}

func (b *Budget) join(s *store) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.members == nil {
		b.members = make(map[*store]struct{})
	}
	b.members[s] = struct{}{}
}

func (b *Budget) leave(s *store) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.members, s)
}
