package slab

// What was broken once, each as a property that must hold.

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/internal/self"
	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/smr"
)

// After Close returned nil the budget still counts slabs that became whole in
// callbacks: their release is a call that Barrier does not wait for.
func TestPast_CloseLeavesBudgetUsed(t *testing.T) {
	d := newDomain(t)
	b := NewBudget(0)
	for range 20 {
		p := New[flat](d, Options{Budget: b})
		p.Retire(get(t, p))
		require.NoError(t, p.Close(watchdogContext(t)))
		require.Zero(t, b.Used(), "Close returned nil")
	}
}

// Two drains: the second finds nothing loaded and does not wait for the first.
func TestPast_FlushOvertakenByFlush(t *testing.T) {
	if !pcpu.Exclusive {
		t.Skip()
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	d := newDomain(t)
	p := New[flat](d, Options{})
	var stage atomic.Int32
	go func() {
		obj, _ := p.Get()
		for {
			l := p.Pin()
			if l.c.magazines() == nil {
				l.Unpin()
				p.Free(mustGet(p))
				continue
			}
			l.Retire(obj)
			stage.Store(1)
			deadline := time.Now().Add(3 * time.Second)
			for stage.Load() != 2 && time.Now().Before(deadline) {
			}
			l.Unpin()
			return
		}
	}()
	for stage.Load() != 1 {
		runtime.Gosched()
	}
	done := make(chan struct{})
	go func() { p.Flush(); close(done) }()
	// until the first drain has swapped the cache out
	for slices.ContainsFunc(p.s.caches.All(), func(c *cache) bool { return c.Value.Load() != nil }) {
		runtime.Gosched()
	}
	second := make(chan int64)
	go func() {
		p.Flush()
		d.Barrier(context.Background())
		second <- p.Stats().Pending
	}()
	select {
	case pending := <-second:
		stage.Store(2)
		<-done
		require.Zero(t, pending, "Flush and Barrier are over, and the object is still pending")
	case <-time.After(100 * time.Millisecond): // it waits, as it should
		stage.Store(2)
		require.Zero(t, <-second)
	}
	<-done
}

func mustGet[T any](p *Pool[T]) *T {
	obj, err := p.Get()
	if err != nil {
		panic(err)
	}
	return obj
}

// The same seen from Close: a reclaim for another pool (or the domain's own
// trim) holds the cache's magazines, and Close reports a leak.
func TestPast_CloseReportsFalseLeak(t *testing.T) {
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

// Blocks.Get panics after Close, says the doc; not for large ones.
func TestPast_LargeGetAfterClose(t *testing.T) {
	b := NewBlocks(newDomain(t), Options{})
	require.NoError(t, b.Close(watchdogContext(t)))
	require.Contains(t, panicText(t, func() { b.Get(10) }), "closed")
	require.Contains(t, panicText(t, func() { b.Get(1 << 20) }), "closed")
}

// A late Free fills the cache of a closed pool, and Get takes from it.
func TestPast_GetAfterCloseAndLateFree(t *testing.T) {
	p := New[flat](newDomain(t), Options{})
	obj, other := get(t, p), get(t, p)
	require.Error(t, p.Close(watchdogContext(t)))
	p.Free(obj)
	p.Free(other)
	require.Contains(t, panicText(t, func() { p.Get() }), "closed pool")
}

// Take overflows.
func TestPast_TakeOverflow(t *testing.T) {
	b := NewBudget(100)
	require.NoError(t, b.Take(1))
	require.ErrorIs(t, b.Take(math.MaxInt64), ErrNoMemory)
	require.EqualValues(t, 1, b.Used())
}

// A Take that fails makes others fail that have room, and Used exceeds the limit.
func TestPast_FailingTakeFailsOthers(t *testing.T) {
	b := NewBudget(1 << 20)
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			b.Take(1 << 30)
		}
	})
	failed, above := 0, 0
	for range 300_000 {
		if b.Take(1) == nil {
			b.Put(1)
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

// Put of a negative number takes without a bound.
func TestPast_NegativePut(t *testing.T) {
	b := NewBudget(100)
	require.Contains(t, panicText(t, func() { b.Put(-1000) }), "negative")
}

// Everything is free, and Get fails: reclaim only every 10 ms.
func TestPast_ReclaimRateLimitFailsGet(t *testing.T) {
	d := newDomain(t)
	b := NewBudget(pages.MinBlock)
	x := NewBlocks(d, Options{Budget: b})
	failed := 0
	for i := range 100 {
		block, err := x.Get(50 + i%2*50)
		if err != nil {
			failed++
			continue
		}
		x.Free(block)
	}
	require.NoError(t, x.Close(watchdogContext(t)))
	require.Zero(t, failed, "of 100 gets failed with nothing in use")
}

// A pool of one slab whose objects are all in another processor's cache: Get
// fails, and the reclaim inside throws its only slab away.
func TestPast_PoolAtLimitLosesItsOwnSlab(t *testing.T) {
	if !pcpu.Exclusive {
		t.Skip()
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	// No collection may stop the world while one is pinned until the other has gone on.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC()
	d := newDomain(t)
	p := New[[1024]byte](d, Options{Budget: NewBudget(pages.MinBlock)})
	var stage, id atomic.Int32
	go func() {
		id.Store(int32(pcpu.Pin()))
		l := p.s.pinLoaded()
		l.unpin()
		pcpu.Unpin()
		p.Free(mustGet(p))
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

// Pools never get what other pools of the budget hold and do not use: their
// slabs wait for a grace period, for which nobody asks.
func TestPast_PoolsDoNotShareBudget(t *testing.T) {
	d := newDomain(t)
	b := NewBudget(pages.MinBlock)
	p, q := New[flat](d, Options{Budget: b}), New[[1024]byte](d, Options{Budget: b})
	p.Free(get(t, p))
	obj, err := q.Get()
	require.NoError(t, err)
	q.Free(obj)
}

// The last object of each slab, retired, does not bring the slab back.
func TestPast_LastObjectsKeepSlabs(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	bySlab := map[uintptr][]*flat{}
	for range 200_000 {
		obj := get(t, p)
		k := uintptr(unsafe.Pointer(obj)) / pages.MinBlock
		bySlab[k] = append(bySlab[k], obj)
	}
	for _, objs := range bySlab {
		for _, obj := range objs[1:] {
			p.Free(obj)
		}
	}
	p.Flush()
	settle(t, d)
	for _, objs := range bySlab {
		p.Retire(objs[0])
	}
	// Some more traffic, so that no magazine is left waiting in a cache.
	for range 3000 {
		p.Retire(get(t, p))
	}
	settle(t, d)
	st := p.Stats()
	require.Less(t, st.ReservedBytes, int64(2<<20), "in use %d, pending %d", st.InUse, st.Pending)
	closeEmpty(t, p)
}

// What is given back by Free never makes the depot let go.
func TestPast_FreedMemoryStays(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	var all []*flat
	for range 200_000 {
		all = append(all, get(t, p))
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, obj := range all {
		p.Free(obj)
	}
	for range 100_000 {
		p.Free(get(t, p))
	}
	settle(t, d)
	require.Less(t, p.Stats().ReservedBytes, int64(2<<20), "nothing is in use")
	closeEmpty(t, p)
}

// A panic of misuse in a callback leaves store.mu locked.
func TestPast_PanicInCallbackLeavesLock(t *testing.T) {
	if invariants.Enabled {
		t.Skip("caught at Retire")
	}
	panics := make(chan *smr.CallbackPanic, 10)
	d, err := smr.New(smr.Options{OnPanic: func(p *smr.CallbackPanic) { panics <- p }})
	require.NoError(t, err)
	p := New[flat](d, Options{})
	obj := get(t, p)
	p.Retire(obj)
	p.Retire(obj)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { recover() }()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		p.Close(ctx)
	}()
	require.ErrorContains(t, <-panics, "slab: ")
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		t.Fatal("Close hangs: store.mu was left locked")
	}
}

// After a Flush that found a double free the depot has empty magazines, and Get
// runs out of an array.
func TestPast_GetAfterFlushPanicked(t *testing.T) {
	if invariants.Enabled {
		t.Skip("caught at Free")
	}
	p := New[flat](newDomain(t), Options{})
	var all []*flat
	for range 5 * magazineCap {
		all = append(all, get(t, p))
	}
	for i, obj := range all {
		p.Free(obj)
		if i == 100 {
			p.Free(obj)
		}
	}
	require.Contains(t, panicText(t, p.Flush), "freed twice")
	require.NotPanics(t, func() {
		for range 6 * magazineCap {
			p.Get()
		}
	})
}

// Links of a pool that lies on the Go heap after all (-race, windows, wasm): the
// write barrier finds a stale pointer to a block that was collected.
func TestPast_StaleLinksOnGoHeap(t *testing.T) {
	type node struct {
		next smr.Pointer[int]
		_    [60]uint64
	}
	if os.Getenv("SLAB_TEST_CHILD") == "" {
		cmd := self.Command("-test.run=^TestPast_StaleLinksOnGoHeap$")
		cmd.Env = append(os.Environ(), "SLAB_TEST_CHILD=1")
		out, err := cmd.CombinedOutput()
		if len(out) > 600 {
			out = out[:600]
		}
		require.NoError(t, err, string(out))
		return
	}
	d := newDomain(t)
	p := New[node](d, Options{OffHeapLinks: true, Keep: true})
	var all []*node
	bySlab := map[uintptr][]*node{}
	for range 20_000 {
		n := get(t, p)
		all = append(all, n)
		k := uintptr(unsafe.Pointer(n)) / pages.MinBlock
		bySlab[k] = append(bySlab[k], n)
	}
	for i, n := range all {
		n.next.Init((*int)(unsafe.Pointer(all[(i+len(all)/2)%len(all)])))
	}
	// All but every fifth slab goes back.
	i := 0
	var keep []*node
	for _, objs := range bySlab {
		if i++; i%5 == 0 {
			keep = append(keep, objs...)
			continue
		}
		for _, n := range objs {
			p.Free(n)
		}
	}
	clear(bySlab)
	all = nil
	p.Flush()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	runtime.GC()
	runtime.GC()
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			runtime.GC()
		}
	})
	var dummy = new(int)
	_ = dummy
	for r := range 300 {
		for j := r % 10; j < len(keep); j += 10 {
			keep[j].next.Store((*int)(unsafe.Pointer(keep[(j+1)%len(keep)])))
		}
	}
	stop.Store(true)
	wg.Wait()
}

// An object of no size is not aligned.
func TestPast_EmptyTypeAlignment(t *testing.T) {
	p := New[struct{ _ [0]uint64 }](newDomain(t), Options{})
	for range 10 {
		require.Zero(t, uintptr(unsafe.Pointer(get(t, p)))%unsafe.Alignof(uint64(0)))
	}
}

// Counters go back: a large Retire counts as a Free for a while.
func TestPast_FreesGoesBack(t *testing.T) {
	b := NewBlocks(newDomain(t), Options{})
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			block, _ := b.Get(1 << 17)
			b.Retire(block)
		}
	})
	var worst uint64
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end) && worst == 0; {
		b.mu.Lock()
		worst = max(worst, b.stats.Frees)
		b.mu.Unlock()
	}
	stop.Store(true)
	wg.Wait()
	require.Zero(t, worst, "nothing was freed")
}

