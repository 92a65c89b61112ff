//go:build !smr_sched

package slab

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/compaction"
	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/smr"
)

// A Close that fails before it closes anything leaves the quarantine open.
func TestQuarantine_FailedCloseLeavesItOpen(t *testing.T) {
	d := newDomain(t)
	b := NewBlocks(d, Options{Quarantine: each})
	p := New[flat](d, Options{Quarantine: each})
	var errs [2]error
	d.CallFunc(0, func() { errs = [2]error{b.Close(context.Background()), p.Close(context.Background())} }) //smr:ok both fail, as the test checks
	settle(t, d)
	for _, err := range errs {
		require.ErrorIs(t, err, smr.ErrInCallback)
	}
	leave := enter(t, d)
	d.CallFunc(0, func() {})
	over, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, b.Close(over), context.Canceled)
	leave()
	block, err := b.Get(100)
	require.NoError(t, err)
	require.True(t, b.storeOf(block).sampled(unsafe.Pointer(&block[0])), "it samples as before")
	obj := get(t, p)
	require.True(t, p.s.sampled(unsafe.Pointer(obj)))
	b.Free(block)
	p.Free(obj)
	closeEmpty(t, p)
	require.NoError(t, b.Close(watchdogContext(t)))
}

// The addresses of a closed quarantine are not given to slabs, which the pool would take for samples,
// as long as the pool can be reached.
func TestQuarantine_AddressesOutliveClose(t *testing.T) {
	d := newDomain(t)
	b := NewBlocks(d, Options{Quarantine: each})
	require.NoError(t, b.Close(watchdogContext(t)))
	g, err := pages.NewGuard(uintptr(b.samples.o.MaxBytes), false)
	require.NoError(t, err)
	defer g.End()
	require.NotEqual(t, b.samples.base, uintptr(g.Base()))
	runtime.KeepAlive(b)
}

// They are the system's once it can't.
func TestQuarantine_AddressesGoWithThePool(t *testing.T) {
	skipControlled(t)
	var ended atomic.Bool
	dropped(func() {
		p := New[flat](newDomain(t), Options{Quarantine: each})
		p.Free(get(t, p))
		closeEmpty(t, p)
		runtime.AddCleanup(p.s.samples, func(b *atomic.Bool) { b.Store(true) }, &ended)
	})
	collectUntil(ended.Load)
}

// A sample that is retired, and has readers, when Close counts what is in use, is not lost: Close
// returns an error, and the next one ends it.
func TestQuarantine_RetiredBesideClose(t *testing.T) {
	d := newDomain(t)
	budget := NewBudget(0)
	p := New[flat](d, Options{Quarantine: each, Budget: budget})
	b := NewBlocks(d, Options{Quarantine: each, Budget: budget})
	obj := get(t, p)
	leave := enter(t, d)
	c := &closing{ctx: watchdogContext(t), d: d, stores: []*store{p.s}}
	c.seal()
	p.Retire(obj) // after the last wait of Close
	n, where := p.s.samples.leaks(p.s)
	require.EqualValues(t, 1, n)
	require.Contains(t, where, "TestQuarantine_RetiredBesideClose")
	require.Positive(t, p.s.samples.close())
	leave()
	closeEmpty(t, p)
	require.True(t, p.s.samples.gone)

	block, err := b.Get(maxObject + 1)
	require.NoError(t, err)
	b.samples.given(nil, unsafe.Pointer(&block[0]), false) // a Free that is on its way
	l := b.large[unsafe.Pointer(&block[0])]
	delete(b.large, l.p)
	require.ErrorContains(t, b.Close(watchdogContext(t)), "given back meanwhile")
	l.free()
	require.NoError(t, b.Close(watchdogContext(t)))
	require.True(t, b.samples.gone)
	require.Zero(t, budget.Used())
}

// Once Close seals it, no sample is taken.
func TestQuarantine_SealedTakesNone(t *testing.T) {
	p := New[flat](newDomain(t), Options{Quarantine: each})
	p.s.samples.seal()
	require.Nil(t, p.s.samples.take(p.s, p.s.size, false))
	closeEmpty(t, p)
}

