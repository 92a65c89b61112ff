//go:build smr_sched

package smr

import (
	"context"
	"testing"
	"time"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
)

// What follows are small programs that package sched runs under every schedule up to
// a bound.

func schedDomain(x *sched.Exec, fenced bool) *Domain {
	d, err := New(Options{ChunkCalls: 2, Workers: 1, fenced: fenced})
	if err != nil {
		x.Fail("New: %v", err)
	}
	return d
}

// schedUrgent returns a domain that has no check-in while a program runs: what nobody
// tells the reclaimer of is forgotten.
func schedUrgent(x *sched.Exec, chunk int) *Domain {
	d, err := New(Options{ChunkCalls: chunk, Workers: 1, MaxDelay: 100 * time.Hour, CheckIn: time.Hour})
	if err != nil {
		x.Fail("New: %v", err)
	}
	return d
}

// awaitCount polls until a count is reached.
func awaitCount(n *satomic.Int32, want int32) {
	for n.Load() < want {
		sched.Gosched()
	}
}

// closed returns what is to be done after a program: it closes the domain and checks
// that each callback has run once.
func closed(x *sched.Exec, d *Domain, ran []int) func() {
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if err := d.Barrier(ctx); err != nil && err != ErrClosed {
			x.Fail("Barrier: %v", err)
			return
		}
		for i, n := range ran {
			if n != 1 {
				x.Fail("callback %d ran %d times", i, n)
				return
			}
		}
		if err := d.Close(ctx); err != nil {
			x.Fail("Close: %v", err)
		}
	}
}

// closedAgain is closed of a domain that took the program for its reclaimer, and needs one from here on.
func closedAgain(x *sched.Exec, d *Domain, ran []int) func() {
	return func() {
		d.reclaim.state.Store(stopped)
		d.reclaim.notify(d)
		closed(x, d, ran)()
	}
}

// readerAgainstCall has a reader look at what a writer replaces, and frees by a call of that size. The
// writer then goes on with then.
func readerAgainstCall(x *sched.Exec, d *Domain, size int, then func()) {
	type target struct{ freed bool }
	var p Pointer[target]
	var look relacq.Uint64
	p.Init(new(target))
	x.Go("reader", 0, func() {
		s := d.Enter()
		o := p.Load(s)
		for range 2 {
			if o.freed {
				x.Fail("a reader holds what was freed")
			}
			look.Load()
		}
		s.Leave()
	})
	x.Go("writer", 1, func() {
		old := p.LoadSerialized()
		p.Store(new(target))
		Call(d, old, size, func(o *target) { o.freed = true })
		then()
	})
}

func eachFence(t *testing.T, test func(t *testing.T, fenced bool)) {
	t.Run("membarrier", func(t *testing.T) { test(t, false) })
	if relacq.Plain {
		t.Run("fenced", func(t *testing.T) { test(t, true) })
	}
}

// asReclaimer makes the domain take the program for its reclaimer, so that it does
// not start one.
func asReclaimer(d *Domain) { d.reclaim.state.Store(awake) }

// The owner of a slot appends while others take its chunk away and hand it over: each
// call has its callback, once.
func TestSchedules_AppendAgainstDrain(t *testing.T) {
	eachFence(t, func(t *testing.T, fenced bool) {
		sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
			d := schedDomain(x, fenced)
			asReclaimer(d)
			ran := make([]int, 4)
			x.Go("owner", 0, func() {
				for i := range ran {
					Call(d, &ran[i], 1, func(n *int) { *n++ })
				}
			})
			x.Go("drain", 1, func() {
				d.drain()
				d.drain()
			})
			return closedAgain(x, d, ran)
		})
	})
}

// Two on one processor, or stripe, append where one has room, and each call has its callback, once.
func TestSchedules_AppendAgainstAppend(t *testing.T) {
	sched.Explore(t, sched.Options{Schedules: 20_000}, func(x *sched.Exec) func() {
		d := schedDomain(x, false)
		asReclaimer(d)
		ran := make([]int, 3)
		free := func(n *int) { *n++ }
		Call(d, &ran[0], 1, free)
		for i, name := range []string{"one", "other"} {
			x.Go(name, 0, func() { Call(d, &ran[1+i], 1, free) })
		}
		return closedAgain(x, d, ran)
	})
}

