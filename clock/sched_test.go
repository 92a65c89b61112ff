//go:build smr_sched

package clock

import (
	"context"
	"fmt"
	"testing"

	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/pcpu"
)

// What follows are small programs that package sched runs under every schedule up to
// a bound.

// A target is what readers find and writers free.
type target struct{ freed bool }

// A place leads readers to a target.
type place struct {
	x    *sched.Exec
	p    relacq.Pointer[target]
	word relacq.Uint64 // to load, so that there is a point
}

func newPlace(x *sched.Exec) *place {
	pl := &place{x: x}
	pl.p.StorePrivate(new(target))
	return pl
}

// visit is what a reader does in a section.
func (pl *place) visit() {
	o := pl.p.Load()
	for range 2 {
		if o.freed {
			pl.x.Fail("a reader holds what was freed")
		}
		pl.word.Load()
	}
}

// replace is what a writer does: it unlinks, waits as wait says, and frees.
func (pl *place) replace(wait func()) {
	old := pl.p.Load()
	pl.p.Store(new(target))
	wait()
	old.freed = true
}

func pollUntil(c *Clock, goal Seq) {
	for !c.Poll(goal) {
		sched.Gosched()
	}
}

// await waits for a goal, and fails where that does.
func await(x *sched.Exec, c *Clock, goal Seq) {
	if err := c.Wait(context.Background(), goal); err != nil {
		x.Fail("Wait: %v", err)
	}
}

func schedClock(fenced bool) *Clock {
	c := new(Clock)
	c.Init(Options{Fenced: fenced})
	return c
}

// schedKinds are the ways to enter a section.
var schedKinds = []struct {
	name string
	of   func(c *Clock) func() (*Record, uint64)
}{
	{"Enter", func(c *Clock) func() (*Record, uint64) { return c.Enter }},
	{"Pin", func(c *Clock) func() (*Record, uint64) { return c.Pin }},
	{"Reader", func(c *Clock) func() (*Record, uint64) { return c.NewOwned().Enter }},
	{"Reader again", func(c *Clock) func() (*Record, uint64) { return usedReader(c).Enter }},
}

// usedReader returns a record on which a section was open before, at the clock's moment.
func usedReader(c *Clock) *Record {
	r := c.NewOwned()
	_, gen := r.Enter()
	r.Leave(gen)
	return r
}

// eachKind runs a test with each kind of section, with and without membarrier.
func eachKind(t *testing.T, test func(t *testing.T, enterOf func(c *Clock) func() (*Record, uint64), fenced bool)) {
	for _, kind := range schedKinds {
		t.Run(kind.name, func(t *testing.T) {
			eachFence(t, func(t *testing.T, fenced bool) { test(t, kind.of, fenced) })
		})
	}
}

func eachFence(t *testing.T, test func(t *testing.T, fenced bool)) {
	t.Run("membarrier", func(t *testing.T) { test(t, false) })
	if relacq.Plain {
		t.Run("fenced", func(t *testing.T) { test(t, true) })
	}
}

// A reader does not hold what a writer frees after a grace period that it polled
// for, also if the clock moves between its two steps of entering.
func TestSchedules_ReaderAgainstPoller(t *testing.T) {
	eachKind(t, func(t *testing.T, enterOf func(c *Clock) func() (*Record, uint64), fenced bool) {
		sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
			c := schedClock(fenced)
			pl := newPlace(x)
			enter := enterOf(c)
			x.Go("reader", 0, func() {
				r, gen := enter()
				pl.visit()
				r.Leave(gen)
			})
			x.Go("writer", 1, func() {
				for range 2 {
					pl.replace(func() { pollUntil(c, c.Advance()) })
				}
			})
			return nil
		})
	})
}

// Passed, which moves nothing, waits for the same readers, also beside a poller that does.
func TestSchedules_ReaderAgainstPassed(t *testing.T) {
	eachKind(t, func(t *testing.T, enterOf func(c *Clock) func() (*Record, uint64), fenced bool) {
		sched.Explore(t, sched.Options{Schedules: 5000}, func(x *sched.Exec) func() {
			c := schedClock(fenced)
			pl := newPlace(x)
			enter := enterOf(c)
			x.Go("reader", 0, func() {
				r, gen := enter()
				pl.visit()
				r.Leave(gen)
			})
			x.Go("writer", 1, func() {
				for range 2 {
					pl.replace(func() {
						for goal := c.Advance(); !c.Passed(goal); {
							sched.Gosched()
						}
					})
				}
			})
			x.Go("poller", 1, func() { c.Poll(c.Advance()) })
			return nil
		})
	})
}

