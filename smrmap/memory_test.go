package smrmap

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/slab"
)

// A cache is a map under a budget: put stores a key, and evict makes room for others.
type cache struct {
	c     *core
	put   func(i int) error
	evict func(i int) // in need of memory for key i
	notes *charge     // of its young
}

// caches returns maps of each kind whose entries are off the Go heap.
func caches(t testing.TB, o Options) map[string]cache {
	m, b := newMap[uint64, uint64](t, o), newBytes(t, o)
	oldest := 0
	return map[string]cache{
		"Map": {&m.c, func(i int) error { return m.Store(uint64(i), uint64(i)) }, func(int) {
			for range 1000 {
				m.Delete(uint64(oldest))
				oldest++
			}
		}, new(charge)},
		"Bytes": {&b.c, func(i int) error { return b.Store(key(i), key(i)) }, func(int) { b.EvictBytes(64 << 10) }, b.young.size},
	}
}

// excess is what the budget is exceeded by, at most.
func (c *core) excess() int64 {
	t := c.table.Load()
	bytes := t.share()
	if next := t.next.Load(); next != nil { // entries move
		if bytes += t.size.Load() - bytesOf(t.n) + bytesOf(minSpill); next.n < t.n {
			bytes += bytesOf(next.n)
		}
	}
	return bytes
}

// churn stores n keys that were never there, and evicts where there is no room. It looks at
// the budget after each step: what is used is never more than the limit and what the doc
// of Options says. TestBudget_BoundsResizing looks while entries move: here their goroutine may
// have counted a table that is not published yet.
func churn(t testing.TB, name string, o Options, n int) {
	m := caches(t, o)[name]
	ctx := watchdogContext(t)
	limit, most := o.Budget.Limit(), int64(0)
	sample := func() {
		if !m.c.resizing.TryLock() {
			return
		}
		used, excess := o.Budget.Used(), m.c.excess()+m.notes.Load()
		m.c.resizing.Unlock()
		m.c.resize(m.c.table.Load()) // it may have been due meanwhile
		most = max(most, used)
		if used > limit+excess {
			t.Fatalf("%d bytes used, of %d and %d", used, limit, excess)
		}
	}
	fails := 0
	for i := range n {
		for {
			err := m.put(i)
			sample()
			if err == nil {
				break
			}
			fails++
			require.ErrorIs(t, err, slab.ErrNoMemory)
			m.evict(i)
			sample()
			require.NoError(t, o.Domain.Barrier(ctx))
		}
	}
	m.c.migrated.Wait()
	sample()
	st := m.c.stats()
	t.Logf("%d stores, %d of them for want of memory twice: at most %.3f of the limit, %d entries, table %.1f bytes an entry",
		n, fails, float64(most)/float64(limit), st.Len, float64(st.ReservedBytes)/float64(st.Len))
	require.Greater(t, int64(n), 4*int64(st.Len), "keys came and went several times over")
}

func TestBudget_BoundsKeysThatComeAndGo(t *testing.T) {
	for _, name := range []string{"Map", "Bytes"} {
		t.Run(name, func(t *testing.T) {
			budget := slab.NewBudget(int64(reduced(1<<20, 1<<19)))
			churn(t, name, Options{Domain: newDomain(t), Budget: budget}, reduced(200_000, 100_000))
		})
	}
}

func TestBudget_BoundsKeysThatComeAndGo_AtFullSize(t *testing.T) {
	if testing.Short() {
		t.Skip("some ten seconds")
	}
	for _, name := range []string{"Map", "Bytes"} {
		t.Run(name, func(t *testing.T) {
			churn(t, name, Options{Domain: newDomain(t), Budget: slab.NewBudget(32 << 20)}, 4_000_000)
		})
	}
}

