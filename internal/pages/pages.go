// Package pages provides memory off the Go heap: blocks of 64 KiB to 2 MiB, aligned to their
// size, and large ones of any size.
//
// Blocks are buddies (Knowlton 1965), cut in halves from reservations of address space, the
// lowest address first, so that all users in the process share their huge pages. [Free] gives a
// block's memory back to the system and keeps its address, which reads as zeros and is given out
// again. So an optimistic reader can read memory that was freed under it, detect that, and start
// over. (Under -tags invariants, which builds without optimistic readers, freed blocks fault for
// a while.) Large blocks are unmapped.
//
// A sparse block is one of which little is touched at first. It has no huge pages: so only the pages
// that are touched take memory, and ten thousand of them do not take what is between them.
//
// # A system that has little to give
//
// A reservation can't be touched and costs only addresses. It is opened from its start, one
// [MaxBlock] at a time, as blocks are needed. So locked memory (mlockall) and commit charge
// (strict overcommit) follow what is in use. The first reservation is one MaxBlock, and each
// later one is twice as large as the last, up to a limit. If the system refuses (RLIMIT_AS,
// RLIMIT_MEMLOCK, overcommit), half of that is tried, and so on down to the wanted block's size.
//
// # Giving back never fails
//
// The system may refuse to unmap or protect part of a mapping. That splits the mapping, and a
// process has at most vm.max_map_count of them. (The kernel merges neighbors, so a block that
// was mapped by itself can be part of a larger mapping when it is freed.) Then the memory goes
// back and the addresses stay with this package, for the next large block or until they can be
// unmapped.
//
// On systems without mmap, and under the race detector, which ignores synchronization in memory
// that is not Go's, blocks are Go memory without pointers, and are kept for reuse.
package pages

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"unsafe"
)

// MinBlock and MaxBlock bound the size of a block, in bytes.
const (
	MinBlock = 1 << minShift
	MaxBlock = 1 << maxShift
)

const (
	minShift = 16
	maxShift = 21 // a huge page, where there are any
	orders   = maxShift - minShift + 1
)

// ErrNoMemory is wrapped by the errors for a system that refuses.
var ErrNoMemory = errors.New("the system has no memory to give")

// Alloc returns a block of size bytes, zeroed and aligned to its size, which is a power of two
// from MinBlock to MaxBlock.
func Alloc(size uintptr) (unsafe.Pointer, error) { return heap.alloc(size) }

// AllocSparse is Alloc of a sparse block. Where [Sparse] is false it takes memory as any other.
func AllocSparse(size uintptr) (unsafe.Pointer, error) { return heap.sparse.alloc(size) }

// Sparse says that pages of a block that were not touched take no memory.
const Sparse = !onGoHeap

func (s *regionSet) alloc(size uintptr) (unsafe.Pointer, error) {
	if size < MinBlock || size > MaxBlock || size&(size-1) != 0 {
		panic("pages: no such block size")
	}
	if onGoHeap {
		return allocGo(size)
	}
	heap.mu.Lock()
	defer heap.mu.Unlock()
	order := orderOf(size)
	for {
		if p := s.takeLocked(order); p != nil {
			return p, nil
		}
		if err := s.growLocked(size); err != nil {
			return nil, err
		}
	}
}

func orderOf(size uintptr) int { return bits.TrailingZeros64(uint64(size)) - minShift }

// Free gives the memory of a block of Alloc back to the system.
func Free(p unsafe.Pointer, size uintptr) {
	if onGoHeap {
		freeGo(p, size, false)
		return
	}
	decommit(p, size)
	for _, b := range quarantine(p, size) {
		join(b.p, b.size)
	}
}

// AllocLarge returns size bytes, zeroed and aligned to a page. The caller has rounded size up
// with [RoundLarge].
func AllocLarge(size uintptr) (unsafe.Pointer, error) {
	if size > math.MaxInt { // no slice is so long
		return nil, fmt.Errorf("%w: %d bytes", ErrNoMemory, size)
	}
	if onGoHeap {
		return allocGo(size)
	}
	return mapLarge(size)
}

// FreeLarge gives a block of AllocLarge back to the system.
func FreeLarge(p unsafe.Pointer, size uintptr) {
	if onGoHeap {
		freeGo(p, size, true)
		return
	}
	unmap(p, size)
}

// RoundLarge returns the size of a large block that holds size bytes. If none can, it returns
// the largest size there is, which AllocLarge refuses.
func RoundLarge(size uintptr) uintptr {
	const last = ^uintptr(0) &^ (largeUnit - 1)
	return (min(size, last) + largeUnit - 1) &^ (largeUnit - 1)
}

// largeUnit is at least a page everywhere.
const largeUnit = 64 << 10

type block struct {
	p    unsafe.Pointer
	size uintptr
}

func (b block) bytes() []byte { return unsafe.Slice((*byte)(b.p), b.size) }