// An owner appends against a reclaimer that frees at once what it took.
func TestSchedules_AppendAgainstReclaimer(t *testing.T) {
	eachFence(t, func(t *testing.T, fenced bool) {
		sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
			d := schedDomain(x, fenced)
			asReclaimer(d)
			ran := make([]int, 2)
			free := func(n *int) { *n++ }
			Call(d, &ran[0], 1, free)
			x.Go("owner", 0, func() { Call(d, &ran[1], 1, free) })
			x.Go("reclaimer", 1, func() {
				d.reclaim.flush.Store(true)
				d.reclaimUntilIdle()
			})
			return closed(x, d, ran)
		})
	})
}

// A drain takes the goal of its chunks after the chunks: a call that it still takes was made by
// then, and a reader that entered before that holds it back, even one that entered at a moment
// which came while the drain was on its way.
func TestSchedules_DrainAgainstReader(t *testing.T) {
	eachFence(t, func(t *testing.T, fenced bool) {
		sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
			d := schedDomain(x, fenced)
			asReclaimer(d)
			var linked, freed satomic.Bool
			linked.Store(true)
			ran := make([]int, 1)
			x.Go("drain", 1, func() {
				d.reclaim.flush.Store(true)
				d.reclaimUntilIdle()
			})
			x.Go("reader", 2, func() {
				d.Advance()
				s := d.Enter()
				if linked.Load() && freed.Load() {
					x.Fail("freed under its reader")
				}
				s.Leave()
			})
			x.Go("writer", 0, func() {
				linked.Store(false)
				Call(d, &ran[0], 1, func(n *int) { *n++; freed.Store(true) })
			})
			return closed(x, d, ran)
		})
	})
}

// A Barrier returns when what was called before has run.
func TestSchedules_CallAgainstBarrier(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		d := schedDomain(x, false)
		ran := make([]int, 3)
		var called satomic.Int32
		x.Go("caller", 0, func() {
			for i := range ran {
				Call(d, &ran[i], 1, func(n *int) { *n++ })
				called.Add(1)
			}
		})
		x.Go("barrier", 1, func() {
			before := called.Load()
			if err := d.Barrier(context.Background()); err != nil {
				x.Fail("Barrier: %v", err)
			}
			for i, n := range ran[:before] {
				if n != 1 {
					x.Fail("after a Barrier callback %d has run %d times", i, n)
				}
			}
		})
		return closed(x, d, ran)
	})
}

// A callback runs when no reader can hold what it frees.
func TestSchedules_CallAgainstReader(t *testing.T) {
	eachFence(t, func(t *testing.T, fenced bool) {
		sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
			d := schedDomain(x, fenced)
			readerAgainstCall(x, d, Expedite, func() {})
			return closed(x, d, nil)
		})
	})
}

// A call is not forgotten that comes when the reclaimer is about to stop.
func TestSchedules_CallAgainstStop(t *testing.T) {
	sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
		d := schedDomain(x, false)
		ran := make([]int, 2)
		x.Go("one", 0, func() { Call(d, &ran[0], Expedite, func(n *int) { *n++ }) })
		x.Go("reclaimer", 1, func() { d.Flush() })
		x.Go("other", 0, func() { Call(d, &ran[1], 1, func(n *int) { *n++ }) })
		return func() {
			for i, n := range ran {
				if n != 1 {
					x.Fail("callback %d ran %d times, and nobody is at work", i, n)
				}
			}
			closed(x, d, ran)()
		}
	})
}

// A reader that comes while Close runs is refused, or Close waits for it, and for its calls.
func TestSchedules_TryEnterAgainstClose(t *testing.T) {
	for name, of := range map[string]func(d *Domain) func() (Section, bool){
		"Domain": func(d *Domain) func() (Section, bool) { return d.TryEnter },
		"Reader": func(d *Domain) func() (Section, bool) { return d.NewReader().TryEnter },
	} {
		t.Run(name, func(t *testing.T) {
			sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
				d := schedDomain(x, false)
				enter := of(d)
				d.Enter().Leave() // makes the slots: without one TryEnter refuses as well
				over := false
				var word relacq.Uint64 // to load, so that there is a point
				x.Go("late", 0, func() {
					s, ok := enter()
					if !ok {
						if !d.Closed() {
							x.Fail("TryEnter refuses before Close")
						}
						return
					}
					for range 2 {
						if word.Load(); over {
							x.Fail("Close has returned, and a section is open")
						}
					}
					s.Leave()
				})
				x.Go("closer", 1, func() {
					if err := d.Close(context.Background()); err != nil {
						x.Fail("Close: %v", err)
					}
					over = true
				})
				return nil
			})
		})
	}
}

