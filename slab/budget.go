package slab

import (
	"errors"
	"fmt"
	"math"

	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// ErrNoMemory is wrapped by the errors of allocations for which the [Budget] has no room, or the
// system no memory. Retired memory comes back after a grace period, so a caller may evict, Trim
// what it has evicted from, wait for [smr.Domain.Synchronize], and try again. (Barrier waits for what is
// held as well, by [smr.Hold], which may take hours: give it a context that ends.)
var ErrNoMemory = errors.New("out of memory")

// A Budget bounds the bytes that pools, blocks and maps together take from the system: whole
// slabs, free objects included; of the first slab of a pool, or of a size of blocks, the pages that
// it uses; not what [Budget.SetSpare] keeps. (A system with huge pages may put up to 2 MiB more under
// the slabs that were made last, and one that locks all memory, by mlockall, the rest of first slabs.)
// The zero Budget has no bound. A pool belongs to its budget until it is closed. All methods may be
// called by any number of goroutines.
type Budget struct {
	limit, used satomic.Int64

	reclaims satomic.Uint64 // how often members were asked; written under mu

	claim satomic.Pointer[claim] // takes part of what is put back; written under turn, read by Release

	spares spares

	mu      ssync.Mutex       // guards all below
	members map[*store]uint64 // to givenBack when the member was last asked
	turn    chan struct{}     // a lock for one claim at a time, as store.evacuator; nil until the first
}

// NewBudget returns a budget of limit bytes; 0 is no bound. It panics if limit is negative.
func NewBudget(limit int64) *Budget {
	b := new(Budget)
	b.SetLimit(limit)
	return b
}

// Limit returns the bound, 0 if there is none.
func (b *Budget) Limit() int64 { return b.limit.Load() }

// SetLimit changes the bound. It reclaims nothing. It panics if limit is negative.
func (b *Budget) SetLimit(limit int64) {
	if limit < 0 {
		panic("slab: negative limit")
	}
	b.limit.Store(limit)
}

// Used returns how many bytes are taken from the system now.
func (b *Budget) Used() int64 { return b.used.Load() }

// Reserve counts n bytes that the caller is about to take from the system, or returns an error
// that wraps [ErrNoMemory]. It is for memory outside of pools, such as a map's table. Give the
// bytes back with Release. It panics if n is negative.
func (b *Budget) Reserve(n int64) error {
	err := b.reserve(n)
	if err != nil && b.reclaim(nil) {
		err = b.reserve(n)
	}
	return err
}

// reserve is Reserve that asks no member to give anything back.
func (b *Budget) reserve(n int64) error {
	if n < 0 {
		panic("slab: Reserve of a negative size")
	}
	if b == nil {
		return nil
	}
	limit := b.limit.Load()
	if limit == 0 {
		limit = math.MaxInt64
	}
	if used, ok := b.take(n, limit); !ok {
		return fmt.Errorf("slab: %w: %d bytes wanted, %d of %d used", ErrNoMemory, n, used, limit)
	}
	return nil
}

// take counts n bytes if no more than limit are used then. It returns how many were used before.
func (b *Budget) take(n, limit int64) (used int64, ok bool) {
	for {
		used = b.used.Load()
		if n > limit-used {
			return used, false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return used, true
		}
	}
}

// room returns how many bytes are left below the limit, 0 if there is none.
func (b *Budget) room() int64 {
	if b == nil {
		return 0
	}
	return max(0, b.limit.Load()-b.used.Load())
}

// scarce reports whether less than an eighth of the budget is left.
func (b *Budget) scarce() bool {
	if b == nil {
		return false
	}
	limit := b.limit.Load()
	return limit != 0 && b.used.Load() > limit-limit/8
}

// ReserveAlways counts n bytes that the caller takes from the system regardless of the limit:
// for little memory that it can't do without. It panics if n is negative, or if the sum is more
// than can be counted.
func (b *Budget) ReserveAlways(n int64) {
	if n < 0 {
		panic("slab: ReserveAlways of a negative size")
	}
	if b == nil {
		return
	}
	if used, ok := b.take(n, math.MaxInt64); !ok {
		panic(fmt.Sprintf("slab: ReserveAlways of %d bytes beside %d that are used: more than can be counted", n, used))
	}
}

// Release gives back n bytes of Reserve or ReserveAlways. It panics and gives back nothing if n
// is negative, or more than is used.
func (b *Budget) Release(n int64) {
	if n < 0 {
		panic("slab: Release of a negative size")
	}
	if b == nil {
		return
	}
	if used := b.used.Load(); n > used {
		panic("slab: Release of more bytes than were taken")
	}
	if c := b.claim.Load(); c != nil {
		n -= c.offer(n)
	}
	for {
		used := b.used.Load()
		if n > used {
			panic("slab: Release of more bytes than were taken")
		}
		if b.used.CompareAndSwap(used, used-n) {
			break
		}
	}
	b.shrinkSpares()
}

// reclaim makes each member but one give back what is not in use, if something was given back to
// it since the last time, or it has empty slabs. It reports whether a member was asked, here or
// by another goroutine while this one waited.
//
// Cost: a fence on all processors for each member that it asks.
func (b *Budget) reclaim(but *store) bool {
	if b == nil {
		return false
	}
	bury()
	before := b.reclaims.Load()
	b.mu.Lock()
	defer b.mu.Unlock()
	tried := b.reclaims.Load() != before
	for s, asked := range b.members {
		if s == but {
			continue
		}
		if given := s.givenBack(); given != asked || s.heap.counts().empty > 0 {
			b.members[s] = given
			s.policy.trim(trimUnread)
			b.reclaims.Add(1)
			tried = true
		}
	}
	return tried
}

// join makes s a member until leave.
func (b *Budget) join(s *store) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.members == nil {
		b.members = make(map[*store]uint64)
	}
	b.members[s] = 0
}

func (b *Budget) leave(s *store) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.members, s)
}
