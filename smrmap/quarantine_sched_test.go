//go:build smr_sched

package smrmap

import (
	"context"
	"runtime/debug"
	"testing"
	"time"

	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// A Load finds a key that is there all along, and never faults, though the entry it is at is replaced,
// and can't be touched any more as soon as no section is open.
func TestSchedules_QuarantineAgainstLoad(t *testing.T) {
	t.Run("Load", func(t *testing.T) {
		exploreQuarantine(t, func(m *Map[int, int]) (int, bool) { return m.Load(1) })
	})
	t.Run("LoadAll", func(t *testing.T) {
		exploreQuarantine(t, func(m *Map[int, int]) (int, bool) {
			var values [1]int
			var found [1]bool
			m.LoadAll([]int{1}, values[:], found[:])
			return values[0], found[0]
		})
	})
}

func exploreQuarantine(t *testing.T, load func(*Map[int, int]) (int, bool)) {
	sched.Explore(t, sched.Options{Schedules: 2_000, Walks: 4_000}, func(x *sched.Exec) func() {
		d, err := smr.New(smr.Options{Workers: 1})
		if err != nil {
			x.Fail("New: %v", err)
		}
		q := slab.Quarantine{OneIn: 1, MaxBytes: 4 * int64(pages.PageSize)}
		m, err := New[int, int](Options{Domain: d, Quarantine: q})
		if err != nil {
			x.Fail("New: %v", err)
		}
		m.ints = intHasher{12345, 0x9e3779b97f4a7c15} // the same in each execution
		m.Len()                                       // sets up the counter
		if err := m.Store(1, 1); err != nil {
			x.Fail("Store: %v", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		x.Go("reader", 1, func() {
			debug.SetPanicOnFault(true)
			if v, ok := load(m); !ok || v < 1 || v > 2 {
				x.Fail("a reader finds %v, %v", v, ok)
			}
		})
		x.Go("writer", 0, func() {
			m.Store(1, 2)
			d.Barrier(ctx)
		})
		return func() {
			defer cancel()
			if err := m.Close(ctx); err != nil {
				x.Fail("Close: %v", err)
			}
			if err := d.Close(ctx); err != nil {
				x.Fail("Close: %v", err)
			}
		}
	})
}