// Expedited calls are freed without a check-in, whatever the reclaimer and its worker
// are about.
func TestSchedules_ExpediteAgainstReclaimer(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 50_000}, func(x *sched.Exec) func() {
		d := schedUrgent(x, 2)
		ran := make([]int, 2)
		for i, name := range []string{"one", "other"} {
			x.Go(name, i, func() { Call(d, &ran[i], Expedite, func(n *int) { *n++ }) })
		}
		return func() {
			for i, n := range ran {
				if n != 1 {
					x.Fail("callback %d ran %d times", i, n)
					return
				}
			}
			closed(x, d, ran)()
		}
	})
}

// A full chunk wakes a reclaimer that sleeps over one that is open.
func TestSchedules_SealAgainstSleep(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 50_000}, func(x *sched.Exec) func() {
		d := schedUrgent(x, 2)
		var early, called, full satomic.Int32
		free := func(n *satomic.Int32) { n.Add(1) }
		x.Go("one", 0, func() {
			Call(d, &early, 1, free)
			called.Store(1)
		})
		x.Go("other", 1, func() {
			Call(d, &full, 1, free)
			Call(d, &full, 1, free)
			awaitCount(&full, 2)
			awaitCount(&called, 1)
			d.Flush()
			awaitCount(&early, 1)
		})
		return closed(x, d, nil)
	})
}

// A chunk that comes back from a worker goes to one call at a time.
func TestSchedules_ChunksComeBack(t *testing.T) {
	sched.Explore(t, sched.Options{Schedules: 50_000}, func(x *sched.Exec) func() {
		d := schedUrgent(x, 1)
		var ran satomic.Int32
		free := func(n *satomic.Int32) { n.Add(1) }
		x.Go("caller", 0, func() {
			Call(d, &ran, 1, free)
			awaitCount(&ran, 1)
			for range 2 {
				Call(d, &ran, 1, free)
			}
			awaitCount(&ran, 3)
		})
		return func() {
			if n := ran.Load(); n != 3 {
				x.Fail("3 calls have %d callbacks", n)
				return
			}
			closed(x, d, nil)()
			if n := d.reclaim.handedOver.Load(); n != 0 {
				x.Fail("%d bytes are pending in the end", n)
			}
		}
	})
}

// Two Barriers at once: neither misses what the other has just taken from a slot.
func TestSchedules_TwoBarriers(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 50_000}, func(x *sched.Exec) func() {
		d := schedDomain(x, false)
		asReclaimer(d)
		ran := 0
		Call(d, &ran, 1, func(n *int) { *n++ })
		d.reclaim.state.Store(stopped)
		for i, name := range []string{"one", "other"} {
			x.Go(name, i, func() {
				if err := d.Barrier(context.Background()); err != nil {
					x.Fail("Barrier: %v", err)
				}
				if ran != 1 {
					x.Fail("after a Barrier the callback has run %d times", ran)
				}
			})
		}
		return closed(x, d, nil)
	})
}

// A call is taken before Close, or refused, with an open chunk and without: nothing runs when Close has
// returned, and nothing is left.
func TestSchedules_CloseIsTheEnd(t *testing.T) {
	for name, size := range map[string]int{"open chunk": 1, "own chunk": largeSize} {
		t.Run(name, func(t *testing.T) {
			sched.Explore(t, sched.Options{Schedules: 50_000}, func(x *sched.Exec) func() {
				d := schedDomain(x, false)
				over := false
				ran, taken := 0, 0
				x.Go("caller", 0, func() {
					defer func() { recover() }()
					Call(d, &ran, size, func(n *int) {
						if *n++; over {
							x.Fail("a callback runs after Close")
						}
					})
					taken++
				})
				x.Go("closer", 1, func() {
					if err := d.Close(context.Background()); err != nil {
						x.Fail("Close: %v", err)
					}
					over = true
				})
				return func() {
					if ran != taken {
						x.Fail("%d calls were taken, and %d callbacks have run", taken, ran)
					}
				}
			})
		})
	}
}

