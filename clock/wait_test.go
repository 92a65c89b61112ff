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

// armed reports whether the driver sleeps on one of the records, or is about to.
func armed(recs ...*Record) func() bool {
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
					require.EqualValues(t, 1, rec.waiter.Load(), "the driver is asleep")
					require.Empty(t, done, "returned while the section was open")
					began := time.Now()
					leave()
					require.NoError(t, <-done)
					require.Zero(t, time.Since(began), "leaving did not wake the driver: the watchdog did")
				})
			}
		})
	}
}

// Readers come and go just as the driver is about to sleep.
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
						for range (i*7 + k) % 50 * 60 { // around the waiter's and the driver's spinning
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

	// The window itself: the reader leaves between the driver's spin and its second
	// load of the record, and none enters again.
	t.Run("Window", func(t *testing.T) {
		for range 200 {
			c := newClock(Options{})
			r, g := c.Enter()
			o := c.scan(c.Advance(), c.snapshot())
			require.Same(t, r, o.rec)
			r.Leave(g)
			require.False(t, c.arm(o), "armed on a record whose reader has left")
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
	eventually(t, "the driver sleeps", armed(r))
	r.Leave(g)
	wg.Wait()
	require.Zero(t, failed.Load())
}

// Waits that are parked together end with two scans, however many they are: one from the snapshot of
// the first, and one, which fences, for all others.
func TestWait_ParkedOnesShareAScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(Options{})
		r, g := c.Enter()
		var waits []chan error
		for range 20 {
			waits = append(waits, waitAsync(t, t.Context(), c, c.Advance()))
		}
		_, before := c.Counters()
		r.Leave(g)
		for _, done := range waits {
			require.NoError(t, <-done)
		}
		_, after := c.Counters()
		require.LessOrEqual(t, after-before, uint64(2))
		requireNoDriver(t, c)
	})
}

func TestWait_Canceled(t *testing.T) {
	c := newClock(Options{})
	r, g := c.Enter()
	ctx, cancel := context.WithCancel(context.Background())
	goal := c.DeferredAdvance()
	done := make(chan error, 1)
	go func() { done <- c.Wait(ctx, goal) }()
	eventually(t, "the driver sleeps", armed(r))
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.False(t, c.Poll(goal))
	require.Equal(t, goal, c.Now(), "the goal stays committed")
	r.Leave(g)
	require.True(t, c.Poll(goal), "nothing is lost")
}

// waitAsync waits for goal in a goroutine, which is parked or over when it returns.
func waitAsync(t *testing.T, ctx context.Context, c *Clock, goal Seq) chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- c.Wait(ctx, goal) }()
	synctest.Wait()
	return done
}

// requireNoDriver checks that the clock has no driver, nor one that is on its way out.
func requireNoDriver(t *testing.T, c *Clock) {
	t.Helper()
	synctest.Wait()
	require.False(t, c.driven())
	require.Empty(t, c.driver.waiters)
	require.True(t, c.driver.turn.TryLock(), "a driver is left that serves no waiter")
	c.driver.turn.Unlock()
}

// A wait whose goal can be reached at once allocates nothing and starts nothing.
func TestWait_ReachableCostsAScan(t *testing.T) {
	forEachStart(t, func(t *testing.T, c *Clock) {
		ctx := t.Context()
		allocs := testing.AllocsPerRun(100, func() {
			if c.Wait(ctx, c.Advance()) != nil {
				t.Error("the goal was not reached")
			}
		})
		require.Zero(t, allocs)
		require.Zero(t, c.driver.terms, "a driver was started")
	})
}

// The driver serves the others when the waiter that started it gives up, and when a
// later one does.
func TestWait_GivingUpLeavesTheOthersServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(Options{})
		r, g := c.Enter()
		goal := c.Advance()
		hour, cancelHour := context.WithTimeout(t.Context(), time.Hour)
		defer cancelHour()
		first, cancelFirst := context.WithCancel(t.Context())
		second, cancelSecond := context.WithCancel(t.Context())

		one := waitAsync(t, first, c, goal)
		two := waitAsync(t, second, c, goal)
		rest := waitAsync(t, hour, c, goal)
		cancelSecond()
		require.ErrorIs(t, <-two, context.Canceled)
		cancelFirst()
		require.ErrorIs(t, <-one, context.Canceled)
		synctest.Wait()
		began := time.Now()
		r.Leave(g)
		require.NoError(t, <-rest)
		require.Zero(t, time.Since(began), "no driver: only the timeout ended the wait")
		requireNoDriver(t, c)
	})
}

