package stw

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The waits that can be given up. Each undoes what it waited for.
var waits = []struct {
	name string
	wait func(ctx context.Context, sc *scene) error
}{
	{"Stop", func(ctx context.Context, sc *scene) error {
		err := sc.w.StopContext(ctx)
		if err == nil {
			sc.w.Start()
		}
		return err
	}},
	{"RunOnAll", func(ctx context.Context, sc *scene) error {
		return sc.byOther(func(o *Domain) error {
			return sc.w.RunOnAllContext(ctx, o, func(*Domain, *Stop) {}, StopOptions{})
		})
	}},
	{"TryRunOnAll", func(ctx context.Context, sc *scene) error {
		return sc.byOther(func(o *Domain) error {
			_, err := sc.w.TryRunOnAllContext(ctx, o, func(*Domain, *Stop) {}, StopOptions{})
			return err
		})
	}},
	{"ForEach", func(ctx context.Context, sc *scene) error {
		return sc.w.ForEachContext(ctx, func(*Domain) {})
	}},
	{"Domain.ForEach", func(ctx context.Context, sc *scene) error {
		return sc.byOther(func(o *Domain) error { return o.ForEachContext(ctx, func(*Domain) {}) })
	}},
	{"Suspend", func(ctx context.Context, sc *scene) error {
		err := sc.d.Suspend(ctx)
		if err == nil {
			sc.d.Resume()
		}
		return err
	}},
	{"World.Suspend", func(ctx context.Context, sc *scene) error {
		s, err := sc.w.Suspend(ctx)
		if err == nil {
			s.Resume()
		}
		return err
	}},
	{"SuspendOthers", func(ctx context.Context, sc *scene) error {
		return sc.byOther(func(o *Domain) error {
			s, err := o.SuspendOthers(ctx)
			if err == nil {
				s.Resume()
			}
			return err
		})
	}},
}

// byOther returns what do returns to the other domain.
func (sc *scene) byOther(do func(*Domain) error) error {
	result := make(chan error, 1)
	sc.ask <- func(o *Domain) { result <- do(o) }
	return <-result
}

// quiet is the trace of a world that is empty.
const quiet = "stop false held false queue 0 joiners 0 leavers 0 solos 0 soloists 0"

// trace is all that a wait could leave behind in a world where no goroutine runs.
func (w *World) trace() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := fmt.Sprintf("stop %v held %v queue %d joiners %d leavers %d solos %d soloists %d",
		w.stop.Load() != nil, w.held != nil, len(w.leaders), len(w.joiners), len(w.leavers), len(w.solos), len(w.soloists))
	for _, id := range slices.Sorted(maps.Keys(w.byID)) {
		d := w.byID[id]
		d.mu.Lock()
		n, pending := &d.noted, d.pending.Load()
		if d.phase.inService() {
			pending = 0 // to be read when the service ends
		}
		t += fmt.Sprintf("; %v %v pending %b stop %v ragged %d interrupts %d suspends %d held %v", d, d.phase,
			pending, n.stop != nil, len(n.ragged), len(n.interrupts), n.suspends, n.held)
		d.mu.Unlock()
	}
	return t
}

// Each wait, given up in each situation, ends at once and leaves no trace: the letters are for waits.
//
//	.  it did not have to wait
//	c  given up at once: it returns the context's error, and the world is as it was before
//	w  its caller takes part in a stop, and returns when that has ended
//	D  refused: ErrDead
func TestStates_GivenUpInEach(t *testing.T) {
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			got := make([]byte, len(waits))
			for i, wait := range waits {
				synctest.Test(t, func(t *testing.T) {
					sc := newScene(t)
					sc.arrange(s.arrange, s.state)
					got[i] = sc.giveUp(wait.wait)
					sc.over()
					if sc.tell != nil {
						sc.ends()
					}
					close(sc.ask)
					join(t, sc.d)
					sc.quiet()
					require.Equal(t, quiet, sc.w.trace())
				})
			}
			require.Equal(t, s.givenUp, string(got))
		})
	}
}

// giveUp waits in a situation, gives up, and says how that went.
func (sc *scene) giveUp(wait func(context.Context, *scene) error) byte {
	before := sc.w.trace()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- wait(ctx, sc) }()
	sc.quiet()
	select {
	case err := <-result:
		if err == ErrDead {
			return 'D'
		}
		require.NoError(sc.t, err)
		return '.'
	default:
	}
	cancel()
	sc.quiet()
	select {
	case err := <-result:
		require.Equal(sc.t, context.Canceled, err)
		require.Equal(sc.t, before, sc.w.trace())
		return 'c'
	default:
	}
	sc.over()
	select {
	case err := <-result:
		require.True(sc.t, err == context.Canceled || err == nil, err) // its turn may come first
		return 'w'
	default:
		return '!'
	}
}

