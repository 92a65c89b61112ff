package stw

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

// A handler may wait for a grace period, also when the leader's has ended.
func TestSMR_SynchronizeInHandler(t *testing.T) {
	dom := newDomain(t)
	w := newWorld(t, Options{SMR: []*smr.Domain{dom}})
	blocked, release := startBlocked(t, w)
	asDomain(t, w, func(d *Domain) {
		out := make(chan struct{})
		w.RunOnAll(d, func(p *Domain, s *Stop) {
			if p == d {
				close(out)
				return
			}
			<-out
			require.NoError(t, dom.Synchronize(watchdogContext(t)))
		}, StopOptions{})
		require.True(t, d.Section().Active())
	})
	close(release)
	join(t, blocked)
}

// A ragged barrier's function that ends the caller's goroutine leaves nobody served
// for ever.
func TestGoexit_InForEach(t *testing.T) {
	w := newWorld(t, Options{})
	a, releaseA := startBlocked(t, w)
	b, releaseB := startBlocked(t, w)
	var ran atomic.Int32
	exit := func(d *Domain) {
		ran.Add(1)
		if d == a {
			runtime.Goexit()
		}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.ForEach(exit)
	}()
	within(t, func() { <-ended })
	caller := spawn(t, w, func(d *Domain) { d.ForEach(exit) })
	join(t, caller)
	within(t, func() { w.Stop(); w.Start() })
	close(releaseA)
	close(releaseB)
	join(t, a, b)
	require.GreaterOrEqual(t, ran.Load(), int32(4))
}

// If fn ends the goroutine of a ragged barrier while a domain that it acts for comes back
// from Blocking, that domain's owner calls fn at its next safe point.
func TestGoexit_InForEachOfReturning(t *testing.T) {
	w := newWorld(t, Options{})
	a, releaseA := startBlocked(t, w)
	blocking, release := make(chan struct{}), make(chan struct{})
	var ran atomic.Bool
	b := spawn(t, w, func(d *Domain) {
		d.Blocking(func() {
			close(blocking)
			<-release
		})
		within(t, func() {
			for !ran.Load() {
				d.Relax()
			}
		})
	})
	<-blocking
	go w.ForEach(func(d *Domain) {
		if d == b {
			ran.Store(true)
			return
		}
		close(release)
		waitFor(t, func() bool { // b's owner waits for this service
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.phase == returning
		})
		runtime.Goexit()
	})
	join(t, b)
	close(releaseA)
	join(t, a)
	require.True(t, ran.Load())
}

// After Goexit at a safe point, deferred code of the domain's may poll, and finds
// what else was asked.
func TestGoexit_DeferredCodePolls(t *testing.T) {
	w := newWorld(t, Options{})
	ready, asked := make(chan struct{}), make(chan struct{})
	var ran atomic.Bool
	d := spawn(t, w, func(d *Domain) {
		defer within(t, func() {
			for !ran.Load() {
				d.Relax()
			}
		})
		close(ready)
		<-asked
		d.Poll()
	})
	<-ready
	require.NoError(t, d.Interrupt(func(*Domain) { runtime.Goexit() }))
	require.NoError(t, d.Interrupt(func(*Domain) { ran.Store(true) }))
	close(asked)
	join(t, d)
	require.True(t, ran.Load())
}

// No panic is lost: those of interrupts when the domain ends, and that of Blocking's
// function when an interrupt's comes together with it.
func TestPanic_NoneIsLost(t *testing.T) {
	w := newWorld(t, Options{})
	d, err := w.Register()
	require.NoError(t, err)
	d.Interrupt(func(*Domain) { panic(1) })
	d.Interrupt(func(*Domain) { panic(2) })
	p := panicOf(t, d.Deregister)
	require.Equal(t, 1, p.Value)
	require.Len(t, p.Also, 1)

	asDomain(t, w, func(d *Domain) {
		require.PanicsWithValue(t, "users", func() {
			d.Blocking(func() {
				ran := make(chan struct{})
				d.Interrupt(func(*Domain) { defer close(ran); panic("interrupt") })
				<-ran
				panic("users")
			})
		})
		require.Equal(t, "interrupt", panicOf(t, d.Poll).Value)

		// An earlier panic does not take the place of a handler's.
		d.Interrupt(func(*Domain) { panic("a") })
		d.Interrupt(func(*Domain) { panic("b") })
		require.Equal(t, "a", panicOf(t, d.Poll).Value)
		p := panicOf(t, func() { w.RunOnAll(d, func(*Domain, *Stop) { panic("handler") }, StopOptions{}) })
		require.Equal(t, "handler", p.Value)
		require.Equal(t, "b", panicOf(t, d.Poll).Value)
	})
}

// The OnEnd hook is called, online, whatever ended the domain, and may leave it
// blocked.
func TestEnd_Hook(t *testing.T) {
	dom := newDomain(t)
	var called, inactive atomic.Int32
	w := newWorld(t, Options{SMR: []*smr.Domain{dom}, OnEnd: func(d *Domain) {
		called.Add(1)
		d.Section()
		d.EnterBlocking()
		in := make(chan struct{})
		d.Interrupt(func(*Domain) {
			s := d.Section()
			close(in)
			for range 100 {
				runtime.Gosched()
			}
			if !s.Active() {
				inactive.Add(1) // ended by another goroutine
			}
		})
		<-in
		runtime.Goexit()
	}})
	ctx := watchdogContext(t)
	for range rounds(100) {
		join(t, spawn(t, w, func(*Domain) {}))

		in, release := make(chan struct{}), make(chan struct{})
		d := spawn(t, w, func(d *Domain) {
			d.Blocking(func() { close(in); <-release })
		})
		<-in
		require.NoError(t, d.Suspend(ctx))
		require.NoError(t, d.Interrupt(func(*Domain) { runtime.Goexit() }))
		close(release)
		waitState(t, d, Suspended)
		d.Resume() // the interrupt ends it on its way back
		join(t, d)
	}
	require.EqualValues(t, 2*rounds(100), called.Load())
	require.Zero(t, inactive.Load())
}

