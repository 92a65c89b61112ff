package slab

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/smr"
)

// After Close returned nil, the budget counts nothing of the pool: also slabs that became empty
// in callbacks, and wait for a callback of their own.
func TestClose_BudgetIsUnused(t *testing.T) {
	d := newDomain(t)
	b := NewBudget(0)
	for range 20 {
		p := New[flat](d, Options{Budget: b})
		p.Retire(get(t, p))
		require.NoError(t, p.Close(watchdogContext(t)))
		require.Zero(t, b.Used(), "Close returned nil")
	}
}

// A trim that has unloaded a cache, as for another pool of the budget, does not have Close
// miss the objects that it moves.
func TestClose_BesideTrimReportsNoLeak(t *testing.T) {
	d := newDomain(t)
	for range rounds(30_000) {
		p := New[flat](d, Options{})
		for range 3 {
			p.Retire(mustGet(p))
		}
		var wg sync.WaitGroup
		wg.Go(func() { p.s.policy.trim(trimAll) }) // what Budget.reclaim and ready do
		err := p.Close(watchdogContext(t))
		wg.Wait()
		require.NoError(t, err)
	}
}

// Get does not give out what was freed to a closed pool.
func TestClose_GetPanicsAfterLateFree(t *testing.T) {
	p := New[flat](newDomain(t), Options{})
	obj, other := get(t, p), get(t, p)
	require.Error(t, p.Close(watchdogContext(t)))
	p.Free(obj)
	p.Free(other)
	require.Contains(t, panicText(t, func() { p.Get() }), "closed pool")
}

// Close in a callback fails, and leaves the pool open.
func TestClose_InCallback(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	d.CallFunc(0, func() { p.Close(context.Background()) })
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.NotPanics(t, func() { p.Free(mustGet(p)) })
}

// A pool is closed after its domain, with what was retired before that and after.
func TestClose_AfterDomain(t *testing.T) {
	d, err := smr.New(smr.Options{})
	require.NoError(t, err)
	p := New[flat](d, Options{})
	p.Free(get(t, p))
	p.Retire(get(t, p))
	require.NoError(t, d.Close(watchdogContext(t)))
	p.Retire(get(t, p))
	p.Trim()
	closeEmpty(t, p)
}

func TestClose_Leak(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{Name: "leaky"})
	obj := get(t, p)
	err := p.Close(watchdogContext(t))
	require.ErrorContains(t, err, "leaky: 1 objects were not given back")
	if invariants.Enabled {
		require.ErrorContains(t, err, "TestClose_Leak")
	}
	require.Contains(t, panicText(t, func() { p.Get() }), "closed pool leaky")
	p.Free(obj)
	closeEmpty(t, p)
}

// A domain whose Close ran out of time still has readers, for which the pool's Close waits.
func TestClose_AfterDomainWaitsForItsReaders(t *testing.T) {
	d, err := smr.New(smr.Options{})
	require.NoError(t, err)
	p := New[flat](d, Options{})
	b := NewBlocks(d, Options{})
	objects := getAll(t, p, 2)
	var blocks [][]byte
	for _, n := range []int{100, maxObject + 1, maxObject + 1} {
		block, err := b.Get(n)
		require.NoError(t, err)
		blocks = append(blocks, block)
	}
	p.Retire(objects[0])
	b.Retire(blocks[1])
	s := testkit.Enter(d)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, d.Close(over), context.Canceled)
	p.Retire(objects[1])
	b.Retire(blocks[0])
	b.Retire(blocks[2])
	require.ErrorIs(t, p.Close(over), context.Canceled)
	require.ErrorIs(t, b.Close(over), context.Canceled)
	require.EqualValues(t, 2, p.Stats().Pending)
	require.EqualValues(t, 3, b.Stats().Pending)
	s.Leave()
	closeEmpty(t, p)
	require.NoError(t, b.Close(watchdogContext(t)))
	require.Zero(t, b.Stats().ReservedBytes)
}

// Whoever retires and frees beside Domain.Close is not told off for it, and nothing is lost.
func TestRetire_BesideDomainClose(t *testing.T) {
	for range rounds(200) {
		d, err := smr.New(smr.Options{})
		require.NoError(t, err)
		budget := NewBudget(0)
		p := New[flat](d, Options{Budget: budget})
		p.s.capacity = 1 // a call for each object
		all := getAll(t, p, 400)
		begun, done := make(chan struct{}), make(chan any, 1)
		go func() {
			defer func() { done <- recover() }()
			close(begun)
			for i, obj := range all {
				if i%2 == 0 {
					p.Retire(obj)
				} else {
					p.Free(obj)
				}
			}
		}()
		<-begun
		require.NoError(t, d.Close(watchdogContext(t)))
		require.Nil(t, <-done)
		closeEmpty(t, p)
		require.Zero(t, budget.Used())
	}
}

// Close on a closed domain finds what arrived while the lock was taken; in a pool that was
// dropped a callback finds nothing.
func TestClose_FindsWhatArrived(t *testing.T) {
	for _, drop := range []bool{false, true} {
		d, err := smr.New(smr.Options{})
		require.NoError(t, err)
		budget := NewBudget(0)
		p := New[flat](d, Options{Budget: budget})
		all := getAll(t, p, 10)
		if !drop {
			require.NoError(t, d.Close(watchdogContext(t)))
		}
		for _, obj := range all {
			p.Retire(obj)
		}
		unloaded := p.s.unload()
		p.s.depot.mu.Lock()
		for _, ld := range unloaded {
			p.s.depot.retire(ld.retired)
		}
		p.s.depot.mu.Unlock()
		if drop {
			(&remains{dom: d, stores: []*store{p.s}}).release()
			require.NoError(t, d.Close(watchdogContext(t)))
		} else {
			for _, ld := range unloaded {
				p.s.keep(ld.get)
				p.s.keep(ld.other)
			}
			closeEmpty(t, p)
		}
		require.Zero(t, budget.Used())
	}
}
