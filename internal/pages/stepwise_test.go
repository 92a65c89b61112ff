package pages

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// freshHeap gives the test a heap without regions, and puts the old one back when it
// ends. Blocks are to be given back by join: Free may keep them for a while.
func freshHeap(t *testing.T) {
	if onGoHeap {
		t.Skip("blocks are Go memory in this build: there are no regions")
	}
	heap.mu.Lock()
	defer heap.mu.Unlock()
	old := heap.regionSet
	heap.regionSet = regionSet{next: maxRegion}
	oldSparse := heap.sparse
	heap.sparse = regionSet{next: maxRegion}
	t.Cleanup(func() {
		heap.mu.Lock()
		defer heap.mu.Unlock()
		for _, r := range slices.Concat(heap.regions, heap.sparse.regions) {
			unmap(r.base, r.size)
		}
		heap.regionSet, heap.sparse = old, oldSparse
	})
}

func alloc(t *testing.T, size uintptr) unsafe.Pointer {
	p, err := Alloc(size)
	require.NoError(t, err)
	return p
}

// allocMany returns blocks that lie side by side, the lowest first.
func allocMany(t *testing.T, size uintptr, n int) []unsafe.Pointer {
	var all []unsafe.Pointer
	for i := range n {
		p := alloc(t, size)
		if i > 0 {
			require.Equal(t, unsafe.Add(all[0], uintptr(i)*size), p, "not the lowest address")
		}
		all = append(all, p)
	}
	return all
}

const perMax = MaxBlock / MinBlock

// whole is the counts of free blocks in a region of which nothing is in use.
func whole(r *region) (has [orders]int) {
	has[r.top()] = int(r.opened >> (r.top() + minShift))
	return has
}

// Buddies become one block in whatever order they are freed, and what is left free
// beside a block in use is as large as can be.
func TestJoin_BuddiesBecomeOneBlock(t *testing.T) {
	freshHeap(t)
	p := alloc(t, MinBlock)
	join(p, MinBlock)
	r := heap.regions[0]
	require.Equal(t, whole(r), r.has)

	inOrder := make([]int, perMax)
	for i := range inOrder {
		inOrder[i] = i
	}
	down := slices.Clone(inOrder)
	slices.Reverse(down)
	orderings := [][]int{inOrder, down}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		orderings = append(orderings, rnd.Perm(perMax))
	}
	for _, ordering := range orderings {
		all := allocMany(t, MinBlock, perMax)
		require.Equal(t, p, all[0])
		want := whole(r)
		want[orders-1]--
		require.Equal(t, want, r.has)
		for n, i := range ordering {
			if n == perMax-1 {
				for o := range orders - 1 { // one of each size beside the last one
					want[o]++
				}
				require.Equal(t, want, r.has)
			}
			join(all[i], MinBlock)
		}
		require.Equal(t, whole(r), r.has, "freed in the order %v", ordering)
		require.Equal(t, p, alloc(t, MaxBlock), "not the lowest address")
		join(p, MaxBlock)
		require.Equal(t, whole(r), r.has)
	}
	require.Len(t, heap.regions, 1)
}

// Blocks of different sizes join, each with its own buddy.
func TestJoin_Sizes(t *testing.T) {
	freshHeap(t)
	for range 3 {
		// The block is cut as 1 1 2 4 8 16, from the lowest address.
		first := alloc(t, MinBlock)
		blocks := []block{{first, MinBlock}}
		for size := uintptr(MinBlock); size < MaxBlock; size *= 2 {
			p := alloc(t, size)
			require.Equal(t, unsafe.Add(first, size), p)
			blocks = append(blocks, block{p, size})
		}
		r := heap.regions[0]
		want := whole(r)
		want[orders-1]--
		require.Equal(t, want, r.has)
		for i, b := range blocks[1:] { // the largest last: none has its buddy free
			join(b.p, b.size)
			want[i]++
			require.Equal(t, want, r.has)
		}
		join(first, MinBlock) // and now all do
		require.Equal(t, whole(r), r.has)
	}
	require.Len(t, heap.regions, 1)
}

// Neighbors that are not buddies stay two blocks: one of twice the size would not be
// aligned to it.
func TestJoin_NeighborsAreNotBuddies(t *testing.T) {
	freshHeap(t)
	all := allocMany(t, MinBlock, perMax)
	r := heap.regions[0]
	join(all[1], MinBlock)
	join(all[2], MinBlock)
	require.Equal(t, [orders]int{0: 2, orders - 1: int(r.opened/MaxBlock) - 1}, r.has)
	join(all[3], MinBlock) // the buddy of 2
	require.Equal(t, [orders]int{0: 1, 1: 1, orders - 1: int(r.opened/MaxBlock) - 1}, r.has)
	require.Equal(t, all[2], alloc(t, 2*MinBlock))
	require.Equal(t, all[1], alloc(t, MinBlock))
}

