package slab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/smr"
)

// A Trim that finds the caches unloaded waits for the one that has unloaded them: what was
// retired before is free after Barrier.
func TestTrim_WaitsForOneThatHasBegun(t *testing.T) {
	if !pcpu.Exclusive {
		t.Skip("caches are stripes in this build, not processors'")
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
	go func() { p.Trim(); close(done) }()
	// until the first has unloaded the cache
	for slices.ContainsFunc(p.s.caches.All(), func(c *cache) bool { return c.Value.Load() != nil }) {
		runtime.Gosched()
	}
	second := make(chan int64)
	go func() {
		p.Trim()
		d.Barrier(context.Background())
		second <- p.Stats().Pending
	}()
	select {
	case pending := <-second:
		stage.Store(2)
		<-done
		require.Zero(t, pending, "Trim and Barrier are over, and the object is still pending")
	case <-time.After(100 * time.Millisecond): // it waits, as it should
		stage.Store(2)
		require.Zero(t, <-second)
	}
	<-done
}

// fragment gets n objects, frees all but one of each slab, and returns those.
func fragment(t testing.TB, p *Pool[flat], n int) (left []*flat) {
	bySlab := map[uintptr][]*flat{}
	for range n {
		obj := get(t, p)
		k := uintptr(unsafe.Pointer(obj)) / pages.MinBlock
		bySlab[k] = append(bySlab[k], obj)
	}
	for _, objs := range bySlab {
		left = append(left, objs[0])
		for _, obj := range objs[1:] {
			p.Free(obj)
		}
	}
	return left
}

// Slabs go back when the last object of each is retired, after the others were freed long ago.
func TestShrink_LastObjectsRetired(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	left := fragment(t, p, 200_000)
	p.Trim()
	settle(t, d)
	for _, obj := range left {
		p.Retire(obj)
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

// Slabs whose objects were freed go back, however these are scattered over magazines.
func TestShrink_FreedInRandomOrder(t *testing.T) {
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

// A panic of misuse in a callback leaves no lock taken.
func TestShrink_PanicLeavesNoLock(t *testing.T) {
	if invariants.Enabled {
		t.Skip("caught at Retire")
	}
	panics := make(chan *smr.CallbackPanic, 10)
	d, err := smr.New(smr.Options{OnPanic: func(p *smr.CallbackPanic) { panics <- p }})
	require.NoError(t, err)
	p := New[flat](d, Options{})
	obj := get(t, p)
	p.Retire(obj)
	p.Retire(obj) //smr:ok what then happens is the test
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
	case <-time.After(time.Minute):
		t.Fatal("Close hangs: a lock was left taken")
	}
}

// After a Trim that found an object freed twice, Get works.
func TestTrim_GetAfterPanic(t *testing.T) {
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
			p.Free(obj) //smr:ok what then happens is the test
		}
	}
	require.Contains(t, panicText(t, p.Trim), "freed twice")
	require.NotPanics(t, func() {
		for range 6 * magazineCap {
			p.Get()
		}
	})
}

// Slabs whose objects were retired go back, however these are scattered over magazines.
func TestShrink_RetiredInRandomOrder(t *testing.T) {
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

// A pool that is wasteful for good, since each slab has an object in use, keeps its magazines.
func TestShrink_FragmentedPoolAllocatesNothing(t *testing.T) {
	if invariants.Enabled {
		t.Skip("invariants keep track of each object")
	}
	d := newDomain(t)
	p := New[flat](d, Options{})
	fragment(t, p, 100_000)
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
	rounds := 200
	if testing.Short() {
		rounds = 30
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		round()
	}
	runtime.ReadMemStats(&after)
	perObj := float64(after.TotalAlloc-before.TotalAlloc) / float64(rounds) / 10_000
	t.Logf("%.2f bytes allocated per object, %d allocs per round", perObj, int(after.Mallocs-before.Mallocs)/rounds)
	require.Less(t, perObj, 4.0, fmt.Sprint(p.Stats()))
}

// Slabs whose objects were all retired go back without any call.
func TestShrink_RetiredInOrder(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	var all []*flat
	for range 200_000 {
		all = append(all, get(t, p))
	}
	full := p.Stats().ReservedBytes
	require.Greater(t, full, int64(200_000*unsafe.Sizeof(flat{})))
	require.Less(t, full, int64(200_000*unsafe.Sizeof(flat{})*105/100), "memory for objects")
	for _, obj := range all {
		p.Retire(obj)
	}
	settle(t, d)
	require.Less(t, p.Stats().ReservedBytes, int64(4<<20))
	closeEmpty(t, p)
}

// What comes and goes in waves keeps its slabs, as long as there is a wave in each grace
// period.
func TestShrink_WavesKeepTheirSlabs(t *testing.T) {
	d := newStill(t)
	p := New[page](d, Options{})
	wave := func() int {
		freeAll(p, getAll(t, p, 1000))
		return p.Stats().Slabs
	}
	barrier := func() { require.NoError(t, d.Barrier(watchdogContext(t))) }
	barrier()
	most := wave()
	for range 20 {
		barrier() // with all callbacks that were asked for since the last
		require.InDelta(t, most, p.Stats().Slabs, 4, "magazines differ, when the test changes processors")
		wave()
	}
	settle(t, d)
	require.LessOrEqual(t, p.Stats().Slabs, 2, "of %d, when the last wave is over", most)
	closeEmpty(t, p)
}

// A shrink that runs while its domain is being closed calls no other, although the pool is
// wasteful and in use: Close waits for all calls, and would wait for ever.
func TestShrink_EndsWithItsDomain(t *testing.T) {
	d, err := smr.New(smr.Options{Name: t.Name()})
	require.NoError(t, err)
	p := New[flat](d, Options{})
	s := p.s
	left := fragment(t, p, 200_000)
	called := false
	smr.Call(d, s, 1, func(s *store) {
		for !d.Closed() {
			runtime.Gosched()
		}
		m := s.take(false)
		s.keep(m) // as by a user: there is something to move
		s.policy.shrink()
		called = s.policy.called.Load()
	})
	require.True(t, s.wasteful())
	require.NoError(t, d.Close(watchdogContext(t)))
	require.False(t, called)
	freeAll(p, left)
	closeEmpty(t, p)
}

// A wasteful store of which nothing can be moved is left alone.
func TestShrink_OnceForNothing(t *testing.T) {
	p := New[flat](newStill(t), Options{})
	s := p.s
	left := fragment(t, p, 200_000)
	s.policy.trim(trimAll)
	require.True(t, s.wasteful())
	require.Zero(t, s.depot.nFull())
	s.policy.called.Store(true) // as if called
	s.policy.shrink()
	require.False(t, s.policy.called.Load())
	freeAll(p, left)
	closeEmpty(t, p)
}

// Magazines that a Get's poll made full are spilled by the calls that come after it.
func TestReached_SpillsWhatAPollMadeFull(t *testing.T) {
	d := newStill(t)
	p := New[flat](d, Options{KeepContents: true}) // or -tags invariants expedites
	s := p.s
	var all []*flat
	const n = 400
	for range n {
		all = append(all, getAll(t, p, s.capacity)...)
	}
	for _, obj := range all {
		p.Retire(obj)
	}
	d.Advance()
	m, ready := s.depot.take(true)
	require.True(t, ready)
	require.Greater(t, s.depot.nFull(), n*9/10, "the poll made all full, but those in caches")
	require.Less(t, s.depot.usualFull(), n/2)
	s.keep(m)
	settle(t, d)
	require.LessOrEqual(t, s.depot.nFull(), s.depot.usualFull())
	closeEmpty(t, p)
}
