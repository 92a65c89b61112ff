//go:build smr_sched

package sched_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/internal/sched/sync"
)

// outcomes explores a program whose outcome is what end returns, and compares the outcomes with
// want. It tries all schedules unless o has a bound, which it must if a goroutine polls, as that
// may go on for ever.
func outcomes[T comparable](t *testing.T, o sched.Options, body func(x *sched.Exec) (end func() T), want ...T) {
	t.Helper()
	o.All = o.Bound == 0
	found := make(map[T]bool)
	sched.Explore(t, o, func(x *sched.Exec) func() {
		end := body(x)
		return func() { found[end()] = true }
	})
	for _, w := range want {
		if !found[w] {
			t.Errorf("%v was not found", w)
		}
		delete(found, w)
	}
	if len(found) > 0 {
		t.Errorf("%v was found, too", slices.Collect(maps.Keys(found)))
	}
}

// All interleavings are tried, and each once.
func TestExplore_All(t *testing.T) {
	const n = 20 // 6 over 3: each has two operations, and begins
	tried := 0
	orders := make(map[string]bool)
	sched.Explore(t, sched.Options{All: true}, func(x *sched.Exec) func() {
		var v atomic.Uint32
		order := ""
		for i, name := range []string{"a", "b"} {
			x.Go(name, i, func() {
				order += name
				for range 2 {
					v.Add(1)
					order += name
				}
			})
		}
		return func() {
			tried++
			orders[order] = true
		}
	})
	if tried != n || len(orders) != n {
		t.Errorf("%d schedules, %d of them different, want %d", tried, len(orders), n)
	}
}

// One goroutine holds a mutex at a time, in any order, and the next sees what was stored before.
func TestMutex_Excludes(t *testing.T) {
	outcomes(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() string {
		var m sync.Mutex
		var n relacq.Uint64
		held, order := false, ""
		for i, name := range []string{"a", "b", "c"} {
			x.Go(name, i, func() {
				m.Lock()
				if held {
					x.Fail("two hold the mutex")
				}
				held = true
				n.Store(n.Load() + 1)
				order += name
				held = false
				m.Unlock()
			})
		}
		return func() string {
			if n.Load() != 3 {
				x.Fail("an increment is lost")
			}
			return order
		}
	}, "abc", "acb", "bac", "bca", "cab", "cba")
}

// TryLock finds a mutex held, also if its holder does nothing meanwhile.
func TestMutex_TryLock(t *testing.T) {
	outcomes(t, sched.Options{Unlocks: true}, func(x *sched.Exec) func() bool {
		var m sync.Mutex
		got := false
		x.Go("holder", 0, func() {
			m.Lock()
			m.Unlock() //nolint:staticcheck // nothing is done
		})
		x.Go("other", 1, func() {
			if got = m.TryLock(); got {
				m.Unlock()
			}
		})
		return func() bool { return got }
	}, true, false)
}

// Signal wakes the goroutine that has waited longest, Broadcast all.
func TestCond_Wakes(t *testing.T) {
	outcomes(t, sched.Options{Procs: 3, Bound: 2}, func(x *sched.Exec) func() string {
		var m sync.Mutex
		c := sync.Cond{L: &m}
		waiting, order := "", ""
		for i, name := range []string{"a", "b"} {
			x.Go(name, i, func() {
				m.Lock()
				waiting += name
				c.Wait()
				order += name
				c.Broadcast()
				m.Unlock()
			})
		}
		x.Go("signals", 2, func() {
			m.Lock()
			for len(waiting) < 2 {
				m.Unlock()
				sched.Gosched()
				m.Lock()
			}
			c.Signal()
			m.Unlock()
		})
		return func() string { return waiting + order }
	}, "abab", "baba")
}

// Broadcast wakes all that wait.
func TestCond_Broadcast(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Bound: 2}, func(x *sched.Exec) func() {
		var m sync.Mutex
		c := sync.Cond{L: &m}
		ready := false
		for i, name := range []string{"a", "b"} {
			x.Go(name, i, func() {
				m.Lock()
				for !ready {
					c.Wait()
				}
				m.Unlock()
			})
		}
		x.Go("broadcasts", 2, func() {
			m.Lock()
			ready = true
			c.Broadcast()
			m.Unlock()
		})
		return nil
	})
}

