package stw

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

// Property 6: a domain that is spawned during a stop waits for its end, and only
// then is part of the world.
func TestSpawn_WaitsForStop(t *testing.T) {
	w := newWorld(t, Options{})
	asDomain(t, w, func(d *Domain) {
		var ran atomic.Bool
		var child *Domain
		w.RunOnAll(d, func(_ *Domain, s *Stop) {
			child = spawn(t, w, func(*Domain) { ran.Store(true) })
			for range 100 {
				runtime.Gosched()
			}
			require.False(t, ran.Load())
			require.Equal(t, Starting, child.State())
			require.Equal(t, []*Domain{d}, w.Domains())
		}, StopOptions{})
		d.Blocking(func() { join(t, child) })
		require.True(t, ran.Load())
	})
}

// Property 6: stops in a row do not keep new domains out: the first one that ends
// lets them in.
func TestSpawn_NotStarvedByStops(t *testing.T) {
	w := newWorld(t, Options{})
	asDomain(t, w, func(d *Domain) {
		var child *Domain
		quit := make(chan struct{})
		w.RunOnAll(d, func(*Domain, *Stop) {
			child = spawn(t, w, func(d *Domain) { d.Blocking(func() { <-quit }) })
			waitFor(t, func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.joiners) == 1 })
		}, StopOptions{})
		var seen atomic.Int32
		w.RunOnAll(d, func(*Domain, *Stop) { seen.Add(1) }, StopOptions{Setup: func(s *Stop) {
			require.Equal(t, []*Domain{d, child}, s.Participants())
		}})
		require.EqualValues(t, 2, seen.Load())
		close(quit)
		d.Blocking(func() { join(t, child) })
	})
}

// Property 6: a spawn that fails leaves nothing behind.
func TestSpawn_FailureReleasesEverything(t *testing.T) {
	var refuse atomic.Bool
	refused := errors.New("refused")
	w := newWorld(t, Options{
		Max: 2,
		OnStart: func(*Domain) error {
			if refuse.Load() {
				return refused
			}
			return nil
		},
		OnEnd: func(*Domain) { require.False(t, refuse.Load(), "it had not started") },
	})
	for range 3 {
		c := startCrowd(t, w, 2)
		for range 3 {
			_, err := w.Spawn(func(*Domain) {})
			require.ErrorIs(t, err, ErrFull)
			_, err = w.Register()
			require.ErrorIs(t, err, ErrFull)
		}
		c.end(t)
	}
	refuse.Store(true)
	for range 5 {
		d := spawn(t, w, func(*Domain) { t.Error("run") })
		require.ErrorIs(t, d.Join(context.Background()), refused)
		_, err := w.Register()
		require.ErrorIs(t, err, refused)
	}
	refuse.Store(false)
	startCrowd(t, w, 2).end(t)
	require.Empty(t, w.Domains())

	closed, err := smr.New(smr.Options{})
	require.NoError(t, err)
	require.NoError(t, closed.Close(context.Background()))
	w = newWorld(t, Options{Max: 1, SMR: []*smr.Domain{newDomain(t), closed}})
	for range 3 {
		_, err := w.Spawn(func(*Domain) {})
		require.ErrorContains(t, err, "closed domain")
	}

	for _, n := range []int{-1, math.MaxInt} {
		_, err = NewWorld(Options{Max: n})
		require.Error(t, err)
	}
	_, err = NewWorld(Options{SMR: []*smr.Domain{nil}})
	require.Error(t, err)
}

// Property 7: a domain leaves only with nothing pending: a stop that is led counts
// on it, also if it has not been told yet.
func TestEnd_WaitsForStop(t *testing.T) {
	w := newWorld(t, Options{})
	end := make(chan struct{})
	ending := spawn(t, w, func(*Domain) { <-end })
	waitState(t, ending, Running)
	asDomain(t, w, func(d *Domain) {
		ran := 0
		within(t, func() {
			w.RunOnAll(d, func(p *Domain, s *Stop) {
				s.Barrier(nil)
				if p == ending {
					ran++
				}
			}, StopOptions{Setup: func(*Stop) {
				close(end)
				waitFor(t, func() bool { return ending.State() != Running })
				for range 1000 { // it would be gone by then
					runtime.Gosched()
				}
			}})
		})
		require.Equal(t, 1, ran)
	})
	join(t, ending)
	require.Equal(t, Dead, ending.State())
}

