package slab

import (
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/smr"
)

// The collector frees nothing off the Go heap. So a Pool and a Blocks are handles: small
// objects on it, to which no store refers. When the collector finds one unreachable that was
// not closed, its stores go to the graveyard with a goal, and their slabs go back to the
// system when the goal is reached:
//
//	dropped ──cleanup──▶ graveyard ──every reader has reached the goal──▶ the system
//
// A cleanup must not block, and it runs outside any testing/synctest bubble, where no channel
// of a domain made in one may be touched. So nothing waits for these goals: each cleanup, New
// and Close check them, and a pool before it takes a slab, by [smr.Domain.Passed], which
// touches no channel.

// remains is what a dropped handle leaves behind.
type remains struct {
	dom    *smr.Domain
	stores []*store
	large  *blocks // of a Blocks
	all    bool    // objects in use go as well
	goal   smr.Seq // set by drop
}

// graveyard holds what waits for readers. Its lock is held for no longer than it takes to
// take out or put in a list; n is the list's length, written under it, read without.
var graveyard struct {
	mu   sync.Mutex
	n    atomic.Int32
	list []*remains
}

// whenDropped has r.drop called when the handle is unreachable. Under the scheduler of
// -tags smr_sched it is not, since the collector is not scheduled.
func whenDropped[H any](handle *H, r *remains) (c runtime.Cleanup) {
	bury()
	if !sched.Controlled {
		c = runtime.AddCleanup(handle, (*remains).drop, r)
	}
	return c
}

// drop runs when the handle is unreachable: no method of it is at work, and none will be.
// Callbacks of the domain may be, and reclaims of the budget.
func (r *remains) drop() {
	if r.reservedBytes() == 0 { // closed, or never used
		r.leave()
		return
	}
	if n := r.inUse(); n > 0 && !r.all {
		slog.Warn("slab: a pool was dropped without Close while objects of it are in use: their memory stays",
			"pool", r.name(), "objects", n, "bytes", r.reservedBytes(), "gotten", r.leaks())
		return
	}
	r.goal = r.dom.Advance()
	graveyard.mu.Lock()
	graveyard.list = append(graveyard.list, r)
	graveyard.n.Add(1)
	graveyard.mu.Unlock()
	bury()
}

// bury gives back the memory of what is in the graveyard and waits for no reader any more.
//
// Cost: a load if there are none, else up to a scan of the readers for each.
func bury() {
	if graveyard.n.Load() == 0 {
		return
	}
	graveyard.mu.Lock()
	list := graveyard.list
	graveyard.list = nil
	graveyard.n.Store(0)
	graveyard.mu.Unlock()
	var stay []*remains
	refused := make(map[*smr.Domain]bool) // their readers hold back an earlier goal
	for _, r := range list {
		if !refused[r.dom] && r.dom.Passed(r.goal) {
			r.release()
		} else {
			refused[r.dom] = true
			stay = append(stay, r)
		}
	}
	if stay == nil {
		return
	}
	graveyard.mu.Lock()
	defer graveyard.mu.Unlock()
	graveyard.list = append(graveyard.list, stay...)
	graveyard.n.Add(int32(len(stay)))
}

// release gives back all memory, whatever objects are in it: every reader has left that
// was there when the handle was dropped.
func (r *remains) release() {
	r.leave()
	for _, s := range r.stores {
		for _, sl := range s.policy.abandon() {
			sl.release()
		}
	}
	if r.large != nil {
		r.large.abandon()
	}
}

// leave takes the stores out of their budget's reach.
func (r *remains) leave() {
	for _, s := range r.stores {
		s.budget.leave(s)
	}
}

// inUse returns how many objects were not given back.
func (r *remains) inUse() (n int64) {
	for _, s := range r.stores {
		n += s.stats().InUse
	}
	if r.large != nil {
		n += int64(r.large.inUse())
	}
	return n
}

// reservedBytes returns how much is taken from the system.
func (r *remains) reservedBytes() (n int64) {
	for _, s := range r.stores {
		n += s.heap.counts().reserved
	}
	if r.large != nil {
		r.large.mu.Lock()
		defer r.large.mu.Unlock()
		n += r.large.stats.ReservedBytes
	}
	return n
}

func (r *remains) name() string {
	if r.large != nil {
		return r.large.name
	}
	return r.stores[0].name
}

// leaks lists where objects in use were gotten, under -tags invariants.
func (r *remains) leaks() (text string) {
	for _, s := range r.stores {
		text += s.check.leaks()
	}
	if text == "" {
		return "known under -tags invariants"
	}
	return text
}

func (b *blocks) inUse() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.large)
}

// abandon frees the large blocks: those in use, and those that waited for readers.
func (b *blocks) abandon() {
	b.mu.Lock()
	large, late := b.large, b.late
	b.large, b.late, b.closed = nil, nil, true
	b.mu.Unlock()
	for _, l := range large {
		l.free()
	}
	for _, l := range late {
		l.free()
	}
}
