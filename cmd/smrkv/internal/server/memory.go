package server

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// An evictor makes room in the store when the policy is one that evicts. There are three
// occasions.
//
// Ahead of need, after a batch of writes: when the budget is nearly used up and
// little of what is used is free or about to become so. The memory of what is evicted
// is there a grace period later, and by then nobody has waited.
//
// When a write found no memory: then that was not enough, or the memory is free among
// entries of other sizes. See [conn.underPressure].
//
// When the limit was lowered.
type evictor struct {
	mu   sync.Mutex   // held by who evicts ahead, or gives memory back
	debt atomic.Int64 // bytes written since evictAhead looked last

	waiting atomic.Int32 // writes that found no memory

	// queued is the bytes of large values that queued for memory since evictAhead looked last. As
	// much is to be unused, for the next ones: what is free in slabs is not for them.
	queued atomic.Int64

	// inVain is how much was free in the store, among entries of whatever size, when moving
	// them together was not enough for a write.
	inVain atomic.Int64
}

const (
	// Evicting begins when less than this part of the limit is left, and at most
	// maxHeadroom.
	headroomPart = 40
	maxHeadroom  = 64 << 20

	// queuedPart is the part of the limit that is evicted ahead for large values at most, and
	// maxHeadroom.
	queuedPart = 8

	// debtPart is which part of the headroom is written before evictAhead looks again.
	debtPart = 16

	// maxFruitless is how often in a row giving memory back may fail: a slab can't go
	// while somebody holds a block of it that is not in the store yet.
	maxFruitless = 3

	// graceTimeout bounds one wait for a grace period. Sections are left within
	// microseconds, unless a goroutine is descheduled in one.
	graceTimeout = 100 * time.Millisecond

	// leastFree is what a write needs that needs little: a slab for entries of its size.
	leastFree = 64 << 10

	// pressureTimeout bounds how long a write waits for memory.
	pressureTimeout = 10 * time.Second
)

func (s *Server) policy() Policy { return Policy(s.settings.policy.Load()) }

func (s *Server) evicts() bool { return s.policy() != NoEviction }

// setPolicy changes the policy.
func (s *Server) setPolicy(p Policy) {
	s.dbMu.Lock()
	defer s.dbMu.Unlock()
	s.settings.policy.Store(int32(p))
	for _, m := range s.databases {
		m.SetEvictable(p.evictable())
	}
}

// evictAhead evicts from m if memory is about to run out, when written bytes have been
// written: what is missing of the headroom, and an eighth of it more.
func (s *Server) evictAhead(m *smrmap.Bytes, written int) {
	limit := s.memory.Limit()
	if limit == 0 || !s.evicts() {
		return
	}
	headroom := min(limit/headroomPart, maxHeadroom)
	if limit-s.memory.Used() >= max(headroom, s.evict.queued.Load()) {
		return
	}
	if s.evict.debt.Add(int64(written)) >= headroom/debtPart {
		s.tryBackground(func() { s.evictDebt(m, limit, headroom) }) // or after the next batch
	}
}

func (s *Server) evictDebt(m *smrmap.Bytes, limit, headroom int64) {
	if !s.evict.mu.TryLock() {
		return
	}
	defer s.evict.mu.Unlock()
	s.evict.debt.Store(0)
	// What is free in a slab, or pending, is as good as unused.
	st := m.Stats()
	slack := max(0, limit-s.memory.Used()) + st.FreeBytes + st.PendingBytes
	short := max(headroom-slack, s.evict.queued.Swap(0)-max(0, s.unused())-st.PendingBytes)
	if short > 0 && s.victim(nil) == m {
		m.EvictBytes(int(short + headroom/8))
	}
}

// queuedFor is told that writes of about size bytes together wait for memory. Making room for one large
// value takes a few grace periods, and one at a time makes room; so the next ones are to find some.
func (s *Server) queuedFor(size int64) {
	if size > largeEntry && s.evicts() {
		s.evict.queued.Store(min(s.evict.queued.Load()+size, s.memory.Limit()/queuedPart, maxHeadroom))
	}
}

// underPressure is smrmap.Bytes.Compute for a write of about size bytes that found no
// memory: it makes room, as the policy allows, or waits for what is pending. It holds the
// gate's slow meanwhile, since it evicts; loops go on.
func (c *conn) underPressure(key []byte, size int, fn func(smrmap.Item, bool) (smrmap.Item, smrmap.Op)) error {
	s := c.srv
	if c.hold == holdAll {
		if !s.pendingMayDo() {
			return slab.ErrNoMemory
		}
		_, err := c.data().Compute(key, fn)
		return err
	}
	free, hopeless := s.inVain(int64(size))
	if hopeless {
		return slab.ErrNoMemory
	}
	c.takesLong()
	if n := s.evict.waiting.Add(1); n > 1 {
		s.queuedFor(int64(size) * int64(n))
	}
	defer s.evict.waiting.Add(-1)
	ctx, cancel := context.WithTimeout(s.ctx, pressureTimeout)
	defer cancel()
	err := s.computeEvicting(ctx, c.data(), key, size, fn)
	s.evict.result(free, !errors.Is(err, slab.ErrNoMemory))
	return err
}

// pendingMayDo is for a write within EXEC that found no memory. Nothing is evicted there, and
// others wait: see spare. So it waits once for what is pending, and reports whether trying
// again makes sense.
func (s *Server) pendingMayDo() bool {
	st := s.dom.Stats()
	return st.PendingBytes > st.HeldBytes && s.waitForMemory()
}

// inVain reports whether there is no point in looking for size bytes: nothing may be evicted,
// and there is little to move together, or that was in vain before. Then nobody waits to be
// told so. It returns what to tell evictor.result.
func (s *Server) inVain(size int64) (free int64, hopeless bool) {
	if s.evicts() {
		return 0, false
	}
	st := s.dataStats()
	free = st.FreeBytes + st.PendingBytes
	return free, free < s.evict.inVain.Load()+max(leastFree, size)
}

// result notes what became of looking for memory with so much free.
func (e *evictor) result(free int64, found bool) {
	if found {
		free = 0
	}
	e.inVain.Store(free)
}

// giveBack makes the store give memory back to the budget until enough says so. evict.mu is
// held.
func (s *Server) giveBack(enough func(released int64) bool) {
	released := int64(0)
	for fruitless := 0; fruitless < maxFruitless && !enough(released); fruitless++ {
		ctx, cancel := context.WithTimeout(s.ctx, graceTimeout)
		n, err := s.compact(ctx, nil)
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
// has no more that it can do without.
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
	const step, evictParts = 1 << 20, 16 // of several databases
	stuck := false
	for over() > 0 && s.ctx.Err() == nil {
		before := s.memory.Used()
		s.background(func() {
			s.evict.mu.Lock()
			defer s.evict.mu.Unlock()
			if stuck || s.dataStats().FreeBytes < step {
				for range evictParts {
					s.victim(nil).EvictBytes(int(min(over(), step) / evictParts))
				}
			}
			if s.waitForMemory() {
				s.giveBack(func(released int64) bool { return released >= step || over() <= 0 })
			}
		})
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