// silent starts a domain that runs and does not poll before it is told to.
func silent(t testing.TB, w *World) (d *Domain, poll chan struct{}) {
	t.Helper()
	poll = make(chan struct{})
	d = spawn(t, w, func(d *Domain) {
		for range poll {
			d.Poll()
		}
	})
	waitState(t, d, Running)
	return d, poll
}

// waitAsked waits until something is asked of the domain.
func waitAsked(t testing.TB, d *Domain) { waitFor(t, func() bool { return d.pending.Load() != 0 }) }

// A stop that one domain does not come to runs its handler for none when it is given up, and all
// others, which were waiting in it, go on.
func TestRunOnAll_GivenUpRunsNoHandler(t *testing.T) {
	for _, busy := range []bool{false, true} {
		w := newWorld(t, Options{})
		c := startCrowd(t, w, 3)
		late, poll := silent(t, w)
		ctx, cancel := context.WithCancel(context.Background())
		var ran, worked atomic.Int32
		var o StopOptions
		if busy { // to the leader, work that never ends is no reason to stay
			o.EnterWork = func(*Domain, *Stop) bool { worked.Add(1); runtime.Gosched(); return true }
		}
		leader := spawn(t, w, func(d *Domain) {
			err := w.RunOnAllContext(ctx, d, func(*Domain, *Stop) { ran.Add(1) }, o)
			assert.Equal(t, context.Canceled, err)
			d.Poll() // it goes on, and so do the others
			led, err := w.TryRunOnAllContext(ctx, d, func(*Domain, *Stop) { ran.Add(1) }, o)
			assert.False(t, led)
			assert.Equal(t, context.Canceled, err)
		})
		waitAsked(t, late)
		waitFor(t, func() bool { return !busy || worked.Load() > 0 })
		cancel()
		join(t, leader)
		require.Zero(t, late.pending.Load())
		c.end(t)
		close(poll)
		join(t, late)
		require.Zero(t, ran.Load())
	}
}

// A stop in which all are is not given up: its handlers run to their end.
func TestRunOnAll_NotGivenUpOnceAllAreIn(t *testing.T) {
	w := newWorld(t, Options{})
	c := startCrowd(t, w, 2)
	ctx, cancel := context.WithCancel(context.Background())
	var ran atomic.Int32
	asDomain(t, w, func(d *Domain) {
		require.NoError(t, w.RunOnAllContext(ctx, d, func(_ *Domain, s *Stop) {
			cancel()
			s.Barrier(nil)
			ran.Add(1)
		}, StopOptions{}))
	})
	require.EqualValues(t, 3, ran.Load())
	c.end(t)
}

// An asynchronous stop that has begun is not given up either: it does not wait for anything.
func TestRunOnAll_AsyncNotGivenUpOnceBegun(t *testing.T) {
	w := newWorld(t, Options{})
	late, poll := silent(t, w)
	ctx, cancel := context.WithCancel(context.Background())
	var ran atomic.Int32
	led := make(chan struct{})
	leader := spawn(t, w, func(d *Domain) {
		o := StopOptions{Async: true, Setup: func(*Stop) { cancel() }}
		assert.NoError(t, w.RunOnAllContext(ctx, d, func(*Domain, *Stop) { ran.Add(1) }, o))
		close(led)
	})
	within(t, func() { <-led })
	close(poll)
	join(t, late, leader)
	require.EqualValues(t, 2, ran.Load())
}

// EnterWork that panics, or ends the goroutine, does not keep the leader from giving up.
func TestRunOnAll_GivenUpAfterEnterWork(t *testing.T) {
	for name, ends := range map[string]func(){"panic": func() { panic("work") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			deaf, poll := silent(t, w)
			ctx, cancel := context.WithCancel(context.Background())
			o := StopOptions{EnterWork: func(*Domain, *Stop) bool { defer cancel(); ends(); return true }}
			asDomain(t, w, func(d *Domain) {
				defer func() {
					if p, ok := recover().(*Panic); ok != (name == "panic") || ok && p.Value != "work" {
						t.Errorf("it panics: %v", p)
					}
				}()
				w.RunOnAllContext(ctx, d, func(*Domain, *Stop) { t.Error("the handler runs") }, o)
			})
			require.Nil(t, w.stop.Load())
			require.Zero(t, deaf.pending.Load())
			close(poll)
			join(t, deaf)
		})
	}
}

