package slab

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What goes by no cache is counted. It does where the caches are sealed, here by hand:
// Get comes as far when Close begins beside it. (In a portable build, also where somebody
// else is at the cache.)
func TestStats_WithoutCaches(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	s := p.s
	leave := enter(t, d)
	require.True(t, s.caches.Seal())
	var all []*flat
	for i := range 10 {
		all = append(all, get(t, p))
		require.EqualValues(t, i+1, p.Stats().Gets)
	}
	given := s.givenBack()
	for i, obj := range all[:4] {
		p.Free(obj)
		require.EqualValues(t, i+1, p.Stats().Frees)
	}
	require.Equal(t, given+4, s.givenBack())
	for i, obj := range all[4:7] {
		p.Retire(obj)
		require.EqualValues(t, i+1, p.Stats().Retires)
	}
	require.Equal(t, given+7, s.givenBack())
	st := p.Stats()
	require.EqualValues(t, 10, st.Gets)
	require.EqualValues(t, 4, st.Frees)
	require.EqualValues(t, 3, st.InUse)
	require.EqualValues(t, 3, st.Pending)
	require.EqualValues(t, 3*s.size, st.InUseBytes)
	require.EqualValues(t, 3*s.size, st.PendingBytes)

	leave()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.Zero(t, p.Stats().Pending)
	require.Equal(t, given+10, s.givenBack())
	for _, obj := range all[7:] {
		p.Free(obj)
	}
	closeEmpty(t, p)
}

// What is given back after Close complained is counted too.
func TestStats_GivenBackAfterClose(t *testing.T) {
	p := New[flat](newDomain(t), Options{})
	freed, retired := get(t, p), get(t, p)
	require.ErrorContains(t, p.Close(watchdogContext(t)), "2 objects were not given back")
	p.Free(freed)
	p.Retire(retired)
	st := p.Stats()
	require.EqualValues(t, 2, st.Gets)
	require.EqualValues(t, 1, st.Frees)
	require.EqualValues(t, 1, st.Retires)
	require.Zero(t, st.InUse)
	closeEmpty(t, p)
}

// A Retire of a large block is never counted as a Free.
func TestStats_RetireOfLargeIsNoFree(t *testing.T) {
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

// Objects are counted in 64 bits also where a pool can have more than an int counts.
func TestStats_MoreObjectsThanInt(t *testing.T) {
	d := newDomain(t)
	p := New[byte](d, Options{})
	const slabs = 1 << 20
	p.s.heap.slabs = make([]*slab, slabs)
	p.s.heap.objects = slabs * int64(p.s.perSlab)
	st := p.Stats()
	require.Equal(t, int64(slabs)*int64(p.s.perSlab), st.FreeBytes)
	p.s.heap.slabs, p.s.heap.objects = nil, 0
	closeEmpty(t, p)
}

// What is in slabs is in use, pending, or free.
func TestStats_AddUp(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	all := getAll(t, p, 100)
	leave := enter(t, d)
	for _, obj := range all[:30] {
		p.Retire(obj)
	}
	freeAll(p, all[30:50])
	st := p.Stats()
	size := int64(p.s.size)
	require.Equal(t, 50*size, st.InUseBytes)
	require.Equal(t, 30*size, st.PendingBytes)
	require.Equal(t, (p.s.heap.counts().objects-80)*size, st.FreeBytes)
	leave()
	freeAll(p, all[50:])
	closeEmpty(t, p)
}
