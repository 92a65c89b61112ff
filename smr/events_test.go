package smr

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/clock"
)

// An eventLog has the events of a domain, in their order.
type eventLog struct {
	mu  sync.Mutex
	all []string
}

func (l *eventLog) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fmt.Sprintf(format, args...))
}

func (l *eventLog) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// events returns functions that write the log.
func (l *eventLog) events() Events {
	return Events{
		GraceBegin: func(g GraceInfo) {
			l.add("grace of %s begins: %d calls, %d bytes, %v", g.Domain, g.Calls, g.Bytes, g.Took)
		},
		GraceEnd: func(g GraceInfo) {
			l.add("grace of %s ends: %d calls, %d bytes, %v", g.Domain, g.Calls, g.Bytes, g.Took)
		},
		CallbacksBegin: func(c CallbacksInfo) {
			l.add("%d callbacks of %s begin: %d bytes, %v", c.Calls, c.Domain, c.Bytes, c.Took)
		},
		CallbacksEnd: func(c CallbacksInfo) {
			l.add("%d callbacks of %s end: %d bytes, %v", c.Calls, c.Domain, c.Bytes, c.Took)
		},
		StallBegin: func(s Stall) { l.add("stall begins: %d readers, %v", len(s.Readers), s.Age) },
		StallEnd:   func(s Stall) { l.add("stall ends: %d readers, %v", len(s.Readers), s.Age) },
		Misuse:     func(m Misuse) { l.add("misuse of %s: %s", m.Domain, m.Text) },
		CloseBegin: func(c CloseInfo) { l.add("close of %s begins: %v, %v", c.Domain, c.Err, c.Took) },
		CloseEnd:   func(c CloseInfo) { l.add("close of %s ends: %v, %v", c.Domain, c.Err, c.Took) },
	}
}

// A domain's life, in events. A grace period that goes on while the reclaimer wakes is one.
func TestEvents_OfADomainsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l eventLog
		d := newDomain(t, Options{Name: "d", Events: l.events()})
		s := enterElsewhere(d)
		d.CallFunc(7, func() { time.Sleep(3 * time.Second) })
		d.Flush()
		for range 4 {
			time.Sleep(time.Second)
			d.Flush()
			synctest.Wait()
		}
		s.Leave()
		require.NoError(t, d.Barrier(t.Context()))
		s = enterElsewhere(d)
		go func() {
			time.Sleep(5 * time.Second)
			s.Leave()
		}()
		require.NoError(t, d.Close(t.Context()))
		require.Equal(t, []string{
			"grace of d begins: 1 calls, 7 bytes, 0s",
			"grace of d ends: 1 calls, 7 bytes, 4s",
			"1 callbacks of d begin: 7 bytes, 0s",
			"1 callbacks of d end: 7 bytes, 3s",
			"close of d begins: <nil>, 0s",
			"close of d ends: <nil>, 5s",
		}, l.list())
	})
}

// Each event comes where its doc says, and may ask the domain.
func TestEvents_Where(t *testing.T) {
	var d *Domain
	var ran atomic.Bool
	var l eventLog
	note := func(what string, ok bool) { l.add("%s: %v", what, ok) }
	d = newDomain(t, Options{Workers: 1, Events: Events{
		GraceBegin: func(g GraceInfo) {
			dg := d.Diagnose(1) // nothing is parked yet
			note("GraceBegin, waiting", dg.Waiting.Calls == 1 && dg.Readers[0].Blocks && !d.Poll(g.Goal))
		},
		GraceEnd: func(g GraceInfo) {
			dg := d.Diagnose(1)
			note("GraceEnd, not ready", dg.Waiting.Calls == 1 && dg.Ready.Calls+dg.Running.Calls == 0 && d.Poll(g.Goal))
			d.Flush()
		},
		CallbacksBegin: func(CallbacksInfo) {
			note("CallbacksBegin, running", d.Diagnose(1).Running.Calls == 1 && !ran.Load())
		},
		CallbacksEnd: func(CallbacksInfo) {
			note("CallbacksEnd, not counted", ran.Load() && d.Stats().Callbacks == 0)
			note("no wait", d.Barrier(context.Background()) == ErrInCallback)
		},
	}})
	s := enterElsewhere(d)
	d.CallFunc(Expedite, func() { ran.Store(true) })
	await(t, d, func(dg Diagnosis) bool { return dg.Waiting.Calls == 1 && len(l.list()) == 1 })
	s.Leave()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.Equal(t, []string{
		"GraceBegin, waiting: true", "GraceEnd, not ready: true",
		"CallbacksBegin, running: true", "CallbacksEnd, not counted: true", "no wait: true",
	}, l.list())
}