// What only the running owner may do is refused in Blocking, where somebody else may
// be acting for the domain.
func TestBlocking_OwnerMethodsAreRefused(t *testing.T) {
	w := newWorld(t, Options{})
	asDomain(t, w, func(d *Domain) {
		d.Blocking(func() {
			require.PanicsWithValue(t, "stw: Poll of a domain that is blocked", d.pollSlow)
			require.PanicsWithValue(t, "stw: EnterBlocking of a domain that is blocked", func() { d.Blocking(func() {}) })
		})
		require.PanicsWithValue(t, "stw: Deregister of a domain that Spawn made", d.Deregister)
		for _, misuse := range []func(){
			func() { w.Spawn(nil) },
			func() { d.Interrupt(nil) },
			func() { d.ForEach(nil) },
			func() { w.RunOnAll(d, nil, StopOptions{}) },
		} {
			require.Panics(t, misuse)
		}
		p := panicOf(t, func() {
			w.RunOnAll(d, func(_ *Domain, s *Stop) { s.Barrier(func() { s.Barrier(nil) }) }, StopOptions{})
		})
		require.Contains(t, p.Value, "Barrier inside")
		require.Equal(t, Running, d.State())
	})
}

// An interrupt that asks for itself again does not keep the domain for ever: not from
// its work, not from coming back, not from ending.
func TestInterrupt_AsksForItself(t *testing.T) {
	w := newWorld(t, Options{})
	asDomain(t, w, func(d *Domain) {
		n := 0
		var again func(*Domain)
		again = func(d *Domain) {
			n++
			d.Interrupt(again)
		}
		d.Interrupt(again)
		d.Poll()
		require.Equal(t, 1, n)
		d.Poll()
		require.Equal(t, 2, n)
		within(t, func() { d.Blocking(runtime.Gosched) })
	})
}

func TestSuspension_Resume(t *testing.T) {
	w := newWorld(t, Options{})
	a, releaseA := startBlocked(t, w)
	b, releaseB := startBlocked(t, w)
	s, err := w.Suspend(context.Background())
	require.NoError(t, err)
	s.Resume()
	s.Resume()
	s, err = w.Suspend(context.Background())
	require.NoError(t, err)
	a.Resume()
	require.Panics(t, s.Resume)
	require.Zero(t, b.noted.suspends)
	close(releaseA)
	close(releaseB)
	join(t, a, b)
}

// A Resume too many of a domain for which World.Suspend waits makes it panic when it gives up, and
// keeps none suspended.
func TestSuspension_ResumedBeforeHeld(t *testing.T) {
	w := newWorld(t, Options{})
	a, releaseA := startBlocked(t, w)
	deaf, poll := silent(t, w)
	b, releaseB := startBlocked(t, w)
	ctx, cancel := context.WithCancel(context.Background())
	panics := make(chan any)
	go func() {
		defer func() { panics <- recover() }()
		w.Suspend(ctx)
	}()
	waitFor(t, b.suspended) // asked last
	deaf.Resume()
	cancel()
	require.NotNil(t, <-panics)
	for _, d := range []*Domain{a, deaf, b} {
		require.Zero(t, d.noted.suspends)
	}
	close(releaseA)
	close(releaseB)
	close(poll)
	join(t, a, deaf, b)
}

func TestReservation_EvacuateEndsItsGoroutine(t *testing.T) {
	w := newWorld(t, Options{Max: 4})
	blocked, release := startBlocked(t, w)
	r, err := w.NewReservation(areaPage)
	require.NoError(t, err)
	asDomain(t, w, func(d *Domain) {
		_, err := r.Alloc(d, 10)
		require.NoError(t, err)
		require.Error(t, r.Resize(d, 2*areaPage, func(p *Domain, _ *Stop) {
			if p == blocked {
				runtime.Goexit()
			}
		}))
		require.Equal(t, areaPage, r.Area())
		require.Equal(t, 16, r.Used(d))
		r.Release(d)
	})
	close(release)
	join(t, blocked)
}

// Whoever wants to lead, or to end, does so after a bounded number of stops, though
// others lead one after the other.
func TestStops_KeepNobody(t *testing.T) {
	w := newWorld(t, Options{})
	var stops atomic.Int64
	var quit atomic.Bool
	var hogs []*Domain
	for range 2 {
		hogs = append(hogs, spawn(t, w, func(d *Domain) {
			for !quit.Load() {
				w.RunOnAll(d, func(*Domain, *Stop) { stops.Add(1) }, StopOptions{})
			}
		}))
	}
	waitFor(t, func() bool { return stops.Load() > 0 })
	within(t, func() {
		for range rounds(300) {
			join(t, spawn(t, w, func(d *Domain) {
				w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{})
			}))
			w.Stop()
			w.Start()
		}
	})
	quit.Store(true)
	join(t, hogs...)
}

// The same condition variable is waited on by many, from the first time on.
func TestParking_ManyWaiters(t *testing.T) {
	var p parking
	var n, passed atomic.Int32
	const waiters = 4
	for range waiters {
		go func() {
			for i := range int32(rounds(1000)) {
				p.wait(0, func() bool { return n.Load() > i })
				passed.Add(1)
			}
		}()
	}
	within(t, func() {
		for i := range int32(rounds(1000)) {
			n.Add(1)
			p.wake()
			for passed.Load() < waiters*(i+1) { // no later wake makes up for this one
				runtime.Gosched()
			}
		}
	})
}