// What is freed in a lower region is found again, before anything above it is taken.
func TestJoin_LowersHint(t *testing.T) {
	for size := uintptr(MinBlock); size <= MaxBlock; size *= 2 {
		freshHeap(t)
		all := allocMany(t, size, int(maxRegion/size))
		above := alloc(t, size)
		require.Len(t, heap.regions, 2)
		require.Equal(t, above, heap.regions[1].base)
		for _, i := range []int{0, len(all) - 1, len(all) / 2, 7} {
			join(all[i], size)
			require.Equal(t, all[i], alloc(t, size), "size %d: what is free in the lower region is forgotten", size)
			// A block of the upper region does not hide it either.
			join(all[i], size)
			join(above, size)
			require.Equal(t, all[i], alloc(t, size))
			require.Equal(t, above, alloc(t, size))
		}
	}
}

// A block that was joined is found as the one that it became, and the rest of one that
// was cut as what it is.
func TestJoin_LowersHintOfOtherSizes(t *testing.T) {
	freshHeap(t)
	all := allocMany(t, MaxBlock, maxRegion/MaxBlock)
	above := alloc(t, MaxBlock)
	join(above, MaxBlock)
	require.Len(t, heap.regions, 2)
	// No piece is free anywhere, and the upper region is whole.
	join(all[5], MaxBlock)
	pieces := allocMany(t, MinBlock, perMax)
	require.Equal(t, all[5], pieces[0], "the lower region's block is forgotten")
	require.Equal(t, whole(heap.regions[1]), heap.regions[1].has, "a second block was cut for what was left of the first")
	// Freed in pieces it is whole again, and found before those of the upper region, to
	// which the hint has moved on.
	require.Equal(t, above, alloc(t, MaxBlock))
	for _, p := range pieces {
		join(p, MinBlock)
	}
	require.Equal(t, all[5], alloc(t, MaxBlock), "what the pieces became is forgotten")
	for _, p := range append(all, above) {
		join(p, MaxBlock)
	}
	require.Equal(t, whole(heap.regions[0]), heap.regions[0].has)
	require.Equal(t, whole(heap.regions[1]), heap.regions[1].has)
}

// However often all is freed and allocated in other sizes, the address space is enough.
func TestJoin_AddressSpaceIsReused(t *testing.T) {
	freshHeap(t)
	for round := range 4 * orders {
		size := uintptr(MinBlock) << (round * 5 % orders)
		all := allocMany(t, size, int(maxRegion/size))
		for _, i := range rand.New(rand.NewPCG(uint64(round), 1)).Perm(len(all)) {
			join(all[i], size)
		}
		require.Len(t, heap.regions, 1)
		require.Equal(t, whole(heap.regions[0]), heap.regions[0].has)
	}
}

func TestJoin_Misuse(t *testing.T) {
	freshHeap(t)
	p := alloc(t, MinBlock)
	join(p, MinBlock)
	alloc(t, MinBlock)
	buddy := alloc(t, MinBlock)
	join(buddy, MinBlock)
	require.PanicsWithValue(t, "pages: freed a block twice", func() { join(buddy, MinBlock) })
	require.PanicsWithValue(t, "pages: freed a block that was never allocated", func() {
		join(unsafe.Add(p, maxRegion), MinBlock)
	})
}

// A block is freed once, also if it is a part of a larger one by now.
func TestFree_Twice(t *testing.T) {
	freshHeap(t)
	for _, size := range []uintptr{MinBlock, 4 * MinBlock, MaxBlock} {
		p, err := Alloc(size)
		if err != nil {
			t.Fatal(err)
		}
		join(p, size)
		for range 2 {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%d bytes: nobody noticed", size)
					}
				}()
				join(p, size)
			}()
		}
	}
}

// Sparse blocks lie in regions of their own, and go back to them.
func TestSparse_InRegionsOfTheirOwn(t *testing.T) {
	freshHeap(t)
	first, dense := alloc(t, MinBlock), alloc(t, MinBlock)
	var sparse []unsafe.Pointer
	for range perMax {
		p, err := AllocSparse(MinBlock)
		require.NoError(t, err)
		written(t, p, MinBlock)
		sparse = append(sparse, p)
	}
	require.Len(t, heap.regions, 1)
	require.Len(t, heap.sparse.regions, 1)
	r := heap.sparse.regions[0]
	for i, p := range sparse {
		require.Equal(t, unsafe.Add(r.base, uintptr(i)*MinBlock), p)
	}
	join(dense, MinBlock)
	join(sparse[1], MinBlock)
	require.Equal(t, dense, alloc(t, MinBlock))
	again, err := AllocSparse(MinBlock)
	require.NoError(t, err)
	require.Equal(t, sparse[1], again)
	for _, p := range sparse {
		join(p, MinBlock)
	}
	require.Equal(t, whole(r), r.has)
	require.PanicsWithValue(t, "pages: freed a block twice", func() { join(sparse[0], MinBlock) })
	join(first, MinBlock)
	join(dense, MinBlock)
	require.Equal(t, whole(heap.regions[0]), heap.regions[0].has)
}

// written fills a block, and requires that it was zero.
func written(t *testing.T, p unsafe.Pointer, size uintptr) {
	for i, x := range (block{p, size}).bytes() {
		if x != 0 {
			t.Fatalf("byte %d of %d is not zero", i, size)
		}
	}
	for i := range (block{p, size}).bytes() {
		*(*byte)(unsafe.Add(p, i)) = 7
	}
}
