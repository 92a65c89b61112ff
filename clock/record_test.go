package clock

import (
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/pcpu"
)

func TestRecord_OneLine(t *testing.T) {
	require.Zero(t, unsafe.Sizeof(Record{})%pcpu.LineSize)
	require.Zero(t, unsafe.Sizeof(ownedRecord{})%pcpu.Stride)
	require.Zero(t, unsafe.Offsetof(slot{}.first)%pcpu.Stride)
	require.Zero(t, unsafe.Offsetof(Clock{}.rd)%pcpu.Stride)
}

func TestLeave_Misuse(t *testing.T) {
	c := newClock(Options{})
	require.PanicsWithValue(t, "smr: Leave of a zero Section: it was never entered", func() {
		(*Record)(nil).Leave(0)
	})

	const leftBefore = "smr: Leave of a Section that is not open: it was left before"
	r, g := c.Enter()
	require.True(t, r.Active(g))
	r.Leave(g)
	require.False(t, r.Active(g))
	require.PanicsWithValue(t, leftBefore, func() { r.Leave(g) })

	// The same record, in the next section's use.
	var again *Record
	var gen uint64
	for again != r {
		again, gen = c.Enter()
	}
	require.PanicsWithValue(t, leftBefore, func() { r.Leave(g) })
	require.True(t, again.Active(gen), "the other section is not closed by it")
	require.False(t, r.Active(g))
	goal := c.Advance()
	require.False(t, c.Poll(goal))
	again.Leave(gen)

	p, pg := c.Pin()
	p.Leave(pg)
	require.PanicsWithValue(t, leftBefore, func() { p.Leave(pg) })
}

func TestOwned_Misuse(t *testing.T) {
	c := newClock(Options{})
	rec := c.NewOwned()
	r, g := rec.Enter()
	require.False(t, rec.Close(), "a section is open")
	r.Leave(g)
	require.True(t, rec.Close())
	require.True(t, rec.Close())
	require.Panics(t, func() { rec.Enter() })
	require.Panics(t, func() { ClosedRecord().Enter() })
	require.Same(t, rec, c.NewOwned(), "the record is used again")
	rec.Enter()
	require.NotSame(t, rec, c.NewOwned())
}

func TestQuiescent_Sections(t *testing.T) {
	c := newClock(Options{})
	rec := c.NewQuiescent(nil)
	_, ok := rec.Section()
	require.False(t, ok)
	rec.Quiesce()
	require.False(t, rec.IsOnline(), "quiescing offline does nothing")
	require.True(t, c.Poll(c.Advance()), "an offline reader holds back nothing")

	rec.Online()
	g1, ok := rec.Section()
	require.True(t, ok)
	require.True(t, rec.Active(g1))
	rec.Leave(g1)
	require.True(t, rec.Active(g1), "Leave does nothing before the quiescent state")
	goal := c.Advance()
	require.False(t, c.Poll(goal))
	rec.Quiesce()
	require.True(t, c.Poll(goal))
	require.False(t, rec.Active(g1))
	require.Panics(t, func() { rec.Leave(g1) })
	g2, _ := rec.Section()
	require.True(t, rec.Active(g2))
	require.False(t, c.Poll(c.Advance()), "it is in its next section")
	rec.Offline()
	require.False(t, rec.Active(g2))
	require.True(t, c.Poll(c.Now()))
	require.True(t, rec.Close())
}

func TestSeal_EntryPanics(t *testing.T) {
	c := newClock(Options{Name: "gone"})
	owned := c.NewOwned()
	r, g := c.Enter()
	require.True(t, c.Seal())
	require.False(t, c.Seal())
	require.PanicsWithValue(t, "smr: section entered on closed domain gone", func() { c.Enter() })
	require.PanicsWithValue(t, "smr: section entered on closed domain gone", func() { c.Pin() })
	require.Panics(t, func() { owned.Enter() })
	goal := c.Advance()
	require.False(t, c.Poll(goal), "sections open at sealing are still seen")
	r.Leave(g)
	require.True(t, c.Poll(goal))
}

// The number of records follows the number of sections open at once.
func TestSlot_GrowsWithOpenSections(t *testing.T) {
	c := newClock(Options{})
	type section struct {
		r *Record
		g uint64
	}
	const n = 5000
	var open []section
	for range n {
		r, g := c.Enter()
		open = append(open, section{r, g})
	}
	sections, records := c.Census()
	require.Equal(t, n, sections)
	perSlot := 2*n + firstRecords*len(c.slots.All())
	require.LessOrEqual(t, records, perSlot, "more than twice the open sections")
	goal := c.Advance()
	for i, s := range open {
		require.False(t, c.Poll(goal), "section %d of %d is not seen", i, n)
		if i%16 != 0 && i < n-10 {
			s.r.Leave(s.g)
			continue
		}
		s.r.Leave(s.g)
	}
	require.True(t, c.Poll(goal))
	for range 10 * n {
		r, g := c.Enter()
		r.Leave(g)
	}
	_, again := c.Census()
	require.LessOrEqual(t, again, records+firstRecords*len(c.slots.All()), "records are used again")
}

// Sections are seen whatever GOMAXPROCS does while they are open.
func TestEnter_WhileGOMAXPROCSChanges(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	c := newClock(Options{})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, g := c.Enter()
				goal := c.Advance()
				held := !c.Poll(goal)
				r2, g2 := c.Pin()
				r2.Leave(g2)
				if !held || c.Poll(goal) || !r.Active(g) {
					panic("an open section was not seen")
				}
				r.Leave(g)
				runtime.Gosched()
			}
		})
	}
	for i := range 200 {
		runtime.GOMAXPROCS(1 + i*7%11)
		runtime.Gosched()
	}
	close(stop)
	wg.Wait()
	sections, _ := c.Census()
	require.Zero(t, sections)
	waitFor(t, c, c.Advance())
}
