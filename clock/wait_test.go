package clock

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWait_NoReaders(t *testing.T) {
	forEachStart(t, func(t *testing.T, c *Clock) {
		waitFor(t, c, c.Advance())
		waitFor(t, c, c.DeferredAdvance())
		canceled, cancel := context.WithCancel(context.Background())
		cancel()
		require.NoError(t, c.Wait(canceled, c.Now()), "what is reached is reached, whatever the context")
	})
}

// parked reports whether a leader sleeps on one of the records.
func parked(recs ...*Record) func() bool {
	return func() bool {
		for _, r := range recs {
			if r.waiter.Load() != 0 {
				return true
			}
		}
		return false
	}
}

func TestWait_LeaveWakes(t *testing.T) {
	for name, enter := range map[string]func(c *Clock) (rec *Record, leave func()){
		"Tracker": func(c *Clock) (*Record, func()) {
			r, g := c.Enter()
			return r, func() { r.Leave(g) }
		},
		"Owned": func(c *Clock) (*Record, func()) {
			r, g := c.NewOwned().Enter()
			return r, func() { r.Leave(g) }
		},
		"Offline": func(c *Clock) (*Record, func()) {
			r := c.NewQuiescent(nil)
			r.Online()
			return r, r.Offline
		},
		"Quiesce": func(c *Clock) (*Record, func()) {
			r := c.NewQuiescent(nil)
			r.Online()
			return r, r.Quiesce
		},
		"Close": func(c *Clock) (*Record, func()) {
			r := c.NewQuiescent(nil)
			r.Online()
			return r, func() { r.Close() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, fenced := range []bool{false, true} {
				// In the bubble the watchdog bites at once.
				synctest.Test(t, func(t *testing.T) {
					c := newClock(Options{Fenced: fenced})
					rec, leave := enter(c)
					ctx := watchdogContext(t)
					done := make(chan error, 1)
					go func() { done <- c.Wait(ctx, c.Advance()) }()
					synctest.Wait()
					require.EqualValues(t, 1, rec.waiter.Load(), "the waiter is parked")
					require.Empty(t, done, "returned while the section was open")
					began := time.Now()
					leave()
					require.NoError(t, <-done)
					require.Zero(t, time.Since(began), "leaving did not wake the waiter: the watchdog did")
				})
			}
		})
	}
}

// Readers come and go just as the waiter decides to park.
func TestWait_NoLostWakeup(t *testing.T) {
	rounds := 20000
	if testing.Short() {
		rounds = 4000
	}
	for name, o := range map[string]Options{"Membarrier": {}, "Fenced": {Fenced: true}} {
		t.Run(name, func(t *testing.T) {
			c := newClock(o)
			ctx := watchdogContext(t)
			var stop atomic.Bool
			var wg sync.WaitGroup
			for k := range 2 {
				rec := c.NewOwned()
				wg.Go(func() {
					for i := 0; !stop.Load(); i++ {
						r, g := rec.Enter()
						for range (i*7 + k) % 50 * 60 { // around the waiter's spinning
						}
						if i%64 == 0 {
							runtime.Gosched()
						}
						r.Leave(g)
						for i%32 == 0 && !stop.Load() && rec.waiter.Load() == 0 {
							// Stay out long enough for a lost wake-up to be lost.
							runtime.Gosched()
							break
						}
					}
				})
			}
			var err error
			for i := 0; i < rounds && err == nil; i++ {
				err = c.Wait(ctx, c.Advance())
			}
			stop.Store(true)
			wg.Wait()
			require.NoError(t, err, "a waiter was not woken")
		})
	}

	// The window itself: the reader leaves between the leader's spin and its
	// second look, and nobody enters again.
	t.Run("Window", func(t *testing.T) {
		for range 200 {
			c := newClock(Options{})
			r, g := c.Enter()
			b := c.scan(c.Advance())
			require.Same(t, r, b.rec)
			r.Leave(g)
			require.False(t, c.arm(b), "armed on a record whose reader has left")
		}
	})
}

func TestWait_ManyWaitersOneReader(t *testing.T) {
	c := newClock(Options{})
	r, g := c.Enter()
	ctx := watchdogContext(t)
	var wg sync.WaitGroup
	var failed atomic.Int32
	for i := range 50 {
		goal := c.DeferredAdvance()
		if i%2 == 0 {
			goal = c.Advance()
		}
		wg.Go(func() {
			if c.Wait(ctx, goal) != nil {
				failed.Add(1)
			}
		})
	}
	eventually(t, "one leads", parked(r))
	r.Leave(g)
	wg.Wait()
	require.Zero(t, failed.Load())
}