// While the table is replaced the budget is exceeded by no more than the doc says, also where
// it has no room at all: a smaller one is half the size, and chains need about what they had.
func TestBudget_BoundsResizing(t *testing.T) {
	budget := slab.NewBudget(0)
	m := newMap[uint64, uint64](t, Options{Budget: budget})
	m.c.crowd()
	const n = 30_000
	for k := range uint64(n) {
		require.NoError(t, m.Store(k, k))
		if m.c.table.Load().n < 1<<10 {
			m.c.stuck.Store(0)
			m.c.migrated.Wait()
		} else {
			m.c.crowd()
		}
	}
	m.c.migrated.Wait()
	require.Equal(t, 1<<10, m.c.table.Load().n)
	hashOf, moved := m.c.hashOf, 0
	m.c.hashOf = func(e ref) uint64 {
		// By the goroutine that moves entries.
		if m.c.table.Load().next.Load() != nil {
			moved++
			if used, excess := budget.Used(), m.c.excess(); used > budget.Limit()+excess {
				t.Errorf("%d bytes used, of %d and %d", used, budget.Limit(), excess)
			}
		}
		return hashOf(e)
	}
	// It grows by as much as there is room for roots.
	budget.SetLimit(budget.Used() + bytesOf(1<<11))
	m.c.stuck.Store(0)
	m.c.resize(m.c.table.Load())
	m.c.migrated.Wait()
	require.Equal(t, n, moved)
	// And it shrinks, without room for anything.
	budget.SetLimit(budget.Used())
	for k := range uint64(n) {
		if m.Delete(k); n-k < 1100 && k%100 == 0 {
			m.c.migrated.Wait()
		}
	}
	m.c.migrated.Wait()
	require.Greater(t, moved, n)
	require.LessOrEqual(t, m.c.table.Load().n, 64)
	require.Zero(t, m.c.check())
	m.c.hashOf = hashOf
}

// A table of n entries whose keys change takes a third more than one whose keys do not, at
// most, and no more the longer they do: after eight times as many keys as there are entries.
func TestTable_BytesPerEntryAfterTurnover(t *testing.T) {
	oldest := func([]int) int { return 0 }
	anyone := func(live []int) int { return rand.IntN(len(live)) }
	// With 3993, 7987, 15,974... and 511,180 entries the table doubles.
	turnOver(t, 0, 3750, "oldest", oldest)
	turnOver(t, 1<<30, 6000, "any", anyone)
	if testing.Short() {
		return
	}
	for _, limit := range []int64{0, 1 << 30} {
		turnOver(t, limit, 7500, "oldest", oldest)
		turnOver(t, limit, 7500, "any", anyone)
		turnOver(t, limit, 12_000, "any", anyone)
	}
	turnOver(t, 1<<30, 500_000, "any", anyone)
}

func turnOver(t *testing.T, limit int64, n int, order string, victim func(live []int) int) {
	o := Options{Domain: newDomain(t), Budget: slab.NewBudget(limit)}
	m, b := newMap[uint64, value](t, o), newBytes(t, o)
	testTurnover(t, "Map, "+order, &m.c, n, victim,
		func(k int) error { return m.Store(uint64(k), value{}) },
		func(k int) bool { return m.Delete(uint64(k)) },
		m.Stats)
	testTurnover(t, "Bytes, "+order, &b.c, n, victim,
		func(k int) error { return b.Store(key(k), key(k)) },
		func(k int) bool { return b.Delete(key(k)) },
		b.Stats)
}

func testTurnover(t *testing.T, name string, c *core, n int, victim func([]int) int, put func(int) error, remove func(int) bool, stats func() Stats) {
	live := make([]int, n)
	for i := range live {
		require.NoError(t, put(i))
		live[i] = i
	}
	c.migrated.Wait()
	perEntry := func(st Stats) float64 { return float64(st.ReservedBytes) / float64(st.Len) }
	table, all := perEntry(c.stats()), perEntry(stats())
	for k := n; k < 9*n; k++ {
		i := victim(live)
		if i == 0 {
			i = k % n
		}
		if err := put(k); err != nil || !remove(live[i]) {
			t.Fatalf("%d is not there, or %d can't be stored: %v", live[i], k, err)
		}
		live[i] = k
		if k%n == n-1 {
			require.LessOrEqual(t, perEntry(c.stats()), table*4/3, "%s, %d entries, after %d", name, n, k)
		}
	}
	c.migrated.Wait()
	t.Logf("%s, %d entries: table %.1f bytes an entry, %.1f after turnover; all %.1f, and %.1f",
		name, n, table, perEntry(c.stats()), all, perEntry(stats()))
	require.Equal(t, n, stats().Len)
}