// Two goroutines that poll at once do not free what each other's readers hold, and
// neither takes back what the other found.
func TestSchedules_TwoPollers(t *testing.T) {
	eachFence(t, func(t *testing.T, fenced bool) {
		sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
			c := schedClock(fenced)
			places := [2]*place{newPlace(x), newPlace(x)}
			enter := c.NewOwned().Enter
			x.Go("reader", 0, func() {
				r, gen := enter()
				places[0].visit()
				places[1].visit()
				r.Leave(gen)
			})
			for i, pl := range places {
				x.Go([]string{"one", "other"}[i], 1+i, func() {
					goal := c.Advance()
					pl.replace(func() {
						goal = c.Advance()
						pollUntil(c, goal)
					})
					if !c.reached(goal) {
						x.Fail("a goal that was reached is so no more")
					}
				})
			}
			return nil
		})
	})
}

// A goal that no section holds back is reached by the first poll, whatever other polls find meanwhile.
func TestSchedules_PollAgainstPoll(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 2}, func(x *sched.Exec) func() {
		c := schedClock(false)
		for i, name := range []string{"one", "other"} {
			x.Go(name, i, func() {
				if !c.Poll(c.Advance()) {
					x.Fail("nothing holds the goal back, and it is not reached")
				}
			})
		}
		return nil
	})
}

// A deferred goal covers what was unlinked before it, whichever goroutine commits it.
func TestSchedules_DeferredAgainstCommit(t *testing.T) {
	eachFence(t, func(t *testing.T, fenced bool) {
		for _, how := range []string{"Commit", "Advance", "Poll"} {
			t.Run(how, func(t *testing.T) {
				sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
					c := schedClock(fenced)
					pl := newPlace(x)
					enter := c.NewOwned().Enter
					x.Go("reader", 0, func() {
						r, gen := enter()
						pl.visit()
						r.Leave(gen)
					})
					x.Go("writer", 1, func() {
						pl.replace(func() {
							goal := c.DeferredAdvance()
							for tries := 0; !c.Poll(goal); tries++ {
								if tries == 1 {
									c.Commit(goal)
								}
								sched.Gosched()
							}
						})
					})
					x.Go("other", 2, func() {
						switch goal := c.DeferredAdvance(); how {
						case "Commit":
							c.Commit(goal)
						case "Advance":
							c.Advance()
						case "Poll":
							c.Poll(goal)
						}
					})
					return nil
				})
			})
		}
	})
}

// What a scan takes for reached it has read before its fence.
func TestSchedules_ScanAgainstAdvance(t *testing.T) {
	scanAgainstEntry(t, func(c *Clock) func() (*Record, uint64) { return c.NewOwned().Enter })
}

// The first reader whose entry needs a poller's fence registers while one scans and another
// unlinks: it is fenced for, or finds what was unlinked gone.
func TestSchedules_FirstReaderAgainstScan(t *testing.T) {
	scanAgainstEntry(t, func(c *Clock) func() (*Record, uint64) {
		return func() (*Record, uint64) { return c.NewOwned().Enter() }
	})
}

// scanAgainstEntry has a reader enter while one goroutine scans and another unlinks. entry is called
// before they begin, and what it returns by the reader.
func scanAgainstEntry(t *testing.T, entry func(*Clock) func() (*Record, uint64)) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 600_000, Walks: 1}, func(x *sched.Exec) func() {
		c := schedClock(false)
		pl := newPlace(x)
		enter := entry(c)
		old, first := pl.p.Load(), c.Advance()
		goal := first + increment
		x.Go("scans", 0, func() { c.scan(first, c.snapshot()) })
		x.Go("reader", 1, func() {
			r, gen := enter()
			pl.visit()
			r.Leave(gen)
		})
		x.Go("unlinks", 2, func() {
			pl.p.Store(new(target))
			c.Advance()
		})
		x.Go("frees", 2, func() {
			if c.reached(goal) {
				old.freed = true
			}
		})
		return nil
	})
}

