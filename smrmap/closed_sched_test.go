//go:build smr_sched

package smrmap

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// exploreClose runs a program beside Close of a map off the Go heap, in which key 1 leads to 1. In
// the end nothing is left of the map.
func exploreClose(t *testing.T, body func(x *sched.Exec, m *Map[int, wide])) {
	sched.Explore(t, sched.Options{Procs: 2, Schedules: 1500, Walks: 2000, Unlocks: true}, func(x *sched.Exec) func() {
		d, err := smr.New(smr.Options{Workers: 1})
		if err != nil {
			x.Fail("New: %v", err)
		}
		budget := slab.NewBudget(0)
		m, err := New[int, wide](Options{Domain: d, Budget: budget})
		if err != nil {
			x.Fail("New: %v", err)
		}
		m.ints = intHasher{12345, 0x9e3779b97f4a7c15} // the same in each execution
		m.Len()                                       // sets up the counter
		if err := m.Store(1, wideOf(1)); err != nil {
			x.Fail("Store: %v", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		x.Go("close", 0, func() {
			if err := m.Close(ctx); err != nil {
				x.Fail("Close: %v", err)
			}
		})
		body(x, m)
		return func() {
			defer cancel()
			if _, ok := m.Load(1); ok || m.Len() != 0 {
				x.Fail("a closed map has %d entries", m.Len())
			}
			if err := errors.Join(m.Close(ctx), d.Close(ctx)); err != nil {
				x.Fail("Close: %v", err)
			}
			if n := budget.Used(); n != 0 {
				x.Fail("%d bytes are left", n)
			}
		}
	})
}

// A Store beside Close is in the map before that, or refused, whatever it found before: over a key
// and of a new one.
func TestSchedules_StoreAgainstClose(t *testing.T) {
	for name, k := range map[string]int{"over": 1, "new": 2} {
		t.Run(name, func(t *testing.T) {
			exploreClose(t, func(x *sched.Exec, m *Map[int, wide]) {
				x.Go("store", 1, func() {
					if err := m.Store(k, wideOf(2)); err != nil && !errors.Is(err, ErrClosed) {
						x.Fail("Store: %v", err)
					}
				})
			})
		})
	}
}

// A Load without a section beside Close finds the value or nothing, though the entry's memory goes
// back to the system.
func TestSchedules_LoadAgainstClose(t *testing.T) {
	exploreClose(t, func(x *sched.Exec, m *Map[int, wide]) {
		x.Go("load", 1, func() {
			if v, ok := m.Load(1); ok && v != wideOf(1) {
				x.Fail("a reader finds %d and %d", v[0], v[len(v)-1])
			}
		})
	})
}