// Where all calls of a batch are held there are no callbacks to tell of, until the release.
func TestEvents_HeldIsNoBatch(t *testing.T) {
	var l eventLog
	ev := l.events()
	d := newDomain(t, Options{Name: "d", Events: Events{CallbacksBegin: ev.CallbacksBegin}})
	o := new(diagnosed)
	s := enterElsewhere(d)
	h := Hold(s, o)
	s.Leave()
	Call(d, o, 5, (*diagnosed).free)
	d.Flush()
	await(t, d, func(dg Diagnosis) bool { return dg.Held.Calls == 1 })
	require.Empty(t, l.list())
	h.Release()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.Equal(t, []string{"1 callbacks of d begin: 5 bytes, 0s"}, l.list())
}

// Close begins before the domain refuses anything, and ends when it is off the list; one that gives up
// says why, and one that is refused is none.
func TestEvents_Close(t *testing.T) {
	var d *Domain
	var l eventLog
	d, err := New(Options{Name: "d", Events: Events{
		CloseBegin: func(CloseInfo) {
			l.add("begin: closed %v, listed %v", d.Closed(), slices.Contains(Domains(), d))
		},
		CloseEnd: func(c CloseInfo) {
			l.add("end: closed %v, listed %v, error %v", d.Closed(), slices.Contains(Domains(), d), c.Err != nil)
		},
	}})
	require.NoError(t, err)
	ctx := watchdogContext(t)
	d.CallFunc(0, func() { require.ErrorIs(t, d.Close(ctx), ErrInCallback) }) //smr:ok it is refused, and no event
	require.NoError(t, d.Barrier(ctx))
	require.Empty(t, l.list())
	s := enterElsewhere(d)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, d.Close(canceled), context.Canceled)
	s.Leave()
	require.NoError(t, d.Close(ctx))
	require.Equal(t, []string{
		"begin: closed false, listed true", "end: closed true, listed true, error true",
		"begin: closed true, listed true", "end: closed true, listed false, error false",
	}, l.list())
}

// A stall begins once, however often it is reported, and ends when the goals of all reports are
// reached, though the waits that it was reported for have given up.
func TestEvents_Stall(t *testing.T) {
	stalls := func(t *testing.T, l *eventLog) (d *Domain, reports *atomic.Int32) {
		reports = new(atomic.Int32)
		ev := l.events()
		return newDomain(t, Options{
			StallAfter: time.Second,
			OnStall:    func(Stall) { l.add("report %d", reports.Add(1)) },
			Events:     Events{StallBegin: ev.StallBegin, StallEnd: ev.StallEnd},
		}), reports
	}
	const begin = "stall begins: 1 readers, 1s"
	t.Run("Wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var l eventLog
			d, _ := stalls(t, &l)
			for range 2 {
				s := enterElsewhere(d)
				done := make(chan error, 1)
				go func() { done <- d.Synchronize(t.Context()) }()
				time.Sleep(5 * time.Second)
				s.Leave()
				require.NoError(t, <-done)
				synctest.Wait()
			}
			require.Equal(t, []string{
				begin, "report 1", "report 2", "report 3", "stall ends: 0 readers, 5s",
				begin, "report 4", "report 5", "report 6", "stall ends: 0 readers, 5s",
			}, l.list())
		})
	})
	t.Run("Calls", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var l eventLog
			d, _ := stalls(t, &l)
			s := enterElsewhere(d)
			d.CallFunc(Expedite, func() {})
			time.Sleep(1500 * time.Millisecond)
			s.Leave()
			synctest.Wait()
			require.Equal(t, []string{begin, "report 1", "stall ends: 0 readers, 1.5s"}, l.list())
		})
	})
	t.Run("GivenUp", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var l eventLog
			d, _ := stalls(t, &l)
			s := enterElsewhere(d)
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer cancel()
			require.Error(t, d.Synchronize(ctx))
			s.Leave()
			synctest.Wait()
			require.Equal(t, []string{begin, "report 1"}, l.list(), "nothing finds it")
			require.NoError(t, d.Close(t.Context()))
			require.Equal(t, []string{begin, "report 1", "stall ends: 0 readers, 1.5s"}, l.list())
		})
	})
	t.Run("LaterGoal", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var l eventLog
			d, reports := stalls(t, &l)
			older := enterElsewhere(d)
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer cancel()
			first := d.Advance()
			require.Error(t, d.Wait(ctx, first))
			younger := enterElsewhere(d)
			done := make(chan error, 1)
			go func() { done <- d.Synchronize(t.Context()) }()
			time.Sleep(time.Second)
			require.EqualValues(t, 2, reports.Load(), "for another goal")
			older.Leave()
			require.NoError(t, d.Wait(t.Context(), first))
			synctest.Wait()
			require.Equal(t, []string{begin, "report 1", "report 2"}, l.list())
			time.Sleep(500 * time.Millisecond)
			younger.Leave()
			require.NoError(t, <-done)
			synctest.Wait()
			require.Equal(t, []string{begin, "report 1", "report 2", "stall ends: 0 readers, 3s"}, l.list())
		})
	})
}