func TestWait_Canceled(t *testing.T) {
	c := newClock(Options{})
	r, g := c.Enter()
	ctx, cancel := context.WithCancel(context.Background())
	goal := c.DeferredAdvance()
	done := make(chan error, 1)
	go func() { done <- c.Wait(ctx, goal) }()
	eventually(t, "the waiter parks", parked(r))
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.False(t, c.Poll(goal))
	require.Equal(t, goal, c.Now(), "the goal stays committed")
	r.Leave(g)
	require.True(t, c.Poll(goal), "nothing is lost")
}

func TestWait_CanceledLeaderHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(Options{})
		r, g := c.Enter()
		goal := c.Advance()
		lead, cancelLead := context.WithCancel(t.Context())
		follow, cancelFollow := context.WithTimeout(t.Context(), time.Hour)
		defer cancelFollow()
		canceled, cancelEarly := context.WithCancel(t.Context())

		leader := make(chan error, 1)
		go func() { leader <- c.Wait(lead, goal) }()
		synctest.Wait()
		gone := make(chan error, 1)
		go func() { gone <- c.Wait(canceled, goal) }()
		synctest.Wait()
		follower := make(chan error, 1)
		go func() { follower <- c.Wait(follow, goal) }()
		synctest.Wait()

		cancelEarly()
		require.ErrorIs(t, <-gone, context.Canceled)
		cancelLead()
		require.ErrorIs(t, <-leader, context.Canceled)
		synctest.Wait()
		r.Leave(g)
		require.NoError(t, <-follower, "the follower never came to lead")
	})
}

// A follower that is woken to lead, but whose goal is reached by somebody's Poll
// before it runs, must pass the lead on.
func TestWait_NextLeaderPassesOn(t *testing.T) {
	// With one processor the follower runs after this goroutine.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			c := newClock(Options{})
			r1, g1 := c.Enter()
			a := c.Advance()
			r2, g2 := c.Enter()
			b := c.Advance()
			wait := func(ctx context.Context, goal Seq) chan error {
				done := make(chan error, 1)
				go func() { done <- c.Wait(ctx, goal) }()
				synctest.Wait()
				return done
			}
			lead, cancel := context.WithCancel(t.Context())
			hour, cancelHour := context.WithTimeout(t.Context(), time.Hour)
			defer cancelHour()
			leader := wait(lead, a)
			next := wait(hour, a)
			last := wait(hour, b)
			began := time.Now()
			cancel()
			<-leader // next is woken to lead
			r1.Leave(g1)
			c.Poll(a)
			require.NoError(t, <-next)
			synctest.Wait()
			r2.Leave(g2)
			<-last
			require.Zero(t, time.Since(began), "nobody leads: only the timeout woke the last waiter")
		})
	}
}

func TestWait_PanickingOnStallHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(Options{StallAfter: time.Second, OnStall: func(Stall) { panic("in OnStall") }})
		r, g := c.Enter()
		goal := c.Advance()
		require.PanicsWithValue(t, "in OnStall", func() { c.Wait(t.Context(), goal) })
		reached, err := c.WaitOr(goal, nil, time.After(100*time.Millisecond))
		require.NoError(t, err)
		require.False(t, reached)
		r.Leave(g)
		require.NoError(t, c.Wait(t.Context(), goal))
	})
}

// A delayed reader that a waiter parked on holds back less than it seemed to;
// another goroutine's Poll finds out, and the waiter must not sleep on.
func TestWait_PollThatReachesWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(Options{})
		rec := c.NewOwned()
		loaded := c.Now()
		require.True(t, c.Poll(c.Advance()))
		goal := c.Advance()
		snap := c.snapshot()
		rec.seq.Store(uint64(loaded)) // after the scan's fence: the scan may miss it
		done := make(chan error, 1)
		go func() { done <- c.Wait(t.Context(), goal) }()
		synctest.Wait()
		require.Empty(t, done)
		rec.seq.Store(0) // the scan looks at the record before it was stored
		c.look(goal, snap)
		rec.seq.Store(uint64(loaded))
		c.wakeIfMoved(snap.rd)
		require.NoError(t, <-done)
		rec.Leave(rec.gen.Load())
	})
}

