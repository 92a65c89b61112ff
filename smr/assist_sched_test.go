//go:build smr_sched

package smr

import (
	"testing"
	"time"

	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
)

// schedAssisted returns a domain without check-ins, in which an Assist is due with each call.
func schedAssisted(x *sched.Exec, o Options) *Domain {
	o.MaxPending, o.ChunkCalls, o.Workers = 4, 1, 1
	o.MaxDelay, o.CheckIn = 100*time.Hour, time.Hour
	d, err := New(o)
	if err != nil {
		x.Fail("New: %v", err)
	}
	return d
}

// A callback that Assist runs comes when no reader can hold what it frees.
func TestSchedules_AssistAgainstReader(t *testing.T) {
	eachFence(t, func(t *testing.T, fenced bool) {
		sched.Explore(t, sched.Options{Schedules: 10_000}, func(x *sched.Exec) func() {
			d := schedAssisted(x, Options{fenced: fenced})
			asReclaimer(d)
			readerAgainstCall(x, d, 1, d.Assist)
			return closedAgain(x, d, nil)
		})
	})
}

// Two assist beside the domain's goroutines: each callback runs once, and none is forgotten, though
// nothing is checked in.
func TestSchedules_AssistAgainstAssist(t *testing.T) {
	sched.Explore(t, sched.Options{Schedules: 5_000}, func(x *sched.Exec) func() {
		d := schedAssisted(x, Options{})
		ran := make([]int, 4)
		for i, name := range []string{"one", "other"} {
			x.Go(name, i, func() {
				for k := range 2 {
					Call(d, &ran[2*i+k], 1, func(n *int) { *n++ })
					d.Assist()
				}
			})
		}
		return func() {
			for i, n := range ran {
				if n != 1 {
					x.Fail("callback %d ran %d times, and nobody is at work", i, n)
					return
				}
			}
			closed(x, d, ran)()
		}
	})
}

// An Assist takes in what another has handed over and not told the reclaimer of yet, which sleeps, and
// finds it held back: the reclaimer frees it when the reader has left.
func TestSchedules_AssistAgainstSleep(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 5_000}, func(x *sched.Exec) func() {
		d := schedAssisted(x, Options{})
		d.opts.ChunkCalls = 2
		r := &d.reclaim
		var ran satomic.Int32
		var assisted satomic.Bool
		free := func(n *satomic.Int32) { n.Add(1) }
		s := d.Enter()
		x.Go("caller", 0, func() {
			Call(d, &ran, 0, free)
			for r.state.Load() != asleep {
				sched.Gosched()
			}
			Call(d, &ran, 1, free)
		})
		x.Go("assistant", 1, func() {
			for r.handedOver.Load() == 0 {
				sched.Gosched()
			}
			d.Assist()
			assisted.Store(true)
		})
		x.Go("reader", 2, func() {
			for !assisted.Load() {
				sched.Gosched()
			}
			s.Leave()
		})
		return func() {
			if n := ran.Load(); n != 2 {
				x.Fail("2 calls have %d callbacks, and nobody is at work", n)
				return
			}
			closed(x, d, nil)()
		}
	})
}

// What a worker frees meanwhile does not count twice, which would put off the next Assist.
func TestSchedules_AssistAgainstFree(t *testing.T) {
	sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
		d := schedAssisted(x, Options{})
		asReclaimer(d)
		r := &d.reclaim
		const size = 1 << 20
		n := 0
		Call(d, &n, size, func(n *int) { *n++ })
		d.intake()
		d.clk.Poll(r.waiting.head.goal)
		r.ready.push(r.waiting.pop())
		x.Go("worker", 0, func() { d.work(r.claimWorker(0), nil) })
		x.Go("writer", 1, func() {
			r.assistDue()
			if due := r.assists.due.Load(); due > size+1 {
				x.Fail("%d bytes were called, and the next Assist is due at %d", size, due)
			}
		})
		return closedAgain(x, d, nil)
	})
}
