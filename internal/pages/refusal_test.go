//go:build unix && !race

package pages

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// refusing has the system refuse where a function says so, until the test ends: mmap by
// size, the others by address.
type refusing struct {
	mmap     func(size uintptr) bool
	munmap   func(b block) bool
	mprotect func(b block, prot int) bool
	madvise  func(b block, advice int) bool
}

func refuse(t *testing.T, r *refusing) {
	if onGoHeap {
		t.Skip("no system is asked in this build")
	}
	old := system
	t.Cleanup(func() { system = old })
	system.mmap = func(size uintptr, prot, flags int) (unsafe.Pointer, error) {
		if r.mmap != nil && r.mmap(size) {
			return nil, unix.ENOMEM
		}
		return old.mmap(size, prot, flags)
	}
	system.munmap = func(p unsafe.Pointer, size uintptr) error {
		if r.munmap != nil && r.munmap(block{p, size}) {
			return unix.ENOMEM
		}
		return old.munmap(p, size)
	}
	system.mprotect = func(mem []byte, prot int) error {
		if r.mprotect != nil && r.mprotect(block{unsafe.Pointer(unsafe.SliceData(mem)), uintptr(len(mem))}, prot) {
			return unix.ENOMEM
		}
		return old.mprotect(mem, prot)
	}
	system.madvise = func(mem []byte, advice int) error {
		if r.madvise != nil && r.madvise(block{unsafe.Pointer(unsafe.SliceData(mem)), uintptr(len(mem))}, advice) {
			return unix.EINVAL
		}
		return old.madvise(mem, advice)
	}
}

// freshKept gives the test a list of kept ranges of its own.
func freshKept(t *testing.T) {
	old := kept.ranges
	kept.ranges = nil
	t.Cleanup(func() { kept.ranges = append(kept.ranges, old...) })
}

const large = 10 * largeUnit

func allocLarge(t *testing.T, size uintptr) unsafe.Pointer {
	p, err := AllocLarge(size)
	require.NoError(t, err)
	return p
}

// A kept range that is too small is passed over for one behind it.
func TestAllocLarge_PassesOverSmallerKept(t *testing.T) {
	freshKept(t)
	refuse(t, &refusing{munmap: func(block) bool { return true }})
	small, p := allocLarge(t, large/2), allocLarge(t, large)
	FreeLarge(small, large/2)
	FreeLarge(p, large)
	require.Equal(t, p, allocLarge(t, large))
}

// What the system does not take back is the next large block, whole or in parts.
func TestFreeLarge_KeptRangeIsReused(t *testing.T) {
	freshKept(t)
	refuse(t, &refusing{munmap: func(block) bool { return true }})
	p := allocLarge(t, large)
	written(t, p, large)
	FreeLarge(p, large)
	require.Len(t, kept.ranges, 1)

	require.Equal(t, p, allocLarge(t, large), "the whole of it")
	require.Empty(t, kept.ranges)
	written(t, p, large)
	FreeLarge(p, large)

	part := allocLarge(t, large/2)
	require.Equal(t, p, part, "a part of it")
	written(t, part, large/2)
	beyond := allocLarge(t, large)
	require.NotEqual(t, p, beyond, "what is left is too small")
	rest := allocLarge(t, large/2)
	require.Equal(t, unsafe.Add(p, large/2), rest, "the rest of it")
	written(t, rest, large/2)
	require.Empty(t, kept.ranges)
}

// What the system did not take back goes back when it does.
func TestFreeLarge_KeptRangesGoLater(t *testing.T) {
	freshKept(t)
	refused := true
	refuse(t, &refusing{munmap: func(block) bool { return refused }})
	const n = 3 * keptTries
	var all [n]unsafe.Pointer
	for i := range all {
		all[i] = allocLarge(t, large)
	}
	last := allocLarge(t, large)
	for _, p := range all {
		FreeLarge(p, large)
	}
	require.Len(t, kept.ranges, n)
	refused = false
	FreeLarge(last, large)
	require.Len(t, kept.ranges, n-keptTries, "some each time")
	for range n/keptTries - 1 {
		p, err := mapped(large, protection, 0)
		require.NoError(t, err)
		FreeLarge(p, large)
	}
	require.Empty(t, kept.ranges)
}

// One range that the system never takes back does not keep others from going.
func TestFreeLarge_OneStaysOthersGo(t *testing.T) {
	freshKept(t)
	refused := true
	r := &refusing{munmap: func(block) bool { return refused }}
	refuse(t, r)
	stays := allocLarge(t, large)
	goes := allocLarge(t, large)
	last := allocLarge(t, large)
	FreeLarge(stays, large)
	FreeLarge(goes, large)
	r.munmap = func(b block) bool { return b.p == stays }
	FreeLarge(last, large)
	require.Equal(t, []block{{stays, large}}, kept.ranges)
}

// Kept ranges have no memory, also if it is locked; at worst they are zeros.
func TestFreeLarge_KeptRangeHasNoMemory(t *testing.T) {
	freshKept(t)
	left := 0
	refuse(t, &refusing{
		munmap:  func(block) bool { return true },
		madvise: func(block, int) bool { left--; return left >= 0 },
	})
	for refusals := range 3 { // of advice: none, the first kind, all
		p := allocLarge(t, large)
		written(t, p, large)
		left = refusals
		FreeLarge(p, large)
		require.Equal(t, p, allocLarge(t, large))
		written(t, p, large)
	}
}