// The same for a follower, while the leader is about to park: it has looked
// whom to wake, and has not said yet that it sleeps.
func TestWait_PollThatReachesWakesFollowers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(Options{})
		rec := c.NewOwned()
		loaded := c.Now()
		require.True(t, c.Poll(c.Advance()))
		near := c.Advance()
		snap := c.snapshot() // a slow poller's, which will find rec idle
		far := c.Advance()
		rec.seq.Store(uint64(loaded)) // a delayed reader

		polled := false
		asks := c.NewQuiescent(func() {
			c.wait.mu.Lock()
			followed := len(c.wait.followers) > 0
			c.wait.mu.Unlock()
			if followed && !polled { // the leader is between the two
				polled = true
				c.raise(near)
				c.wakeIfMoved(snap.rd)
			}
		})
		asks.seq.Store(uint64(loaded))
		wait := func(goal Seq) chan error {
			done := make(chan error, 1)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			t.Cleanup(cancel)
			go func() { done <- c.Wait(ctx, goal) }()
			synctest.Wait()
			return done
		}
		began := time.Now()
		leader := wait(far)
		follower := wait(near)
		require.Empty(t, follower)
		c.wakeLeader() // it looks again, and asks again
		require.NoError(t, <-follower)
		require.True(t, polled)
		require.Zero(t, time.Since(began), "the follower slept until its timeout")
		rec.Leave(rec.gen.Load())
		asks.Offline()
		require.NoError(t, <-leader)
	})
}

func TestWaitOr_Tick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(Options{})
		r, g := c.Enter()
		goal := c.Advance()
		began := time.Now()
		reached, err := c.WaitOr(goal, nil, time.After(5*time.Millisecond))
		require.NoError(t, err)
		require.False(t, reached)
		require.Equal(t, 5*time.Millisecond, time.Since(began))
		r.Leave(g)
		reached, err = c.WaitOr(goal, nil, nil)
		require.NoError(t, err)
		require.True(t, reached)
	})
}

func TestWait_AsksQuiescentReadersToReport(t *testing.T) {
	c := newClock(Options{})
	asked := make(chan struct{}, 1)
	rec := c.NewQuiescent(func() {
		select {
		case asked <- struct{}{}:
		default:
		}
	})
	idle := c.NewQuiescent(func() { panic("an offline reader was asked") })
	rec.Online()
	ctx := watchdogContext(t)
	done := make(chan error, 1)
	go func() { done <- c.Wait(ctx, c.Advance()) }()
	<-asked
	rec.Quiesce()
	require.NoError(t, <-done)
	idle.Close()
	rec.Offline()
}

func TestStall_ReportedAndRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reports []Stall
		c := newClock(Options{StallAfter: time.Second, OnStall: func(s Stall) { reports = append(reports, s) }})
		r, g := c.Enter()
		o, og := c.NewOwned().Enter()
		goal := c.Advance()
		began := time.Now()
		done := make(chan error, 1)
		go func() { done <- c.Wait(t.Context(), goal) }()

		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		var ages []time.Duration
		for _, s := range reports {
			ages = append(ages, s.Age)
			require.Equal(t, goal, s.Goal)
			require.Len(t, s.Readers, 2)
			kinds := []Kind{s.Readers[0].Kind, s.Readers[1].Kind}
			require.ElementsMatch(t, []Kind{Tracker, Owned}, kinds)
		}
		require.Equal(t, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}, ages)

		// Another waiter that leads later goes on where the first one was.
		o.Leave(og)
		r.Leave(g)
		require.NoError(t, <-done)
		require.Less(t, time.Since(began), 11*time.Second)
		reports = nil
		require.NoError(t, c.Wait(t.Context(), c.Advance()))
		require.Empty(t, reports)
	})
}

// A waiter that comes after a long time in which nobody waited reports once.
func TestStall_NoBurstAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reports := 0
		c := newClock(Options{StallAfter: 10 * time.Second, OnStall: func(Stall) { reports++ }})
		r, g := c.Enter()
		goal := c.Advance()
		c.WaitOr(goal, nil, time.After(time.Second))
		time.Sleep(time.Hour)
		c.WaitOr(goal, nil, time.After(time.Second))
		require.Equal(t, 1, reports)
		r.Leave(g)
	})
}

func TestStall_AgeSurvivesLeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ages []time.Duration
		c := newClock(Options{StallAfter: time.Second, OnStall: func(s Stall) { ages = append(ages, s.Age) }})
		r, g := c.Enter()
		goal := c.Advance()
		for range 15 { // each leads for a fifth of a second
			reached, err := c.WaitOr(goal, nil, time.After(200*time.Millisecond))
			require.NoError(t, err)
			require.False(t, reached)
		}
		require.Equal(t, []time.Duration{time.Second, 2 * time.Second}, ages)
		r.Leave(g)
	})
}

func TestKind_Names(t *testing.T) {
	require.Equal(t, "section", Tracker.String())
	require.Equal(t, "pinned section", Pinned.String())
	require.Equal(t, "reader", Owned.String())
	require.Equal(t, "quiescent reader", Quiescent.String())
}
