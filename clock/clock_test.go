package clock

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/membarrier"
	"github.com/gosmr/gosmr/internal/relacq"
)

func TestAdvance_ReachedWithoutReaders(t *testing.T) {
	forEachStart(t, func(t *testing.T, c *Clock) {
		var last Seq
		for i := range 10 {
			goal := c.Advance()
			require.True(t, i == 0 || last.Before(goal))
			require.True(t, c.Poll(goal))
			require.True(t, c.Poll(last) == (i > 0))
			last = goal
		}
	})
}

func TestPoll_OpenSectionHoldsBackLaterGoals(t *testing.T) {
	forEachStart(t, func(t *testing.T, c *Clock) {
		before := c.Advance()
		rec, gen := c.Enter()
		at := c.Now()
		goal := c.Advance()
		require.True(t, c.Poll(before))
		require.True(t, c.Poll(at), "a section holds back no goal of its own moment")
		for range 5 {
			require.False(t, c.Poll(goal))
			require.False(t, c.Poll(c.Advance()))
		}
		late, lateGen := c.Enter()
		rec.Leave(gen)
		require.True(t, c.Poll(goal), "a section entered at the goal or later does not hold it back")
		require.False(t, c.Poll(c.Advance()))
		late.Leave(lateGen)
		require.True(t, c.Poll(c.Now()))
	})
}

func TestPoll_EveryKindOfReaderIsSeen(t *testing.T) {
	forEachStart(t, func(t *testing.T, c *Clock) {
		owned := c.NewOwned()
		quiescent := c.NewQuiescent(nil)
		for name, enter := range map[string]func() (leave func()){
			"tracker": func() func() { r, g := c.Enter(); return func() { r.Leave(g) } },
			"pinned":  func() func() { r, g := c.Pin(); return func() { r.Leave(g) } },
			"owned":   func() func() { r, g := owned.Enter(); return func() { r.Leave(g) } },
			"online":  func() func() { quiescent.Online(); return quiescent.Offline },
			"quiesce": func() func() { quiescent.Online(); return quiescent.Quiesce },
		} {
			leave := enter()
			goal := c.Advance()
			held := !c.Poll(goal)
			leave()
			require.True(t, held, name)
			require.True(t, c.Poll(goal), name)
			quiescent.Offline()
		}

		r1, g1 := owned.Enter()
		r2, g2 := owned.Enter() // on a tracker
		goal := c.Advance()
		r1.Leave(g1)
		require.False(t, c.Poll(goal), "the nested section outlives the outer one")
		r2.Leave(g2)
		require.True(t, c.Poll(goal))
	})
}

func TestPoll_Uncommitted(t *testing.T) {
	forEachStart(t, func(t *testing.T, c *Clock) {
		goal := c.DeferredAdvance()
		require.Equal(t, goal, c.DeferredAdvance(), "deferring does not move the clock")
		require.False(t, c.Poll(goal), "a goal is not reached before it is committed")
		rec, gen := c.Enter()
		c.Commit(goal)
		c.Commit(goal) // again: no effect
		require.Equal(t, goal, c.Now())
		require.False(t, c.Poll(goal), "a section entered before the commit holds the goal back")
		rec.Leave(gen)
		require.True(t, c.Poll(goal))

		goal = c.DeferredAdvance()
		require.Equal(t, goal, c.Advance(), "an advance commits the goals deferred before")
		require.True(t, c.Poll(goal))
	})
}

// Poll moves rd and kicks the driver; Passed finds out the same, and does neither.
func TestPassed_ChangesNothing(t *testing.T) {
	forEachStart(t, func(t *testing.T, c *Clock) {
		rec, gen := c.Enter()
		deferred := c.DeferredAdvance()
		require.False(t, c.Passed(deferred), "not committed")
		goal := c.Advance()
		require.False(t, c.Passed(goal))
		require.False(t, c.Passed(goal+1), "another clock's")
		rec.Leave(gen)
		c.driver.term.Store(1)
		rd := c.Reached()
		require.True(t, c.Passed(goal))
		require.Equal(t, rd, c.Reached())
		require.Empty(t, c.driver.wake)
		require.True(t, c.Poll(goal))
		require.Len(t, c.driver.wake, 1)
		require.True(t, c.Passed(goal))
	})
}

