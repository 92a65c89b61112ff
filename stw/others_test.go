package stw

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// suspendOthers has d suspend all others, within the watchdog's time.
func suspendOthers(t testing.TB, d *Domain) *Suspension {
	t.Helper()
	s, err := d.SuspendOthers(watchdogContext(t))
	require.NoError(t, err)
	return s
}

// resumed waits until the domains, which poll, are neither suspended nor held.
func resumed(t testing.TB, domains ...*Domain) {
	t.Helper()
	for _, d := range domains {
		require.Zero(t, d.noted.suspends)
		waitFor(t, func() bool { return d.State() != Suspended })
	}
}

// While one domain has suspended the others, it alone runs, wherever they were, and whatever stops
// and ragged barriers come.
func TestSuspendOthers_OneRuns(t *testing.T) {
	w := newWorld(t, Options{})
	c := new(crowd)
	var words [3]int // plain
	for i := range words {
		c.domains = append(c.domains, spawn(t, w, func(d *Domain) {
			for !c.quit.Load() {
				words[i]++
				d.Relax()
			}
		}))
	}
	c.running(t)
	blocked, release := startBlocked(t, w)
	asDomain(t, w, func(d *Domain) {
		for range rounds(200) {
			s := suspendOthers(t, d)
			require.ElementsMatch(t, append([]*Domain{blocked}, c.domains...), s.Domains())
			before := words
			d.Poll()
			n := 0
			w.RunOnAll(d, func(_ *Domain, s *Stop) { s.Barrier(func() { n++ }) }, StopOptions{})
			d.ForEach(func(*Domain) {})
			d.Blocking(func() { w.Stop(); w.Start() })
			require.Equal(t, 1, n)
			for _, o := range s.Domains() {
				waitFor(t, func() bool { s := o.State(); return s == Suspended || s == Blocked })
				require.NoError(t, o.Scan(func([]uintptr) error { return nil }))
			}
			for i := range words {
				words[i]++
				before[i]++
			}
			require.Equal(t, before, words)
			s.Resume()
			s.Resume()
			resumed(t, c.domains...)
		}
		s := suspendOthers(t, d)
		close(release)
		for range 100 {
			runtime.Gosched()
		}
		require.NotEqual(t, Dead, blocked.State(), "it comes back from Blocking")
		s.Resume()
		d.Blocking(func() { join(t, blocked) })
	})
	c.end(t)
}

// Domains that suspend the others at the same time do so one after the other, and none waits for
// ever.
func TestSuspendOthers_OneAtATime(t *testing.T) {
	w := newWorld(t, Options{})
	ctx := watchdogContext(t)
	n := 0 // plain
	var domains []*Domain
	for range 4 {
		domains = append(domains, spawn(t, w, func(d *Domain) {
			for i := range rounds(200) {
				s, err := d.SuspendOthers(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				n++
				if i%3 == 0 {
					inner, err := d.SuspendOthers(ctx) // again
					if err != nil {
						t.Error(err)
					} else {
						inner.Resume()
					}
					n++
					n--
				}
				s.Resume()
				d.Relax()
			}
		}))
	}
	within(t, func() { join(t, domains...) })
	require.Equal(t, 4*rounds(200), n)
}

// New domains start when the last suspension of the others has ended, and not at the end of a stop
// between.
func TestSuspendOthers_NewDomainsWait(t *testing.T) {
	w := newWorld(t, Options{})
	asDomain(t, w, func(d *Domain) {
		first, second := suspendOthers(t, d), suspendOthers(t, d)
		started := make(chan struct{})
		child := spawn(t, w, func(*Domain) { close(started) })
		waitFor(t, func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.joiners) == 1
		})
		first.Resume()
		w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{})
		require.Equal(t, Starting, child.State())
		require.Empty(t, words(t, child.Scan))
		require.Equal(t, []*Domain{d}, w.Domains())
		second.Resume()
		d.Blocking(func() { <-started; join(t, child) })
	})
}

// A domain that ends meanwhile does not run its interrupts, and goes when it is resumed.
func TestSuspendOthers_HoldsWhatEnds(t *testing.T) {
	w := newWorld(t, Options{})
	ending, gate := make(chan struct{}), make(chan struct{})
	var ran atomic.Bool
	other := spawn(t, w, func(o *Domain) {
		o.Interrupt(func(*Domain) { close(ending); <-gate })
		o.Interrupt(func(*Domain) { ran.Store(true) })
	})
	<-ending // in the first of its interrupts
	asDomain(t, w, func(d *Domain) {
		go func() {
			for !other.suspended() {
				runtime.Gosched()
			}
			close(gate)
		}()
		s := suspendOthers(t, d)
		require.Equal(t, []*Domain{other}, s.Domains())
		for range 100 {
			runtime.Gosched()
		}
		require.False(t, ran.Load())
		require.Equal(t, Blocked, other.State())
		s.Resume()
		d.Blocking(func() { join(t, other) })
		require.True(t, ran.Load())
	})
}