// Users retire and get beside Close: when it returns nil, the quarantine is over.
func TestQuarantine_BesideClose(t *testing.T) {
	d := newDomain(t)
	for range rounds(300) {
		budget := NewBudget(0)
		p := New[flat](d, Options{PrivateFree: true, Quarantine: each, Budget: budget})
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				for {
					obj, err := p.Get()
					if err != nil {
						return
					}
					if i == 0 {
						p.Retire(obj)
					} else {
						p.Free(obj)
					}
				}
			})
		}
		for p.Close(watchdogContext(t)) != nil {
			runtime.Gosched()
		}
		require.True(t, p.s.samples.gone)
		wg.Wait()
		require.Zero(t, budget.Used())
	}
}

// A claim's Get that Close overtook gives nothing out.
func TestQuarantine_ClaimBesideClose(t *testing.T) {
	for _, n := range []int{100, maxObject + 1} {
		d := newDomain(t)
		budget := NewBudget(1)
		b := NewBlocks(d, Options{Quarantine: each, Budget: budget})
		claimed, err := compaction.Of(b).Claim(watchdogContext(t), n)
		require.NoError(t, err)
		c := claimed.(*claim)
		budget.SetLimit(0)
		require.NoError(t, budget.Reserve(c.want))
		budget.Release(c.want)
		require.Zero(t, c.Missing())
		require.NoError(t, b.Close(watchdogContext(t)))
		require.True(t, c.spend())
		_, err = c.getSpent() // Get had found the Blocks open, and no memory
		require.ErrorIs(t, err, ErrClosed)
		c.End()
		require.Zero(t, budget.Used())
		require.NoError(t, b.Close(watchdogContext(t)))
	}
}

// What samples that could not be shut keep of the budget, a Get that finds no other memory takes.
func TestQuarantine_UnshutGiveWay(t *testing.T) {
	for _, n := range []int{4096, maxObject + 1} {
		budget := NewBudget(1 << 20)
		b := NewBlocks(newDomain(t), Options{Budget: budget, Quarantine: each})
		for range 300 { // where pages can't be protected this fills the budget
			block, err := b.Get(n)
			require.NoError(t, err)
			unshut(t, b.samples)
			b.Free(block)
			unshut(t, b.samples)
		}
		require.NoError(t, b.Close(watchdogContext(t)))
		require.Zero(t, budget.Used())
	}
}

// unshut makes the sample that was kept last be as if the system had refused to shut it.
func unshut(t *testing.T, q *quarantine) {
	x := q.newest
	if x == nil || !x.shut || q.budget.reserve(x.bytes()) != nil {
		return
	}
	require.NoError(t, q.guard.Open(x.span()))
	q.reserved += x.bytes()
	q.open++
	x.shut = false
	poison(x.p, uintptr(x.bytes()))
}

// Compaction, and a Get for which the quarantine has no room, find free blocks in the cache also when
// a sample is due.
func TestQuarantine_DueButCached(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	b := NewBlocks(newDomain(t), Options{Quarantine: Quarantine{OneIn: 1, MaxBytes: 1}})
	const n = 100
	var all [][]byte
	for range n + 1 { // one of them is the sample
		block, err := b.Get(128)
		require.NoError(t, err)
		all = append(all, block)
	}
	s := b.storeOf(all[0])
	s.policy.trim(trimMagazines)
	taken := s.heap.counts().taken
	for _, block := range all[1:21] {
		b.Free(block)
	}
	for i := range 20 {
		var block []byte
		if i%2 == 0 {
			block = compaction.Of(b).GetFree(128)
		} else {
			block, _ = b.Get(128)
		}
		require.NotNil(t, block)
		all[1+i] = block
	}
	require.Equal(t, taken, s.heap.counts().taken, "they came out of a slab and not of the cache")
	for _, block := range all {
		b.Free(block)
	}
	require.NoError(t, b.Close(watchdogContext(t)))
}

// Explain runs beside what it explains: for the race detector.
func TestExplain_Beside(t *testing.T) {
	d := newDomain(t)
	for _, private := range []bool{true, false} {
		p := New[flat](d, Options{PrivateFree: private, Quarantine: Quarantine{OneIn: 1, For: 1}})
		first := get(t, p)
		var stop atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			for !stop.Load() {
				for i := range uintptr(10) {
					Explain(p.s.region + i*pages.PageSize)
				}
			}
		})
		for range rounds(1000) {
			p.Free(get(t, p))
		}
		stop.Store(true)
		wg.Wait()
		p.Free(first)
		closeEmpty(t, p)
	}
}