func TestPoll_GoalNeverIssued(t *testing.T) {
	forEachStart(t, func(t *testing.T, c *Clock) {
		other := newClock(c.opts)
		for range 3 {
			c.Advance()
			require.True(t, c.Poll(c.Now()))
		}
		for name, goal := range map[string]Seq{
			"zero":       0,
			"foreign":    other.Now(),
			"from later": c.Now() + 2*increment,
			"far future": c.Now() + 1<<62,
			"untagged":   c.Now() &^ (1<<tagBits - 1),
			"too old":    c.Now() + 1<<63 + increment,
			"pinned":     c.Now() - increment | pinnedBit,
		} {
			require.False(t, c.Poll(goal), name)
			require.ErrorIs(t, c.Wait(context.Background(), goal), ErrSeq, name)
			now := c.Now()
			c.Commit(goal)
			require.Equal(t, now, c.Now(), name)
		}
	})
}

// A reader loads wr, is delayed while rd moves past, and then stores what it
// loaded. It must be seen: ebpf-for-windows freed early here (epoch skew), and
// ck_epoch counted it as far behind (early load).
func TestScan_DelayedReaderCountsAsReached(t *testing.T) {
	forEachStart(t, func(t *testing.T, c *Clock) {
		rec := c.NewOwned()
		for _, delay := range []int{1, 2, 10} {
			loaded := c.Now()
			for range delay {
				require.True(t, c.Poll(c.Advance()))
			}
			reached := c.Reached()
			rec.seq.Store(uint64(loaded))
			require.True(t, c.Poll(reached), "it holds back nothing that was reached before")
			goal := c.Advance()
			require.False(t, c.Poll(goal), "it holds back what came after")
			require.Equal(t, reached, c.Reached())
			rec.Leave(rec.gen.Load())
			require.True(t, c.Poll(goal))
		}
	})
}

// A word from more than half the range ago could be taken for one that is ahead.
func TestScan_WordOutOfRangeCountsAsReached(t *testing.T) {
	c := newClock(Options{})
	rec := c.NewOwned()
	for _, word := range []Seq{c.Now() + 1<<62, c.Now() - 1<<62, c.Now() + 1<<63, c.Now() + 5*increment} {
		rec.seq.Store(uint64(word))
		require.False(t, c.Poll(c.Advance()), "%#x", uint64(word))
		rec.seq.Store(0)
		require.True(t, c.Poll(c.Now()))
	}
}

// While a scan is at its records, a reader enters and the clock advances: the
// scan knows nothing of what was unlinked for the new moment.
func TestScan_MovesNoFurtherThanWrBefore(t *testing.T) {
	forEachStart(t, func(t *testing.T, c *Clock) {
		goal := c.Advance()
		snap := c.snapshot()
		late := c.Advance()
		c.scan(goal, snap)
		require.Equal(t, goal, c.Reached())

		snap = c.snapshot()
		r, g := c.Enter()
		later := c.Advance()
		c.scan(late, snap)
		require.Equal(t, late, c.Reached())
		require.False(t, c.Poll(later), "a section from before the goal is open")
		r.Leave(g)
		require.True(t, c.Poll(later))
	})
}

func TestScan_ReachedStaysReached(t *testing.T) {
	c := newClock(Options{})
	early := c.Now()
	goal := c.Advance()
	require.True(t, c.Poll(goal))
	c.raise(early) // a scan that began long ago ends now
	require.Equal(t, goal, c.Reached())
	require.True(t, c.Poll(goal))
}

