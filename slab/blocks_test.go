package slab

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/self"
)

func TestBlocks_Classes(t *testing.T) {
	for c := range numClasses {
		require.Equal(t, c, class(classSize(c)))
		require.Zero(t, classSize(c)%smallStep)
		if c > 0 {
			require.Equal(t, c, class(classSize(c-1)+1))
			require.LessOrEqual(t, classSize(c)*4, classSize(c-1)*5+4*smallStep)
		}
	}
	require.Equal(t, 0, class(0))
	require.Equal(t, maxObject, classSize(numClasses-1))
}

// Blocks of all sizes hold what was written to them, whatever happens to others.
func TestBlocks_Random(t *testing.T) {
	d := newDomain(t)
	b := NewBlocks(d, Options{Budget: NewBudget(0)})
	rnd := rand.New(rand.NewPCG(1, 2))
	var live [][]byte
	check := func(block []byte) {
		for _, x := range block {
			if x != byte(len(block)) {
				t.Fatalf("a block of %d bytes was overwritten", len(block))
			}
		}
	}
	var bytes int64
	for range rounds(20_000) {
		if len(live) < 200 && rnd.IntN(3) > 0 {
			n := rnd.IntN(1 << rnd.IntN(18))
			block, err := b.Get(n)
			require.NoError(t, err)
			require.Len(t, block, n)
			require.Zero(t, uintptr(unsafe.Pointer(unsafe.SliceData(block)))%smallStep)
			bytes += int64(cap(block))
			block = block[:cap(block)]
			for i := range block {
				block[i] = byte(len(block))
			}
			live = append(live, block)
		} else if len(live) > 0 {
			i := rnd.IntN(len(live))
			block := live[i]
			live[i] = live[len(live)-1]
			live = live[:len(live)-1]
			check(block)
			bytes -= int64(cap(block))
			if rnd.IntN(2) == 0 {
				b.Free(block)
			} else {
				b.Retire(block[:rnd.IntN(len(block)+1)])
			}
		}
		st := b.Stats()
		require.EqualValues(t, len(live), st.InUse)
		require.Equal(t, bytes, st.InUseBytes)
	}
	for _, block := range live {
		check(block)
		b.Retire(block)
	}
	require.NoError(t, b.Close(watchdogContext(t)))
	st := b.Stats()
	require.Zero(t, st.InUse)
	require.Zero(t, st.Pending)
	require.Zero(t, st.ReservedBytes)
	require.Zero(t, b.budget.Used())
}

func TestBlocks_LargeWaitsForReaders(t *testing.T) {
	d := newDomain(t)
	b := NewBlocks(d, Options{})
	block, err := b.Get(1 << 20)
	require.NoError(t, err)
	block[1<<19] = 7
	s := d.Enter()
	b.Retire(block)
	d.Flush()
	require.EqualValues(t, 7, block[1<<19])
	require.EqualValues(t, 1, b.Stats().Pending)
	s.Leave()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.Zero(t, b.Stats().ReservedBytes)
	require.Zero(t, b.Stats().PendingBytes)
	require.NoError(t, b.Close(watchdogContext(t)))
}

func TestBlocks_Misuse(t *testing.T) {
	d := newDomain(t)
	b := NewBlocks(d, Options{Name: "b", Budget: NewBudget(1 << 20)})
	require.Equal(t, "b", b.Stats().Name)
	block, err := b.Get(100)
	require.NoError(t, err)
	require.Contains(t, panicText(t, func() { b.Free(block[:50:60]) }), "not a whole block")
	require.Contains(t, panicText(t, func() { b.Free(make([]byte, 1<<20)) }), "not a block in use")
	require.Contains(t, panicText(t, func() { b.Get(-1) }), "negative size")
	_, err = b.Get(1 << 21)
	require.ErrorIs(t, err, ErrNoMemory)
	_, err = b.Get(maxBlock + 1)
	require.ErrorIs(t, err, ErrNoMemory)
	large, err := b.Get(maxObject + 1)
	require.NoError(t, err)
	require.ErrorContains(t, b.Close(watchdogContext(t)), "1 objects were not given back")
	b.Free(block)
	b.Free(large)
	require.Contains(t, panicText(t, func() { b.Free(large) }), "not a block in use")
	require.NoError(t, b.Close(watchdogContext(t)))
	require.Contains(t, panicText(t, func() { NewBlocks(nil, Options{}) }), "without a domain")
}

// Get fails after Close, whatever the size.
func TestBlocks_GetAfterCloseFails(t *testing.T) {
	b := NewBlocks(newDomain(t), Options{})
	require.NoError(t, b.Close(watchdogContext(t)))
	for _, n := range []int{10, 1 << 20} {
		_, err := b.Get(n)
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorContains(t, err, "slab: Get from blocks")
	}
}

// A block of the largest size is an error, or memory.
func TestBlocks_Huge(t *testing.T) {
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

// A block has room for what it is gotten for, whatever the size, and a larger size has no
// smaller block.
func TestBlockSize_AllSizes(t *testing.T) {
	sizes := []int{0, 1}
	for shift := 1; shift < 63; shift++ {
		if size := int64(1) << shift; size < math.MaxInt {
			sizes = append(sizes, int(size-1), int(size), int(size)+1)
		}
	}
	sizes = append(sizes, math.MaxInt-64<<10, math.MaxInt-64<<10+1, math.MaxInt-1, math.MaxInt)
	last := 0
	for _, n := range sizes {
		size := BlockSize(n)
		require.GreaterOrEqual(t, size, n)
		require.GreaterOrEqual(t, size, last, "for %d bytes", n)
		last = size
	}
	require.Equal(t, math.MaxInt, last)
	require.Equal(t, math.MaxInt, BlockSize(maxBlock+1))
	require.Contains(t, panicText(t, func() { BlockSize(-1) }), "negative size")
	require.Contains(t, panicText(t, func() { BlockSize(math.MinInt) }), "negative size")
}

// A block that is too large is an error, and takes nothing.
func TestBlocks_SizesNearTheEndOfInt(t *testing.T) {
	d := newDomain(t)
	budget := NewBudget(1 << 29)
	b := NewBlocks(d, Options{Budget: budget})
	for _, n := range []int{math.MaxInt, math.MaxInt - 1, math.MaxInt - 64<<10, maxBlock + 1, maxBlock, maxBlock - 1} {
		_, err := b.Get(n)
		require.ErrorIs(t, err, ErrNoMemory, "%d bytes", n)
	}
	require.Zero(t, b.Stats().ReservedBytes)
	require.Zero(t, budget.Used())
	require.Nil(t, compactor{b}.GetFree(math.MaxInt))
	require.NoError(t, b.Close(watchdogContext(t)))
}

// The same of a large block, which is in no pool.
func TestRetire_LargeInPinnedSection(t *testing.T) {
	self.InChild(t, func() string {
		runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0)))
		d := newDomain(t)
		b := NewBlocks(d, Options{})
		block, err := b.Get(maxObject + 1)
		require.NoError(t, err)
		var held, retiring atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			b.mu.Lock()
			held.Store(true)
			for !retiring.Load() {
			}
			for range 1_000_000 { // so that it is waited for
				retiring.Load()
			}
			b.mu.Unlock()
		})
		for !held.Load() {
			runtime.Gosched()
		}
		s := d.Pin()
		retiring.Store(true)
		b.Retire(block)
		s.Leave()
		wg.Wait()
		require.NoError(t, b.Close(watchdogContext(t)))
		require.Zero(t, b.Stats().ReservedBytes)
		return ""
	})
}