// A domain that ends during a stop is held at once, and goes when it is resumed.
func TestSuspension_HoldsWhatEndsDuringStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t)
		sc.spawn()
		sc.handled(false)
		sc.ends()
		suspended := make(chan *Suspension, 1)
		go func() {
			s, err := sc.w.Suspend(context.Background())
			require.NoError(t, err)
			suspended <- s
		}()
		sc.quiet()
		require.Equal(t, Blocked, sc.d.State())
		sc.over()
		s := <-suspended
		require.Len(t, s.Domains(), 2)
		require.Equal(t, Blocked, sc.d.State())
		s.Resume()
		join(t, sc.d)
		close(sc.ask)
	})
}

// A call that is given up, waiting for a domain that does not come or for its turn, leaves all
// domains running, and lets new ones and the next caller in.
func TestSuspendOthers_Canceled(t *testing.T) {
	w := newWorld(t, Options{})
	c := startCrowd(t, w, 2)
	end := make(chan struct{})
	deaf := spawn(t, w, func(*Domain) { <-end })
	waitState(t, deaf, Running)
	asDomain(t, w, func(d *Domain) {
		ctx, cancel := context.WithCancel(context.Background())
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			waitState(t, c.domains[0], Suspended)
			cancel()
		}()
		_, err := d.SuspendOthers(ctx)
		require.ErrorIs(t, err, context.Canceled)
		<-gone
		resumed(t, append(c.domains, deaf)...)
		d.Blocking(func() { asDomain(t, w, func(*Domain) {}) })
		close(end)
		d.Blocking(func() { join(t, deaf) })
	})
	c.end(t)
}

// One that gives up while it is suspended itself, and so does not come back yet, keeps no new domain
// out.
func TestSuspendOthers_CanceledWhileSuspended(t *testing.T) {
	w := newWorld(t, Options{})
	deaf, poll := silent(t, w)
	ctx, cancel := context.WithCancel(context.Background())
	d := spawn(t, w, func(d *Domain) {
		_, err := d.SuspendOthers(ctx)
		if err != context.Canceled {
			t.Errorf("SuspendOthers returns %v", err)
		}
	})
	waitFor(t, deaf.suspended)
	require.NoError(t, d.Suspend(context.Background()))
	cancel()
	waitFor(t, func() bool { return !deaf.suspended() })
	asDomain(t, w, func(*Domain) {})
	waitState(t, d, Suspended)
	d.Resume()
	join(t, d)
	close(poll)
	join(t, deaf)
}

// One that gives up while it waits for its turn is as if it had never waited; those behind it have
// theirs.
func TestSuspendOthers_CanceledInQueue(t *testing.T) {
	w := newWorld(t, Options{})
	d, release := startBlocked(t, w)
	busy := &Suspension{w: w, solo: d}
	_, err := w.beginSolo(context.Background(), busy)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	waits := func(ctx context.Context, want error) *Domain {
		before := len(w.soloists)
		o, err := w.newDomain(byReturn)
		require.NoError(t, err)
		w.mu.Lock()
		w.set = append(w.set, o)
		w.mu.Unlock()
		o.become(running)
		go func() {
			defer o.end(true)
			o.owned()
			s, err := o.SuspendOthers(ctx)
			if err != want {
				t.Errorf("%v, want %v", err, want)
			}
			if err == nil {
				s.Resume()
			}
		}()
		waitFor(t, func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.soloists) == before+1
		})
		return o
	}
	first, second, third := waits(ctx, context.Canceled), waits(context.Background(), nil), waits(context.Background(), nil)
	cancel()
	join(t, first)
	require.NoError(t, second.Suspend(context.Background())) // it keeps its place
	w.endSolo(busy)
	join(t, third)
	second.Resume()
	join(t, second)
	require.Empty(t, w.soloists)
	close(release)
	join(t, d)
}

