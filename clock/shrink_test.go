package clock

import (
	"fmt"
	"runtime"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/pcpu"
)

// A section is what Enter returns.
type section struct {
	r *Record
	g uint64
}

func (s section) leave() { s.r.Leave(s.g) }

// enterMany opens n sections.
func enterMany(c *Clock, n int) []section {
	open := make([]section, n)
	for i := range open {
		open[i].r, open[i].g = c.Enter()
	}
	return open
}

// leaveSome leaves the sections for which leave returns true, and returns the others.
func leaveSome(all []section, leave func(i int) bool) (open []section) {
	for i, s := range all {
		if leave(i) {
			s.leave()
		} else {
			open = append(open, s)
		}
	}
	return open
}

// onOne leaves the test one processor: its scans and its sections are in one slot, unless the build
// has stripes.
func onOne(t *testing.T) {
	procs := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(procs) })
}

// walks returns how many records a scan loads. It fails if a slot's count of them is wrong, or if
// the next entry would begin outside of the list.
func walks(t *testing.T, c *Clock) (records int) {
	for _, sl := range c.slots.All() {
		length, cur, last := 0, false, (*Record)(nil)
		for r := sl.all.Load(); r != nil; last, r = r, r.next.Load() {
			if r.seq.Load() == closedWord {
				t.Fatal("a retired record is linked")
			}
			cur = cur || sl.cur.Load() == r
			length++
		}
		require.EqualValues(t, sl.n.Load(), length)
		require.True(t, cur || sl.cur.Load() == closedRecord)
		require.Same(t, sl.last, last)
		records += length
	}
	return records
}

// scanUntil scans until scans walk no more records than that, and returns how many scans it took.
func scanUntil(t *testing.T, c *Clock, most int) (scans int) {
	t.Helper()
	for {
		n := 0
		for _, sl := range c.slots.All() {
			n += int(sl.n.Load())
		}
		if n <= most {
			require.Equal(t, n, walks(t, c))
			return scans
		}
		require.Less(t, scans, 3*idleScans, "%d records are left", n)
		c.Poll(c.Advance())
		scans++
	}
}

// few is what scans may walk when few sections are open.
func few(c *Clock) int { return fewRecords * len(c.slots.All()) }

// After a burst, scans soon walk few records again; and the next burst is as good as the first.
func TestShrink_AfterBurst(t *testing.T) {
	onOne(t)
	c := newClock(Options{})
	n := 100_000
	if testing.Short() {
		n = 20_000
	}
	for i := range 2 {
		open := enterMany(c, n)
		require.GreaterOrEqual(t, walks(t, c), n)
		leaveSome(open, func(int) bool { return true })
		scans := scanUntil(t, c, few(c))
		t.Log(scans, "scans")
		require.True(t, i > 0 || scans > idleScans, "given back early")
	}
}

// Sections that stay open are seen, wherever their records are in the list.
func TestShrink_KeepsOpenSections(t *testing.T) {
	onOne(t)
	const n = 6 * maxGrowth
	for name, stays := range map[string]func(i int) bool{
		"Each16th": func(i int) bool { return i%16 == 5 },
		"Oldest":   func(i int) bool { return i < maxGrowth },
		"Newest":   func(i int) bool { return i >= n-maxGrowth },
		"Last":     func(i int) bool { return i == n-1 },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock(Options{})
			open := leaveSome(enterMany(c, n), func(i int) bool { return !stays(i) })
			goal := c.Advance()
			scanUntil(t, c, few(c)+5*len(open))
			for i, s := range open {
				if i%64 == 0 || i == len(open)-1 { // a scan each time takes long
					require.False(t, c.Poll(goal), "section %d of %d is not seen", i, len(open))
				}
				require.True(t, s.r.Active(s.g))
				s.leave()
			}
			require.True(t, c.Poll(goal))
			scanUntil(t, c, few(c))
		})
	}
}

