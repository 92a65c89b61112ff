package slab

import (
	"math"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/smr"
)

// Spare slabs that no reader looks at can be had in a section, too.
func TestBudget_ReclaimsInSection(t *testing.T) {
	d := newDomain(t)
	b := NewBudget(64 << 20)
	p := New[page](d, Options{Budget: b})
	q := New[page](d, Options{Budget: b, Name: "q"})
	freeAll(p, getAll(t, p, 8000))
	s := d.Enter()
	require.NoError(t, b.Reserve(40<<20))
	b.Release(40 << 20)
	freeAll(p, getAll(t, p, 8000))
	s.Leave()
	s = d.Enter() // entered when they were whole
	freeAll(q, getAll(t, q, 10_000))
	s.Leave()
	closeEmpty(t, q)
	closeEmpty(t, p)
}

// What a member gave back that has left is not taken for what another one did.
func TestBudget_ReclaimsAfterMemberLeft(t *testing.T) {
	d := newDomain(t)
	b := NewBudget(64 << 20)
	p := New[page](d, Options{Budget: b})
	q := New[page](d, Options{Budget: b, Name: "q"})
	freeAll(q, getAll(t, q, 8000))
	q.Trim()
	all := getAll(t, p, 8000)
	require.ErrorIs(t, b.Reserve(60<<20), ErrNoMemory)
	closeEmpty(t, q)
	freeAll(p, all)
	require.NoError(t, b.Reserve(40<<20))
	b.Release(40 << 20)
	closeEmpty(t, p)
}

// A pool's own try to make room does not hide from others what it could have given.
func TestBudget_ReclaimsFromWhoReclaimed(t *testing.T) {
	d := newDomain(t)
	type block = [64 << 10]byte
	b := NewBudget(8<<20 - 64<<10)
	p := New[block](d, Options{Budget: b})
	q := New[block](d, Options{Budget: b, Name: "q"})
	all := getAll(t, p, 7*p.s.perSlab)
	// A goroutine in p.Get has found nothing ...
	require.ErrorIs(t, p.s.grow(), ErrNoMemory)
	p.s.policy.trim(trimCaches)
	require.Nil(t, p.s.take(true))
	freeAll(p, all) // ... others give back ...
	b.reclaim(p.s)  // ... and it goes on.
	p.s.grow()
	q.Free(get(t, q))
	closeEmpty(t, q)
	closeEmpty(t, p)
}

// Two Gets that found nothing both grew the pool, and one slab would have done.
func TestBudget_ReclaimsNewSlab(t *testing.T) {
	d := newDomain(t)
	b := NewBudget(2 * 64 << 10)
	p := New[flat](d, Options{Budget: b})
	q := New[page](d, Options{Budget: b, Name: "q"})
	growSlab(t, p.s)
	growSlab(t, p.s)
	obj := get(t, p)
	q.Free(get(t, q))
	p.Free(obj)
	closeEmpty(t, q)
	closeEmpty(t, p)
}

// A section that keeps memory from others does not keep it from its pool.
func TestBudget_ReclaimsNothingUnderReader(t *testing.T) {
	d := newDomain(t)
	const slabs = 27
	b := NewBudget((slabs + 13) * 64 << 10)
	p := New[page](d, Options{Budget: b})
	n := slabs * p.s.perSlab
	all := getAll(t, p, n)
	s := d.Enter()
	freeAll(p, all)
	require.ErrorIs(t, b.Reserve(20*64<<10), ErrNoMemory)
	require.NoError(t, b.Reserve(13*64<<10))
	all = getAll(t, p, n)
	freeAll(p, all) // the budget is scarce now
	all = getAll(t, p, n)
	s.Leave()
	freeAll(p, all)
	b.Release(13 * 64 << 10)
	closeEmpty(t, p)
}

// Reserve of more than can be counted fails, and takes nothing.
func TestBudget_TakeDoesNotOverflow(t *testing.T) {
	b := NewBudget(100)
	require.NoError(t, b.Reserve(1))
	require.ErrorIs(t, b.Reserve(math.MaxInt64), ErrNoMemory)
	require.EqualValues(t, 1, b.Used())
}

