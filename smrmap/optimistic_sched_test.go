//go:build smr_sched

package smrmap

import (
	"context"
	"testing"
	"time"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// wide is a value of which few fit a slab, off the Go heap.
type wide [1000]uint64

func wideOf(v uint64) (w wide) {
	w[0], w[len(w)-1] = v, v
	return w
}

// A fullMap has an entry for key 1, and memory for one more: then the next one reuses that of an
// entry that went, as soon as it may.
type fullMap struct {
	*Map[int, wide]
	x    *sched.Exec
	held []*entry[int, wide]
}

func newFullMap(x *sched.Exec) *fullMap {
	d, err := smr.New(smr.Options{Workers: 1})
	if err != nil {
		x.Fail("New: %v", err)
	}
	budget := new(slab.Budget)
	m := &fullMap{x: x}
	if m.Map, err = New[int, wide](Options{Domain: d, Budget: budget}); err != nil {
		x.Fail("New: %v", err)
	}
	m.ints = intHasher{12345, 0x9e3779b97f4a7c15} // the same in each execution
	m.Len()                                       // sets up the counter
	if err := m.Store(1, wideOf(1)); err != nil {
		x.Fail("Store: %v", err)
	}
	for size := int64(m.pool.Stats().InUseBytes); m.pool.Stats().FreeBytes > size; {
		e, err := m.pool.Get()
		if err != nil {
			x.Fail("Get: %v", err)
		}
		m.held = append(m.held, e)
	}
	budget.SetLimit(budget.Used())
	return m
}

func (m *fullMap) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	for _, e := range m.held {
		m.pool.Free(e)
	}
	if err := m.Map.Close(ctx); err != nil {
		m.x.Fail("Close: %v", err)
	}
	if err := m.dom.Close(ctx); err != nil {
		m.x.Fail("Close: %v", err)
	}
}

// A Load without a section finds a key that is there all along, and a value that it had, though the
// entry is replaced and its memory becomes another key's entry while the Load is at it.
func TestSchedules_ComputeAgainstLoad(t *testing.T) {
	for name, load := range map[string]func(m *fullMap) (wide, bool){
		"Load": func(m *fullMap) (wide, bool) { return m.Load(1) },
		"LoadAll": func(m *fullMap) (wide, bool) {
			var values [1]wide
			var found [1]bool
			m.LoadAll([]int{1}, values[:], found[:])
			return values[0], found[0]
		},
	} {
		t.Run(name, func(t *testing.T) { exploreComputeAgainst(t, load) })
	}
}

func exploreComputeAgainst(t *testing.T, load func(m *fullMap) (wide, bool)) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 10_000, Walks: 20_000, Unlocks: true}, func(x *sched.Exec) func() {
		m := newFullMap(x)
		x.Go("reader", 2, func() {
			v, ok := load(m)
			if !ok || v[0] != v[len(v)-1] || v[0] < 1 || v[0] > 2 {
				x.Fail("a reader finds %v: %d and %d", ok, v[0], v[len(v)-1])
			}
		})
		x.Go("computes", 0, func() {
			m.Compute(1, func(wide, bool) (wide, Op) { return wideOf(2), UpdateOp })
		})
		x.Go("stores", 1, func() {
			m.Store(2, wideOf(3)) // there may be no memory
		})
		return m.close
	})
}