// Records that are in use now and then are kept: one scan in idleScans that finds a quarter of them
// in use is enough.
func TestShrink_KeepsWhatIsUsed(t *testing.T) {
	onOne(t)
	c := newClock(Options{})
	const n = 1000
	records := 0
	for i := range 20 {
		open := enterMany(c, n)
		c.Poll(c.Advance())
		if i == 0 {
			records = walks(t, c)
		}
		leaveSome(open, func(int) bool { return true })
		for range idleScans - 1 {
			c.Poll(c.Advance())
		}
	}
	require.GreaterOrEqual(t, walks(t, c), records)
}

// A section on a record that was given back is not open, and leaving it again panics.
func TestShrink_Misuse(t *testing.T) {
	onOne(t)
	c := newClock(Options{})
	left := enterMany(c, 1000)
	leaveSome(left, func(int) bool { return true })
	scanUntil(t, c, few(c))
	retired := 0
	for _, s := range left {
		require.False(t, s.r.Active(s.g))
		require.PanicsWithValue(t, "smr: Leave of a Section that is not open: it was left before", s.leave)
		if s.r.seq.Load() == closedWord {
			retired++
		}
	}
	require.GreaterOrEqual(t, retired, len(left)-few(c))
	walks(t, c)
}

// The collector frees the records.
func TestShrink_Collected(t *testing.T) {
	onOne(t)
	c := newClock(Options{})
	gone := func() (gone weak.Pointer[Record]) {
		leaveSome(enterMany(c, 1000), func(int) bool { return true })
		for _, sl := range c.slots.All() {
			if sl.n.Load() >= 1000 {
				gone = weak.Make(sl.all.Load())
			}
		}
		return gone
	}()
	runtime.GC()
	if gone.Value() == nil {
		t.Skip("the test's sections were in several slots")
	}
	scanUntil(t, c, few(c))
	eventually(t, "the newest batch is kept", func() bool {
		runtime.GC()
		return gone.Value() == nil
	})
}

// A section that outlasts its burst keeps neither the other trackers of that burst nor those of
// earlier ones.
func TestShrink_SurvivorKeepsNoOther(t *testing.T) {
	onOne(t)
	c := newClock(Options{})
	var gone []weak.Pointer[Record]
	var last []section
	for range 5 {
		open := enterMany(c, 5000)
		gone = append(gone, weak.Make(open[2500].r))
		survivor := len(open) - 1
		left := leaveSome(open, func(i int) bool { return i != survivor })
		leaveSome(last, func(int) bool { return true })
		last = left
		scanUntil(t, c, few(c))
	}
	for i, r := range gone {
		eventually(t, fmt.Sprintf("a tracker of burst %d is kept", i), func() bool {
			runtime.GC()
			return r.Value() == nil
		})
	}
	leaveSome(last, func(int) bool { return true })
}

// A scan asks another processor to shrink its slot, and the next entry there does.
func TestShrink_Asked(t *testing.T) {
	if !pcpu.Exclusive {
		t.Skip("scans shrink each slot themselves")
	}
	onOne(t)
	c := newClock(Options{})
	leaveSome(enterMany(c, 1), func(int) bool { return true })
	const elsewhere = 1 // no goroutine can be pinned there
	sl := c.slots.Grow(elsewhere)
	sl.grow(c, 1000, 0)
	for sl.n.Load() > fewRecords {
		before := walks(t, c)
		for range idleScans {
			c.Poll(c.Advance())
		}
		require.Equal(t, before, walks(t, c), "shrunk from another processor")
		require.Same(t, closedRecord, sl.cur.Load())
		pcpu.Pin()
		r := c.enterSlow(elsewhere, c.wr.Load())
		pcpu.Unpin()
		require.Less(t, walks(t, c), before)
		require.GreaterOrEqual(t, walks(t, c), before-before/2, "an entry gave back more than half")
		goal := c.Advance()
		require.False(t, c.Poll(goal))
		r.Leave(r.gen.Load())
		require.True(t, c.Poll(goal))
	}
}