// A Reserve that fails does not fail others for which there is room, and Used never shows it.
func TestBudget_FailingTakeIsNotSeen(t *testing.T) {
	b := NewBudget(1 << 20)
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			b.Reserve(1 << 30)
		}
	})
	failed, above := 0, 0
	for range 300_000 {
		if b.Reserve(1) == nil {
			b.Release(1)
		} else {
			failed++
		}
		if b.Used() > b.Limit() {
			above++
		}
	}
	stop.Store(true)
	wg.Wait()
	require.Zero(t, failed, "allocations failed with 1 MiB free; seen above the limit: %d times", above)
	require.Zero(t, above)
}

func TestBudget_PutOfNegativePanics(t *testing.T) {
	b := NewBudget(100)
	require.Contains(t, panicText(t, func() { b.Release(-1000) }), "negative")
}

// As long as all memory of a budget is free, Get of any size finds it, however often sizes
// change.
func TestBudget_GetTakesFromOtherSizesEachTime(t *testing.T) {
	d := newDomain(t)
	b := NewBudget(0)
	x := NewBlocks(d, Options{Budget: b})
	failed := 0
	for i := range 100 {
		block, err := x.Get(50 + i%2*50)
		if err != nil {
			failed++
			continue
		}
		x.Free(block)
		if i == 0 {
			b.SetLimit(b.Used())
		}
	}
	require.NoError(t, x.Close(watchdogContext(t)))
	require.Zero(t, failed, "of 100 gets failed with nothing in use")
}