// A snapshot serves the goals that it covers, and no later one: a reader may have entered since,
// with its record still in its store buffer.
func TestSchedules_SecondGoalAgainstEntry(t *testing.T) {
	sched.Explore(t, sched.Options{Schedules: 100_000, Walks: 1}, func(x *sched.Exec) func() {
		c := schedClock(false)
		pl := newPlace(x)
		r := c.NewOwned()
		x.Go("reader", 0, func() {
			r, gen := r.Enter()
			pl.visit()
			r.Leave(gen)
		})
		x.Go("writer", 1, func() {
			snap := c.covering(c.Advance(), snapshot{})
			pl.replace(func() {
				for goal := c.Advance(); ; sched.Gosched() {
					snap = c.covering(goal, snap)
					if c.scan(goal, snap); c.reached(goal) {
						return
					}
				}
			})
		})
		return nil
	})
}

// A waiter is woken by the reader that leaves, however the two meet.
func TestSchedules_LeaveAgainstWait(t *testing.T) {
	eachKind(t, func(t *testing.T, enterOf func(c *Clock) func() (*Record, uint64), fenced bool) {
		sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
			c := schedClock(fenced)
			pl := newPlace(x)
			enter := enterOf(c)
			x.Go("reader", 0, func() {
				for range 2 {
					r, gen := enter()
					pl.visit()
					r.Leave(gen)
				}
			})
			x.Go("waiter", 1, func() {
				pl.replace(func() {
					await(x, c, c.Advance())
				})
			})
			return nil
		})
	})
}

// A registered reader that enters after the goal was taken holds nobody up, though its record has the
// moment of its last section at first.
func TestSchedules_EntryAgainstWait(t *testing.T) {
	eachFence(t, func(t *testing.T, fenced bool) {
		sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
			c := schedClock(fenced)
			r := usedReader(c)
			goal := c.Advance()
			var done relacq.Uint64
			x.Go("reader", 0, func() {
				_, gen := r.Enter()
				sched.Await(&done)
				r.Leave(gen)
			})
			x.Go("waiter", 1, func() {
				await(x, c, goal)
				done.Store(1)
			})
			return nil
		})
	})
}

// A registered reader is sampled from the moment on at which samples are turned on.
func TestSchedules_SamplingAgainstReader(t *testing.T) {
	sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
		c := schedClock(false)
		r := c.NewOwned()
		var on relacq.Uint64
		x.Go("samples", 0, func() {
			c.SampleSections(1)
			on.Store(1)
		})
		x.Go("reader", 1, func() {
			for range 2 {
				must := on.Load() != 0
				_, gen := r.Enter()
				if must && r.sampleOf(gen) == nil {
					x.Fail("a section that was entered after each was to be sampled was not")
				}
				r.Leave(gen)
			}
		})
		return nil
	})
}

// A quiescent reader wakes a waiter, by a quiescent state or by going offline.
func TestSchedules_QuiesceAgainstWait(t *testing.T) {
	eachFence(t, func(t *testing.T, fenced bool) {
		sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
			c := schedClock(fenced)
			pl := newPlace(x)
			r := c.NewQuiescent(nil)
			x.Go("reader", 0, func() {
				r.Online()
				pl.visit()
				r.Quiesce()
				pl.visit()
				r.Offline()
			})
			x.Go("waiter", 1, func() {
				pl.replace(func() {
					await(x, c, c.Advance())
				})
			})
			return nil
		})
	})
}

// A quiescent state wakes a waiter by itself: the reader stays online until then.
func TestSchedules_QuiesceWakes(t *testing.T) {
	eachFence(t, func(t *testing.T, fenced bool) {
		sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
			c := schedClock(fenced)
			r := c.NewQuiescent(nil)
			r.Online()
			goal := c.Advance()
			var done relacq.Uint64
			x.Go("reader", 0, func() {
				r.Quiesce()
				sched.Await(&done)
				r.Offline()
			})
			x.Go("waiter", 1, func() {
				await(x, c, goal)
				done.Store(1)
			})
			return nil
		})
	})
}

// Two wait, and one driver serves both.
func TestSchedules_DriverAndTwoWaiters(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		c := schedClock(false)
		places := [2]*place{newPlace(x), newPlace(x)}
		enter := c.NewOwned().Enter
		x.Go("reader", 0, func() {
			r, gen := enter()
			places[0].visit()
			r.Leave(gen)
		})
		for i, pl := range places {
			x.Go([]string{"one", "other"}[i], 1+i, func() {
				pl.replace(func() {
					await(x, c, c.Advance())
				})
			})
		}
		return func() { noDriver(x, c) }
	})
}