// Property 7: the hook is called while the domain is still part of the world, and
// Join returns after all of it. ocaml/ocaml#12799: events after leaving the set.
func TestEnd_Order(t *testing.T) {
	var w *World
	var order []string
	w = newWorld(t, Options{
		Max:     1,
		OnStart: func(d *Domain) error { order = append(order, "start"); return nil },
		OnEnd: func(d *Domain) {
			order = append(order, "stop")
			require.Equal(t, []*Domain{d}, w.Domains())
			w.RunOnAll(d, func(*Domain, *Stop) { order = append(order, "handler") }, StopOptions{})
			d.Interrupt(func(*Domain) { order = append(order, "interrupt") })
		},
	})
	d := spawn(t, w, func(*Domain) { order = append(order, "run") })
	join(t, d)
	require.Equal(t, []string{"start", "run", "stop", "handler", "interrupt"}, order)
	_, ok := w.Lookup(d.ID())
	require.False(t, ok)
	startCrowd(t, w, 1).end(t) // its slot is free
}

// Property 8, and ocaml/ocaml#11800, oxcaml#6192: a slot is used again only when
// nobody acts for its last domain any more.
func TestSlot_NotReusedWhileServed(t *testing.T) {
	w := newWorld(t, Options{Max: 1})
	inside, release := make(chan struct{}), make(chan struct{})
	asked := make(chan struct{})
	d := spawn(t, w, func(*Domain) { <-asked })
	require.NoError(t, d.Interrupt(func(*Domain) { close(inside); <-release }))
	close(asked)
	<-inside
	for range 1000 { // it would be gone by then
		runtime.Gosched()
	}
	_, err := w.Spawn(func(*Domain) {})
	require.ErrorIs(t, err, ErrFull)
	require.NotEqual(t, Dead, d.State())
	select {
	case <-d.done:
		t.Error("it has ended")
	default:
	}
	close(release)
	join(t, d)
	next := spawn(t, w, func(*Domain) {})
	require.Equal(t, d.Slot(), next.Slot())
	require.NotEqual(t, d.ID(), next.ID())
	join(t, next)
}

func TestRegister(t *testing.T) {
	w := newWorld(t, Options{})
	d, err := w.Register()
	require.NoError(t, err)
	require.Equal(t, Running, d.State())
	got, ok := w.Lookup(d.ID())
	require.True(t, ok)
	require.Same(t, d, got)
	c := startCrowd(t, w, 2)
	for range 10 {
		w.RunOnAll(d, func(_ *Domain, s *Stop) { s.Barrier(nil) }, StopOptions{})
	}
	// The same goroutine may be two domains, with care.
	var second *Domain
	d.Blocking(func() { second, err = w.Register() })
	require.NoError(t, err)
	d.Blocking(func() { w.RunOnAll(second, func(*Domain, *Stop) {}, StopOptions{}) })
	d.Blocking(second.Deregister)
	c.quit.Store(true)
	d.Blocking(func() { c.end(t) })
	d.Deregister()
	require.Equal(t, Dead, d.State())
	require.PanicsWithValue(t, "stw: Deregister of a domain that is dead", d.Deregister)
}