// Get finds the free objects in another processor's cache when the budget has no room for a
// slab.
func TestBudget_GetTakesFromOtherCaches(t *testing.T) {
	if !pcpu.Exclusive {
		t.Skip("caches are stripes in this build, not processors'")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	// No collection may stop the world while one is pinned until the other has gone on.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC()
	d := newDomain(t)
	b := NewBudget(0)
	p := New[[1024]byte](d, Options{Budget: b})
	var stage, id atomic.Int32
	go func() {
		id.Store(int32(pcpu.Pin()))
		l := p.s.pinLoaded()
		l.unpin()
		pcpu.Unpin()
		p.Free(mustGet(p))
		b.SetLimit(b.Used())
		id.Store(int32(pcpu.Pin()))
		stage.Store(1)
		for stage.Load() != 2 { // keeps its processor, so that the other gets another
		}
		pcpu.Unpin()
	}()
	for stage.Load() != 1 {
		runtime.Gosched()
	}
	require.Zero(t, p.Stats().InUse)
	obj, err := p.Get()
	stage.Store(2)
	require.NoError(t, err, "no object is in use, and all memory of the budget is this pool's")
	p.Free(obj)
	closeEmpty(t, p)
}

// Get takes the slab that another pool of the budget does not use.
func TestBudget_GetTakesIdleSlabOfAnother(t *testing.T) {
	d := newDomain(t)
	b := NewBudget(0)
	p, q := New[flat](d, Options{Budget: b}), New[[1024]byte](d, Options{Budget: b})
	p.Free(get(t, p))
	b.SetLimit(b.Used())
	obj, err := q.Get()
	require.NoError(t, err)
	q.Free(obj)
}

// A pool whose domain was closed harms no other pool of its budget.
func TestBudget_MemberOfClosedDomain(t *testing.T) {
	d1, err := smr.New(smr.Options{})
	require.NoError(t, err)
	b := NewBudget(2 * pages.MinBlock)
	p := New[flat](d1, Options{Budget: b})
	p.Free(get(t, p))
	require.NoError(t, d1.Close(watchdogContext(t)))
	q := New[[1024]byte](newDomain(t), Options{Budget: b})
	require.NotPanics(t, func() {
		for range 200 {
			q.Get()
		}
	})
}

// An empty slab is not held back where others may need its memory.
func TestBudget_ScarceMemoryIsNotKept(t *testing.T) {
	d := newDomain(t)
	for _, used := range []int64{0, 60 << 20} {
		b := NewBudget(64 << 20)
		p := New[page](d, Options{Budget: b})
		require.NoError(t, b.Reserve(used))
		if used == 0 {
			s := d.Enter() // or a grace period could end, in which no slab was needed
			freeAll(p, getAll(t, p, 900))
			require.Greater(t, p.Stats().ReservedBytes, int64(3<<20))
			s.Leave()
		} else {
			freeAll(p, getAll(t, p, 900))
			require.Less(t, p.Stats().ReservedBytes, int64(2<<20)) // the depot has up to 1 MiB
		}
		b.Release(used)
		closeEmpty(t, p)
	}
}

func TestBudget(t *testing.T) {
	d := newDomain(t)
	const limit = 3 << 20
	b := NewBudget(limit)
	p, q := New[flat](d, Options{Budget: b}), New[[1024]byte](d, Options{Budget: b, Name: "q"})
	var all []*flat
	for {
		obj, err := p.Get()
		if err != nil {
			require.ErrorIs(t, err, ErrNoMemory)
			require.ErrorContains(t, err, "slab.flat")
			break
		}
		all = append(all, obj)
	}
	require.EqualValues(t, limit, b.Used())
	require.Greater(t, len(all), int(limit/unsafe.Sizeof(flat{})*98/100))
	_, err := q.Get()
	require.ErrorIs(t, err, ErrNoMemory)
	require.ErrorContains(t, err, "q: ")

	for _, obj := range all {
		p.Free(obj)
	}
	p.Trim()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.Zero(t, b.Used())
	obj := get(t, q)
	require.NoError(t, b.Reserve(limit-b.Used()))
	require.ErrorIs(t, b.Reserve(1), ErrNoMemory)
	b.Release(limit - b.Used() + b.Used() - int64(q.Stats().ReservedBytes))
	q.Free(obj)
	closeEmpty(t, p)
	closeEmpty(t, q)
	require.Zero(t, b.Used())
	b.SetLimit(0)
	require.NoError(t, b.Reserve(1<<40))
	b.Release(1 << 40)
	require.Contains(t, panicText(t, func() { b.Release(1) }), "more bytes than were taken")
	require.Contains(t, panicText(t, func() { b.SetLimit(-1) }), "negative")
}

// What another pool holds and does not use is found when the budget is at its end.
func TestBudget_TakesBackWhatOthersDoNotUse(t *testing.T) {
	d := newDomain(t)
	b := NewBudget(0)
	x, y, z := NewBlocks(d, Options{Budget: b}), NewBlocks(d, Options{Budget: b}), NewBlocks(d, Options{Budget: b})
	for _, bl := range []*Blocks{x, y} {
		block, err := bl.Get(100)
		require.NoError(t, err)
		bl.Free(block)
	}
	b.SetLimit(b.Used())
	block, err := z.Get(50)
	require.NoError(t, err)
	z.Free(block)
	for _, bl := range []*Blocks{x, y, z} {
		require.NoError(t, bl.Close(watchdogContext(t)))
	}
	require.Zero(t, b.Used())
}

// What is used is never more than can be counted, and what fails counts nothing.
func TestBudget_SizesNearTheEndOfInt(t *testing.T) {
	for _, limit := range []int64{0, math.MaxInt64, math.MaxInt64 - 1} {
		b := NewBudget(limit)
		require.NoError(t, b.Reserve(math.MaxInt64-10))
		require.ErrorIs(t, b.Reserve(11), ErrNoMemory)
		require.ErrorIs(t, b.Reserve(math.MaxInt64), ErrNoMemory)
		b.ReserveAlways(10) // above the limit, if there is one
		require.Equal(t, int64(math.MaxInt64), b.Used())
		require.Contains(t, panicText(t, func() { b.ReserveAlways(1) }), "more than can be counted")
		require.Contains(t, panicText(t, func() { b.ReserveAlways(math.MaxInt64) }), "more than can be counted")
		require.ErrorIs(t, b.Reserve(1), ErrNoMemory)
		require.Equal(t, int64(math.MaxInt64), b.Used())
		b.Release(math.MaxInt64 - 1)
		require.Contains(t, panicText(t, func() { b.Release(2) }), "more bytes than were taken")
		require.Contains(t, panicText(t, func() { b.Release(math.MaxInt64) }), "more bytes than were taken")
		require.EqualValues(t, 1, b.Used(), "a Release that fails gives nothing back")
		b.SetLimit(1)
		require.ErrorIs(t, b.Reserve(math.MaxInt64), ErrNoMemory)
		b.Release(1)
		require.Zero(t, b.Used())
	}
	var none *Budget
	for name, call := range map[string]func(int64){"Reserve": func(n int64) { none.Reserve(n) }, "ReserveAlways": none.ReserveAlways, "Release": none.Release} {
		call(math.MaxInt64)
		require.Contains(t, panicText(t, func() { call(-1) }), "slab: "+name+" of a negative size")
	}
}
