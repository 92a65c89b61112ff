package stw

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A watched world sends its stall reports to a channel. Time is a bubble's.
func newWatched(t *testing.T, after time.Duration) (w *World, reports chan Stall) {
	reports = make(chan Stall, 100)
	w = newWorld(t, Options{StallAfter: after, OnStall: func(s Stall) { reports <- s }})
	return w, reports
}

// one returns the only report there is.
func one(t *testing.T, reports chan Stall) Stall {
	t.Helper()
	synctest.Wait()
	require.Len(t, reports, 1)
	return <-reports
}

// Each wait for a domain that does not come is reported, with the domain's name, since when it has
// not polled, and its stack.
func TestStall_NamesTheSilentDomain(t *testing.T) {
	for _, wait := range []struct {
		name string
		wait func(w *World, late *Domain)
	}{
		{"Stop", func(w *World, _ *Domain) { w.Stop(); w.Start() }},
		{"RunOnAll", func(w *World, _ *Domain) {
			d, _ := w.Register()
			w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{})
			d.Deregister()
		}},
		{"TryRunOnAll", func(w *World, _ *Domain) {
			d, _ := w.Register()
			w.TryRunOnAll(d, func(*Domain, *Stop) {}, StopOptions{})
			d.Deregister()
		}},
		{"ForEach", func(w *World, _ *Domain) { w.ForEach(func(*Domain) {}) }},
		{"Suspend", func(w *World, late *Domain) {
			if late.Suspend(context.Background()) == nil {
				late.Resume()
			}
		}},
		{"SuspendOthers", func(w *World, _ *Domain) {
			d, _ := w.Register()
			d.SuspendOthers(context.Background())
			d.Deregister()
		}},
	} {
		t.Run(wait.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, reports := newWatched(t, time.Minute)
				idle, release := startBlocked(t, w)
				late, poll := silent(t, w)
				go wait.wait(w, late)
				time.Sleep(time.Minute)
				s := one(t, reports)
				require.Equal(t, wait.name, s.Wait)
				require.Equal(t, time.Minute, s.Age)
				require.Len(t, s.Domains, 1)
				d := s.Domains[0]
				require.Equal(t, StalledDomain{Domain: late, State: Running, Silent: time.Minute, Blocked: "chan receive", Stack: d.Stack}, d)
				require.Contains(t, d.Stack, "silent")
				require.Contains(t, s.String(), "stw: "+wait.name+" has waited for 1m0s; waits for "+late.String()+", running, no poll for at least 1m0s, "+
					"blocks outside of Blocking (chan receive): call what may block in Domain.Blocking, at:\n")
				time.Sleep(time.Minute) // again when its age has doubled
				require.Equal(t, 2*time.Minute, one(t, reports).Domains[0].Silent)
				close(poll)
				close(release)
				join(t, late, idle) // no report comes when it is over, for as long as that takes
				require.Empty(t, reports)
			})
		})
	}
}

// A domain that has polled is not said to be silent: the report says what runs for it.
func TestStall_NamesWhatRuns(t *testing.T) {
	for _, of := range []struct {
		doing string
		begin func(w *World, d *Domain, fn func())
	}{
		{"an interrupt function", func(_ *World, d *Domain, fn func()) { d.Interrupt(func(*Domain) { fn() }) }},
		{"a ragged barrier's function", func(w *World, _ *Domain, fn func()) { go w.ForEach(func(*Domain) { fn() }) }},
		{"a stop handler", func(w *World, d *Domain, fn func()) {
			w.Spawn(func(leader *Domain) {
				w.RunOnAll(leader, func(p *Domain, _ *Stop) {
					if p == d {
						fn()
					}
				}, StopOptions{})
			})
		}},
	} {
		for _, state := range []State{Running, Blocked} {
			t.Run(of.doing+", "+state.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w, reports := newWatched(t, time.Minute)
					d := spawn(t, w, func(d *Domain) {
						if state == Blocked {
							d.Blocking(func() { time.Sleep(time.Minute) })
						}
						time.Sleep(time.Second)
						d.Poll()
					})
					synctest.Wait()
					of.begin(w, d, func() { time.Sleep(70 * time.Second) })
					time.Sleep(2 * time.Second)
					go func() { w.Stop(); w.Start() }()
					time.Sleep(62 * time.Second)
					synctest.Wait()
					require.NotEmpty(t, reports)
					for len(reports) > 0 {
						s := <-reports
						require.Len(t, s.Domains, 1)
						sd := s.Domains[0]
						require.Equal(t, []any{d, state, of.doing, time.Duration(0)}, []any{sd.Domain, sd.State, sd.Doing, sd.Silent})
						require.Equal(t, state == Running, sd.Stack != "")
						require.Contains(t, s.String(), ", in "+of.doing)
					}
					join(t, d)
				})
			})
		}
	}
}