// Advance must move the clock whatever others do to wr and rd meanwhile.
func TestAdvance_AlwaysCommits(t *testing.T) {
	c := newClock(Options{})
	var wg sync.WaitGroup
	var uncommitted atomic.Int32
	for range 4 {
		wg.Go(func() {
			for range 200_000 {
				goal := c.Advance()
				if c.Now().Before(goal) {
					uncommitted.Add(1)
				}
				c.raise(goal)
			}
		})
	}
	wg.Wait()
	require.Zero(t, uncommitted.Load())
}

func TestAdvance_StopsHalfTheRangeAhead(t *testing.T) {
	c := newClock(Options{})
	rec, gen := c.Enter()
	first := c.Now()
	require.False(t, c.Poll(c.Advance()))
	c.wr.Store(uint64(first) + maxLead) // as after that many advances
	now := c.Now()
	goal := c.Advance()
	require.Equal(t, now, c.Now(), "the clock must not leave its readers behind")
	require.Equal(t, now+increment, goal)
	c.Commit(goal)
	require.Equal(t, now, c.Now())
	require.False(t, c.Poll(goal))
	require.False(t, c.Poll(now))

	done := make(chan error, 1)
	go func() { done <- c.Wait(watchdogContext(t), goal) }()
	rec.Leave(gen)
	require.NoError(t, <-done)
	require.Equal(t, goal, c.Now())
}

// A moment after the snapshot's wr holds back nothing up to that, whichever it is; one that is in
// no range counts as rd.
func TestPosition_IsBetweenTheSnapshots(t *testing.T) {
	forEachStart(t, func(t *testing.T, c *Clock) {
		rd := c.Advance()
		require.True(t, c.Poll(rd))
		wr := c.Advance()
		snap := snapshot{rd: rd, wr: wr}
		c.Advance()
		now := c.Advance()
		for word, want := range map[Seq]Seq{
			rd - increment:  rd,
			rd:              rd,
			wr:              wr,
			wr + increment:  wr,
			now:             wr,
			now + increment: rd,
			rd + 1<<63:      rd,
		} {
			for _, pinned := range []Seq{0, pinnedBit} {
				at, active := c.position(uint64(word|pinned), snap)
				require.True(t, active)
				require.Equal(t, want, at, "%#x, rd %#x, wr %#x, now %#x", word, rd, wr, now)
			}
		}
		_, active := c.position(0, snap)
		require.False(t, active)
	})
}

// A section that entered at the goal itself, or later, holds nothing back.
func TestBlocking_OnlyEarlierSections(t *testing.T) {
	forEachStart(t, func(t *testing.T, c *Clock) {
		r, g := c.Enter()
		goal := c.Advance()
		r2, g2 := c.Enter()
		blocking := c.Blocking(goal)
		require.Len(t, blocking, 1)
		require.Same(t, r, blocking[0].Record)
		require.Len(t, c.Blocking(c.Advance()), 2)
		r.Leave(g)
		require.Empty(t, c.Blocking(goal))
		r2.Leave(g2)
	})
}

func TestCounters(t *testing.T) {
	forEachStart(t, func(t *testing.T, c *Clock) {
		advances, scans := c.Counters()
		require.Zero(t, advances)
		require.Zero(t, scans)
		goal := c.Advance()
		require.True(t, c.Poll(goal))
		require.True(t, c.Poll(goal), "what is known to be reached takes no scan")
		c.Advance()
		advances, scans = c.Counters()
		require.EqualValues(t, 2, advances)
		require.EqualValues(t, 1, scans)
	})
}

// Where readers fence for themselves, they do.
func TestFenced_IsAsTheOptionSays(t *testing.T) {
	c := newClock(Options{Fenced: true})
	require.Equal(t, relacq.Plain, c.fenced())
	c.Seal()
	require.Equal(t, relacq.Plain, c.fenced(), "and after Seal, for sections that are open")
	require.Equal(t, relacq.Plain && !membarrier.Available(), newClock(Options{}).fenced())
}
