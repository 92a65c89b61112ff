//go:build smr_sched

package smrmap

import (
	"fmt"
	"testing"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/smr"
)

// crowd fills the chains of the first two roots, and returns the keys: of the first, in the
// order of the chain, n of them; and those that fill the root of the second, and one more.
func (m *schedMap) crowd(n int) (first, second []int) {
	m.Delete(1)
	t := m.c.table.Load()
	for k := 1; len(first) < n || len(second) < slotsPerBucket+1; k++ {
		switch h := m.hash(k); {
		case t.bucket(h) == t.at(0) && len(first) < n:
			first = append(first, k)
		case t.bucket(h) == t.at(1) && len(second) < slotsPerBucket+1:
			second = append(second, k)
		}
	}
	for _, k := range append(first, second[:slotsPerBucket]...) {
		m.store(k, k)
	}
	return first, second
}

// A walk sees no entry in two chains: of two entries, one goes, and with it a chained bucket,
// which the other one comes to.
func TestSchedules_UnlinkedBucketAgainstWalk(t *testing.T) {
	exploreMap(t, 3, func(x *sched.Exec, m *schedMap) func() {
		first, second := m.crowd(slotsPerBucket + 1)
		goes, comes := first[slotsPerBucket], second[slotsPerBucket]
		x.Go("delete", 0, func() { m.Delete(goes) })
		x.Go("store", 1, func() { m.store(comes, comes) })
		x.Go("walk", 2, func() {
			seen := make(map[int]int)
			for pos, i := uint64(0), 0; i < 2; i++ {
				var refs []ref
				refs, pos = m.c.snapshot(pos, nil)
				for _, e := range refs {
					seen[m.entry(e).key]++
				}
			}
			for k, n := range seen {
				if n > 1 {
					x.Fail("%d is seen %d times", k, n)
				}
			}
			for _, k := range append(first[:slotsPerBucket], second[:slotsPerBucket]...) {
				if seen[k] == 0 {
					x.Fail("%d is not seen", k)
				}
			}
		})
		return func() {
			if v := m.load(comes); v != comes {
				x.Fail("%d is left of %d", v, comes)
			}
		}
	})
}

// A reader finds an entry behind a bucket that is emptied while the reader is at it, and
// whose memory another chain asks for.
func TestSchedules_UnlinkedBucketAgainstReader(t *testing.T) {
	for name, load := range map[string]func(m *schedMap, k int) int{
		"Load": (*schedMap).load,
		"LoadIn": func(m *schedMap, k int) (v int) {
			m.dom.Read(func(s smr.Section) {
				if p, ok := m.LoadIn(s, k); ok {
					v = **p
				}
			})
			return v
		},
	} {
		t.Run(name, func(t *testing.T) {
			exploreMap(t, 3, func(x *sched.Exec, m *schedMap) func() {
				first, second := m.crowd(2*slotsPerBucket + 1)
				last := first[2*slotsPerBucket]
				for _, k := range first[slotsPerBucket : 2*slotsPerBucket-1] {
					m.Delete(k)
				}
				comes := second[slotsPerBucket]
				x.Go("delete", 0, func() { m.Delete(first[2*slotsPerBucket-1]) })
				x.Go("store", 1, func() { m.store(comes, comes) })
				x.Go("read", 2, func() {
					if v := load(m, last); v != last {
						x.Fail("a reader finds %d for %d", v, last)
					}
				})
				return func() {
					for _, k := range []int{last, comes} {
						if v := m.load(k); v != k {
							x.Fail("%d is left of %d", v, k)
						}
					}
				}
			})
		})
	}
}

// Two writers each chain the table's first bucket, under every schedule up to a bound: each chain has
// its own.
func TestSchedules_FirstChains(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 2}, func(x *sched.Exec) func() {
		tab, err := newTable(minBits, true, true, nil)
		if err != nil {
			x.Fail("newTable: %v", err)
		}
		var one byte
		for i := range 2 {
			x.Go(fmt.Sprint("writer of ", i), i, func() {
				root := tab.at(i) // which this one has locked
				b, err := tab.chain(root, true)
				if err != nil {
					x.Fail("chain: %v", err)
				}
				b.place(0, uint64(i), &one)
			})
		}
		return func() {
			first, second := tab.after(tab.at(0)), tab.after(tab.at(1))
			if first == nil || second == nil || first == second {
				x.Fail("the chained buckets are %p and %p", first, second)
			}
			if first.slots[0].Load() == nil || second.slots[0].Load() == nil {
				x.Fail("an entry is lost with its bucket")
			}
		}
	})
}