// A reservation that is refused is halved, down to the block that is wanted.
func TestAlloc_HalvesReservation(t *testing.T) {
	var most uintptr
	refuse(t, &refusing{mmap: func(n uintptr) bool { return n > 2*most }})
	for size := uintptr(MinBlock); size <= MaxBlock; size *= 2 {
		for most = size; most <= maxRegion; most *= 2 {
			freshHeap(t)
			p := alloc(t, size)
			require.Zero(t, uintptr(p)&(size-1))
			written(t, p, size)
			require.GreaterOrEqual(t, heap.regions[0].size, most)
			require.LessOrEqual(t, heap.regions[0].size, 2*most)
			q := alloc(t, size)
			written(t, q, size)
			join(p, size)
			join(q, size)
			for _, r := range heap.regions {
				require.Equal(t, whole(r), r.has)
			}
		}
	}
	freshHeap(t)
	most = 0
	_, err := Alloc(MinBlock)
	require.ErrorIs(t, err, ErrNoMemory)
	require.ErrorIs(t, err, unix.ENOMEM)
	require.ErrorContains(t, err, "mmap of 65536 bytes", "the least that was asked for")
}

// Blocks in regions of all sizes are given out once, join, and are found again.
func TestAlloc_RegionsOfAllSizes(t *testing.T) {
	freshHeap(t)
	most := uintptr(MinBlock)
	refuse(t, &refusing{mmap: func(n uintptr) bool { return n > most }})
	used := map[unsafe.Pointer]bool{}
	for ; most <= maxRegion; most *= 2 {
		for size := uintptr(MinBlock); size <= min(most, MaxBlock); size *= 2 {
			for range 5 {
				p, err := Alloc(size)
				if err != nil { // aligned by chance only
					continue
				}
				for o := uintptr(0); o < size; o += MinBlock {
					require.False(t, used[unsafe.Add(p, o)], "given out twice")
					used[unsafe.Add(p, o)] = true
				}
			}
		}
	}
	require.Greater(t, len(heap.regions), 5)
	for i := 1; i < len(heap.byBase); i++ {
		below := heap.byBase[i-1]
		require.LessOrEqual(t, uintptr(below.base)+below.size, uintptr(heap.byBase[i].base))
	}
	for p := range used { // in pieces, in no order
		join(p, MinBlock)
	}
	for _, r := range heap.regions {
		require.Equal(t, whole(r), r.has)
	}
}

// What is reserved is opened as it is used, MaxBlock by MaxBlock, and grows with what is
// used, twice as much each time.
func TestAlloc_OpensAsUsed(t *testing.T) {
	freshHeap(t)
	heap.next = 0
	var opened uintptr
	refuse(t, &refusing{mprotect: func(b block, prot int) bool {
		if prot == protection {
			opened += b.size
		}
		return false
	}})
	for used := uintptr(MinBlock); used <= 2*maxRegion; used += MinBlock {
		alloc(t, MinBlock)
		require.LessOrEqual(t, opened, (used+MaxBlock-1)&^(MaxBlock-1))
		var reserved uintptr
		for _, r := range heap.regions {
			reserved += r.size
		}
		require.LessOrEqual(t, reserved, max(2*(used+MaxBlock), used+maxRegion), "%d bytes are used", used)
		for _, r := range heap.partly {
			require.Less(t, r.opened, r.size, "there is nothing left to open")
		}
	}
	require.Equal(t, uintptr(2*maxRegion), opened)
}

// Where a part of a reservation can't be opened, for that splits a mapping, all of it is.
func TestAlloc_OpensAllWhereSplittingFails(t *testing.T) {
	freshHeap(t)
	refuse(t, &refusing{mprotect: func(b block, _ int) bool { return b.size < maxRegion }})
	p := alloc(t, MinBlock)
	r := heap.regions[0]
	require.Equal(t, r.size, r.opened)
	join(p, MinBlock)
	require.Equal(t, whole(r), r.has)
	require.Equal(t, uintptr(maxRegion), uintptr(r.has[orders-1])*MaxBlock)
}

// Where a MaxBlock is too much to open, the block that is wanted is opened; what could
// not be opened is tried again.
func TestAlloc_OpensLess(t *testing.T) {
	freshHeap(t)
	p := alloc(t, MaxBlock) // a region of which the rest is refused
	r := &refusing{mprotect: func(b block, prot int) bool { return prot == protection && b.size > MinBlock }}
	refuse(t, r)
	q := alloc(t, MinBlock)
	written(t, q, MinBlock)
	require.Len(t, heap.regions, 2)
	require.Equal(t, uintptr(MinBlock), heap.regions[1].size)
	_, err := Alloc(2 * MinBlock)
	require.ErrorIs(t, err, ErrNoMemory)
	require.Len(t, heap.regions, 2, "what can't be opened is no region")

	r.mprotect = nil
	next := alloc(t, MaxBlock)
	require.Equal(t, unsafe.Add(p, MaxBlock), next, "the first region goes on")
	written(t, next, MaxBlock)
}
