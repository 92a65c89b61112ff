//go:build invariants

package stw

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/self"
	"github.com/gosmr/gosmr/smr"
)

// What only the owner may call is refused to others; and what would wait for its
// caller, to that.
func TestInvariants_WhoCalls(t *testing.T) {
	w := newWorld(t, Options{})
	c := startCrowd(t, w, 1)
	other := c.domains[0]
	asDomain(t, w, func(d *Domain) {
		for name, misuse := range map[string]func(){
			"Poll":          other.Poll,
			"EnterBlocking": other.EnterBlocking,
			"RunOnAll":      func() { w.RunOnAll(other, func(*Domain, *Stop) {}, StopOptions{}) },
			"Stop":          w.Stop,
			"ForEach":       func() { w.ForEach(func(*Domain) {}) },
			"ScanOwn":       func() { other.ScanOwn(func([]uintptr) error { return nil }) },
			"Suspend":       func() { w.Suspend(context.Background()) },
			"Join":          func() { other.Join(context.Background()) },
			"Close":         func() { w.Close(context.Background()) },
		} {
			func() {
				defer func() {
					p := recover()
					require.NotNil(t, p, name)
					require.Contains(t, p, name)
				}()
				misuse()
			}()
		}
		// In Blocking it may wait for others.
		d.Blocking(func() {
			w.Stop()
			w.Start()
			w.ForEach(func(d *Domain) { d.Poll() }) // at a safe point: does nothing
		})
	})
	c.end(t)
}

// What may block is refused in a pinned section, of an smr domain of the world or of another.
func TestInvariants_BlockingWhilePinned(t *testing.T) {
	handler := func(*Domain, *Stop) {}
	for what, call := range map[string]func(w *World, d *Domain){
		"Poll":          func(_ *World, d *Domain) { d.Poll() },
		"EnterBlocking": func(_ *World, d *Domain) { d.EnterBlocking() },
		"RunOnAll":      func(w *World, d *Domain) { w.RunOnAll(d, handler, StopOptions{}) },
		"TryRunOnAll":   func(w *World, d *Domain) { w.TryRunOnAll(d, handler, StopOptions{}) },
		"Stop":          func(w *World, _ *Domain) { w.Stop() },
		"Start":         func(w *World, _ *Domain) { w.Start() },
		"ForEach":       func(w *World, _ *Domain) { w.ForEach(func(*Domain) {}) },
		"Suspend":       func(w *World, _ *Domain) { w.Suspend(context.Background()) },
		"SuspendOthers": func(_ *World, d *Domain) { d.SuspendOthers(context.Background()) },
		"Resume":        func(_ *World, d *Domain) { d.Resume() },
		"Interrupt":     func(_ *World, d *Domain) { d.Interrupt(func(*Domain) {}) },
		"Join":          func(_ *World, d *Domain) { d.Join(context.Background()) },
		"Close":         func(w *World, _ *Domain) { w.Close(context.Background()) },
		"Spawn":         func(w *World, _ *Domain) { w.Spawn(func(*Domain) {}) },
		"Register":      func(w *World, _ *Domain) { w.Register() },
		"Deregister":    func(_ *World, d *Domain) { d.Deregister() },
	} {
		t.Run(what, func(t *testing.T) {
			text := self.Dies(t, func() {
				w := newWorld(t, Options{})
				d, err := w.Register()
				require.NoError(t, err)
				held, err := smr.New(smr.Options{Name: "held"})
				require.NoError(t, err)
				s := held.Pin()
				call(w, d)
				s.Leave()
			})
			require.Contains(t, text, "stw: "+what+" inside a pinned section of domain held")
		})
	}
}

// LeaveBlocking that is refused in a pinned section can be called again after it.
func TestInvariants_LeaveBlockingAgain(t *testing.T) {
	w := newWorld(t, Options{})
	d, err := w.Register()
	require.NoError(t, err)
	held := newDomain(t)
	d.EnterBlocking()
	s := held.Pin()
	found := func() (found any) {
		defer func() { found = recover() }()
		d.LeaveBlocking()
		return nil
	}()
	s.Leave()
	require.Contains(t, found, "stw: LeaveBlocking inside a pinned section")
	within(t, d.LeaveBlocking)
	d.Deregister()
}

// A domain that is unwound in a pinned section resumes what it has suspended as it ends.
func TestInvariants_EndWhilePinned(t *testing.T) {
	w := newWorld(t, Options{})
	other, release := startBlocked(t, w)
	d, err := w.Register()
	require.NoError(t, err)
	held := newDomain(t)
	suspendOthers(t, d)
	s := held.Pin()
	d.end(true)
	s.Leave()
	close(release)
	join(t, other)
}

// A domain is in a section of the world's smr domains from one safe point to the next, and its
// stand-in in the functions that it runs.
func TestInvariants_EnteredBetweenPolls(t *testing.T) {
	dom := newDomain(t)
	w := newWorld(t, Options{SMR: []*smr.Domain{dom}})
	asDomain(t, w, func(d *Domain) {
		d.Section()
		dom.CheckEntered()
		d.Poll()
		dom.CheckEntered()
		d.Blocking(func() { require.Panics(t, dom.CheckEntered) })
		require.Panics(t, dom.CheckEntered, "it has not taken its section")
		d.Section()
		d.ForEach(func(d *Domain) {
			d.Section()
			dom.CheckEntered()
		})
		d.Section()
		w.RunOnAll(d, func(*Domain, *Stop) { require.Panics(t, dom.CheckEntered) }, StopOptions{})
	})
	require.Panics(t, dom.CheckEntered)
}

// A domain that blocks outside of Blocking is reported with its stack and what to do, also by the log;
// and one whose smr wait is for itself panics.
func TestInvariants_BlocksOutsideBlocking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		before := slog.Default()
		defer slog.SetDefault(before)
		slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
		w := newWorld(t, Options{})
		c := make(chan struct{}) // two domains wait for it, one of them outside of Blocking
		free := spawn(t, w, func(d *Domain) { d.Blocking(func() { <-c }) })
		late := spawn(t, w, func(d *Domain) { <-c })
		synctest.Wait()
		time.Sleep(time.Hour)
		require.Empty(t, log.String(), "nothing waits for it")
		go func() { w.Stop(); w.Start() }()
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		for _, part := range []string{"stw: Stop has waited for 1s; waits for " + late.String() + ", running, no poll for at least 1s",
			"blocks outside of Blocking (chan receive): call what may block in Domain.Blocking", "TestInvariants_BlocksOutsideBlocking"} {
			require.Contains(t, log.String(), part)
		}
		require.NotContains(t, log.String(), free.String()+",")
		close(c)
		join(t, late, free)
	})
}

func TestInvariants_WaitsForItself(t *testing.T) {
	dom := newDomain(t)
	w := newWorld(t, Options{SMR: []*smr.Domain{dom}})
	asDomain(t, w, func(d *Domain) {
		d.Section()
		func() {
			defer func() {
				text, _ := recover().(string)
				for _, part := range []string{"smr: Synchronize of domain " + dom.Name() + " by goroutine", "in its own section, of stw " + d.String() + ", running",
					"it would wait for itself", "waits by its own Synchronize, or in Blocking"} {
					require.Contains(t, text, part)
				}
			}()
			dom.Synchronize(context.Background())
		}()
		require.NoError(t, d.Synchronize(context.Background()))
		d.Section()
		d.Blocking(func() { require.NoError(t, dom.Synchronize(context.Background())) })
	})
}
