package clock

import (
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// sampledIn returns the functions of the stack of the only open section, leaf first, or nil if it
// was not sampled.
func sampledIn(t *testing.T, c *Clock) (functions []string) {
	t.Helper()
	blocking := c.Blocking(c.Advance())
	require.Len(t, blocking, 1)
	if blocking[0].Sample == nil {
		return nil
	}
	stack := blocking[0].Sample.Stack()
	require.NotContains(t, stack, uintptr(0), "what is left of the array is no frame")
	frames := runtime.CallersFrames(stack)
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		functions = append(functions, f.Function)
	}
	return functions
}

// entries are the ways to enter a section.
var entries = map[string]func(c *Clock) func() (*Record, uint64){
	"Enter":          func(c *Clock) func() (*Record, uint64) { return c.Enter },
	"TryEnter":       func(c *Clock) func() (*Record, uint64) { return c.TryEnter },
	"Pin":            func(c *Clock) func() (*Record, uint64) { return c.Pin },
	"Owned":          func(c *Clock) func() (*Record, uint64) { return c.NewOwned().Enter },
	"Owned_TryEnter": func(c *Clock) func() (*Record, uint64) { return c.NewOwned().TryEnter },
}

// Each section is sampled if one in one is, of whatever kind, on a fenced clock, too; none if none
// is.
func TestSample_Each(t *testing.T) {
	for name, entry := range entries {
		t.Run(name, func(t *testing.T) {
			for _, o := range []Options{{SampleSections: 1}, {SampleSections: 1, Fenced: true}} {
				c := newClock(o)
				enter := entry(c)
				visit := func() []string {
					r, gen := enter()
					defer r.Leave(gen)
					return sampledIn(t, c)
				}
				for range 3 {
					stack := visit()
					require.Condition(t, func() bool {
						return slices.ContainsFunc(stack, func(f string) bool { return strings.Contains(f, "TestSample_Each") })
					}, "%v", stack)
				}
				require.Equal(t, 1, c.SampleSections(0))
				require.Nil(t, visit())
				require.Equal(t, 0, c.SampleSections(-1))
				require.Nil(t, visit())
				require.Equal(t, 0, c.SampleSections(1))
				require.NotNil(t, visit())
			}
		})
	}
}

// A sample is its own section's: the next one on the record has none, or another.
func TestSample_StaleIsNotReported(t *testing.T) {
	c := newClock(Options{SampleSections: 1})
	rec := c.NewOwned()
	r, gen := rec.Enter()
	require.NotNil(t, sampledIn(t, c))
	r.Leave(gen)
	require.NotNil(t, rec.sampled.Load(), "the record keeps it")
	c.SampleSections(0)
	r, gen = rec.Enter()
	require.Nil(t, sampledIn(t, c))
	r.Leave(gen)
}

// About one section in n is sampled: among those of one record, among the first ones on the trackers
// of a slot, and if two kinds of them alternate, of each kind.
func TestSample_OneIn(t *testing.T) {
	for _, n := range []int{2, 10, 100, 1000} {
		const sections = 100_000
		near := func(want, sampled int) {
			t.Helper()
			require.InDelta(t, want, sampled, 3+0.1*float64(want), "one in %d", n)
		}
		c := newClock(Options{SampleSections: n})
		rec := c.NewOwned()
		var kinds [2]int
		var last *Sample
		for i := range sections {
			r, gen := rec.Enter()
			r.Leave(gen)
			if s := rec.sampled.Load(); s != last {
				last = s
				kinds[i%2]++
			}
		}
		near(sections/n/2, kinds[0])
		near(sections/n/2, kinds[1])

		const open = 4096
		type section struct {
			r   *Record
			gen uint64
		}
		var all []section
		sampled := 0
		for range open {
			r, gen := c.Enter()
			all = append(all, section{r, gen})
			if r.sampleOf(gen&^genBits) != nil {
				sampled++
			}
		}
		for _, s := range all {
			s.r.Leave(s.gen)
		}
		near(open/n, sampled)
	}
	require.NotZero(t, oneInBelow(math.MaxInt), "the fewest are not none")
}

