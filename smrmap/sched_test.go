//go:build smr_sched

package smrmap

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/bits"
	"testing"

	"github.com/gosmr/gosmr/internal/asym"
	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/smr"
)

// A waiter that parks for a bucket's lock is woken when it is unlocked, under every
// schedule up to a bound.
func TestSchedules_ParkAgainstUnlock(t *testing.T) {
	for _, n := range []int{2, 3} {
		for name, fence := range map[string]asym.Fence{"membarrier": asym.New(), "both": asym.Both()} {
			t.Run(fmt.Sprint(n, " ", name), func(t *testing.T) {
				exploreLock(t, n, fence)
			})
		}
	}
}

// exploreLock has n goroutines take turns at a bucket.
func exploreLock(t *testing.T, n int, fence asym.Fence) {
	sched.Explore(t, sched.Options{Procs: n, Unlocks: true}, func(x *sched.Exec) func() {
		l := &lots{fence: fence}
		b := new(bucket)
		held := false
		for i, name := range []string{"one", "two", "three"}[:n] {
			x.Go(name, i, func() {
				ctl := l.lock(b)
				if held {
					x.Fail("two hold the lock")
				}
				held = true
				sched.Plain()
				held = false
				l.release(b, ctl)
			})
		}
		return func() {
			if n := l.of(b).parked.Load(); n != 0 {
				x.Fail("%d seem parked", n)
			}
		}
	})
}

// A schedMap is a small map on the Go heap, where key 1 leads to 1.
type schedMap struct {
	*Map[int, *int]
	x *sched.Exec
}

func newSchedMap(t *testing.T, x *sched.Exec, d *smr.Domain) *schedMap {
	m, err := New[int, *int](Options{Domain: d})
	if err != nil {
		t.Fatal(err)
	}
	m.ints = intHasher{12345, 0x9e3779b97f4a7c15} // the same in each execution
	sm := &schedMap{m, x}
	m.Len() // sets up the counter
	sm.store(1, 1)
	return sm
}

func (m *schedMap) store(k, v int) {
	if err := m.Store(k, &v); err != nil {
		m.x.Fail("Store: %v", err)
	}
}

// load returns the value of k, 0 if there is none.
func (m *schedMap) load(k int) int {
	if v, ok := m.Load(k); ok {
		return *v
	}
	return 0
}

// grow moves all entries to a larger table.
func (m *schedMap) grow() { m.resize(1) }

// resize moves all entries to a table whose size has a logarithm that is larger by so much.
func (m *schedMap) resize(by int) {
	c := &m.c
	c.resizing.Lock()
	t := c.table.Load()
	next, err := newTable(bits.Len(uint(t.n))-1+by, c.heap, true, nil)
	if err != nil {
		m.x.Fail("newTable: %v", err)
	}
	t.next.Store(next)
	c.migrate(t)
	c.resizing.Unlock()
}

func exploreMap(t *testing.T, procs int, body func(x *sched.Exec, m *schedMap) func()) {
	exploreMapOf(t, sched.Options{Procs: procs}, body)
}

