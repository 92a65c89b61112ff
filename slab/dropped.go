package slab

import (
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/internal/held"
	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/smr"
)

// The collector frees nothing off the Go heap. So a Pool and a Blocks are handles: small objects
// on the Go heap to which no store refers. When the collector finds a handle unreachable that
// was not closed, its stores go to the graveyard with a goal. When the goal is reached, their
// slabs go back to the system.
//
// A cleanup must not block. It runs outside any testing/synctest bubble, where it must not touch
// a channel of a domain made in one. So nothing waits for these goals. Each cleanup, New and
// Close checks them, and so does a pool before it takes a slab, by [smr.Domain.Passed], which
// touches no channel.

// remains is what a dropped handle leaves behind.
type remains struct {
	dom     *smr.Domain
	name    string
	stores  []*store
	large   *blocks // of a Blocks
	samples *quarantine
	all     bool    // objects in use go as well
	goal    smr.Seq // set by drop
}

// graveyard holds what waits for readers. Its lock is held only to take or append to the list; n
// is the list's length, written under the lock, read without.
var graveyard struct {
	mu   sync.Mutex
	n    atomic.Int32
	list []*remains
}

// whenDropped arranges for r.drop to be called when the handle is unreachable; not under -tags
// smr_sched, where the collector is not scheduled.
func whenDropped[H any](handle *H, r *remains) (c runtime.Cleanup) {
	bury()
	if !sched.Controlled {
		c = runtime.AddCleanup(handle, (*remains).drop, r)
	}
	return c
}

// drop runs when the handle is unreachable, so none of its methods runs, now or later. Callbacks
// of the domain and reclaims of the budget may run.
func (r *remains) drop() {
	for _, s := range r.stores {
		s.check.close()
	}
	n, bytes := r.usage()
	if n == 0 && bytes == 0 { // closed, or never used
		r.release()
		return
	}
	if n > 0 && !r.all {
		slog.Warn("slab: a pool was dropped without Close while objects of it are in use: their memory stays",
			"pool", r.name, "objects", n, "bytes", bytes, "gotten", r.leaks())
		return
	}
	r.goal = r.dom.Advance()
	graveyard.mu.Lock()
	graveyard.list = append(graveyard.list, r)
	graveyard.n.Add(1)
	graveyard.mu.Unlock()
	bury()
}

// bury gives back the memory of those in the graveyard whose goals are reached, and of which nothing
// is held.
//
// Cost: a load if the graveyard is empty, else up to a scan of the readers for each handle in it.
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
	refused := make(map[*smr.Domain]bool) // whose readers hold back an earlier goal
	for _, r := range list {
		switch {
		case refused[r.dom] || !r.dom.Passed(r.goal):
			refused[r.dom] = true
			stay = append(stay, r)
		case r.held():
			stay = append(stay, r)
		default:
			r.release()
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

// held reports whether an object is held. The goal is reached, so no more can be. It is asked again
// and again, so what was held when the goal was reached would not do.
func (r *remains) held() bool {
	set := held.Of(r.dom).Now()
	if set == nil {
		return false
	}
	bases := make(map[uintptr]map[uintptr]bool) // by the size of slabs
	for _, s := range r.stores {
		if bases[s.slabSize] == nil {
			bases[s.slabSize] = slabsOf(set, s.slabSize)
		}
		if s.heap.has(bases[s.slabSize]) {
			return true
		}
	}
	if r.large.holds(set) {
		return true
	}
	for addr := range set.All {
		if r.samples.has(addr) {
			return true
		}
	}
	return false
}

// holds reports whether a large block is in the set, which is in use or waits on a closed domain.
func (b *blocks) holds(set *held.Set) bool {
	if b == nil {
		return false
	}
	if b.readers.holds(set) {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for p := range b.large {
		if set.Has(uintptr(p)) {
			return true
		}
	}
	return false
}

// release gives back all memory, whatever objects are in it: every reader that was there when
// the handle was dropped has left.
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
	r.samples.abandon()
}

func (r *remains) leave() {
	for _, s := range r.stores {
		s.budget.leave(s)
	}
}

// usage returns how many objects were not given back, and the bytes taken from the system.
func (r *remains) usage() (objects, bytes int64) {
	for _, s := range r.stores {
		st := s.stats()
		objects += st.InUse
		bytes += st.ReservedBytes
	}
	var samples Stats
	r.samples.addTo(&samples)
	bytes += samples.ReservedBytes
	if b := r.large; b != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		objects += int64(len(b.large))
		bytes += b.stats.ReservedBytes
	}
	return objects, bytes
}

// leaks lists where objects in use were gotten: samples, and all under -tags invariants.
func (r *remains) leaks() (text string) {
	for _, s := range r.stores {
		_, where := r.samples.leaks(s)
		if invariants.Enabled {
			where = s.check.leaks()
		}
		text += where
	}
	if text == "" {
		return "known under -tags invariants, or with a Quarantine"
	}
	return text
}

// abandon frees the large blocks: those in use, those that waited for readers, and spares.
func (b *blocks) abandon() {
	b.mu.Lock()
	large := b.large
	b.large, b.closed = nil, true
	b.mu.Unlock()
	for _, l := range large {
		l.free()
	}
	for _, l := range b.readers.take() {
		l.obj.free()
	}
	b.budget.dropSpares()
}