// The driver ends with the wait that gives up last, also while others come.
func TestWait_LastToGiveUpEndsTheDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(Options{})
		r, g := c.Enter()
		goal := c.Advance()
		for range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			done := waitAsync(t, ctx, c, goal)
			require.True(t, c.driven())
			cancel()
			require.ErrorIs(t, <-done, context.Canceled)
			require.False(t, c.driven(), "the driver is not dismissed when the last wait returns")
		}
		requireNoDriver(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		last := waitAsync(t, ctx, c, goal)
		r.Leave(g)
		require.NoError(t, <-last)
		requireNoDriver(t, c)
	})
}

// awaitWaiters returns when n waiters are registered.
func awaitWaiters(c *Clock, n int) {
	for registered := -1; registered != n; runtime.Gosched() {
		c.driver.mu.Lock()
		registered = len(c.driver.waiters)
		c.driver.mu.Unlock()
	}
}

// The waiter that gives up last dismisses the driver, whatever that does, and the next
// one is served by another, after it has ended.
func TestWait_LastToGiveUpDismissesTheDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var release chan struct{}
		c := newClock(Options{StallAfter: time.Second, OnStall: func(Stall) { <-release }})
		for range 10 {
			release = make(chan struct{})
			r, g := c.Enter()
			goal := c.Advance()
			reached, err := c.WaitOr(goal, nil, time.After(2*time.Second))
			require.NoError(t, err)
			require.False(t, reached)
			require.False(t, c.driven(), "the next waiter would register with the driver that is to end")
			done := make(chan error, 1)
			go func() { done <- c.Wait(t.Context(), goal) }()
			awaitWaiters(c, 1)
			require.True(t, c.driven())
			close(release)
			r.Leave(g)
			require.NoError(t, <-done)
			requireNoDriver(t, c)
		}
	})
}

// A driver that is dismissed before it begins ends, and does not wait for the next one.
func TestWait_DismissedBeforeItBegins(t *testing.T) {
	// With one processor, a goroutine begins when this one blocks, the latest first.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	stopped := make(chan struct{})
	close(stopped)
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			c := newClock(Options{})
			r, g := c.Enter()
			goal := c.Advance()
			done := make(chan error, 1)
			go func() {
				c.WaitOr(goal, stopped, nil)
				done <- c.Wait(t.Context(), goal)
			}()
			synctest.Wait() // in vain, if a driver waits for turn
			require.Empty(t, done)
			r.Leave(g)
			require.NoError(t, <-done)
			requireNoDriver(t, c)
		})
	}
}

// A driver that serves waits of one testing/synctest bubble, or of none, does not go on
// to serve those of another: it could not touch their channels.
func TestWait_InAndOutsideOfBubbles(t *testing.T) {
	c := newClock(Options{})
	r, g := c.Enter()
	goal := c.Advance()
	giveUp := func() {
		stop, done := make(chan struct{}), make(chan bool)
		go func() {
			reached, _ := c.WaitOr(goal, stop, nil)
			done <- reached
		}()
		awaitWaiters(c, 1)
		close(stop)
		require.False(t, <-done)
	}
	for range 200 {
		giveUp()
		synctest.Test(t, func(t *testing.T) { giveUp() })
	}
	giveUp()
	r.Leave(g)
	waitFor(t, c, goal)
}

// An OnStall that ends its goroutine, as testing's FailNow does, does so to the driver's.
// The waiters are served by another.
func TestWait_GoexitInOnStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reports := 0
		c := newClock(Options{StallAfter: time.Second, OnStall: func(Stall) { reports++; runtime.Goexit() }})
		r, g := c.Enter()
		goal := c.Advance()
		waits := []chan error{waitAsync(t, t.Context(), c, goal), waitAsync(t, t.Context(), c, goal)}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, 3, reports, "after one second, two and four")
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		waits = append(waits, waitAsync(t, ctx, c, goal))
		r.Leave(g)
		for _, done := range waits {
			require.NoError(t, <-done)
		}
		requireNoDriver(t, c)
	})
}