// Locking is a fence, and not only unlocking.
func TestMutex_Fences(t *testing.T) {
	outcomes(t, sched.Options{}, func(x *sched.Exec) func() [2]uint64 {
		var locks [2]sync.Mutex
		var v [2]relacq.Uint64
		var seen [2]uint64
		for i, name := range []string{"one", "other"} {
			x.Go(name, i, func() {
				v[i].Store(1)
				locks[i].Lock()
				seen[i] = v[1-i].Load()
				locks[i].Unlock()
			})
		}
		return func() [2]uint64 { return seen }
	}, [2]uint64{0, 1}, [2]uint64{1, 0}, [2]uint64{1, 1})
}

// When Gosched returns, another goroutine may have done something, or nothing.
func TestGosched_OthersFirstOrNot(t *testing.T) {
	outcomes(t, sched.Options{}, func(x *sched.Exec) func() [2]uint32 {
		var a, b atomic.Uint32
		var seen [2]uint32
		x.Go("yields", 0, func() {
			a.Store(1)
			sched.Gosched()
			seen[0] = b.Load()
		})
		x.Go("other", 1, func() {
			seen[1] = a.Load()
			b.Store(1)
		})
		return func() [2]uint32 { return seen }
	}, [2]uint32{0, 0}, [2]uint32{0, 1}, [2]uint32{1, 0}, [2]uint32{1, 1})
}

// A goroutine that polls gets to the end without a deviation, though others poll too.
func TestGosched_Fair(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Bound: 2}, func(x *sched.Exec) func() {
		var turn relacq.Uint64
		for i, name := range []string{"one", "two", "three"} {
			x.Go(name, i, func() {
				for turn.Load() != uint64(2-i) {
					sched.Gosched()
				}
				turn.Store(uint64(3 - i))
			})
		}
		return nil
	})
}

// What a program has on its first processor is on each of them, in some bound and some walks.
func TestExplore_TurnsProcessors(t *testing.T) {
	found := make(map[[3]int]int)
	sched.Explore(t, sched.Options{Procs: 3, Walks: 30}, func(x *sched.Exec) func() {
		var v atomic.Uint32
		at := [3]int{0: sched.Processor()}
		for i := range 2 {
			x.Go("", i, func() {
				v.Add(1)
				at[1+i] = sched.Processor()
			})
		}
		return func() { found[at]++ }
	})
	for _, at := range [][3]int{{0, 0, 1}, {1, 1, 2}, {2, 2, 0}} {
		if found[at] < 3 || len(found) > 3 {
			t.Errorf("%v: want several of %v", found, at)
		}
	}
}

// A new goroutine sees what was stored before it was started.
func TestGo_SeesWhatWasStoredBefore(t *testing.T) {
	outcomes(t, sched.Options{}, func(x *sched.Exec) func() uint64 {
		var v relacq.Uint64
		seen := uint64(0)
		x.Go("starts", 0, func() {
			v.Store(1)
			sched.Go(func() { seen = v.Load() })
		})
		return func() uint64 { return seen }
	}, 1)
}

// Private stores keep their places among the others.
func TestStorePrivate_InOrder(t *testing.T) {
	outcomes(t, sched.Options{}, func(x *sched.Exec) func() [2]int {
		var p relacq.Pointer[int]
		values := []int{1, 2}
		own := 0
		x.Go("stores", 0, func() {
			p.Store(&values[0])
			p.StorePrivate(&values[1])
			own = *p.Load()
		})
		x.Go("other", 1, func() { p.Load() })
		return func() [2]int { return [2]int{own, *p.Load()} }
	}, [2]int{2, 2})
}

