package smr

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TryEnter is Enter on an open domain, and opens nothing on a closed one, whatever the reader.
func TestTryEnter_OnClosedDomain(t *testing.T) {
	for _, o := range []Options{{}, {fenced: true}, {SampleSections: 1}} {
		d := newDomain(t, o)
		var p Pointer[int]
		p.Store(new(int))
		r := d.NewReader()
		for _, enter := range []func() (Section, bool){d.TryEnter, r.TryEnter} {
			s, ok := enter()
			require.True(t, ok)
			require.Zero(t, *p.Load(s))
			goal := d.Advance()
			require.False(t, d.Poll(goal))
			s.Leave()
			require.True(t, d.Poll(goal))
		}
		require.NoError(t, d.Close(watchdogContext(t)))
		for _, enter := range []func() (Section, bool){d.TryEnter, r.TryEnter, d.NewReader().TryEnter} {
			s, ok := enter()
			require.False(t, ok)
			require.Equal(t, Section{}, s)
		}
		require.Zero(t, d.Stats().Sections)
		r.Close()
		require.Panics(t, func() { r.TryEnter() }, "a closed reader is no late one")
	}
}

// While Close waits for a section, TryEnter refuses, also inside that section; Close names it if its
// context ends, and a second Close waits for the rest.
func TestTryEnter_WhileCloseWaits(t *testing.T) {
	d, err := New(Options{Name: "closing"})
	require.NoError(t, err)
	s := enterElsewhere(d)
	ctx, cancel := context.WithCancel(context.Background())
	closed := make(chan error)
	go func() { closed <- d.Close(ctx) }()
	for !d.Closed() {
		runtime.Gosched()
	}
	_, ok := d.TryEnter()
	require.False(t, ok)
	require.True(t, s.Active())
	cancel()
	require.ErrorContains(t, <-closed, "smr: Close of domain closing gave up: context canceled; "+
		"0 calls (0 bytes) pending, 1 section open; it waits for a section entered on processor")
	_, ok = d.TryEnter()
	require.False(t, ok)
	s.Leave()
	require.NoError(t, d.Close(watchdogContext(t)))
}

// TryEnter costs no allocation.
func TestTryEnter_DoesNotAllocate(t *testing.T) {
	if debugging || instrumented {
		t.Skip("checks allocate")
	}
	d := newDomain(t, Options{SampleSections: 1_000_000_000})
	r := d.NewReader()
	enterAndLeave := func() {
		for _, enter := range []func() (Section, bool){d.TryEnter, r.TryEnter} {
			s, _ := enter()
			s.Leave()
		}
	}
	enterAndLeave() // a record's first section may be sampled
	require.Zero(t, testing.AllocsPerRun(100, enterAndLeave))
}

// The recipe of the package doc, with readers and writers that come until they are refused: nothing
// panics, each reads what is not freed yet, each call that was taken has its callback, and nothing is
// left when Close has returned.
func TestShutdown_LateReadersAreRefused(t *testing.T) {
	type payload struct{ freed bool }
	for range rounds(100) {
		d, err := New(Options{Name: "service", ChunkCalls: 4, SampleSections: 3})
		require.NoError(t, err)
		var current Pointer[payload]
		current.Store(new(payload))
		var taken, freed, inside, served atomic.Int64
		free := func(p *payload) { p.freed = true; freed.Add(1) } // plain: a race, if a reader has it
		retire := func(p *payload) bool {
			if p == nil || !TryCall(d, p, 1, free) {
				return false
			}
			taken.Add(1)
			return true
		}
		var started, late sync.WaitGroup
		started.Add(3)
		request := func(enter func() (Section, bool)) bool {
			s, ok := enter()
			if !ok {
				return false
			}
			inside.Add(1)
			if p := current.Load(s); p != nil && p.freed {
				panic("a late reader has what was freed")
			}
			if served.Add(1)%8 == 0 {
				runtime.Gosched()
			}
			inside.Add(-1)
			s.Leave()
			return true
		}
		reader := d.NewReader()
		for _, enter := range []func() (Section, bool){d.TryEnter, reader.TryEnter} {
			late.Go(func() {
				request(enter)
				for started.Done(); request(enter); {
				}
			})
		}
		late.Go(func() {
			retire(current.Swap(new(payload)))
			for started.Done(); retire(current.Swap(new(payload))); {
			}
		})
		started.Wait()
		ctx := watchdogContext(t)
		require.NoError(t, d.Close(ctx))
		require.Zero(t, inside.Load(), "Close has returned, and a section is open")
		late.Wait()
		reader.Close()
		require.NoError(t, d.Close(ctx))
		require.Equal(t, taken.Load(), freed.Load())
		require.Zero(t, d.Stats().PendingCalls+int64(d.Stats().Sections))
	}
}

// What a late call of each kind gets: the table in the package doc.
func TestShutdown_WhatLateCallsGet(t *testing.T) {
	d := newDomain(t, Options{Name: "gone"})
	ctx := watchdogContext(t)
	r, q := d.NewReader(), d.NewQuiescent(nil)
	defer r.Close()
	goal := d.Advance()
	require.NoError(t, d.Close(ctx))
	for what, late := range map[string]func(){
		"section entered": func() { d.Enter() },
		"NewQuiescent":    func() { d.NewQuiescent(nil) },
		"Call":            func() { Call(d, new(int), 0, func(*int) {}) },
	} {
		require.PanicsWithValue(t, "smr: "+what+" on closed domain gone", late)
	}
	require.PanicsWithValue(t, "smr: section entered on closed domain gone", func() { d.Pin() })
	require.PanicsWithValue(t, "smr: section entered on closed domain gone", func() { d.Read(func(Section) {}) })
	require.PanicsWithValue(t, "smr: section entered on closed domain gone", func() { r.Enter() })
	require.PanicsWithValue(t, "smr: Call on closed domain gone", func() { d.CallFunc(0, func() {}) })
	_, ok := d.TryEnter()
	require.False(t, ok)
	require.False(t, TryCall(d, new(int), 0, func(*int) {}))
	for _, wait := range []func() error{
		func() error { return d.Wait(ctx, goal) },
		func() error { return d.Synchronize(ctx) },
		func() error { return d.Barrier(ctx) },
		func() error { return d.Throttle(ctx) },
	} {
		require.Equal(t, ErrClosed, wait())
	}
	q.Online()
	require.Panics(t, func() { q.Section() }, "the reader is offline")
	require.True(t, d.Poll(goal))
	d.Flush()
	require.Zero(t, d.Stats().Sections)
	require.NoError(t, d.Close(ctx))
	q.Close()
}

// A reader that holds up a shutdown is named, with the code that entered if it was sampled.
func TestShutdown_NamesWhatHoldsItUp(t *testing.T) {
	d, err := New(Options{Name: "service", SampleSections: 1})
	require.NoError(t, err)
	entered, leave, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go stuckHandler(d, entered, leave, left)
	<-entered
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	err = d.Close(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Regexp(t, `(?s)^smr: Close of domain service gave up: .*1 section open; it waits for a section .*entered at:\n\t.*stuckHandler\n`, err.Error())
	close(leave)
	<-left
	require.NoError(t, d.Close(watchdogContext(t)))
}

//go:noinline
func stuckHandler(d *Domain, entered, leave, left chan struct{}) {
	s, _ := d.TryEnter()
	close(entered)
	<-leave
	s.Leave()
	close(left)
}