// All objects retired in random order: the last eighth stays scattered over the
// depot, and pins every slab.
func TestPast_RetiredInRandomOrder(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	var all []*flat
	for range 200_000 {
		all = append(all, get(t, p))
	}
	full := p.Stats().ReservedBytes
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, obj := range all {
		p.Retire(obj)
	}
	settle(t, d)
	st := p.Stats()
	require.Less(t, st.ReservedBytes, int64(2<<20), "of %d; in use %d, pending %d", full, st.InUse, st.Pending)
}

// Steady state in a fragmented pool allocates: trim throws magazines away.
func TestPast_FragmentedPoolAllocates(t *testing.T) {
	if invariants.Enabled {
		t.Skip()
	}
	d := newDomain(t)
	p := New[flat](d, Options{})
	bySlab := map[uintptr][]*flat{}
	for range 100_000 {
		obj := get(t, p)
		k := uintptr(unsafe.Pointer(obj)) / pages.MinBlock
		bySlab[k] = append(bySlab[k], obj)
	}
	for _, objs := range bySlab {
		for _, obj := range objs[1:] {
			p.Free(obj)
		}
	}
	batch := make([]*flat, 10_000)
	round := func() {
		for i := range batch {
			batch[i], _ = p.Get()
		}
		for _, obj := range batch {
			p.Retire(obj)
		}
		d.Synchronize(context.Background())
		d.Flush()
		time.Sleep(2 * time.Millisecond)
	}
	for range 50 {
		round()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 200 {
		round()
	}
	runtime.ReadMemStats(&after)
	perObj := float64(after.TotalAlloc-before.TotalAlloc) / 200 / 10_000
	t.Logf("%.2f bytes allocated per object, %d allocs per round", perObj, (after.Mallocs-before.Mallocs)/200)
	require.Less(t, perObj, 4.0, fmt.Sprint(p.Stats()))
}

// A pool whose domain was closed makes innocent pools of the budget panic.
func TestPast_DeadDomainPanicsOthers(t *testing.T) {
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

func TestPast_HugeBlock(t *testing.T) {
	b := NewBlocks(newDomain(t), Options{})
	for _, n := range []int{maxBlock, maxBlock - 1, maxBlock + 1} {
		if unsafe.Sizeof(n) == 4 && n <= maxBlock {
			continue // there may be so much
		}
		block, err := b.Get(n)
		if err == nil { // of address space there may be, too
			b.Free(block)
			continue
		}
		require.ErrorIs(t, err, ErrNoMemory)
	}
	require.NoError(t, b.Close(watchdogContext(t)))
}

// Close in a callback returns ErrInCallback, and has closed the pool all the same.
func TestPast_CloseInCallback(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	d.CallFunc(0, func() { p.Close(context.Background()) })
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.NotPanics(t, func() { p.Free(mustGet(p)) })
}

// A pool whose domain was closed before it is closed all the same, and harms nobody who
// shares its budget meanwhile.
func TestPast_CloseAfterDomain(t *testing.T) {
	d, err := smr.New(smr.Options{})
	require.NoError(t, err)
	p := New[flat](d, Options{})
	p.Free(get(t, p))
	p.Retire(get(t, p))
	require.NoError(t, d.Close(watchdogContext(t)))
	p.Retire(get(t, p))
	p.Flush()
	closeEmpty(t, p)
}

func TestLocal(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	l := p.Pin()
	require.Nil(t, l.Get(), "nothing is at hand yet")
	l.Unpin()
	obj := get(t, p)
	p.Free(obj)
	l = p.Pin()
	again := l.Get()
	nothing := l.Retire(nil)
	retired := again != nil && l.Retire(again)
	l.Unpin()
	require.False(t, nothing)
	require.NotNil(t, again)
	require.True(t, retired)
	require.EqualValues(t, 1, p.Stats().Pending)
	closeEmpty(t, p)
}

func TestLocal_Swap(t *testing.T) {
	p := New[flat](newDomain(t), Options{})
	l := p.Pin()
	nothing := l.Swap(nil)
	l.Unpin()
	require.Nil(t, nothing)
	obj := get(t, p)
	before := p.Stats()
	swaps := 0
	for range 3 * magazineCap {
		l := p.Pin()
		fresh := l.Swap(obj)
		l.Unpin()
		if fresh == nil { // no room, or nothing at hand: nothing has happened
			p.Retire(obj)
			fresh = get(t, p)
		} else {
			swaps++
			require.NotSame(t, obj, fresh)
		}
		obj = fresh
	}
	require.GreaterOrEqual(t, swaps, 2*magazineCap)
	st := p.Stats()
	require.EqualValues(t, 1, st.InUse)
	require.EqualValues(t, 3*magazineCap, st.Gets-before.Gets)
	require.EqualValues(t, 3*magazineCap, st.Retires-before.Retires)
	p.Retire(obj)
	closeEmpty(t, p)
}

// Caches are unloaded while others give back what there is no room for: with magazines of
// one object that is so each time. Nothing is lost.
func TestPast_UnloadDuringSlowPath(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	d := newDomain(t)
	b := NewBlocks(d, Options{})
	const size = magazineBytes - 1000
	s := &b.classes[class(size)]
	require.Equal(t, 1, s.capacity)
	var wg sync.WaitGroup
	var stop atomic.Bool
	for range 2 {
		wg.Go(func() {
			for !stop.Load() {
				s.policy.drain()
			}
		})
	}
	var users sync.WaitGroup
	var failed atomic.Pointer[error]
	for g := range 2 {
		users.Go(func() {
			for i := range rounds(100_000) {
				block, err := b.Get(size)
				if err != nil {
					failed.Store(&err)
					return
				}
				if (i+g)%2 == 0 {
					b.Free(block)
				} else {
					b.Retire(block)
				}
			}
		})
	}
	users.Wait()
	stop.Store(true)
	wg.Wait()
	require.Nil(t, failed.Load())
	require.NoError(t, b.Close(watchdogContext(t)))
}