// A domain that was asked in the middle of a safe point, for what it does at the next, has been silent
// since the end of that one.
func TestStall_SilentSinceTheLastSafePoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, reports := newWatched(t, time.Minute)
		poll := make(chan struct{})
		d := spawn(t, w, func(d *Domain) {
			time.Sleep(time.Second)
			d.Poll()
			<-poll
		})
		synctest.Wait()
		require.NoError(t, d.Interrupt(func(*Domain) { time.Sleep(29 * time.Second) }))
		w.Stop() // comes first, and then the interrupt
		w.Start()
		time.Sleep(9 * time.Second)
		go func() { w.Stop(); w.Start() }()
		time.Sleep(time.Minute)
		require.Equal(t, 40*time.Second, one(t, reports).Domains[0].Silent)
		close(poll)
		join(t, d)
	})
}

// A wait in a world that is stopped on purpose says so.
func TestStall_StoppedWorld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, reports := newWatched(t, time.Minute)
		c := startCrowd(t, w, 1)
		w.Stop()
		go func() { w.Stop(); w.Start() }()
		time.Sleep(time.Minute)
		s := one(t, reports)
		require.Equal(t, Stall{Wait: "Stop", Age: time.Minute, Stopped: true}, s)
		require.True(t, strings.HasSuffix(s.String(), "the world is stopped and waits for Start"))
		w.Start()
		c.end(t)
	})
}

// A domain that has its turn to suspend the others is named to the next, which called before it was
// asked to be suspended.
func TestStall_SuspendOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, reports := newWatched(t, time.Minute)
		first, release := startBlocked(t, w)
		turn := &Suspension{w: w, solo: first}
		w.mu.Lock()
		w.solos = append(w.solos, turn)
		w.mu.Unlock()
		go w.beginSolo(context.Background(), &Suspension{w: w})
		time.Sleep(time.Minute)
		s := one(t, reports)
		require.Equal(t, "SuspendOthers", s.Wait)
		require.Equal(t, []StalledDomain{{Domain: first, State: Blocked, Stack: s.Domains[0].Stack}}, s.Domains)
		turn.solo = nil // that of the next: it has its turn
		w.endSolo(nil)
		synctest.Wait()
		w.mu.Lock()
		w.solos = nil
		w.mu.Unlock()
		close(release)
		join(t, first)
	})
}

// A report of a domain that is about to start has no stack, and does not race with its goroutine.
func TestStall_StartingDomain(t *testing.T) {
	w, _ := newWatched(t, time.Minute)
	for range rounds(100) {
		d := spawn(t, w, func(*Domain) {})
		addStacks([]StalledDomain{{Domain: d}})
		join(t, d)
	}
}

// Without reports there is no timer: only the domain's end ends the wait.
func TestStall_Off(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, reports := newWatched(t, -1)
		late, poll := silent(t, w)
		go w.ForEach(func(*Domain) {})
		time.Sleep(1000 * time.Hour)
		require.Empty(t, reports)
		close(poll)
		join(t, late)
	})
}

// A wait that has ended, or is given up, leaves no timer behind, and a report of it wakes nobody.
func TestStall_EndsWithTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, reports := newWatched(t, time.Minute)
		late, poll := silent(t, w)
		ctx, cancel := context.WithTimeout(context.Background(), 59*time.Second)
		defer cancel()
		require.Equal(t, context.DeadlineExceeded, w.StopContext(ctx))
		require.Equal(t, context.DeadlineExceeded, late.Suspend(ctx))
		time.Sleep(1000 * time.Hour)
		require.Empty(t, reports)
		close(poll)
		join(t, late)
	})
}

// A stop in the queue waits for the one before it: for the domain whose turn it is to lead. That one
// waits for none.
func TestTurn_MissingIsTheLeader(t *testing.T) {
	w := newWorld(t, Options{})
	first, release := startBlocked(t, w)
	second, releaseSecond := startBlocked(t, w)
	stops := []*Stop{{w: w, leader: first}, {w: w, leader: second}}
	for _, s := range stops {
		w.queue(s)
	}
	require.Empty(t, turn{stops[0]}.missing(time.Time{}))
	missing := turn{stops[1]}.missing(time.Time{})
	require.Len(t, missing, 1)
	require.True(t, first == missing[0].Domain)
	for _, s := range stops {
		w.unqueue(s)
	}
	close(release)
	close(releaseSecond)
	join(t, first)
	join(t, second)
}
