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
	require.Zero(t, unsafe.Offsetof(paddedSlot{}.first)%pcpu.Stride)
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

	// The same record, in the next section's use. (Not by way of Enter: this
	// goroutine may be on another processor by now, and never meet it again.)
	require.True(t, r.claim(c.wr.Load()))
	gen := r.gen.Load()
	require.PanicsWithValue(t, leftBefore, func() { r.Leave(g) })
	require.True(t, r.Active(gen), "the other section is not closed by it")
	require.False(t, r.Active(g))
	goal := c.Advance()
	require.False(t, c.Poll(goal))
	r.Leave(gen)

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

func TestQuiescent_Misuse(t *testing.T) {
	c := newClock(Options{})
	asked := 0
	rec := c.NewQuiescent(func() { asked++ })
	rec.Online()
	g, _ := rec.Section()
	goal := c.Advance()
	rec.Online()
	require.True(t, rec.Active(g), "going online again changes nothing")
	require.False(t, c.Poll(goal))
	require.True(t, rec.Close())
	require.True(t, c.Poll(goal))
	rec.Quiesce()
	rec.Online()
	rec.Offline()
	require.False(t, rec.IsOnline(), "a closed record stays offline")
	require.True(t, c.Poll(c.Advance()))
	require.Same(t, rec, c.NewQuiescent(nil), "the record is used again")
	require.NotSame(t, rec, c.NewOwned())
	online := c.NewQuiescent(nil)
	online.Online()
	c.Seal()
	rec.Online()
	require.False(t, rec.IsOnline(), "nor does one go online on a sealed clock")
	online.Quiesce()
	require.False(t, online.IsOnline(), "nor does one begin another section there")
	require.True(t, c.Poll(c.Advance()))
}

// While the clock stands, a quiescent state ends the section and leaves the record as it is.
func TestQuiescent_QuiesceAtTheSameMoment(t *testing.T) {
	c := newClock(Options{})
	rec := c.NewQuiescent(nil)
	rec.Online()
	g, _ := rec.Section()
	word := rec.seq.Load()
	rec.Quiesce()
	require.False(t, rec.Active(g))
	require.Equal(t, word, rec.seq.Load())
	goal := c.Advance()
	require.False(t, c.Poll(goal))
	rec.Quiesce()
	require.Equal(t, uint64(goal), rec.seq.Load())
	require.True(t, c.Poll(goal))
}

// A grace period is awaited from when it asks for quiescent states to its end.
func TestQuiescent_Awaited(t *testing.T) {
	c := newClock(Options{})
	rec := c.NewQuiescent(func() {})
	r, g := c.Enter()
	c.askForReports(c.Advance())
	require.False(t, rec.Awaited(), "it waits for another kind of reader")
	r.Leave(g)
	rec.Online()
	goal := c.Advance()
	require.False(t, rec.Awaited())
	c.askForReports(goal)
	require.True(t, rec.Awaited())
	rec.Quiesce()
	require.True(t, rec.Awaited(), "none has found it reached")
	require.True(t, c.Poll(goal))
	require.False(t, rec.Awaited())
	require.False(t, ClosedRecord().Awaited())
}

// A clock whose readers all fence for themselves needs no fence of its pollers, until another comes.
func TestUnfencedReaders(t *testing.T) {
	for name, enter := range map[string]func(c *Clock){
		"Enter": func(c *Clock) { r, g := c.Enter(); r.Leave(g) },
		"Pin":   func(c *Clock) { r, g := c.Pin(); r.Leave(g) },
		"Owned": func(c *Clock) { c.NewOwned().Close() },
	} {
		c := newClock(Options{})
		c.NewQuiescent(nil).Online()
		require.False(t, c.unfencedReaders())
		enter(c)
		require.True(t, c.unfencedReaders(), name)
	}
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
	owned, busy := c.NewOwned(), c.NewOwned()
	r, g := c.Enter()
	rb, gb := busy.Enter()
	require.True(t, c.Seal())
	rb.Leave(gb)
	require.Panics(t, func() { busy.Enter() }, "also where a section was open at sealing")
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
	perSlot := 2*n + firstRecords()*len(c.slots.All())
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
	require.LessOrEqual(t, again, records+firstRecords()*len(c.slots.All()), "records are used again")
}

// With few idle records far apart, the slot grows rather than walk to them each
// time.
// Trackers of a slot know its processor, also those that are added later.
func TestSlot_TrackersKnowTheirProcessor(t *testing.T) {
	c := newClock(Options{})
	sl := c.newSlot(3)
	sl.grow(c, 2, 0)
	for r := sl.all.Load(); r != nil; r = r.next.Load() {
		require.EqualValues(t, 3, r.cpu)
	}
}

func TestSlot_WalksStayShort(t *testing.T) {
	if !pcpu.Exclusive {
		t.Skip("sections of one goroutine may be in several slots")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	c := newClock(Options{})
	const n = 4096
	var open []*Record
	for range n {
		r, _ := c.Enter()
		open = append(open, r)
	}
	open[n/4].Leave(open[n/4].gen.Load())
	open[3*n/4].Leave(open[3*n/4].gen.Load())
	_, before := c.Census()
	for range 10 * n {
		r1, g1 := c.Enter()
		r2, g2 := c.Enter()
		r1.Leave(g1)
		r2.Leave(g2)
	}
	_, after := c.Census()
	require.Greater(t, after, before, "it walked past thousands of open sections each time")
	require.LessOrEqual(t, after, 4*n, "and then the walks are paid for")
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
