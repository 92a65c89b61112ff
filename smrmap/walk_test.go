package smrmap

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// whileLooking calls fn once, in the middle of the next look of a walk at the bucket of
// entry e: when e is looked at.
func (c *core) whileLooking(e ref, fn func()) {
	done := false
	c.looks = func(x ref) {
		if x == e && !done {
			done = true
			fn()
		}
	}
}

// An entry that a walk has seen is deleted and comes back, in a chained bucket that the walk still
// has before it. The version says so, and the walk looks at the chain once more.
func TestWalk_EntryThatCameBackIsSeenOnce(t *testing.T) {
	const first = slotsPerBucket + 1 // the last of them is in a chained bucket
	roomy := Options{Capacity: 1000} // so that the table does not grow
	for name, c := range map[string]struct {
		remove func(*Map[int, int])
		freed  int // slots before the chained bucket
	}{
		"Delete": {func(m *Map[int, int]) { m.Delete(0) }, 1},
		"Clear":  {(*Map[int, int]).Clear, slotsPerBucket},
	} {
		t.Run("Map "+name, func(t *testing.T) {
			m := newMap[int, int](t, roomy)
			m.ints = intHasher{} // all in one bucket
			for k := range first {
				require.NoError(t, m.Store(k, k))
			}
			removed := false
			m.c.whileLooking(m.c.table.Load().at(0).slots[1].Load(), func() {
				c.remove(m)
				for i := range c.freed {
					m.Store(first+i, 0)
				}
				m.Store(0, 0)
				removed = true
			})
			seen := make(map[int]int)
			for k := range m.All() {
				seen[k]++
			}
			require.True(t, removed)
			for k, n := range seen {
				require.Equal(t, 1, n, "key %d", k)
			}
			require.Contains(t, seen, 0)
		})
	}
	for name, c := range map[string]struct {
		remove func(m *Bytes, k []byte)
		freed  int
	}{
		"Delete": {func(m *Bytes, k []byte) { m.Delete(k) }, 1},
		"Clear":  {func(m *Bytes, _ []byte) { m.Clear() }, slotsPerBucket},
		"Evict":  {func(m *Bytes, _ []byte) { m.EvictBytes(1) }, 1},
	} {
		t.Run("Bytes "+name, func(t *testing.T) {
			m := newBytes(t, roomy)
			keys := inFirstBucket(m, first+slotsPerBucket)
			for _, k := range keys[:first] {
				require.NoError(t, m.Store(k, nil))
			}
			m.Load(keys[1], nil) // so that Evict spares it
			removed := false
			m.c.whileLooking(m.c.table.Load().at(0).slots[1].Load(), func() {
				c.remove(m, keys[0])
				for _, k := range keys[first : first+c.freed] {
					m.Store(k, nil)
				}
				m.Store(keys[0], nil)
				removed = true
			})
			seen := make(map[string]int)
			m.Scan(0, 1000, func(k []byte, _ Item) { seen[string(k)]++ })
			require.True(t, removed)
			for k, n := range seen {
				require.Equal(t, 1, n, "key %q", k)
			}
			require.Contains(t, seen, string(keys[0]))
		})
	}
}

// A walk sees what stays once, and nothing twice, while keys of the same buckets come and go.
func TestAll_SeesOnceUnderChurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(6))
	for name, ints := range map[string]intHasher{"chains": {0, 1 << 59}, "few": {0, 1<<61 + 1}} {
		t.Run(name, func(t *testing.T) {
			m := newMap[int, int](t, Options{})
			m.ints = ints
			for i := range 60 {
				m.Store(i, i)
			}
			var stop atomic.Bool
			var wg sync.WaitGroup
			for g := range 3 {
				wg.Go(func() {
					for i := 0; !stop.Load(); i++ {
						k := 100 + g*1000 + i%(1+i/3%300)
						m.Store(k, i)
						m.Delete(100 + g*1000 + (i*7)%300)
					}
				})
			}
			end := time.Now().Add(500 * time.Millisecond)
			walks := 0
			for ; time.Now().Before(end); walks++ {
				seen := map[int]int{}
				for k := range m.All() {
					seen[k]++
				}
				for k, n := range seen {
					if n > 1 {
						t.Errorf("%d seen %d times", k, n)
					}
				}
				for i := range 60 {
					if seen[i] != 1 {
						t.Errorf("%d seen %d times", i, seen[i])
					}
				}
				if t.Failed() {
					break
				}
			}
			stop.Store(true)
			wg.Wait()
			t.Log(walks, "walks", m.Stats().Resizes, "resizes")
		})
	}
}

// A page is a value that takes a while to copy.
type page [1024]uint64

func pageOf(x uint64) (p page) {
	for i := range p {
		p[i] = x
	}
	return p
}

// Map.All has copied a bucket's entries before its section is left: one that is unlinked
// just after All looked at it is overwritten as soon as no section is open, while the many
// before it are being copied. (A copy that came too late is a race, too, and most often not
// what it should be.)
func TestAll_CopiesInItsSection(t *testing.T) {
	const n = 1000
	m := newMap[int, page](t, Options{})
	m.ints = intHasher{} // all in one bucket
	for k := range n {
		require.NoError(t, m.Store(k, pageOf(uint64(k))))
	}
	m.c.migrated.Wait()
	root := m.c.table.Load().at(0)
	looks := 0
	last := -1
	var wg sync.WaitGroup
	m.c.looks = func(e ref) {
		if looks++; looks == n {
			m.c.looks = nil
			last = m.entry(e).key
			// Without a new version, as if it were after All's last look at that.
			tab, root := m.c.lock(0)
			_, p := m.find(tab, root, 0, last)
			p.b.take(p.i)
			m.c.release(root)
			m.c.count.Add(-1)
			goal := m.dom.Advance()
			started := make(chan struct{})
			wg.Go(func() {
				close(started)
				for !m.dom.Poll(goal) {
					runtime.Gosched()
				}
				*m.entry(e) = entry[int, page]{key: -1}
				m.pool.Free(m.entry(e))
			})
			<-started
		}
	}
	seen := 0
	for k, v := range m.All() {
		require.GreaterOrEqual(t, k, 0)
		equal(t, pageOf(uint64(k)), v)
		seen++
	}
	wg.Wait()
	require.NotEqual(t, -1, last)
	require.Equal(t, n, seen)
	require.Zero(t, root.ctl.Load()&locked)
	_, ok := m.Load(last)
	require.False(t, ok)
}

// What Map.All yields are copies, made before the loop's body runs: that one deletes the
// entries, waits until no reader holds them, and overwrites them.
func TestAll_YieldsCopies(t *testing.T) {
	const n = 5
	m := newMap[int, int](t, Options{})
	m.ints = intHasher{} // all in one bucket
	want := make(map[int]int)
	for k := range n {
		require.NoError(t, m.Store(k, k+100))
		want[k] = k + 100
	}
	seen := make(map[int]int)
	for k, v := range m.All() {
		if len(seen) == 0 {
			m.c.clear(func(e ref) {
				require.NoError(t, m.dom.Synchronize(watchdogContext(t)))
				*m.entry(e) = entry[int, int]{-1, -1}
				m.pool.Free(m.entry(e))
			})
		}
		seen[k] = v
	}
	require.Equal(t, want, seen)
	require.Zero(t, m.Len())
}
