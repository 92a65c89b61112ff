package stw

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/smr"
)

// watchdog is how long a test waits for what must happen at once.
const watchdog = 2 * time.Minute

func watchdogContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), watchdog)
	t.Cleanup(cancel)
	return ctx
}

// within fails the test, with the stacks of all goroutines, if do takes long.
func within(t testing.TB, do func()) {
	t.Helper()
	timer := time.AfterFunc(watchdog, func() {
		buf := make([]byte, 1<<20)
		panic("hangs: " + t.Name() + "\n" + string(buf[:runtime.Stack(buf, true)]))
	})
	defer timer.Stop()
	do()
}

// newWorld returns a world that must be empty soon after the test has ended.
func newWorld(t testing.TB, o Options) *World {
	t.Helper()
	w, err := NewWorld(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close(watchdogContext(t)), "domains are left: %v", w.Domains()) })
	return w
}

func newDomain(t testing.TB) *smr.Domain {
	t.Helper()
	d, err := smr.New(smr.Options{Name: t.Name(), OnStall: func(smr.Stall) {}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close(watchdogContext(t))) })
	return d
}

func spawn(t testing.TB, w *World, fn func(*Domain)) *Domain {
	t.Helper()
	d, err := w.Spawn(fn)
	require.NoError(t, err)
	return d
}

func join(t testing.TB, domains ...*Domain) {
	t.Helper()
	for _, d := range domains {
		require.NoError(t, d.Join(watchdogContext(t)))
	}
}

// A crowd is domains that do nothing but poll, until they are told to go.
type crowd struct {
	domains []*Domain
	quit    atomic.Bool
}

func startCrowd(t testing.TB, w *World, n int) *crowd {
	t.Helper()
	c := new(crowd)
	for range n {
		c.domains = append(c.domains, spawn(t, w, func(d *Domain) {
			for !c.quit.Load() {
				d.Relax()
			}
		}))
	}
	c.running(t)
	return c
}

// running waits until all have started.
func (c *crowd) running(t testing.TB) {
	t.Helper()
	for _, d := range c.domains {
		waitFor(t, func() bool { s := d.State(); return s != Starting && s != Suspended })
	}
}

func (c *crowd) end(t testing.TB) {
	t.Helper()
	c.quit.Store(true)
	join(t, c.domains...)
}

func waitState(t testing.TB, d *Domain, want State) {
	t.Helper()
	waitFor(t, func() bool { return d.State() == want })
}

// waitFor waits for what another goroutine is about to do.
func waitFor(t testing.TB, done func() bool) {
	t.Helper()
	within(t, func() {
		for !done() {
			runtime.Gosched()
		}
	})
}

// asDomain runs fn on a domain of its own and waits for it.
func asDomain(t testing.TB, w *World, fn func(*Domain)) {
	t.Helper()
	join(t, spawn(t, w, fn))
}

// rounds scales a test's length. With -tags invariants each poll looks up its
// goroutine.
func rounds(n int) int {
	if testing.Short() {
		n /= 10
	}
	if invariants.Enabled {
		n /= 5
	}
	return max(n, 1)
}