// An interrupt that panics, or ends the goroutine, while a domain suspends the others leaves none
// suspended.
func TestSuspendOthers_InterruptPanics(t *testing.T) {
	for name, interrupt := range map[string]func(*Domain){
		"panic":  func(*Domain) { panic("interrupt") },
		"Goexit": func(*Domain) { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			quit := make(chan struct{})
			polls := make(chan struct{})
			other := spawn(t, w, func(d *Domain) {
				<-polls // it is asked by then
				for {
					select {
					case <-quit:
						return
					default:
						d.Relax()
					}
				}
			})
			waitState(t, other, Running)
			var value any
			given, checked := make(chan struct{}), make(chan struct{})
			d := spawn(t, w, func(d *Domain) {
				defer func() {
					value = recover()
					close(given)
					d.Blocking(func() { <-checked }) // its end would resume the other
				}()
				d.SuspendOthers(watchdogContext(t))
				d.Poll()
			})
			waitFor(t, other.suspended)
			if name == "Goexit" { // as it comes back, not in a stand-in
				require.NoError(t, d.Suspend(context.Background()))
			}
			require.NoError(t, d.Interrupt(interrupt))
			close(polls)
			if name == "Goexit" {
				waitState(t, other, Suspended)
				waitState(t, d, Suspended)
				d.Resume()
			}
			<-given
			if name == "panic" {
				require.Equal(t, "interrupt", value.(*Panic).Value)
			}
			resumed(t, other)
			require.Empty(t, w.solos)
			close(checked)
			join(t, d)
			close(quit)
			join(t, other)
		})
	}
}

// A domain that ends resumes what it has suspended, before its Join returns.
func TestSuspendOthers_EndResumes(t *testing.T) {
	w := newWorld(t, Options{})
	c := startCrowd(t, w, 2)
	for _, ends := range []func(){func() {}, runtime.Goexit} {
		asDomain(t, w, func(d *Domain) {
			suspendOthers(t, d)
			suspendOthers(t, d).Resume()
			suspendOthers(t, d)
			ends()
		})
		resumed(t, c.domains...)
		require.Empty(t, w.solos)
	}
	c.end(t)
}

// A domain that ends resumes all that it has suspended, and passes on the panics that it has yet to
// pass on, even if others have resumed one too often.
func TestSuspendOthers_EndResumesAll(t *testing.T) {
	w := newWorld(t, Options{})
	a, releaseA := startBlocked(t, w)
	b, releaseB := startBlocked(t, w)
	d, err := w.Register()
	require.NoError(t, err)
	suspendOthers(t, d)
	suspendOthers(t, d)
	a.Resume()
	a.Resume()
	d.notePanic(&Panic{Value: "noted"})
	var value any
	func() {
		defer func() { value = recover() }()
		d.Deregister()
	}()
	require.IsType(t, new(Panic), value)
	require.Zero(t, b.noted.suspends)
	require.Empty(t, w.solos)
	close(releaseA)
	close(releaseB)
	join(t, d, a, b)
}

// Resume, called while another call resumes the others, does not let new domains in before it.
func TestSuspendOthers_ResumeTwiceAtOnce(t *testing.T) {
	w := newWorld(t, Options{})
	other, release := startBlocked(t, w)
	asDomain(t, w, func(d *Domain) {
		s := suspendOthers(t, d)
		resumed := make(chan struct{})
		other.mu.Lock() // the first cannot go on
		go func() {
			defer close(resumed)
			s.Resume()
		}()
		waitFor(t, func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return s.domains == nil
		})
		s.Resume()
		w.mu.Lock()
		n := len(w.solos)
		w.mu.Unlock()
		other.mu.Unlock()
		<-resumed
		require.Equal(t, 1, n)
		require.Empty(t, w.solos)
	})
	close(release)
	join(t, other)
}

// Any goroutine may call Resume, also while another asks what is suspended.
func TestSuspension_ResumeWhileOthersRead(t *testing.T) {
	w := newWorld(t, Options{})
	other, release := startBlocked(t, w)
	s, err := w.Suspend(watchdogContext(t))
	require.NoError(t, err)
	require.Equal(t, []*Domain{other}, s.Domains())
	resumed := make(chan struct{})
	go func() {
		defer close(resumed)
		s.Resume()
	}()
	s.Domains()
	s.Scan(func(*Domain, uintptr) {})
	<-resumed
	require.Empty(t, s.Domains())
	close(release)
	join(t, other)
}

// A domain that waits for its turn while others suspend the others again and again has it.
func TestSuspendOthers_InTurn(t *testing.T) {
	w := newWorld(t, Options{})
	var quit atomic.Bool
	hog := spawn(t, w, func(d *Domain) {
		for !quit.Load() {
			suspendOthers(t, d).Resume()
		}
	})
	within(t, func() {
		for range rounds(300) {
			asDomain(t, w, func(d *Domain) { suspendOthers(t, d).Resume() })
		}
	})
	quit.Store(true)
	join(t, hog)
}
