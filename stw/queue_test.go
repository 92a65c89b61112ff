package stw

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A lineup is domains that wait to lead, one behind the other. What is in progress
// meanwhile is an asynchronous stop, in which one domain has yet to take part.
type lineup struct {
	w       *World
	waiting []*Domain
	others  []*Domain // of the asynchronous stop
	poll    chan struct{}
	led     []int // who led, in turn: each writes it while the world is stopped
}

func newLineup(t testing.TB, w *World, n int) *lineup {
	t.Helper()
	l := &lineup{w: w, poll: make(chan struct{})}
	begin := make([]chan struct{}, n)
	for i := range n {
		begin[i] = make(chan struct{})
		l.waiting = append(l.waiting, spawn(t, w, func(d *Domain) {
			d.Blocking(func() { <-begin[i] })
			w.RunOnAll(d, func(_ *Domain, s *Stop) {
				s.Barrier(func() { l.led = append(l.led, i) })
			}, StopOptions{})
		}))
	}
	late := spawn(t, w, func(d *Domain) {
		<-l.poll // it runs, and does not poll
		d.Poll()
	})
	for _, d := range l.waiting {
		waitState(t, d, Blocked)
	}
	waitState(t, late, Running)
	leads := make(chan struct{})
	leader := spawn(t, w, func(d *Domain) {
		w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{Async: true})
		close(leads)
	})
	within(t, func() { <-leads })
	l.others = []*Domain{late, leader}
	for i := range n {
		close(begin[i])
		waitFor(t, func() bool { return l.queued() == i+1 })
		waitState(t, l.waiting[i], Blocked)
	}
	return l
}

// queued returns how many wait to lead.
func (l *lineup) queued() int {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return len(l.w.leaders)
}

// release ends the asynchronous stop.
func (l *lineup) release(t testing.TB) {
	t.Helper()
	close(l.poll)
	join(t, l.others...)
}

// A domain that is suspended while it is first of those that wait to lead lets the
// others go first, whoever they are, and leads when it is resumed.
func TestSuspend_FirstToLeadHoldsUpNobody(t *testing.T) {
	for _, when := range []string{"before its turn", "at its turn"} {
		t.Run(when, func(t *testing.T) {
			w := newWorld(t, Options{})
			ctx := watchdogContext(t)
			l := newLineup(t, w, 2)
			first, second := l.waiting[0], l.waiting[1]
			if when == "before its turn" {
				require.NoError(t, first.Suspend(ctx))
				l.release(t)
			} else {
				// It comes back from Blocking with its turn, and no further.
				in, out := make(chan struct{}), make(chan struct{})
				require.NoError(t, first.Interrupt(func(*Domain) { close(in); <-out }))
				within(t, func() { <-in })
				l.release(t)
				waitFor(t, func() bool { return first.currentPhase() == returning })
				suspended := make(chan error)
				go func() { suspended <- first.Suspend(ctx) }()
				waitFor(t, func() bool { first.mu.Lock(); defer first.mu.Unlock(); return first.noted.suspends == 1 })
				close(out)
				require.NoError(t, <-suspended)
				waitState(t, first, Suspended)
			}
			join(t, second)
			require.Equal(t, []int{1}, l.led)
			within(t, func() {
				w.Stop()
				w.Start()
				asDomain(t, w, func(d *Domain) {
					w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{})
					require.True(t, w.TryRunOnAll(d, func(*Domain, *Stop) {}, StopOptions{}))
				})
			})
			for range 1000 { // it has looked by then, and sleeps again
				runtime.Gosched()
			}
			require.Equal(t, []int{1}, l.led, "it is suspended still")
			first.Resume()
			join(t, first)
			require.Equal(t, []int{1, 0}, l.led)
			require.Zero(t, l.queued())
		})
	}
}

// It keeps its place: those that came later lead after it, if it is resumed in time.
func TestSuspend_KeepsPlaceAmongThoseThatLead(t *testing.T) {
	w := newWorld(t, Options{})
	l := newLineup(t, w, 3)
	require.NoError(t, l.waiting[0].Suspend(watchdogContext(t)))
	l.waiting[0].Resume()
	l.release(t)
	join(t, l.waiting...)
	require.Equal(t, []int{0, 1, 2}, l.led)
}

// However many stops there are in a row, a few of them pass until a domain is back from
// Blocking, suspended or gone, and until what was asked of one that is blocked is done.
func TestStops_FewPassUntilADomainGoesOn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // who leads goes on until it sleeps
	w := newWorld(t, Options{})
	var stops atomic.Int64
	var quit atomic.Bool
	hog := spawn(t, w, func(d *Domain) {
		for !quit.Load() {
			d.Poll()
			w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{})
			stops.Add(1)
		}
	})
	blocked, release := startBlocked(t, w)
	ctx := watchdogContext(t)
	const rounds, few = 50, 100
	for _, what := range []struct {
		name string
		do   func(d *Domain) (before int64)
	}{
		{"back from Blocking", func(d *Domain) (before int64) {
			d.Blocking(func() {
				runtime.Gosched()
				before = stops.Load()
			})
			return before
		}},
		{"ForEach", func(d *Domain) int64 {
			before := stops.Load()
			d.ForEach(func(*Domain) {})
			return before
		}},
		{"an interrupt of a blocked domain", func(d *Domain) int64 {
			before, done := stops.Load(), make(chan struct{})
			blocked.Interrupt(func(*Domain) { close(done) })
			d.Blocking(func() { <-done })
			return before
		}},
		{"Suspend", func(d *Domain) (before int64) {
			d.Blocking(func() {
				before = stops.Load()
				for _, other := range []*Domain{hog, blocked} {
					require.NoError(t, other.Suspend(ctx))
					other.Resume()
				}
			})
			return before
		}},
		{"the end", func(d *Domain) (before int64) {
			d.Blocking(func() {
				join(t, spawn(t, w, func(*Domain) { before = stops.Load() }))
			})
			return before
		}},
	} {
		passed := int64(0)
		asDomain(t, w, func(d *Domain) {
			for range rounds {
				before := what.do(d)
				passed += stops.Load() - before
			}
		})
		t.Logf("%s: %d stops in %d rounds", what.name, passed, rounds)
		assert.Less(t, passed, int64(rounds*few), what.name)
	}
	quit.Store(true)
	close(release)
	join(t, hog, blocked)
}

// A domain that panics when it may lead lets the next one lead, also if it does nothing else
// from then on.
func TestRunOnAll_PanicsAtItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t)
		sc.spawn()
		over := sc.waitsToLead()
		next, led := sc.queued()
		sc.interrupted(func(*Domain) { // keeps it from coming back
			sc.wait()
			panic("owed")
		})
		over() // it is its turn, which all have seen when it panics
		sc.over()
		<-led
		sc.ends()
		close(sc.ask)
		join(t, sc.d, next)
	})
}

// A domain that is suspended at its turn to lead wakes the next one.
func TestSuspend_AtItsTurnWakesTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t)
		sc.spawn()
		over := sc.waitsToLead()
		next, led := sc.queued()
		sc.interrupted(sc.waits) // keeps it from coming back
		over()                   // it is its turn, and the next one sleeps again
		sc.suspend()
		close(sc.gate)
		<-led
		sc.over()
		sc.ends()
		close(sc.ask)
		join(t, sc.d, next)
	})
}
