//go:build smr_sched

package smrmap

import (
	"slices"
	"testing"

	"github.com/gosmr/gosmr/internal/sched"
)

// inBuckets returns a key for each of some roots of the table.
func (m *schedMap) inBuckets(roots ...int) []int {
	t := m.c.table.Load()
	keys := make([]int, len(roots))
	for k, left := 2, len(roots); left > 0; k++ {
		for i, root := range roots {
			if keys[i] == 0 && t.bucket(m.hash(k)) == t.at(root) {
				keys[i] = k
				left--
				break
			}
		}
	}
	return keys
}

// A walk sees each entry once, though the table is replaced by a larger or a smaller one meanwhile;
// one that comes, once at most.
func TestSchedules_ResizeAgainstWalk(t *testing.T) {
	for _, how := range []struct {
		name string
		by   int
	}{{"grow", 1}, {"shrink", -1}} {
		t.Run(how.name, func(t *testing.T) {
			exploreMapOf(t, sched.Options{Procs: 3, Schedules: 15_000}, func(x *sched.Exec, m *schedMap) func() {
				m.Delete(1)
				if how.by < 0 {
					m.resize(1)
				}
				keys := m.inBuckets(0, 1, 2, 3, 2)
				stay, comes := keys[:4], keys[4]
				for _, k := range stay {
					m.store(k, k)
				}
				x.Go("resize", 0, func() { m.resize(how.by) })
				x.Go("store", 1, func() { m.store(comes, comes) })
				x.Go("walk", 2, func() {
					seen := make(map[int]int)
					for k := range m.Keys() {
						seen[k]++
					}
					for k, n := range seen {
						if n > 1 {
							x.Fail("%d is seen %d times", k, n)
						}
					}
					for _, k := range stay {
						if seen[k] == 0 {
							x.Fail("%d is not seen", k)
						}
					}
				})
				return func() {
					if left := slices.Collect(m.Keys()); len(left) != 5 || m.load(comes) != comes {
						x.Fail("%v are left of %v", left, keys)
					}
				}
			})
		})
	}
}