func TestWorld_Close(t *testing.T) {
	w, err := NewWorld(Options{})
	require.NoError(t, err)
	c := startCrowd(t, w, 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = w.Close(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Regexp(t, `^stw: Close gave up: context canceled; domains that must end: 1; waits for domain \d+, `, err.Error())
	err = c.domains[0].Join(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Regexp(t, `^stw: Join gave up: context canceled; domains that must end: 1; waits for domain \d+, `, err.Error())
	_, err = w.Spawn(func(*Domain) {})
	require.ErrorIs(t, err, ErrClosed)
	c.end(t)
	require.NoError(t, w.Close(context.Background()))
	require.ErrorIs(t, c.domains[0].Suspend(context.Background()), ErrDead)
}

func TestKey_DomainLocal(t *testing.T) {
	w := newWorld(t, Options{})
	ids := NewKey(func(d *Domain) uint64 { return d.ID() })
	names := NewKey[string](nil)
	for range 3 {
		asDomain(t, w, func(d *Domain) {
			require.Equal(t, "", names.Get(d))
			names.Set(d, "set")
			require.Equal(t, d.ID(), ids.Get(d))
			ids.Set(d, 7)
			require.EqualValues(t, 7, ids.Get(d))
			require.Equal(t, "set", names.Get(d))
		})
	}
}

// golang/go#10618: the set of domains changes during a ragged barrier. Each domain
// that was there when it began runs it once, and none other.
func TestForEach_SetChanges(t *testing.T) {
	w := newWorld(t, Options{Max: 8})
	var quit atomic.Bool
	var churn sync.WaitGroup
	churn.Go(func() {
		for !quit.Load() {
			if d, err := w.Spawn(func(d *Domain) {
				for range rand.IntN(20) {
					d.Relax()
				}
				if d.ID()%3 == 0 {
					d.Blocking(runtime.Gosched)
				}
			}); err == nil && d.ID()%5 == 0 {
				d.Join(context.Background())
			}
			runtime.Gosched()
		}
	})
	for range rounds(3000) {
		var mu sync.Mutex
		ran := make(map[uint64]int)
		within(t, func() {
			w.ForEach(func(d *Domain) {
				mu.Lock()
				defer mu.Unlock()
				ran[d.ID()]++
			})
		})
		for id, n := range ran {
			require.Equal(t, 1, n, id)
		}
	}
	quit.Store(true)
	churn.Wait()
}

// Several ragged barriers at once: each runs its function once for every domain. (The runtime's
// forEachP throws.)
func TestForEach_SeveralAtOnce(t *testing.T) {
	w := newWorld(t, Options{})
	c := startCrowd(t, w, 2)
	blocked, release := startBlocked(t, w)
	const callers = 3
	for range rounds(200) {
		poll := make(chan struct{})
		late := spawn(t, w, func(d *Domain) {
			<-poll // it runs, and does not poll
			d.Poll()
		})
		waitState(t, late, Running)
		var calls sync.WaitGroup
		for range callers {
			calls.Go(func() {
				var mu sync.Mutex
				var ran []uint64
				within(t, func() {
					w.ForEach(func(d *Domain) { mu.Lock(); defer mu.Unlock(); ran = append(ran, d.ID()) })
				})
				assert.ElementsMatch(t, []uint64{c.domains[0].ID(), c.domains[1].ID(), blocked.ID(), late.ID()}, ran)
			})
		}
		waitFor(t, func() bool { late.mu.Lock(); defer late.mu.Unlock(); return len(late.noted.ragged) == callers })
		close(poll)
		calls.Wait()
		join(t, late)
	}
	close(release)
	join(t, blocked)
	c.end(t)
}

// Whoever was part of the world runs it, also while it ends.
func TestForEach_EndingDomainRunsIt(t *testing.T) {
	w := newWorld(t, Options{})
	end := make(chan struct{})
	d := spawn(t, w, func(*Domain) { <-end })
	waitState(t, d, Running)
	var ran atomic.Int32
	done := make(chan struct{})
	go func() {
		w.ForEach(func(p *Domain) { require.Same(t, d, p); ran.Add(1) })
		close(done)
	}()
	waitFor(t, func() bool { return d.pending.Load() != 0 })
	close(end)
	within(t, func() { <-done })
	join(t, d)
	require.EqualValues(t, 1, ran.Load())
}

func TestForEach_AllStates(t *testing.T) {
	w := newWorld(t, Options{})
	w.ForEach(func(*Domain) { t.Error("nobody is there") })
	c := startCrowd(t, w, 3)
	blocked, release := startBlocked(t, w)
	require.NoError(t, c.domains[0].Suspend(watchdogContext(t)))
	var mu sync.Mutex
	var ran []uint64
	run := func(d *Domain) { mu.Lock(); defer mu.Unlock(); ran = append(ran, d.ID()) }
	within(t, func() { w.ForEach(run) })
	want := []uint64{c.domains[0].ID(), c.domains[1].ID(), c.domains[2].ID(), blocked.ID()}
	require.ElementsMatch(t, want, ran)

	// What is asked while the caller acts for a blocked domain is done, too.
	var asked atomic.Bool
	w.ForEach(func(d *Domain) {
		if d == blocked {
			d.Interrupt(func(*Domain) { asked.Store(true) })
		}
	})
	waitFor(t, asked.Load)

	asDomain(t, w, func(d *Domain) {
		ran = nil
		within(t, func() { d.ForEach(run) })
		require.ElementsMatch(t, append(slices.Clone(want), d.ID()), ran)
	})

	// Panics reach the caller, when all have run it; and Goexit hurts nobody else.
	p := panicOf(t, func() { w.ForEach(func(d *Domain) { panic(d.ID()) }) })
	require.Len(t, p.Also, 3)
	c.domains[0].Resume()
	within(t, func() {
		go w.ForEach(func(d *Domain) {
			if d == blocked || d == c.domains[1] {
				runtime.Goexit()
			}
		})
		<-c.domains[1].done
	})
	within(t, func() { w.ForEach(func(*Domain) {}) })
	close(release)
	join(t, blocked)
	c.end(t)
}

func TestSuspend(t *testing.T) {
	w := newWorld(t, Options{})
	ctx := watchdogContext(t)
	steps := 0 // plain
	var quit atomic.Bool
	d := spawn(t, w, func(d *Domain) {
		for !quit.Load() {
			steps++
			d.Relax()
		}
	})
	for range rounds(1000) {
		require.NoError(t, d.Suspend(ctx))
		require.Equal(t, Suspended, d.State())
		before := steps
		require.NoError(t, d.Suspend(ctx), "they count")
		var ran atomic.Bool
		require.NoError(t, d.Interrupt(func(*Domain) { ran.Store(true) }))
		asDomain(t, w, func(leader *Domain) { // stops and ragged barriers go on
			w.RunOnAll(leader, func(_ *Domain, s *Stop) { s.Barrier(nil) }, StopOptions{})
			leader.ForEach(func(*Domain) {})
		})
		d.Resume()
		runtime.Gosched()
		require.Equal(t, before, steps)
		require.False(t, ran.Load(), "interrupts wait")
		d.Resume()
		waitFor(t, ran.Load)
	}
	require.Panics(t, d.Resume)
	quit.Store(true)
	join(t, d)
	require.ErrorIs(t, d.Suspend(ctx), ErrDead)

	// A blocked domain is suspended at once, and comes back when it is resumed.
	back := false
	release := make(chan struct{})
	d = spawn(t, w, func(d *Domain) {
		d.Blocking(func() { <-release })
		back = true
	})
	waitState(t, d, Blocked)
	require.NoError(t, d.Suspend(ctx))
	close(release)
	waitState(t, d, Suspended)
	require.False(t, back)
	d.Resume()
	join(t, d)
	require.True(t, back)

	// Not while somebody acts for it; and what waited is done, on its behalf, when
	// it is resumed.
	blocked, unblock := startBlocked(t, w)
	in, out := make(chan struct{}), make(chan struct{})
	require.NoError(t, blocked.Interrupt(func(*Domain) { close(in); <-out }))
	<-in
	var suspended, ran atomic.Bool
	go func() {
		require.NoError(t, blocked.Suspend(ctx))
		suspended.Store(true)
	}()
	waitFor(t, func() bool { blocked.mu.Lock(); defer blocked.mu.Unlock(); return blocked.noted.suspends == 1 })
	for range 100 {
		runtime.Gosched()
	}
	require.False(t, suspended.Load())
	require.NoError(t, blocked.Interrupt(func(*Domain) { ran.Store(true) }))
	close(out)
	waitFor(t, suspended.Load)
	require.False(t, ran.Load())
	blocked.Resume()
	waitFor(t, ran.Load)
	close(unblock)
	join(t, blocked)

	// One that ends, too.
	d = spawn(t, w, func(*Domain) {})
	if d.Suspend(ctx) == nil {
		require.NotEqual(t, Dead, d.State())
		d.Resume()
	}
	join(t, d)
}

func TestSuspend_Canceled(t *testing.T) {
	w := newWorld(t, Options{})
	end := make(chan struct{})
	deaf := spawn(t, w, func(*Domain) { <-end })
	c := startCrowd(t, w, 2)
	waitState(t, deaf, Running)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		waitState(t, c.domains[0], Suspended)
		cancel()
	}()
	_, err := w.Suspend(ctx)
	require.ErrorIs(t, err, context.Canceled)
	c.running(t)
	require.ErrorIs(t, deaf.Suspend(ctx), context.Canceled)
	close(end)
	join(t, deaf)
	c.end(t)
}

// The roots of stopped and of suspended domains are visited, each word.
func TestScan(t *testing.T) {
	w := newWorld(t, Options{})
	c := new(crowd)
	for range 3 {
		c.domains = append(c.domains, spawn(t, w, func(d *Domain) {
			d.PushRoots(300)[299] = uintptr(d.ID())
			frame := d.PushRoots(2)
			d.PushRoots(5)[0] = 99
			d.PopRoots()
			for !c.quit.Load() {
				frame[0]++
				frame[1] = -frame[0]
				d.Relax()
			}
			d.PopRoots()
			d.PopRoots()
			require.Panics(t, d.PopRoots)
		}))
	}
	blocked, release := startBlocked(t, w)
	c.running(t)
	require.Panics(t, func() { w.Scan(func(*Domain, uintptr) {}) })
	visit := func(words map[*Domain][]uintptr) func(*Domain, uintptr) {
		return func(d *Domain, word uintptr) {
			if word != 0 {
				words[d] = append(words[d], word)
			}
		}
	}
	check := func(words map[*Domain][]uintptr) {
		require.Len(t, words, 3)
		require.Empty(t, words[blocked])
		for d, at := range words {
			require.Len(t, at, 3)
			require.Equal(t, uintptr(d.ID()), at[0])
			require.Equal(t, at[1], -at[2], "in the middle of a change")
		}
	}
	for range rounds(500) {
		words := make(map[*Domain][]uintptr)
		w.Stop()
		w.Scan(visit(words))
		w.Start()
		check(words)

		words = make(map[*Domain][]uintptr)
		s, err := w.Suspend(watchdogContext(t))
		require.NoError(t, err)
		require.Len(t, s.Domains(), 4)
		s.Scan(visit(words))
		s.Resume()
		check(words)
	}
	close(release)
	join(t, blocked)
	c.end(t)
}

// A frame whose size is out of range leaves the roots as they are, also behind others.
func TestPushRoots_SizeOutOfRange(t *testing.T) {
	w := newWorld(t, Options{})
	asDomain(t, w, func(d *Domain) {
		for range 3 {
			for _, n := range []int{-1, math.MinInt, math.MaxInt, math.MaxInt - 1} {
				require.Panics(t, func() { d.PushRoots(n) }, n)
			}
			d.PushRoots(3)[2] = 7
		}
		for range 3 {
			require.Equal(t, []uintptr{0, 0, 7}, d.roots.words(d.roots.frames[len(d.roots.frames)-1]))
			d.PopRoots()
		}
		require.Panics(t, d.PopRoots)
	})
}

// Ten thousand domains through eight slots, under stops, ragged barriers,
// interrupts, suspensions and grace periods.
func TestBurn(t *testing.T) {
	dom := newDomain(t)
	w := newWorld(t, Options{Max: 8, SMR: []*smr.Domain{dom}})
	ctx := context.Background()
	var quit atomic.Bool
	var helpers sync.WaitGroup
	help := func(body func()) {
		helpers.Go(func() {
			for !quit.Load() {
				body()
				runtime.Gosched()
			}
		})
	}
	var accepted, ran, called, freed atomic.Int64
	help(func() { w.Stop(); w.Start() })
	help(func() { w.ForEach(func(*Domain) {}) })
	help(func() {
		for _, d := range w.Domains() {
			if d.Interrupt(func(*Domain) { ran.Add(1) }) == nil {
				accepted.Add(1)
			}
		}
	})
	help(func() { dom.Synchronize(ctx) })
	help(func() {
		if s, err := w.Suspend(ctx); err == nil {
			s.Resume()
		}
	})

	seen := make(map[uint64]bool)
	var ids sync.Mutex
	bySlot := make([]int, 8) // plain: slots are one domain's at a time
	var p smr.Pointer[int]
	p.Init(new(int))
	for n := 0; n < rounds(10000); {
		d, err := w.Spawn(func(d *Domain) {
			bySlot[d.Slot()]++
			for range rand.IntN(10) {
				_ = *p.Load(d.Section())
				d.Poll()
			}
			switch n := rand.IntN(50); {
			case n == 0: // seldom: with all this and one processor it takes 50 ms
				if s, err := d.SuspendOthers(ctx); err == nil && rand.IntN(2) == 0 {
					s.Resume()
				} // else its end does
			case n < 10:
				w.TryRunOnAll(d, func(_ *Domain, s *Stop) { s.Barrier(nil) }, StopOptions{})
			case n < 20:
				d.Blocking(runtime.Gosched)
			case n < 30:
				d.Synchronize(ctx)
			}
			dom.CallFunc(1, func() { freed.Add(1) })
			called.Add(1)
		})
		if err != nil {
			require.ErrorIs(t, err, ErrFull)
			runtime.Gosched()
			continue
		}
		n++
		ids.Lock()
		require.False(t, seen[d.ID()])
		seen[d.ID()] = true
		ids.Unlock()
	}
	quit.Store(true)
	helpers.Wait()
	require.NoError(t, w.Close(watchdogContext(t)))
	require.Equal(t, accepted.Load(), ran.Load())
	total := 0
	for _, n := range bySlot {
		total += n
	}
	require.Equal(t, rounds(10000), total)
	require.NoError(t, dom.Barrier(watchdogContext(t)))
	require.Equal(t, called.Load(), freed.Load(), "what dying domains left is freed")
}

// A domain that has left the world is not found, also before its slot is free.
func TestLookup_Dead(t *testing.T) {
	w := newWorld(t, Options{})
	d, err := w.Register()
	require.NoError(t, err)
	w.leave(d)
	_, ok := w.Lookup(d.ID())
	w.free(d)
	require.False(t, ok)
}

// A domain ends once: not again in its own hook.
func TestDeregister_InOnEnd(t *testing.T) {
	hooks := 0
	w := newWorld(t, Options{OnEnd: func(d *Domain) {
		if hooks++; hooks == 1 {
			require.PanicsWithValue(t, "stw: Deregister of a domain that is ending", d.Deregister)
		}
	}})
	d, err := w.Register()
	require.NoError(t, err)
	d.Deregister()
	require.Equal(t, 1, hooks)
}

// An error names some of those that it waited for.
func TestClose_NamesFew(t *testing.T) {
	w, err := NewWorld(Options{})
	require.NoError(t, err)
	c := startCrowd(t, w, maxNamed+2)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	want := fmt.Sprintf(`; domains that must end: %d(; waits for domain \d+, [^;]*){%d}; waits for others$`, maxNamed+2, maxNamed)
	require.Regexp(t, want, w.Close(ctx).Error())
	c.end(t)
	require.NoError(t, w.Close(context.Background()))
}