func exploreMapOf(t *testing.T, o sched.Options, body func(x *sched.Exec, m *schedMap) func()) {
	d, err := smr.New(smr.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close(context.Background())
	sched.Explore(t, o, func(x *sched.Exec) func() {
		return body(x, newSchedMap(t, x, d))
	})
}

// Readers find what is there while it moves to the next table, and what was stored
// meanwhile.
func TestSchedules_GrowAgainstUsers(t *testing.T) {
	exploreMap(t, 3, func(x *sched.Exec, m *schedMap) func() {
		x.Go("grow", 0, m.grow)
		x.Go("reader", 1, func() {
			for last := 1; last < 3; last++ {
				v := m.load(1)
				if v < last-1 || v == 0 {
					x.Fail("a reader finds %d", v)
				}
			}
		})
		x.Go("writer", 2, func() {
			m.store(1, 2)
			if v := m.load(1); v != 2 {
				x.Fail("who has stored 2 finds %d", v)
			}
		})
		return func() {
			if v := m.load(1); v != 2 {
				x.Fail("%d is left, want 2", v)
			}
		}
	})
}

// What one reader has found, a later one finds, also where an entry comes to the place
// of one that went.
func TestSchedules_SeenIsSeen(t *testing.T) {
	exploreMap(t, 2, func(x *sched.Exec, m *schedMap) func() {
		r := m.dom.NewReader()
		borrow := func(s smr.Section) int {
			if v, ok := m.LoadIn(s, 1); ok {
				return **v
			}
			return 0
		}
		x.Go("reader", 0, func() {
			s := r.Enter()
			before := borrow(s)
			if now := borrow(s); before == 2 && now != 2 {
				x.Fail("a reader finds 2, and then %d", now)
			}
			s.Leave()
		})
		x.Go("writer", 1, func() {
			m.Delete(1)
			m.store(1, 2)
		})
		return func() { r.Close() }
	})
}

// exploreExpiring explores programs of a map of which what expires may be evicted. What body returns is
// called at the end.
func exploreExpiring(t *testing.T, o sched.Options, body func(x *sched.Exec, m *Bytes) func()) {
	d, err := smr.New(smr.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close(context.Background())
	seed := maphash.MakeSeed() // the same in each execution
	o.Schedules = 5000
	sched.Explore(t, o, func(x *sched.Exec) func() {
		m, err := NewBytes(Options{Domain: d})
		if err != nil {
			t.Fatal(err)
		}
		m.seed = seed
		m.SetEvictable(EvictExpiring)
		m.now = func() int64 { return 1 }
		end := body(x, m)
		return func() {
			end()
			if err := m.Close(context.Background()); err != nil {
				x.Fail("%v", err)
			}
		}
	})
}

// An entry that may be evicted and is stored while the CLOCK finds none is found by it, or
// by the next, under every schedule up to a bound.
func TestSchedules_StoreAgainstEvict(t *testing.T) {
	exploreExpiring(t, sched.Options{Bound: 2}, func(x *sched.Exec, m *Bytes) func() {
		stays := m.StoreItem([]byte("stays"), Item{})
		x.Go("evict", 0, func() { m.EvictBytes(1) })
		x.Go("store", 1, func() {
			if err := m.StoreItem([]byte("goes"), Item{Expires: 2}); err != nil || stays != nil {
				x.Fail("%v, %v", stays, err)
			}
		})
		return func() {
			m.EvictBytes(1)
			if n := m.Len(); n != 1 {
				x.Fail("%d entries are left", n)
			}
		}
	})
}

// The same where the map seems empty meanwhile: an entry counts only after it can be found, so one
// that was deleted before it counted makes up for one that is there.
func TestSchedules_UncountedAgainstEvict(t *testing.T) {
	exploreExpiring(t, sched.Options{Procs: 2, Unlocks: true, Bound: 1}, func(x *sched.Exec, m *Bytes) func() {
		m.Len() // makes the counters
		x.Go("store", 0, func() { m.StoreItem([]byte("a"), Item{}) })
		x.Go("delete, store, evict", 1, func() {
			if m.Delete([]byte("a")) {
				m.StoreItem([]byte("goes"), Item{Expires: 2})
				m.EvictBytes(1)
			}
		})
		return func() {
			m.EvictBytes(1)
			if _, ok := m.Load([]byte("goes"), nil); ok {
				x.Fail("it is not evicted")
			}
		}
	})
}

// A Delete that locks no bucket, since the key is not there, was right at some moment of its
// probe, also while the bucket moves to the next table: it deletes what was stored before it
// began, and of two Deletes of one entry, one does.
func TestSchedules_MissAgainstGrow(t *testing.T) {
	exploreMap(t, 3, func(x *sched.Exec, m *schedMap) func() {
		m.c.minLog++ // so that it does not shrink by itself
		deleted := 0
		remove := func() {
			if m.Delete(2) {
				deleted++
			}
		}
		x.Go("grow", 0, m.grow)
		x.Go("writer", 1, func() {
			m.store(2, 2)
			remove()
		})
		x.Go("deleter", 2, remove)
		return func() {
			if deleted != 1 || m.load(2) != 0 {
				x.Fail("deleted %d times, %d is left", deleted, m.load(2))
			}
		}
	})
}