// noDriver fails if the clock has a driver, or one that has not ended.
func noDriver(x *sched.Exec, c *Clock) {
	if c.driven() || len(c.driver.waiters) > 0 {
		x.Fail("there are %d waiters and driver %d", len(c.driver.waiters), c.driver.term.Load())
	}
}

// A waiter whose goal is reached is released before one whose goal is later: what holds
// back that one waits for it here.
func TestSchedules_NearGoalGoesFirst(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		c := schedClock(false)
		first, firstGen := c.NewOwned().Enter()
		near := c.Advance()
		second, secondGen := c.NewOwned().Enter()
		far := c.Advance()
		var released relacq.Uint64
		x.Go("reader", 0, func() {
			first.Leave(firstGen)
			sched.Await(&released)
			second.Leave(secondGen)
		})
		for i, goal := range []Seq{far, near} {
			x.Go([]string{"far", "near"}[i], 1+i, func() {
				await(x, c, goal)
				if goal == near {
					released.Store(1)
				}
			})
		}
		return func() { noDriver(x, c) }
	})
}

// Commits of one goal, and advances meanwhile, move the clock forward only.
func TestSchedules_CommitAgainstAdvance(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Bound: 4}, func(x *sched.Exec) func() {
		c := schedClock(false)
		goal := c.DeferredAdvance()
		for i, name := range []string{"one", "other"} {
			x.Go(name, i, func() { c.Commit(goal) })
		}
		x.Go("advances", 2, func() {
			if goal := c.Advance(); c.Now().Before(goal) {
				x.Fail("the clock is at %v, before %v, to which it was advanced", c.Now(), goal)
			}
		})
		return func() {
			if c.Now().Before(goal) {
				x.Fail("the clock is at %v, and %v is committed", c.Now(), goal)
			}
		}
	})
}

// A waiter that gives up leaves the others served, and ends the driver if there are none.
func TestSchedules_WaiterGivesUp(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		c := schedClock(false)
		enter := c.NewOwned().Enter
		stop := make(chan struct{})
		r, gen := enter()
		x.Go("reader", 0, func() {
			sched.Wakes()
			close(stop)
			r.Leave(gen)
		})
		x.Go("one", 1, func() {
			if _, err := c.WaitOr(c.Advance(), stop, nil); err != nil {
				x.Fail("Wait: %v", err)
			}
		})
		x.Go("other", 2, func() {
			await(x, c, c.Advance())
		})
		return func() { noDriver(x, c) }
	})
}

// All give up while a reader stays, and each driver ends.
func TestSchedules_AllGiveUp(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		c := schedClock(false)
		r, gen := c.NewOwned().Enter()
		goal := c.Advance()
		stop := make(chan struct{})
		x.Go("stops", 0, func() {
			sched.Wakes()
			close(stop)
		})
		for i, name := range []string{"one", "other"} {
			x.Go(name, 1+i, func() {
				if reached, err := c.WaitOr(goal, stop, nil); reached || err != nil {
					x.Fail("Wait: %v, %v", reached, err)
				}
			})
		}
		return func() {
			noDriver(x, c)
			r.Leave(gen)
		}
	})
}

// A waiter registers while the driver of another wait, which gives up or is released,
// ends. One driver is served at a time: the dismissed one does not get the kick that is
// meant for the next, nor the next the one that ends it.
func TestSchedules_EndAgainstRegister(t *testing.T) {
	for _, how := range []string{"released", "gives up"} {
		t.Run(how, func(t *testing.T) {
			sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
				c := schedClock(false)
				first, firstGen := c.NewOwned().Enter()
				near := c.Advance()
				second, secondGen := c.NewOwned().Enter()
				far := c.Advance()
				stop := make(chan struct{})
				var ended relacq.Uint64
				x.Go("reader", 0, func() {
					if how == "released" {
						first.Leave(firstGen)
					} else {
						sched.Wakes()
						close(stop)
					}
					sched.Await(&ended)
					if how != "released" {
						first.Leave(firstGen)
					}
					second.Leave(secondGen)
				})
				x.Go("ends", 1, func() {
					if reached, err := c.WaitOr(near, stop, nil); err != nil || reached != (how == "released") {
						x.Fail("Wait: %v, %v", reached, err)
					}
					ended.Store(1)
				})
				x.Go("registers", 2, func() {
					await(x, c, far)
				})
				return func() { noDriver(x, c) }
			})
		})
	}
}