// A report function that ends its goroutine ends a driver each time that one asks; the next
// does not ask at once, and reports stalls.
func TestWait_GoexitInReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reports, calls := 0, 0
		c := newClock(Options{StallAfter: time.Second, OnStall: func(Stall) { reports++ }})
		q := c.NewQuiescent(func() {
			if calls++; calls > 1 { // the first is the waiter's own
				runtime.Goexit()
			}
		})
		q.Online()
		done := waitAsync(t, t.Context(), c, c.Advance())
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, 3, reports, "after one second, two and four")
		require.Equal(t, 1+reports, calls)
		q.Quiesce()
		require.NoError(t, <-done)
		requireNoDriver(t, c)
	})
}

// Only a deadlock in a testing/synctest bubble gets so old.
func TestStall_EndsWithTime(t *testing.T) {
	c := newClock(Options{StallAfter: time.Second, OnStall: func(Stall) { t.Error("reported") }})
	_, ok := c.stallTime()
	require.True(t, ok)
	c.driver.reportIn = 2 * maxAge
	_, ok = c.stallTime()
	require.False(t, ok)
}

// A stall that is over when it is about to be reported is none.
func TestStall_OverIsNotReported(t *testing.T) {
	c := newClock(Options{StallAfter: time.Second, OnStall: func(Stall) { t.Error("reported") }})
	c.stallTime()
	require.True(t, c.Poll(c.Advance()))
	c.reportStall(c.Now())
}

// A delayed reader that the driver sleeps on holds back less than it seemed to. A Poll
// of another goroutine moves rd past it, and the waiter is released.
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
		rec.seq.Store(0) // the scan loads the record before it was stored
		c.scan(goal, snap)
		rec.seq.Store(uint64(loaded))
		c.kickIfMoved(snap.rd)
		require.NoError(t, <-done)
		rec.Leave(rec.gen.Load())
	})
}

// The same while the driver is about to sleep: it has released the waiters whose goals
// were reached, and has not gone to sleep yet.
func TestWait_PollThatReachesBeforeSleep(t *testing.T) {
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
			c.driver.mu.Lock()
			registered := len(c.driver.waiters)
			c.driver.mu.Unlock()
			if registered == 2 && !polled { // the driver asks, after it released
				polled = true
				c.raise(near)
				c.kickIfMoved(snap.rd)
			}
		})
		asks.seq.Store(uint64(loaded))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		later := waitAsync(t, ctx, c, far)
		first := waitAsync(t, ctx, c, near)
		require.Empty(t, first)
		c.kick() // the driver scans, and asks again
		require.NoError(t, <-first)
		require.True(t, polled)
		require.Zero(t, time.Since(began), "the waiter slept until its timeout")
		rec.Leave(rec.gen.Load())
		asks.Offline()
		require.NoError(t, <-later)
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
	silent := c.NewQuiescent(nil) // in the list before the others
	rec.Online()
	ctx := watchdogContext(t)
	done := make(chan error, 1)
	go func() { done <- c.Wait(ctx, c.Advance()) }()
	<-asked
	rec.Quiesce()
	require.NoError(t, <-done)
	idle.Close()
	silent.Close()
	rec.Offline()
}

// A reader that is silent is asked once, by the waiter: the driver that this one starts asks after a scan.
func TestWait_AsksForReportsOnce(t *testing.T) {
	c := newClock(Options{})
	var asked atomic.Int32
	rec := c.NewQuiescent(func() { asked.Add(1) })
	rec.Online()
	ctx := watchdogContext(t)
	done := make(chan error, 1)
	go func() { done <- c.Wait(ctx, c.Advance()) }()
	eventually(t, "the driver sleeps", armed(rec))
	require.EqualValues(t, 1, asked.Load())
	rec.Offline()
	require.NoError(t, <-done)
	rec.Close()
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

		o.Leave(og)
		r.Leave(g)
		require.NoError(t, <-done)
		require.Less(t, time.Since(began), 11*time.Second)
		reports = nil
		require.NoError(t, c.Wait(t.Context(), c.Advance()))
		require.Empty(t, reports)
	})
}

// A waiter that comes after a long time without waiters reports once.
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

func TestStall_AgeSurvivesDrivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ages []time.Duration
		c := newClock(Options{StallAfter: time.Second, OnStall: func(s Stall) { ages = append(ages, s.Age) }})
		r, g := c.Enter()
		goal := c.Advance()
		for range 15 { // each has its own driver, for a fifth of a second
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
