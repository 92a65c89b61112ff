package server

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// An evictor makes room in the store when the policy is AllKeysClock. There are
// three occasions.
//
// Ahead of need, after a batch of writes: when the budget is nearly used up and
// little of what is used is free or about to become so. The memory of what is evicted
// is there a grace period later, and by then nobody has waited.
//
// When a write found no memory: then that was not enough. More is evicted, and the
// write waits for a grace period and is tried again. If that does not help either,
// the memory is free among entries of other sizes, and the store moves some of those
// together.
//
// When the limit was lowered.
type evictor struct {
	// mu is held by who evicts. Others wait for it, and try again with what it
	// got them before they evict more.
	mu     sync.Mutex
	rounds atomic.Uint64 // evictions done; changed under mu

	debt atomic.Int64 // bytes written since evictAhead looked last
}

const (
	// Evicting begins when less than this part of the limit is left, and at most
	// maxHeadroom.
	headroomPart = 20
	maxHeadroom  = 64 << 20

	// debtPart is which part of the headroom is written before evictAhead looks again.
	debtPart = 8

	// A write that finds no memory evicts this part of the limit.
	evictPart = 64

	// Some of the attempts do no more than wait for others.
	maxAttempts = 32

	// maxFruitless is how often in a row giving memory back may fail: a slab can't go
	// while somebody holds a block of it that is not in the store yet.
	maxFruitless = 3

	// graceTimeout bounds one wait for a grace period. Sections are left within
	// microseconds, unless a goroutine is descheduled in one.
	graceTimeout = 100 * time.Millisecond
)

func (s *Server) evicts() bool { return Policy(s.settings.policy.Load()) == AllKeysClock }

// evictAhead evicts if memory is about to run out, when written bytes have been
// written: twice as much, so that there is more free in the end.
func (s *Server) evictAhead(written int) {
	limit := s.memory.Limit()
	if limit == 0 || !s.evicts() {
		return
	}
	headroom := min(limit/headroomPart, maxHeadroom)
	if limit-s.memory.Used() >= headroom {
		return
	}
	if s.evict.debt.Add(int64(written)) < headroom/debtPart || !s.evict.mu.TryLock() {
		return
	}
	defer s.evict.mu.Unlock()
	debt := s.evict.debt.Swap(0)
	// What is used and holds no entry is free in a slab, or pending. It is as good
	// as unused.
	if slack := limit - s.data.Stats().EntryBytes; slack >= headroom {
		return
	}
	s.data.Evict(int(2 * debt))
	s.evict.rounds.Add(1)
}

// tryAgain is called when a write of about size bytes failed for the attempt-th
// time, from 0 on. It reports whether to try once more.
func (c *conn) tryAgain(err error, attempt, size int) bool {
	s := c.srv
	if !errors.Is(err, slab.ErrNoMemory) || attempt >= maxAttempts {
		return false
	}
	c.wire.mayBlock()
	if attempt == 0 && s.dom.Stats().PendingBytes > 0 {
		return s.waitForMemory() // what others freed may do
	}
	if !s.evicts() {
		return false
	}
	rounds := s.evict.rounds.Load()
	s.evict.mu.Lock()
	defer s.evict.mu.Unlock()
	if s.evict.rounds.Load() != rounds && attempt%2 == 0 {
		return true // somebody did while we waited
	}
	limit := s.memory.Limit()
	if limit == 0 { // the system has refused
		limit = s.memory.Used()
	}
	if int64(size) > limit/4*3 {
		return false // beside the table there is hardly room for it alone
	}
	// What is free among entries of other sizes is moved together. If there is little
	// of that, or it is not to be had, more is evicted, which may be all it takes.
	want := max(2*room(size), limit/evictPart)
	evict := s.data.Stats().FreeBytes < want || attempt > 2
	if evict && s.data.Evict(int(want)) == 0 {
		return false
	}
	s.evict.rounds.Add(1)
	if !s.waitForMemory() {
		return false
	}
	if !evict || attempt > 1 {
		s.giveBack(size, func(released int64) bool { return released >= room(size) })
	}
	return true
}

// room returns how much of the budget an entry of size bytes may need at least: that of
// a slab for some of its kind, or its own.
func room(size int) int64 {
	const slabbed, perSlab = 64 << 10, 16
	if size <= slabbed {
		return int64(max(perSlab*size, slabbed))
	}
	return int64(size + slabbed)
}

// giveBack makes the store give memory back to the budget, for an entry of size bytes,
// until enough says so. evict.mu is held.
func (s *Server) giveBack(size int, enough func(released int64) bool) {
	released := int64(0)
	for fruitless := 0; fruitless < maxFruitless && !enough(released); fruitless++ {
		ctx, cancel := context.WithTimeout(s.ctx, graceTimeout)
		n, err := s.data.Compact(ctx, size)
		cancel()
		if s.ctx.Err() != nil || errors.Is(err, smr.ErrInCallback) {
			return
		}
		if n > 0 {
			released += n
			fruitless = -1
		}
	}
}

// shrink gives memory back until no more is used than the limit allows, or the store
// has no more that it can do without. It holds up writers that wait for memory for one
// step at a time.
func (s *Server) shrink() {
	if !s.evicts() {
		return
	}
	over := func() int64 {
		if limit := s.memory.Limit(); limit != 0 {
			return s.memory.Used() - limit
		}
		return 0
	}
	const step = 1 << 20
	stuck := false
	for over() > 0 && s.ctx.Err() == nil {
		before := s.memory.Used()
		s.evict.mu.Lock()
		if stuck || s.data.Stats().FreeBytes < step {
			s.data.Evict(int(min(over(), step)))
		}
		if s.waitForMemory() {
			s.giveBack(0, func(released int64) bool { return released >= step || over() <= 0 })
		}
		s.evict.mu.Unlock()
		if s.memory.Used() < before {
			stuck = false
		} else if stuck {
			return
		} else {
			stuck = true
		}
	}
}

// waitForMemory waits until what is pending has been freed, for a while, and
// reports whether trying again makes sense.
func (s *Server) waitForMemory() bool {
	ctx, cancel := context.WithTimeout(s.ctx, graceTimeout)
	defer cancel()
	s.dom.Barrier(ctx) // if it takes longer, trying again is all the same
	return s.ctx.Err() == nil
}