// oneInBelow returns the bound for one section in n.
func oneInBelow(n int) uint32 {
	c := newClock(Options{SampleSections: n})
	return c.sampling.below.Load()
}

// A sealed or fenced clock stays so, whatever is sampled.
func TestSample_KeepsExceptions(t *testing.T) {
	c := newClock(Options{Fenced: true})
	fenced := c.fenced()
	c.SampleSections(1)
	c.SampleSections(0)
	require.Equal(t, fenced, c.fenced())
	c.Seal()
	c.SampleSections(1)
	c.SampleSections(0)
	require.True(t, c.Sealed())
	require.Panics(t, func() { c.Enter() })
}

// A sampled section's age is that since it was entered; an unsampled one's is known if no other is
// older and a wait has slept since.
func TestBlocking_Ages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(Options{StallAfter: time.Hour, OnStall: func(Stall) {}})
		first, firstGen := c.Enter()
		c.Advance()
		second, secondGen := c.Enter()
		c.SampleSections(1)
		c.Advance()
		third, thirdGen := c.Enter()
		goal := c.Advance()
		ages := func() (ages []time.Duration) {
			for _, b := range c.Blocking(goal) {
				ages = append(ages, b.Age)
			}
			return ages
		}
		time.Sleep(time.Second)
		require.Equal(t, []time.Duration{0, 0, time.Second}, ages())
		stop := make(chan struct{})
		go c.WaitOr(goal, stop, nil)
		synctest.Wait()
		time.Sleep(time.Second)
		require.Equal(t, []time.Duration{time.Second, 0, 2 * time.Second}, ages(), "those that entered first come first")
		close(stop)
		first.Leave(firstGen)
		c.Poll(goal)
		require.Equal(t, []time.Duration{0, 2 * time.Second}, ages(), "the age of the oldest is not the next one's")
		second.Leave(secondGen)
		third.Leave(thirdGen)
		require.Empty(t, ages())
	})
}

// TryEnter refuses on a sealed clock, on whatever path, and opens nothing; before, it is Enter.
func TestTryEnter_RefusedWhenSealed(t *testing.T) {
	for name, o := range map[string]Options{"Plain": {}, "Fenced": {Fenced: true}, "Sampled": {SampleSections: 1}} {
		t.Run(name, func(t *testing.T) {
			c := newClock(o)
			rec := c.NewOwned()
			for _, enter := range []func() (*Record, uint64){c.TryEnter, rec.TryEnter} {
				r, gen := enter()
				inner, innerGen := enter() // on another record
				require.True(t, r.Active(gen) && inner.Active(innerGen))
				goal := c.Advance()
				require.False(t, c.Poll(goal))
				r.Leave(gen)
				inner.Leave(innerGen)
				require.True(t, c.Poll(goal))
			}
			held, heldGen := rec.TryEnter()
			c.Seal()
			for range 3 {
				for _, enter := range []func() (*Record, uint64){c.TryEnter, rec.TryEnter, c.NewOwned().TryEnter} {
					r, gen := enter()
					require.Nil(t, r)
					require.Zero(t, gen)
				}
			}
			held.Leave(heldGen)
			sections, _ := c.Census()
			require.Zero(t, sections)
			fresh := newClock(o)
			fresh.Seal()
			r, _ := fresh.TryEnter() // the processor has no slot
			require.Nil(t, r)
			require.True(t, rec.Close())
			require.Panics(t, func() { rec.TryEnter() }, "a closed record is no late one")
		})
	}
}

// Those that entered first come first, wherever their records are.
func TestBlocking_OldestFirst(t *testing.T) {
	c := newClock(Options{Start: 1 << 40})
	second, first, third := c.NewOwned(), c.NewOwned(), c.NewOwned()
	want := []*Record{first, second, third}
	for _, r := range want {
		_, gen := r.Enter()
		defer r.Leave(gen)
		c.Advance()
	}
	var got []*Record
	for _, b := range c.Blocking(c.Now()) {
		got = append(got, b.Record)
	}
	require.Len(t, got, len(want))
	for i := range want {
		require.Same(t, want[i], got[i], i)
	}
}