// A poller that saw a record idle reaches the goal of a waiter, while the driver, which
// found a delayed reader there that seems to hold the goal back, is about to sleep on it.
func TestSchedules_PollReachesForWaiter(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 4}, func(x *sched.Exec) func() {
		c := schedClock(false)
		r := c.NewOwned()
		loaded := c.Now()
		c.Poll(c.Advance())
		near := c.Advance()
		far := c.Advance()
		var released relacq.Uint64
		x.Go("poller", 0, func() {
			for reached := c.Poll(near); reached && released.Load() == 0 || r.seq.Load() == 0; {
				sched.Gosched()
			}
			r.Leave(r.gen.Load()) // the far goal waits for this
		})
		x.Go("reader", 1, func() { r.seq.Store(uint64(loaded)) })
		x.Go("far", 2, func() {
			await(x, c, far)
		})
		x.Go("near", 3, func() {
			await(x, c, near)
			released.Store(1)
		})
		return func() { noDriver(x, c) }
	})
}

// A section that is entered while the clock is sealed is waited for or refused.
func TestSchedules_SealAgainstEnter(t *testing.T) {
	eachKind(t, func(t *testing.T, enterOf func(c *Clock) func() (*Record, uint64), fenced bool) {
		sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
			c := schedClock(fenced)
			pl := newPlace(x)
			enter := enterOf(c)
			x.Go("reader", 0, func() {
				defer func() {
					if v := recover(); v != nil && !c.Sealed() {
						panic(v)
					}
				}()
				r, gen := enter()
				pl.visit()
				r.Leave(gen)
			})
			x.Go("closer", 1, func() {
				old := pl.p.Load()
				c.Seal()
				await(x, c, c.Advance())
				old.freed = true // what is left is freed, and needs no unlinking
			})
			return nil
		})
	})
}

// A section that TryEnter opens as the clock is sealed is seen by Close's last grace period, or
// refused.
func TestSchedules_SealAgainstTryEnter(t *testing.T) {
	for _, kind := range []struct {
		name string
		of   func(c *Clock) func() (*Record, uint64)
	}{
		{"TryEnter", func(c *Clock) func() (*Record, uint64) { return c.TryEnter }},
		{"Reader", func(c *Clock) func() (*Record, uint64) { return c.NewOwned().TryEnter }},
		{"Reader again", func(c *Clock) func() (*Record, uint64) { return usedReader(c).TryEnter }},
	} {
		t.Run(kind.name, func(t *testing.T) {
			eachFence(t, func(t *testing.T, fenced bool) {
				sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
					c := schedClock(fenced)
					pl := newPlace(x)
					enter := kind.of(c)
					c.slots.Grow(0) // or the processor gets none, which refuses as well
					x.Go("reader", 0, func() {
						r, gen := enter()
						if r == nil {
							if !c.Sealed() {
								x.Fail("a section was refused before the clock was sealed")
							}
							return
						}
						pl.visit()
						r.Leave(gen)
					})
					x.Go("closer", 1, func() {
						old := pl.p.Load()
						c.Seal()
						await(x, c, c.Advance())
						old.freed = true
					})
					return nil
				})
			})
		})
	}
}

// When the clock is known to be sealed, by one of two Seals that has returned or by Sealed, each kind of
// section is refused.
func TestSchedules_SealedSeen(t *testing.T) {
	for name, enterOf := range map[string]func(c *Clock) func() (*Record, uint64){
		"TryEnter": func(c *Clock) func() (*Record, uint64) { return c.TryEnter },
		"Reader":   func(c *Clock) func() (*Record, uint64) { return usedReader(c).TryEnter },
	} {
		t.Run(name, func(t *testing.T) {
			sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
				c := schedClock(false)
				enter := enterOf(c)
				var sealed relacq.Uint64
				x.Go("closer", 0, func() { c.Seal() })
				x.Go("other closer", 1, func() { c.Seal(); sealed.Store(1) })
				x.Go("reader", 2, func() {
					if sealed.Load() == 0 && !c.Sealed() {
						return
					}
					if r, gen := enter(); r != nil {
						x.Fail("a section is entered on a clock that is sealed")
						r.Leave(gen)
					}
				})
				return nil
			})
		})
	}
}

