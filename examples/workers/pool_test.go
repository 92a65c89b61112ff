package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newPool(t testing.TB, workers int, first *Rates) *Pool {
	p, err := NewPool(workers, first)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, p.Close(ctx))
	})
	return p
}

func TestPool_DoesAllEvents(t *testing.T) {
	p := newPool(t, 3, &Rates{Percent: 50})
	for i := range 1000 {
		require.NoError(t, p.Send(t.Context(), Event{uint64(i % 10), 100}))
	}
	require.NoError(t, p.Close(t.Context()))
	total, err := p.Total(t.Context())
	require.NoError(t, err)
	require.Equal(t, Total{1000, 50_000, 10}, total)
	require.ErrorIs(t, p.Send(t.Context(), Event{}), ErrClosed)
	require.ErrorIs(t, p.SetRates(&Rates{}), ErrClosed)
}

// Workers that have no events hold nothing up.
func TestSetRates_FreesBesideIdleWorkers(t *testing.T) {
	freed := make(chan int, 1)
	p := newPool(t, 2, &Rates{Version: 1, free: func(r *Rates) { freed <- r.Version }})
	require.NoError(t, p.SetRates(&Rates{Version: 2}))
	select {
	case version := <-freed:
		require.Equal(t, 1, version)
	case <-time.After(time.Minute):
		t.Fatal("the old rates are not freed")
	}
}

func TestSend_GivesUp(t *testing.T) {
	p := newPool(t, 1, &Rates{Percent: 100})
	require.NoError(t, p.world.StopContext(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var err error
	for err == nil { // until the queue is full, or the select takes the other way
		err = p.Send(ctx, Event{})
	}
	require.ErrorIs(t, err, context.Canceled)
	p.world.Start()
}

// The load: senders, rates that change, and stops. What is freed has no reader: free writes to it, so
// -race finds one. What a stop sees, no worker changes meanwhile: the state has no lock.
func TestLoad_StopsBesideEvents(t *testing.T) {
	rounds := 2000
	if testing.Short() {
		rounds = 300
	}
	var live atomic.Int64
	newRates := func(version int) *Rates {
		live.Add(1)
		return &Rates{version, 100, func(r *Rates) {
			if r.Percent != 100 {
				t.Error("rates are freed twice")
			}
			r.Percent = -1
			live.Add(-1)
		}}
	}
	p := newPool(t, 4, newRates(0))
	var g errgroup.Group
	const senders = 2
	for s := range senders {
		g.Go(func() error {
			for i := range 10 * rounds {
				if err := p.Send(t.Context(), Event{uint64(i*senders + s), 1}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		for i := range rounds {
			if err := p.SetRates(newRates(i + 1)); err != nil {
				return err
			}
		}
		return nil
	})
	g.Go(func() error {
		last := int64(0)
		for range rounds / 10 {
			total, err := p.Total(t.Context())
			if err != nil {
				return err
			}
			if total.Balance != total.Events || total.Events < last {
				return fmt.Errorf("%+v after %d", total, last)
			}
			last = total.Events
		}
		return nil
	})
	require.NoError(t, g.Wait())
	require.NoError(t, p.Close(t.Context()))
	total, err := p.Total(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 10*rounds*senders, total.Balance)
	require.Zero(t, live.Load())
}

func TestRun(t *testing.T) { require.NoError(t, run(t.Context(), 2, 1000)) }

func BenchmarkSend(b *testing.B) {
	p := newPool(b, 2, &Rates{Percent: 100})
	b.RunParallel(func(pb *testing.PB) {
		for i := uint64(0); pb.Next(); i++ {
			if err := p.Send(b.Context(), Event{i, 1}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
