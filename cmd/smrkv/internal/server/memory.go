package server

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/slab"
)

// An evictor makes room in the store when the policy is AllKeysClock. It is told
// of writes in two places.
//
// Ahead of need, after a batch: when the budget is nearly used up and little of
// what is used is free or about to become so. The memory of what is evicted is
// there a grace period later, and by then nobody has waited.
//
// When a write found no memory: then that was not enough, as when memory is
// free but in slabs of the wrong size. More is evicted, and the write waits for a
// grace period and is tried again, a few times.
type evictor struct {
	// mu is held by who evicts. Others wait for it, and try again with what it
	// got them before they evict more.
	mu     sync.Mutex
	rounds atomic.Uint64 // evictions done; changed under mu
}

const (
	// Evicting begins when less than this part of the limit is left, and at most
	// maxHeadroom.
	headroomPart = 20
	maxHeadroom  = 64 << 20

	// A write that finds no memory evicts this part of the limit.
	evictPart = 64

	maxAttempts = 8

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
	if limit-s.memory.Used() >= headroom || !s.evict.mu.TryLock() {
		return
	}
	defer s.evict.mu.Unlock()
	// What is used and holds no entry is free in a slab, or pending. It is as good
	// as unused.
	if slack := s.memory.Limit() - s.data.Stats().EntryBytes; slack >= headroom {
		return
	}
	s.data.Evict(2 * written)
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
	if s.evict.rounds.Load() != rounds {
		return true // somebody did while we waited
	}
	// Twice as much each time: entries that are evicted are scattered, and it may
	// take many of them until a slab has room for this one.
	limit := s.memory.Limit()
	if limit == 0 { // the system has refused
		limit = s.memory.Used()
	}
	if int64(size) > limit/4*3 {
		return false // beside the table there is hardly room for it alone
	}
	if s.data.Evict(int(min(max(2*int64(size), limit/evictPart)<<attempt, limit))) == 0 {
		return false
	}
	s.evict.rounds.Add(1)
	return s.waitForMemory()
}

// waitForMemory waits until what is pending has been freed, for a while, and
// reports whether trying again makes sense.
func (s *Server) waitForMemory() bool {
	ctx, cancel := context.WithTimeout(s.ctx, graceTimeout)
	defer cancel()
	s.dom.Barrier(ctx) // if it takes longer, trying again is all the same
	return s.ctx.Err() == nil
}