// A panic of a participant's EnterWork is passed on also where the stop is given up.
func TestRunOnAll_GivenUpAfterOthersEnterWork(t *testing.T) {
	w := newWorld(t, Options{})
	c := startCrowd(t, w, 1)
	deaf, poll := silent(t, w)
	ctx, cancel := context.WithCancel(context.Background())
	asDomain(t, w, func(d *Domain) {
		p := panicOf(t, func() {
			w.RunOnAllContext(ctx, d, func(*Domain, *Stop) { t.Error("the handler runs") }, StopOptions{
				EnterWork: func(o *Domain, _ *Stop) bool {
					if o != d {
						defer cancel()
						panic("work")
					}
					return false
				},
			})
		})
		require.Equal(t, "work", p.Value)
	})
	require.Nil(t, w.stop.Load())
	require.Zero(t, deaf.pending.Load())
	close(poll)
	join(t, deaf)
	c.end(t)
}

// A participant whose EnterWork panics runs no user code before all are in.
func TestStop_EnterWorkPanicsAndStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{StallAfter: -1})
		deaf, poll := silent(t, w)
		var stopped atomic.Bool
		other, poll2 := silent(t, w)
		leader := spawn(t, w, func(d *Domain) {
			defer func() { recover() }()
			w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{EnterWork: func(o *Domain, _ *Stop) bool {
				if o == other {
					panic("work")
				}
				return false
			}})
		})
		waitAsked(t, other)
		go func() {
			poll2 <- struct{}{} // it polls
			poll2 <- struct{}{} // it has left the stop
			stopped.Store(true)
			close(poll2)
		}()
		synctest.Wait()
		require.False(t, stopped.Load())
		close(poll)
		join(t, leader, other, deaf)
	})
}

// A stop that is given up in the queue leaves it at once, not when its leader's Blocking ends: that
// may have to wait for an interrupt function.
func TestWaitTurn_GivenUpLeavesQueue(t *testing.T) {
	w := newWorld(t, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	first, second := &Stop{w: w}, &Stop{w: w, ctx: ctx}
	w.queue(first)
	w.queue(second)
	require.Equal(t, context.Canceled, w.waitTurn(second))
	require.Equal(t, []*Stop{first}, w.leaders)
}

// A wait whose context has ended before it begins asks nothing of anyone.
func TestContext_EndedBefore(t *testing.T) {
	w := newWorld(t, Options{})
	c := startCrowd(t, w, 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	never := func(*Domain) { t.Error("it runs") }
	require.Equal(t, context.Canceled, w.StopContext(ctx))
	require.Equal(t, context.Canceled, w.ForEachContext(ctx, never))
	blocked, release := startBlocked(t, w) // could be suspended without a wait
	require.Equal(t, context.Canceled, blocked.Suspend(ctx))
	_, err := w.Suspend(ctx)
	require.Equal(t, context.Canceled, err)
	close(release)
	join(t, blocked)
	asDomain(t, w, func(d *Domain) {
		_, err := d.SuspendOthers(ctx)
		require.Equal(t, context.Canceled, err)
		require.Equal(t, context.Canceled, d.ForEachContext(ctx, never))
		o := StopOptions{Setup: func(*Stop) { t.Error("it is set up") }}
		require.Equal(t, context.Canceled, w.RunOnAllContext(ctx, d, func(*Domain, *Stop) {}, o))
	})
	c.end(t)
}

// A wait for what is over succeeds each time, though its context has ended.
func TestContext_EndedAfter(t *testing.T) {
	w := newWorld(t, Options{})
	d := spawn(t, w, func(*Domain) {})
	join(t, d)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 64 {
		require.NoError(t, d.Join(ctx))
		require.NoError(t, w.Close(ctx))
	}
}

// ForEach, given up, begins its function for no other domain, and returns when those that have
// begun are over, with a panic if one of them panicked.
func TestForEach_GivenUpWaitsForWhatHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		late, poll := silent(t, w)
		begins, blocks := silent(t, w)
		ctx, cancel := context.WithCancel(context.Background())
		over := make(chan struct{})
		var ran []*Domain
		result := make(chan any, 1)
		go func() {
			defer func() { result <- recover() }()
			require.Equal(t, context.Canceled, w.ForEachContext(ctx, func(d *Domain) {
				ran = append(ran, d)
				<-over
				panic("owed")
			}))
		}()
		synctest.Wait()
		blocks <- struct{}{}
		synctest.Wait()
		cancel()
		synctest.Wait()
		require.Empty(t, result, "a call of the function has not returned")
		require.Zero(t, late.pending.Load())
		close(over)
		synctest.Wait()
		require.Equal(t, "owed", (<-result).(*Panic).Value)
		require.Equal(t, []*Domain{begins}, ran)
		close(poll)
		close(blocks)
		join(t, late, begins)
	})
}