// Pin keeps other goroutines off the processor from its call on, not from the caller's last
// operation.
func TestPin_KeepsOthersOff(t *testing.T) {
	outcomes(t, sched.Options{}, func(x *sched.Exec) func() [3]uint32 {
		var v atomic.Uint32
		var seen [3]uint32
		x.Go("pins", 0, func() {
			seen[0] = v.Load()
			sched.Pin()
			seen[1] = v.Load()
			seen[2] = v.Load()
			sched.Unpin()
		})
		x.Go("other", 0, func() { v.Store(1) })
		return func() [3]uint32 { return seen }
	}, [3]uint32{0, 0, 0}, [3]uint32{0, 1, 1}, [3]uint32{1, 1, 1})
}

// A goroutine that a channel wakes while its processor is pinned goes on when it no longer is.
func TestPin_WokenMeanwhile(t *testing.T) {
	sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
		var m sync.Mutex
		var v atomic.Uint32
		c := make(chan struct{})
		pinned := false
		x.Go("woken", 0, func() {
			<-c
			m.Lock()
			if pinned && sched.Pins {
				x.Fail("it runs while another has pinned its processor")
			}
			m.Unlock()
		})
		x.Go("pins", 0, func() {
			sched.Pin()
			pinned = true
			v.Load()
			v.Load()
			pinned = false
			sched.Unpin()
		})
		x.Go("wakes", 1, func() {
			sched.Wakes()
			close(c)
		})
		return nil
	})
}

// When a processor switches goroutines, the stores of the last one are visible to all before the
// next one does anything.
func TestBuffer_DrainsWhenTheProcessorChanges(t *testing.T) {
	sched.Explore(t, sched.Options{All: true}, func(x *sched.Exec) func() {
		var v, w relacq.Uint64
		stored, after := false, false
		var seen [2]uint64
		x.Go("stores", 0, func() {
			v.Store(1)
			stored = true
		})
		x.Go("beside", 0, func() {
			after = stored
			seen[0] = w.Load()
		})
		x.Go("elsewhere", 1, func() {
			w.Swap(1)
			seen[1] = v.Load()
		})
		return func() {
			if after && seen == [2]uint64{} {
				x.Fail("the store is delayed past the other goroutine's load")
			}
		}
	})
}

// Time passes when no goroutine can do anything else, and timers fire in order.
func TestTime_PassesInTheEnd(t *testing.T) {
	outcomes(t, sched.Options{}, func(x *sched.Exec) func() string {
		var v atomic.Uint32
		order := ""
		x.Go("late", 0, func() {
			time.Sleep(2 * time.Second)
			order += "late"
		})
		x.Go("early", 1, func() {
			<-time.After(time.Second)
			order += "early "
		})
		x.Go("busy", 1, func() {
			for range 3 {
				v.Add(1)
			}
			order += "busy "
		})
		return func() string { return order }
	}, "busy early late")
}

// Goroutines woken by a channel continue in any order, and after a send the sender may continue
// first.
func TestWakes_AnyOrder(t *testing.T) {
	outcomes(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() string {
		var v atomic.Uint32
		c := make(chan struct{})
		order := ""
		for i, name := range []string{"a", "b"} {
			x.Go(name, i, func() {
				<-c
				v.Add(1)
				order += name
			})
		}
		x.Go("closes", 2, func() {
			sched.Wakes()
			close(c)
			v.Add(1)
			order += "-"
		})
		return func() string { return order }
	}, "ab-", "ba-", "a-b", "b-a", "-ab", "-ba")
}

// Two goroutines, one of which wakes the other over and over, do not keep a third from running, as
// long as they get their turns. (The woken one may go first each time, which is no deviation: a
// program that does this in a loop has endless schedules.)
func TestWakes_Fair(t *testing.T) {
	sched.Explore(t, sched.Options{Schedules: 1}, func(x *sched.Exec) func() {
		var over atomic.Uint32
		c := make(chan struct{}, 1)
		x.Go("kicks", 0, func() {
			for over.Load() == 0 {
				sched.Wakes()
				select {
				case c <- struct{}{}:
				default:
				}
				sched.Gosched()
			}
			sched.Wakes()
			close(c)
		})
		x.Go("is kicked", 1, func() {
			for range c {
				over.Load()
			}
		})
		x.Go("third", 1, func() { over.Store(1) })
		return nil
	})
}
