package pages

import (
	"errors"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// checkHeap fails the test if the books of the heap's regions disagree, or hints hide a block.
func checkHeap(t *testing.T) {
	heap.mu.Lock()
	defer heap.mu.Unlock()
	for o := range orders {
		for i, r := range heap.regions {
			n := 0
			for _, w := range r.free[o] {
				n += bits.OnesCount64(w)
			}
			require.Equal(t, r.has[o], n, "order %d of region %d", o, i)
			if n > 0 && i < heap.lowest[o] {
				t.Fatalf("order %d: region %d hidden by hint %d", o, i, heap.lowest[o])
			}
		}
	}
}

// A testBlock is a block in use. Its address is a number, so that it keeps no memory alive.
type testBlock struct{ addr, size uintptr }

func (b *testBlock) free() { Free(*(*unsafe.Pointer)(unsafe.Pointer(&b.addr)), b.size) }

// Blocks never overlap, are aligned to their size, and come zeroed, also when they are used again.
func TestBlocks_NeverOverlap(t *testing.T) {
	steps, most := 60000, uintptr(300<<20)
	if onGoHeap { // where each size has memory of its own, which stays
		steps, most = 3000, 32<<20
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var live []testBlock
	used := map[uintptr]bool{}
	total := uintptr(0)
	for step := range steps {
		limit := most
		if step > steps/2 {
			limit = most / 3
		}
		if rnd.IntN(2) == 0 && total < limit {
			size := uintptr(MinBlock) << rnd.IntN(orders)
			p := alloc(t, size)
			b := testBlock{uintptr(p), size}
			require.Zero(t, b.addr%size, "a block of %d bytes at %p", size, p)
			for o := uintptr(0); o < size; o += MinBlock {
				require.False(t, used[b.addr+o], "two blocks at %#x", b.addr+o)
				used[b.addr+o] = true
				w := (*uint64)(unsafe.Add(p, o+8*uintptr(rnd.IntN(MinBlock/8))))
				require.Zero(t, *w)
				*w = 7
			}
			total += size
			live = append(live, b)
		} else if len(live) > 0 {
			i := rnd.IntN(len(live))
			b := live[i]
			live[i] = live[len(live)-1]
			live = live[:len(live)-1]
			for o := uintptr(0); o < b.size; o += MinBlock {
				delete(used, b.addr+o)
			}
			total -= b.size
			b.free()
		}
		if step%100 == 0 {
			checkHeap(t)
		}
	}
	for _, b := range live {
		b.free()
	}
	checkHeap(t)
}

// A block has one user at a time.
func TestBlocks_NotShared(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 20000 {
				size := uintptr(MinBlock) << ((i + g) % orders)
				if onGoHeap {
					size = MinBlock // which is cleared in little time
				}
				p, err := Alloc(size)
				if err != nil {
					t.Error(err)
					return
				}
				if *(*uint64)(p)++; *(*uint64)(p) != 1 {
					t.Error("shared")
				}
				Free(p, size)
			}
		})
	}
	wg.Wait()
}

// Go memory is freed once, and as what it was allocated. Where blocks are mapped, see
// TestFree_Twice.
func TestFree_GoMemoryOnce(t *testing.T) {
	const text = "pages: freed a block that is not in use: freed twice, or never allocated"
	for _, large := range []bool{false, true} {
		p, err := allocGo(2 * MinBlock)
		require.NoError(t, err)
		require.PanicsWithValue(t, text, func() { freeGo(unsafe.Add(p, MinBlock), MinBlock, large) })
		require.PanicsWithValue(t, "pages: freed a block of 131072 bytes as one of 65536", func() { freeGo(p, MinBlock, large) })
		freeGo(p, 2*MinBlock, large)
		require.PanicsWithValue(t, text, func() { freeGo(p, 2*MinBlock, large) })
	}
}

// Freed Go memory of a block's size is used again, zeroed; of another size it goes to the collector.
func TestFree_GoMemoryIsReused(t *testing.T) {
	p, err := allocGo(4 * MinBlock)
	require.NoError(t, err)
	*(*int)(p) = 1
	freeGo(p, 4*MinBlock, false)
	again, err := allocGo(4 * MinBlock)
	require.NoError(t, err)
	require.Equal(t, p, again)
	require.Zero(t, *(*int)(again))
	freeGo(again, 4*MinBlock, false)

	large, err := allocGo(5 * MinBlock)
	require.NoError(t, err)
	gone := make(chan struct{})
	runtime.AddCleanup((*byte)(large), func(struct{}) { close(gone) }, struct{}{})
	freeGo(large, 5*MinBlock, true)
	large = nil
	for done := false; !done; {
		runtime.GC()
		select {
		case <-gone:
			done = true
		default:
		}
	}
}

// Sizes are rounded up, and none is too large to be refused.
func TestRoundLarge_AllSizes(t *testing.T) {
	const most = ^uintptr(0)
	for shift := 0; uintptr(1)<<shift != 0; shift++ {
		size := uintptr(1) << shift
		for _, size := range []uintptr{size - 1, size, size + 1} {
			rounded := RoundLarge(size)
			if rounded < size || rounded%largeUnit != 0 || rounded-size >= largeUnit {
				t.Errorf("%d bytes: %d", size, rounded)
			}
		}
	}
	for _, size := range []uintptr{most, most - 1, most - largeUnit + 2, most/2 + 1} {
		rounded := RoundLarge(size)
		if rounded == 0 || rounded%largeUnit != 0 {
			t.Errorf("%d bytes: %d", size, rounded)
		}
		if _, err := AllocLarge(rounded); !errors.Is(err, ErrNoMemory) {
			t.Errorf("%d bytes: %v", rounded, err)
		}
	}
}

func TestAlloc_OnlySizesOfBlocks(t *testing.T) {
	for _, size := range []uintptr{0, 1, MinBlock / 2, MinBlock - 1, MinBlock + 1, 3 * MinBlock, MaxBlock + 1, 2 * MaxBlock} {
		require.PanicsWithValue(t, "pages: no such block size", func() { Alloc(size) }, size)
	}
}