// ForEach whose function has begun for all is not given up.
func TestForEach_NotGivenUpOnceBegunForAll(t *testing.T) {
	w := newWorld(t, Options{})
	blocked, release := startBlocked(t, w)
	ctx, cancel := context.WithCancel(context.Background())
	ran := 0
	err := w.ForEachContext(ctx, func(*Domain) { cancel(); ran++ })
	close(release)
	join(t, blocked)
	require.NoError(t, err)
	require.Equal(t, 1, ran)
}

// ForEach, given up while its caller acts for several blocked domains, leaves each of them at once.
func TestForEach_GivenUpLetsBlockedOnesBack(t *testing.T) {
	w := newWorld(t, Options{})
	one, release := startBlocked(t, w)
	other, releaseOther := startBlocked(t, w)
	ctx, cancel := context.WithCancel(context.Background())
	ran := 0
	require.Equal(t, context.Canceled, w.ForEachContext(ctx, func(*Domain) { cancel(); ran++ }))
	require.Equal(t, 1, ran)
	require.Equal(t, []phase{blocked, blocked}, []phase{one.currentPhase(), other.currentPhase()})
	close(release)
	close(releaseOther)
	join(t, one, other)
}

// Waits that are given up at any moment, while domains poll, block, end and lead: each does all that
// it should, or nothing.
func TestContext_GivenUpAnyTime(t *testing.T) {
	w := newWorld(t, Options{})
	c := startCrowd(t, w, 2)
	var done, gaveUp atomic.Int64
	within(t, func() {
		for i := range rounds(3000) {
			ctx, cancel := context.WithCancel(context.Background())
			if i%64 == 1 { // it is given up
				cancel()
			}
			var ran, want atomic.Int32
			leader := spawn(t, w, func(d *Domain) {
				setup := func(s *Stop) { want.Store(int32(len(s.Participants()))) }
				err := w.RunOnAllContext(ctx, d, func(*Domain, *Stop) { ran.Add(1) }, StopOptions{Setup: setup})
				switch n := ran.Load(); {
				case err == nil && n != want.Load() || err != nil && n != 0:
					t.Errorf("the handler of a stop of %d has run %d times: %v", want.Load(), n, err)
				case err == nil:
					done.Add(1)
				default:
					gaveUp.Add(1)
				}
			})
			if i%64 > 1 { // 0: it is not given up
				go func() {
					for range i % 64 {
						runtime.Gosched()
					}
					cancel()
				}()
			}
			if err := w.StopContext(ctx); err == nil {
				w.Start()
			}
			w.ForEachContext(ctx, func(*Domain) {})
			join(t, leader)
			cancel()
		}
	})
	t.Logf("%d stops, %d given up", done.Load(), gaveUp.Load())
	require.NotZero(t, done.Load())
	require.NotZero(t, gaveUp.Load())
	c.end(t)
}

// What is withdrawn takes nothing else with it: an interrupt, a panic that is owed, a grace period.
func TestUnask_KeepsWhatElseIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, what := range []string{"interrupt", "panic", "grace period"} {
			sc := newScene(t)
			sc.spawn()
			reached := make(chan error, 1)
			switch what {
			case "interrupt":
				require.NoError(t, sc.d.Interrupt(func(*Domain) { reached <- nil }))
			case "panic":
				sc.d.notePanic(&Panic{Value: "owed"})
			case "grace period":
				go func() { reached <- sc.dom.Synchronize(context.Background()) }()
			}
			sc.quiet()
			for _, wait := range waits {
				require.Equal(t, byte('c'), sc.giveUp(wait.wait), wait.name)
			}
			require.Empty(t, reached)
			require.NotZero(t, sc.d.pending.Load(), what)
			sc.poll()
			if what != "panic" {
				require.NoError(t, <-reached)
			}
			sc.ends()
			close(sc.ask)
			join(t, sc.d)
		}
	})
}
