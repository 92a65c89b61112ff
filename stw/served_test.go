package stw

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// A blocked domain for which there is always something else to do does not keep a stop from
// coming in.
func TestBlocking_EndlessInterruptsLetStopsIn(t *testing.T) {
	w := newWorld(t, Options{})
	d, release := startBlocked(t, w)
	var quit atomic.Bool
	running := make(chan struct{})
	n := 0
	var again func(*Domain)
	again = func(d *Domain) {
		if n++; n == 10 {
			close(running)
		}
		if !quit.Load() {
			d.Interrupt(again)
		}
	}
	require.NoError(t, d.Interrupt(again))
	<-running
	stopped := make(chan struct{})
	go func() {
		w.Stop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-watchdogContext(t).Done():
		quit.Store(true)
		t.Error("the stop does not come in")
		<-stopped
	}
	quit.Store(true)
	w.Start()
	close(release)
	join(t, d)
}

// Resuming what somebody has resumed already panics, and takes nobody else's suspension away.
func TestSuspension_ResumedOnceTooOften(t *testing.T) {
	w := newWorld(t, Options{})
	var domains []*Domain
	var releases []chan struct{}
	for range 3 {
		d, r := startBlocked(t, w)
		domains, releases = append(domains, d), append(releases, r)
	}
	ctx := context.Background()
	s, err := w.Suspend(ctx)
	require.NoError(t, err)
	require.NoError(t, domains[2].Suspend(ctx)) // somebody else's
	domains[1].Resume()                         // once too often
	require.Panics(t, s.Resume)
	require.Equal(t, []int{0, 0, 1}, []int{domains[0].noted.suspends, domains[1].noted.suspends, domains[2].noted.suspends})
	domains[2].Resume()
	for _, r := range releases {
		close(r)
	}
	join(t, domains...)
}

// A suspended domain in which a function ends the goroutine stays suspended: what its user
// deferred runs afterwards.
func TestSuspend_GoexitWaitsForResume(t *testing.T) {
	for _, how := range []string{"ForEach", "stop"} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t, Options{})
			var resumed, early atomic.Bool
			d, err := w.Spawn(func(d *Domain) {
				defer func() { early.Store(!resumed.Load()) }()
				for {
					d.Relax()
				}
			})
			require.NoError(t, err)
			require.NoError(t, d.Suspend(context.Background()))
			if how == "ForEach" {
				w.ForEach(func(*Domain) { runtime.Goexit() })
			} else {
				join(t, spawn(t, w, func(l *Domain) {
					w.RunOnAll(l, func(h *Domain, _ *Stop) {
						if h == d {
							runtime.Goexit()
						}
					}, StopOptions{})
				}))
			}
			for range 1000 {
				runtime.Gosched()
			}
			resumed.Store(true)
			d.Resume()
			join(t, d)
			require.False(t, early.Load())
		})
	}
}

// A domain that ends is there as long as something is done for it, also if nothing more is
// asked: its slot is nobody else's.
func TestEnd_WaitsForService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t)
		sc.spawn()
		sc.toBeSuspended() // keeps it
		sc.ends()
		in, out := make(chan struct{}), make(chan struct{})
		go sc.w.ForEach(func(d *Domain) {
			if d == sc.d {
				close(in)
				<-out
			}
		})
		<-in
		sc.over() // it is resumed
		require.Equal(t, Blocked, sc.d.State())
		select {
		case <-sc.d.done:
			t.Error("it has ended")
		default:
		}
		close(out)
		sc.quiet()
		require.Equal(t, Dead, sc.d.State())
		close(sc.ask)
	})
}

// A blocked domain whose interrupts ask for interrupts calls the external hook all the same.
func TestBlocking_EndlessInterruptsLetHookIn(t *testing.T) {
	var called atomic.Bool
	w := newWorld(t, Options{ExternalInterrupt: func(*Domain) { called.Store(true) }})
	d, release := startBlocked(t, w)
	var quit atomic.Bool
	var again func(*Domain)
	again = func(d *Domain) {
		if !quit.Load() {
			d.Interrupt(again)
		}
	}
	require.NoError(t, d.Interrupt(again))
	require.NoError(t, d.InterruptExternal())
	waitFor(t, called.Load)
	quit.Store(true)
	close(release)
	join(t, d)
}

// A function that runs for a blocked domain may poll, also once the domain is on its way back.
func TestPoll_InServiceOfOneThatReturns(t *testing.T) {
	w := newWorld(t, Options{})
	d, release := startBlocked(t, w)
	polled := make(chan phase, 1)
	require.NoError(t, d.Interrupt(func(d *Domain) {
		close(release)
		waitFor(t, func() bool { return d.currentPhase() == returning })
		d.pollSlow()
		polled <- d.currentPhase()
	}))
	join(t, d)
	require.Equal(t, returning, <-polled)
}
