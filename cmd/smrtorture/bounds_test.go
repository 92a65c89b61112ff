package main

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smrmap"
)

// As checks_test.go, for the parts that check bounds: of memory, of time, and of sizes.

func TestTurnover_SeesMemoryThatGrows(t *testing.T) {
	dom := testkit.Domain(t)
	m, err := smrmap.New[uint64, uint64](smrmap.Options{Domain: dom})
	require.NoError(t, err)
	w := &window{m: m, dom: dom, faults: new(faults)}
	for range firstTurns {
		w.turn(new(pulse))
	}
	require.Zero(t, w.faults.total())
	require.Positive(t, w.least)
	w.turns++
	w.compare(smrmap.Stats{Len: windowKeys, ReservedBytes: w.least * 2, EntryBytes: w.least / 8})
	require.EqualValues(t, 1, w.faults.count[faultMemory])
	w.compare(smrmap.Stats{Len: windowKeys - 1})
	require.EqualValues(t, 1, w.faults.count[faultMap], "an entry is missing")
	require.NoError(t, m.Close(t.Context()))

	c := &cache{faults: new(faults), full: true}
	c.compare(cacheLeast)
	require.Zero(t, c.faults.total())
	c.compare(cacheLeast - 1)
	require.EqualValues(t, 1, c.faults.count[faultMemory])
}

func TestSizes_SeeMoreEvictedThanNeeded(t *testing.T) {
	sz := &sizing{faults: new(faults)}
	require.True(t, sz.compare(100_000, 100_001, 1000), "nothing was evicted")
	require.True(t, sz.compare(100_000, 98_001, 1000))
	require.Zero(t, sz.faults.total())
	require.False(t, sz.compare(100_000, 95_000, 1000))
	require.False(t, sz.compare(487_721, 1, 1000))
	require.EqualValues(t, 2, sz.faults.count[faultMemory])
}

func TestNeighbours_SeeCostsThatGrowAndLocks(t *testing.T) {
	nb := &neighbour{faults: &faults{patience: time.Millisecond}, dom: testkit.Domain(t), rng: newRand()}
	nb.compareCosts("", time.Microsecond, costGrowth*time.Microsecond)
	require.Zero(t, nb.faults.total())
	nb.compareCosts("", time.Microsecond, costGrowth*time.Microsecond+1)
	require.EqualValues(t, 1, nb.faults.count[faultIdle])
	release := make(chan struct{})
	nb.unhindered("", func() { <-release })
	close(release)
	require.EqualValues(t, 2, nb.faults.count[faultIdle])
}

func TestEndings_SeeWhatIsNotGivenBack(t *testing.T) {
	e := &ending{faults: new(faults)}
	e.compare(0)
	require.Zero(t, e.faults.total())
	e.compare(1)
	require.EqualValues(t, 1, e.faults.count[faultLeak])
	e.check(slab.ErrNoMemory)
	require.EqualValues(t, 1, e.faults.count[faultPool])
}

func TestExtremes_SeeSizesOutOfRange(t *testing.T) {
	ex := &extreme{faults: new(faults), rng: newRand()}
	ex.refused("", func() { panic("slab: negative size") })
	ex.notNegative("", 0)
	require.Zero(t, ex.faults.total())
	ex.refused("", func() { panic("runtime error: index out of range") })
	ex.notNegative("", -1)
	require.EqualValues(t, 2, ex.faults.count[faultSize])
	for range 1000 {
		n := ex.near(math.MaxInt)
		require.GreaterOrEqual(t, n, 0)
	}
}

func TestDrops_SeeWhatStays(t *testing.T) {
	dr := &dropping{dom: testkit.Domain(t), ending: ending{faults: &faults{patience: time.Millisecond}}}
	budget := slab.NewBudget(0)
	dr.await(budget, new(pulse))
	require.Zero(t, dr.faults.total())
	budget.ReserveAlways(1)
	dr.await(budget, new(pulse))
	require.NotZero(t, dr.faults.count[faultLeak])
}

func TestPurse_SeesBudgetExceeded(t *testing.T) {
	p := &purse{Budget: slab.NewBudget(100), limit: 100, allowed: 10, faults: new(faults), peak: new(counter)}
	p.ReserveAlways(110)
	p.look()
	require.Zero(t, p.faults.total())
	require.EqualValues(t, 110, p.peak.Load())
	p.ReserveAlways(1)
	p.look()
	p.Release(111)
	require.EqualValues(t, 1, p.faults.count[faultBudget])
	p.look()
	require.EqualValues(t, 1, p.faults.total())
	require.EqualValues(t, 111, p.peak.Load())
}

func TestFaults_SeeStoresThatAreDropped(t *testing.T) {
	f := new(faults)
	f.refused(6400, 116)
	require.Zero(t, f.total())
	f.refused(6400, 117)
	require.EqualValues(t, 1, f.count[faultMap])
}

func TestLongStay_SeesScansForNothing(t *testing.T) {
	ls := &longStay{faults: new(faults)}
	ls.count(stayScans)
	require.Zero(t, ls.faults.total())
	ls.count(stayScans + 1)
	require.EqualValues(t, 1, ls.faults.count[faultIdle])
}

func TestDelay_SeesCallbackThatIsHeldUp(t *testing.T) {
	d := &delay{faults: new(faults), dom: testkit.Domain(t), rng: newRand(), most: time.Millisecond}
	require.NotZero(t, d.round())
	require.Zero(t, d.faults.total())
	s := d.dom.Enter()
	require.Zero(t, d.round())
	require.EqualValues(t, 1, d.faults.count[faultDelay])
	s.Leave()
}