// A report that comes when its goal has been reached begins a stall that ends at once.
func TestEvents_LateStallReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l eventLog
		d := newDomain(t, Options{Events: l.events()})
		goal := d.Advance()
		require.True(t, d.Poll(goal))
		d.onStall(clock.Stall{Goal: goal, Age: time.Second})
		synctest.Wait()
		require.Equal(t, []string{"stall begins: 0 readers, 1s", "stall ends: 0 readers, 1s"}, l.list())
	})
}

// Without a listener the end of a stall starts no goroutine.
func TestEvents_NoStallEndWithoutListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{})
		goal := d.Advance()
		require.True(t, d.Poll(goal))
		d.onStall(clock.Stall{Goal: goal, Age: time.Second})
		require.Zero(t, d.reports.stalled.Load())
	})
}

// Functions that end their goroutine, as testing's FailNow does, hold up nothing, and each event is
// told once.
func TestEvents_Goexit(t *testing.T) {
	var begun, ended [2]atomic.Int32
	d := newDomain(t, Options{Workers: 2, Events: Events{
		GraceBegin:     func(GraceInfo) { begun[0].Add(1); runtime.Goexit() },
		GraceEnd:       func(GraceInfo) { ended[0].Add(1); runtime.Goexit() },
		CallbacksBegin: func(CallbacksInfo) { begun[1].Add(1); runtime.Goexit() },
		CallbacksEnd:   func(CallbacksInfo) { ended[1].Add(1); runtime.Goexit() },
	}})
	for i := range int32(3) {
		ran := 0
		d.CallFunc(0, func() { ran++; runtime.Goexit() })
		require.NoError(t, d.Barrier(watchdogContext(t)))
		require.Equal(t, 1, ran)
		for j := range begun {
			require.Equal(t, i+1, begun[j].Load())
			require.Equal(t, i+1, ended[j].Load())
		}
	}
}

// Under load, from all sides, events come in pairs, and all of them before Close returns.
func TestEvents_Pairs(t *testing.T) {
	variants(t, func(t *testing.T, o Options) {
		var graces, batches, calls, after atomic.Int64
		var closed atomic.Bool
		count := func(n *atomic.Int64, by int64) {
			if n.Add(by) < 0 || closed.Load() {
				after.Add(1)
			}
		}
		o.Events = Events{
			GraceBegin: func(GraceInfo) {
				if count(&graces, 1); graces.Load() != 1 {
					after.Add(1) // two at once
				}
			},
			GraceEnd:       func(GraceInfo) { count(&graces, -1) },
			CallbacksBegin: func(CallbacksInfo) { count(&batches, 1) },
			CallbacksEnd:   func(c CallbacksInfo) { count(&batches, -1); calls.Add(c.Calls) },
		}
		o.MaxPending = 64 << 10
		d, err := New(o)
		require.NoError(t, err)
		ctx := watchdogContext(t)
		n := rounds(1000)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for range n {
					s := d.Enter()
					d.CallFunc(8, func() {})
					s.Leave()
				}
			})
		}
		wg.Go(func() {
			for range n / 100 {
				if err := d.Barrier(ctx); err != nil {
					after.Add(1)
				}
			}
		})
		wg.Wait()
		require.NoError(t, d.Close(ctx))
		closed.Store(true)
		require.Zero(t, graces.Load())
		require.Zero(t, batches.Load())
		require.EqualValues(t, 3*n, calls.Load())
		require.Zero(t, after.Load())
	})
}