// A clock that is sealed while samples are turned on and off stays sealed.
func TestSchedules_SealAgainstSampling(t *testing.T) {
	sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
		c := schedClock(false)
		x.Go("samples", 0, func() { c.SampleSections(2) })
		x.Go("samples none", 1, func() { c.SampleSections(0) })
		x.Go("closer", 1, func() { c.Seal() })
		return func() {
			if r, _ := c.TryEnter(); r != nil || !c.Sealed() {
				x.Fail("a sealed clock lets a reader in")
			}
		}
	})
}

// A section that is left gives its record to the next, generation and all.
func TestSchedules_LeaveAgainstEnter(t *testing.T) {
	eachFence(t, func(t *testing.T, fenced bool) {
		for procs := 1; procs <= 2; procs++ { // elsewhere, it is left while the other enters
			sched.Explore(t, sched.Options{Procs: procs, Bound: 5}, func(x *sched.Exec) func() {
				c := schedClock(fenced)
				r, gen := c.Enter()
				x.Go("leaves", procs-1, func() { r.Leave(gen) })
				x.Go("enters", 0, func() {
					for range 2 {
						r, gen := c.Enter()
						if !r.Active(gen) {
							x.Fail("a section that was entered is not open")
						}
						r.Leave(gen)
					}
				})
				return nil
			})
		}
	})
}

// Two on one processor, or one stripe, claim different records; a section may be
// left elsewhere than where it was entered.
func TestSchedules_TwoOnOneProcessor(t *testing.T) {
	eachFence(t, func(t *testing.T, fenced bool) {
		sched.Explore(t, sched.Options{Procs: 2}, func(x *sched.Exec) func() {
			c := schedClock(fenced)
			pl := newPlace(x)
			for _, name := range []string{"one", "other"} {
				x.Go(name, 0, func() {
					r, gen := c.Enter()
					inner, innerGen := c.Enter()
					pl.visit()
					r.Leave(gen)
					pl.visit()
					inner.Leave(innerGen)
				})
			}
			x.Go("writer", 1, func() {
				pl.replace(func() { pollUntil(c, c.Advance()) })
			})
			return nil
		})
	})
}

// Nor do two claim one record where others are in use, wherever the idle one is; there may be none.
func TestSchedules_TwoClaimAmongOthers(t *testing.T) {
	const records = 4
	for idle := range records + 1 {
		sched.Explore(t, sched.Options{Procs: 1, Bound: 2, Schedules: 5000}, func(x *sched.Exec) func() {
			c := schedClock(false)
			var recs [records]*Record
			var gens [records]uint64
			for i := range recs {
				recs[i], gens[i] = c.Enter()
			}
			if idle < records {
				recs[idle].Leave(gens[idle])
			}
			c.slots.At(int(recs[0].cpu)).cur.Store(recs[0])
			alone := make(claims)
			for _, name := range []string{"one", "other"} {
				x.Go(name, 0, func() { alone.enterAndLeave(x, c) })
			}
			return nil
		})
	}
}

// Nor where the record that an entry found in use is left, and claimed by another.
func TestSchedules_ClaimAgainstLeave(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 1}, func(x *sched.Exec) func() {
		c := schedClock(false)
		r, gen := c.Enter()
		alone := make(claims)
		x.Go("one", 0, func() {
			r.Leave(gen)
			alone.enterAndLeave(x, c)
		})
		x.Go("other", 0, func() { alone.enterAndLeave(x, c) })
		return nil
	})
}

// claims are the records with open sections.
type claims map[*Record]bool

// enterAndLeave fails if the record of its section has another.
func (in claims) enterAndLeave(x *sched.Exec, c *Clock) {
	r, gen := c.Enter()
	if in[r] {
		x.Fail("two sections are open on one record")
	}
	in[r] = true
	new(relacq.Uint64).Load() // others may run
	delete(in, r)
	r.Leave(gen)
}

