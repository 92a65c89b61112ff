package smrmap

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// held locks all roots of the table, and returns how to unlock them.
func (c *core) held() (release func()) {
	t := c.table.Load()
	var ctl []uint64
	for i := range t.n {
		ctl = append(ctl, c.lots.lock(t.at(i)))
	}
	return func() {
		for i := range t.n {
			c.lots.release(t.at(i), ctl[i])
		}
	}
}

// tagged reports whether a slot of the chain that hash h leads to has its tag.
func (c *core) tagged(h uint64) bool {
	t := c.table.Load()
	for b := t.bucket(h); b != nil; b = t.after(b) {
		for i := range b.slots {
			if b.tags.Load()>>(8*i)&0xff == tag(h) {
				return true
			}
		}
	}
	return false
}

// A Delete of a key that is not there, or a comparison with another value,
// locks nothing: it is done while others have all buckets locked. One key in 40, whose tag
// another has, waits.
func TestAbsent_NothingIsLocked(t *testing.T) {
	const n, tries = 500, 2000
	test := func(t *testing.T, c *core, hash func(i int) uint64, ops ...func(i int)) {
		c.migrated.Wait()
		release := c.held()
		defer release()
		tagged := 0
		within(t, "what should lock nothing", func() {
			for i := n; i < n+tries; i++ {
				if c.tagged(hash(i)) {
					tagged++
					continue
				}
				for _, op := range ops {
					op(i)
				}
			}
		})
		require.Less(t, tagged, tries/20)
	}
	t.Run("Map", func(t *testing.T) {
		m := newMap[int, int](t, Options{})
		for i := range n {
			require.NoError(t, m.Store(i, i))
		}
		test(t, &m.c, func(i int) uint64 { return m.hash(i) }, func(i int) {
			require.False(t, m.Delete(i))
		}, func(i int) {
			_, ok := m.LoadAndDelete(i)
			require.False(t, ok)
		}, func(i int) {
			for _, k := range []int{i, i % n} {
				require.False(t, CompareAndDelete(m, k, -1))
				swapped, err := CompareAndSwap(m, k, -1, 0)
				require.NoError(t, err)
				require.False(t, swapped)
			}
		})
	})
	t.Run("Map on the Go heap", func(t *testing.T) {
		m := newMap[string, *int](t, Options{})
		for i := range n {
			require.NoError(t, m.Store(strconv.Itoa(i), nil))
		}
		test(t, &m.c, func(i int) uint64 { return m.hash(strconv.Itoa(i)) }, func(i int) {
			require.False(t, m.Delete(strconv.Itoa(i)))
		})
	})
	t.Run("Bytes", func(t *testing.T) {
		m := newBytes(t, Options{})
		for i := range n {
			require.NoError(t, m.Store(key(i), nil))
		}
		test(t, &m.c, func(i int) uint64 { return m.hashOf(key(i)) }, func(i int) {
			require.False(t, m.Delete(key(i)))
		}, func(i int) {
			_, ok := m.LoadAndDelete(key(i), nil)
			require.False(t, ok)
		})
	})
}

// A Delete finds what was stored while the table was moving: a bucket that was
// moved says nothing of what has come since.
func TestDelete_FindsWhatIsStoredWhileMoving(t *testing.T) {
	const n = 24
	t.Run("Map", func(t *testing.T) {
		m := newMap[int, int](t, Options{})
		m.c.halfway(t)
		for k := range n {
			require.NoError(t, m.Store(k, k))
			require.True(t, m.Delete(k))
			require.False(t, m.Delete(k))
		}
	})
	t.Run("Bytes", func(t *testing.T) {
		m := newBytes(t, Options{})
		m.c.halfway(t)
		for k := range n {
			require.NoError(t, m.Store(key(k), nil))
			require.True(t, m.Delete(key(k)))
			require.False(t, m.Delete(key(k)))
		}
	})
}

// CompareAndSwap and CompareAndDelete do something where the value is the given one, and
// only there.
func TestCompareAnd(t *testing.T) {
	m := newMap[int, string](t, Options{})
	swap := func(old, new string) bool {
		swapped, err := CompareAndSwap(m, 1, old, new)
		require.NoError(t, err)
		return swapped
	}
	require.False(t, swap("", "a"), "there is none, which is not the zero value")
	require.NoError(t, m.Store(1, "a"))
	require.False(t, swap("b", "c"))
	require.True(t, swap("a", "b"))
	require.False(t, swap("a", "c"))
	v, ok := m.Load(1)
	require.True(t, ok)
	require.Equal(t, "b", v)
	require.False(t, CompareAndDelete(m, 1, "a"))
	require.False(t, CompareAndDelete(m, 2, ""))
	require.True(t, CompareAndDelete(m, 1, "b"))
	require.False(t, CompareAndDelete(m, 1, "b"))
	require.Zero(t, m.Len())
}

// Whatever unlinks an entry of a Map moves the version of its bucket on: it is all by which
// a Load without a section learns that the entry it copies may be another's by now.
func TestUnlink_MovesTheVersion(t *testing.T) {
	compute := func(op Op) func(*Map[int, int]) {
		return func(m *Map[int, int]) { m.Compute(1, func(int, bool) (int, Op) { return 2, op }) }
	}
	for name, unlink := range map[string]func(*Map[int, int]){
		"Store":           func(m *Map[int, int]) { m.Store(1, 2) },
		"Compute updates": compute(UpdateOp),
		"Compute deletes": compute(DeleteOp),
		"Delete":          func(m *Map[int, int]) { m.Delete(1) },
		"Clear":           (*Map[int, int]).Clear,
	} {
		t.Run(name, func(t *testing.T) {
			m := newMap[int, int](t, Options{})
			require.NoError(t, m.Store(1, 1))
			root := m.c.table.Load().bucket(m.hash(1))
			for range 100 { // Store has a short way, and a long one
				require.NoError(t, m.Store(1, 1))
				ctl := root.ctl.Load()
				unlink(m)
				require.True(t, root.changed(ctl))
				require.Zero(t, root.ctl.Load()&locked)
			}
		})
	}
}