// A call opens a chunk, or hands one over, as the reclaimer, which has found nothing to do for a
// while, decides to wait for longer: the call is covered by a goal within the usual time.
func TestSchedules_CallAgainstPatience(t *testing.T) {
	for name, chunk := range map[string]struct {
		calls   int
		checkIn time.Duration // one that finds nothing; the next comes four seconds later
	}{
		"Open":       {2, 4 * time.Second}, // after those at 1, which finds the first call, and 2
		"HandedOver": {1, 3 * time.Second}, // after that at 1
	} {
		t.Run(name, func(t *testing.T) {
			sched.Explore(t, sched.Options{Schedules: 5_000}, func(x *sched.Exec) func() {
				d, err := New(Options{ChunkCalls: chunk.calls, Workers: 1, MaxDelay: 4 * time.Second, CheckIn: time.Second})
				if err != nil {
					x.Fail("New: %v", err)
				}
				ran := make([]int, 2)
				free := func(n *int) { *n++ }
				x.Go("caller", 0, func() {
					s := d.Enter()
					Call(d, &ran[0], 1, free)
					time.Sleep(chunk.checkIn)
					Call(d, &ran[1], 1, free)
					time.Sleep(2 * time.Second)
					if d.anyOpen() || !d.reclaim.inbox.empty() {
						x.Fail("a check-in was due, and the reclaimer has not taken the call in")
					}
					s.Leave()
				})
				return closed(x, d, ran)
			})
		})
	}
}

// Writers that wait in Throttle are woken by Close, also if the last chunk finishes
// while a call that is being refused counts as pending.
func TestSchedules_ThrottleAgainstClose(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 20_000}, func(x *sched.Exec) func() {
		d, err := New(Options{ChunkCalls: 2, Workers: 1, MaxPending: 2})
		if err != nil {
			x.Fail("New: %v", err)
		}
		asReclaimer(d)
		ran := 0
		free := func(n *int) { *n++ }
		Call(d, &ran, 2, free)
		d.reclaim.state.Store(stopped)
		for i, name := range []string{"writer", "other writer"} {
			x.Go(name, i, func() {
				if err := d.Throttle(context.Background()); err != nil && err != ErrClosed {
					x.Fail("Throttle: %v", err)
				}
			})
		}
		x.Go("late", 1, func() {
			defer func() { recover() }() // "Call on closed domain"
			Call(d, &ran, 2, free)
		})
		x.Go("closer", 2, func() {
			if err := d.Close(context.Background()); err != nil {
				x.Fail("Close: %v", err)
			}
		})
		end := closed(x, d, nil)
		return func() {
			if n := len(d.reclaim.throttled); n > 0 {
				x.Fail("%d writers that have returned are in the list of those that wait", n)
			}
			end()
		}
	})
}

// A stall is reported while its goal is reached: whatever the order, its end is told, once.
func TestSchedules_StallAgainstWait(t *testing.T) {
	sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
		var begun, ended satomic.Int32
		d, err := New(Options{Workers: 1, OnStall: func(Stall) {}, Events: Events{
			StallBegin: func(Stall) { begun.Add(1) },
			StallEnd:   func(Stall) { ended.Add(1) },
		}})
		if err != nil {
			x.Fail("New: %v", err)
		}
		goal := d.Advance()
		x.Go("driver", 0, func() {
			d.onStall(clock.Stall{Goal: goal})
		})
		x.Go("waiter", 1, func() {
			if err := d.Wait(context.Background(), goal); err != nil {
				x.Fail("Wait: %v", err)
			}
		})
		done := closed(x, d, nil)
		return func() {
			for d.reports.running() != nil {
				sched.Gosched()
			}
			if begun.Load() != 1 || ended.Load() != 1 {
				x.Fail("%d stalls have begun, %d ended", begun.Load(), ended.Load())
			}
			done()
		}
	})
}