// A quiescent reader that comes online, or states that it is quiescent, while the clock
// is sealed is waited for or refused.
func TestSchedules_SealAgainstQuiescent(t *testing.T) {
	eachFence(t, func(t *testing.T, fenced bool) {
		sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
			c := schedClock(fenced)
			pl := newPlace(x)
			r := c.NewQuiescent(nil)
			x.Go("reader", 0, func() {
				visit := func() {
					if _, ok := r.Section(); ok {
						pl.visit()
					}
				}
				r.Online()
				visit()
				r.Quiesce()
				visit()
				r.Offline()
			})
			x.Go("closer", 1, func() {
				old := pl.p.Load()
				c.Seal()
				await(x, c, c.Advance())
				old.freed = true
			})
			return nil
		})
	})
}

// A slot gives records back while a section is entered, open and left there and a poller walks the
// list: no section is ever out of it.
func TestSchedules_ShrinkAgainstSections(t *testing.T) {
	for _, p := range []struct{ proc, first int }{{0, 0}, {0, 1}, {0, 2}, {0, 3}, {1, 2}} {
		t.Run(fmt.Sprint(p), func(t *testing.T) {
			sched.Explore(t, sched.Options{Procs: shrinkProcs, Schedules: 20_000}, func(x *sched.Exec) func() {
				c := schedClock(false)
				pl := newPlace(x)
				sl := longSlot(c, 4, p.first)
				x.Go("reader", 0, func() {
					r, gen := c.Enter()
					pl.visit()
					r.Leave(gen)
				})
				x.Go("shrinks", p.proc%shrinkProcs, func() { // elsewhere, it asks the reader to
					c.giveBack(sl)
					c.giveBack(sl)
				})
				x.Go("writer", shrinkProcs-1, func() {
					pl.replace(func() { pollUntil(c, c.Advance()) })
				})
				return func() { checkSlot(x, sl) }
			})
		})
	}
}

// A scan that stands on a record as it is given back still finds the open section behind it.
func TestSchedules_ShrinkAgainstScan(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: shrinkProcs}, func(x *sched.Exec) func() {
		c := schedClock(false)
		sl := longSlot(c, 5, 3)
		r, gen := c.Enter()
		goal := c.Advance()
		x.Go("shrinks", 0, func() {
			c.giveBack(sl)
			c.giveBack(sl)
		})
		x.Go("scans", shrinkProcs-1, func() {
			if c.Poll(goal) {
				x.Fail("a scan misses an open section")
			}
		})
		return func() {
			r.Leave(gen)
			checkSlot(x, sl)
		}
	})
}

// Two goroutines shrink a slot at once, and one makes it grow meanwhile.
func TestSchedules_ShrinkAgainstGrowth(t *testing.T) {
	for first := range 4 {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			sched.Explore(t, sched.Options{Procs: shrinkProcs, Schedules: 20_000}, func(x *sched.Exec) func() {
				c := schedClock(false)
				pl := newPlace(x)
				sl := longSlot(c, 4, first)
				x.Go("reader", 0, func() {
					r, gen := c.Enter()
					inner, innerGen := c.Enter()
					r.Leave(gen)
					nested, nestedGen := c.Enter()
					pl.visit()
					inner.Leave(innerGen)
					pl.visit()
					nested.Leave(nestedGen)
				})
				x.Go("shrinks", 0, func() { c.giveBack(sl) })
				x.Go("too", 1%shrinkProcs, func() { c.giveBack(sl) })
				x.Go("writer", shrinkProcs-1, func() {
					pl.replace(func() { pollUntil(c, c.Advance()) })
				})
				return func() { checkSlot(x, sl) }
			})
		})
	}
}

// shrinkProcs is how many processors those two have. Without pinning they would only add stripes.
var shrinkProcs = map[bool]int{true: 3, false: 1}[pcpu.Exclusive]

// longSlot returns the slot of processor 0, with n records. The next entry begins at the one with
// that number.
func longSlot(c *Clock, n, first int) *slot {
	sl := c.slots.Grow(0)
	sl.grow(c, n-firstRecords(), 0)
	r := sl.all.Load()
	for range first {
		r = r.next.Load()
	}
	sl.cur.Store(r)
	return sl
}

// checkSlot fails if a slot's count of its records is wrong, or if its last record is lost.
func checkSlot(x *sched.Exec, sl *slot) {
	n, last := int32(0), (*Record)(nil)
	for r := sl.all.Load(); r != nil; r = r.next.Load() {
		if last = r; r.seq.Load() != closedWord {
			n++
		}
	}
	if n != sl.n.Load() || last != sl.last {
		x.Fail("the slot has %d records and counts %d", n, sl.n.Load())
	}
}
