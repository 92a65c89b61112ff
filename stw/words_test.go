package stw

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// The number of domains follows them as they come and go, blocked or not.
func TestWorld_NumDomains(t *testing.T) {
	w := newWorld(t, Options{})
	require.Zero(t, w.NumDomains())
	asDomain(t, w, func(d *Domain) {
		require.True(t, d.Alone())
		other, release := startBlocked(t, w)
		require.Equal(t, 2, w.NumDomains())
		require.False(t, d.Alone())
		close(release)
		d.Blocking(func() { join(t, other) })
		require.True(t, d.Alone())
	})
	require.Zero(t, w.NumDomains())
}

// A world recommends no more domains than it takes.
func TestWorld_RecommendedDomains(t *testing.T) {
	require.Equal(t, 1, newWorld(t, Options{Max: 1}).RecommendedDomains())
	require.Equal(t, runtime.GOMAXPROCS(0), newWorld(t, Options{Max: runtime.GOMAXPROCS(0)}).RecommendedDomains())
}

// A domain is ending from when it refuses requests, which is before it is dead.
func TestDomain_Ending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t)
		sc.spawn()
		require.False(t, sc.d.Ending())
		go sc.w.Stop()
		sc.quiet()
		sc.ends()
		require.True(t, sc.d.Ending())
		require.Equal(t, Blocked, sc.d.State())
		require.Equal(t, ErrDead, sc.d.Interrupt(sc.waits))
		sc.w.Start()
		join(t, sc.d)
		require.True(t, sc.d.Ending())
		close(sc.ask)
	})
}

// Whatever is asked of a running domain is pending until it polls.
func TestDomain_Pending(t *testing.T) {
	for _, a := range asks {
		if a.name == "Spawn" {
			continue // asks nothing of it
		}
		synctest.Test(t, func(t *testing.T) {
			sc := newScene(t)
			sc.spawn()
			require.False(t, sc.d.Pending())
			result := make(chan error, 1)
			go func() { result <- a.ask(sc) }()
			sc.quiet()
			require.True(t, sc.d.Pending(), a.name)
			sc.poll()
			require.NoError(t, <-result)
			sc.poll()
			require.False(t, sc.d.Pending(), a.name)
			sc.ends()
			close(sc.ask)
			join(t, sc.d)
		})
	}
}

// Interrupts wait for the end of WithoutInterrupts, the outermost, and do not make it poll. All else
// is served at its safe points, also while the domain is blocked.
func TestWithoutInterrupts_OthersCome(t *testing.T) {
	for _, a := range asks {
		if a.name == "Interrupt" || a.name == "External" {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			sc := newScene(t)
			sc.spawn()
			inside := make(chan func(*Domain))
			step := func(do func(*Domain)) { inside <- do; sc.quiet() }
			sc.do(func(d *Domain) {
				d.WithoutInterrupts(func() {
					for do := range inside {
						do(d)
					}
				})
			})
			ran := 0
			require.NoError(t, sc.d.Interrupt(func(*Domain) { ran++ }))
			require.NoError(t, sc.d.InterruptExternal())
			require.False(t, sc.d.Pending())
			result := make(chan error, 2)
			ask := func() { result <- a.ask(sc) }
			go ask()
			sc.quiet()
			step((*Domain).Poll)
			require.NoError(t, <-result, a.name)
			release := make(chan struct{})
			step(func(d *Domain) { d.Blocking(func() { <-release }) })
			go ask()
			sc.quiet()
			require.NoError(t, <-result, a.name)
			close(release)
			step(func(d *Domain) { d.WithoutInterrupts(d.Poll) })
			step((*Domain).Poll)
			require.Zero(t, ran)
			require.Empty(t, sc.hook)
			close(inside)
			sc.quiet()
			require.Zero(t, ran, "its end is no safe point")
			require.True(t, sc.d.Pending())
			sc.poll()
			require.Equal(t, 1, ran)
			require.Len(t, sc.hook, 1)
			sc.ends()
			close(sc.ask)
			join(t, sc.d)
		})
	}
}

// A domain that ends in WithoutInterrupts, or whose function exits or panics, runs its interrupts.
func TestWithoutInterrupts_Ends(t *testing.T) {
	for _, how := range []func(*Domain){
		func(*Domain) { runtime.Goexit() },
		func(*Domain) { panic("in the function") },
		func(d *Domain) { d.Deregister() },
		func(d *Domain) { d.EnterBlocking() },
	} {
		w := newWorld(t, Options{})
		ran := 0
		over := make(chan struct{})
		go func() {
			defer close(over)
			d, err := w.Register()
			require.NoError(t, err)
			defer func() {
				recover()
				if d.State() == Blocked {
					d.LeaveBlocking()
				}
				if !d.Ending() {
					d.Deregister()
				}
			}()
			d.WithoutInterrupts(func() {
				require.NoError(t, d.Interrupt(func(*Domain) { ran++ }))
				d.Poll()
				require.Zero(t, ran)
				how(d)
			})
		}()
		<-over
		require.Equal(t, 1, ran)
	}
}

// A domain inherits the values of the one that spawns it, made new if the key says so, and no others.
func TestInheritedKey(t *testing.T) {
	w := newWorld(t, Options{})
	calls := 0
	level := NewInheritedKey(func(*Domain) int { return 1 }, func(v int) int { calls++; return v + 1 })
	name := NewInheritedKey[string](nil, nil)
	own := NewKey(func(d *Domain) uint64 { return d.ID() })
	asDomain(t, w, func(d *Domain) {
		spawnFrom := func(from func(func(*Domain)) (*Domain, error), fn func(*Domain)) {
			child, err := from(fn)
			require.NoError(t, err)
			d.Blocking(func() { join(t, child) })
		}
		spawnFrom(d.Spawn, func(c *Domain) {
			require.Equal(t, 1, level.Get(c), "the parent has none yet")
		})
		require.Equal(t, 1, level.Get(d))
		require.Equal(t, d.ID(), own.Get(d))
		name.Set(d, "parent")
		spawnFrom(d.Spawn, func(c *Domain) {
			require.Equal(t, 1, calls, "in Spawn")
			require.Equal(t, 2, level.Get(c))
			require.Equal(t, "parent", name.Get(c))
			require.Equal(t, c.ID(), own.Get(c))
			name.Set(c, "child")
		})
		require.Equal(t, "parent", name.Get(d))
		spawnFrom(w.Spawn, func(c *Domain) {
			require.Equal(t, 1, level.Get(c))
			require.Empty(t, name.Get(c))
		})
	})
}

// A function that makes an inherited value and panics leaves nothing taken.
func TestInheritedKey_Panics(t *testing.T) {
	w := newWorld(t, Options{})
	bad := errors.New("bad")
	key := NewInheritedKey(nil, func(e error) error {
		if e != nil {
			panic(e)
		}
		return e
	})
	asDomain(t, w, func(d *Domain) {
		key.Set(d, bad)
		require.PanicsWithValue(t, bad, func() { d.Spawn(func(*Domain) {}) })
		require.True(t, d.Alone())
	})
	require.NoError(t, w.Close(context.Background()))
}

// Spawn of a nil function inherits nothing before it panics.
func TestSpawn_NilInheritsNothing(t *testing.T) {
	w := newWorld(t, Options{})
	var ran atomic.Bool
	key := NewInheritedKey(nil, func(v int) int { ran.Store(true); return v })
	asDomain(t, w, func(d *Domain) {
		key.Set(d, 1)
		require.Panics(t, func() { d.Spawn(nil) })
	})
	require.False(t, ran.Load())
}
