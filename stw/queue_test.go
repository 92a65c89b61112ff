package stw

import (
	"runtime"
	"testing"

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
				waitFor(t, func() bool { first.mu.Lock(); defer first.mu.Unlock(); return first.returning })
				suspended := make(chan error)
				go func() { suspended <- first.Suspend(ctx) }()
				waitFor(t, func() bool { first.mu.Lock(); defer first.mu.Unlock(); return first.suspends == 1 })
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
