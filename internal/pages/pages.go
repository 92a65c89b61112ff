// Package pages is where memory off the Go heap comes from: blocks of 64 KiB to
// 2 MiB, aligned to their size, and large ones of any size.
//
// Blocks are cut in halves from reservations of address space, as buddies
// (Knowlton 1965), the lowest address first, so that all users of the process
// share their huge pages. [Free] gives a block's memory back to the system and
// keeps its address: it can be read at any time, as zeros, and is given out
// again. That is what lets an optimistic reader look at memory that was freed
// under it, find out, and start over. (Under -tags invariants, where nobody is
// optimistic, freed blocks fault for a while.) Large blocks are unmapped.
//
// # A system that has little to give
//
// A reservation can't be touched, and costs nothing but its addresses. It is opened
// [MaxBlock] by MaxBlock, from its start, as blocks are needed: locked memory
// (mlockall) and commit charge (strict overcommit) follow what is in use. The first
// reservation is one MaxBlock, each later one is twice as large as the last, up to a
// limit; where the system refuses (RLIMIT_AS, RLIMIT_MEMLOCK, overcommit), half of
// that is tried, and so on down to the size of the block that is wanted.
//
// # Giving back never fails
//
// The system may refuse to take memory back: to unmap or protect a part of a
// mapping splits it, and a process has no more than vm.max_map_count mappings. (The
// kernel merges neighbors, so a block that was mapped by itself can be a part of a
// larger mapping when it is freed.) Then the memory goes back, the addresses stay
// with this package, and the next large block is put there, or they are unmapped
// later.
//
// Where the system has no mmap, and under the race detector (which takes no notice
// of synchronization in memory that is not Go's), blocks are Go memory without
// pointers, and are kept for reuse.
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

// ErrNoMemory is returned when the system refuses.
var ErrNoMemory = errors.New("the system has no memory to give")

// Alloc returns a block of size bytes, zeroed and aligned to its size, which is a
// power of two from MinBlock to MaxBlock.
func Alloc(size uintptr) (unsafe.Pointer, error) {
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
		if p := takeLocked(order); p != nil {
			return p, nil
		}
		if err := growLocked(size); err != nil {
			return nil, err
		}
	}
}

// orderOf returns the order of blocks of size bytes.
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

// AllocLarge returns size bytes, zeroed and aligned to a page. size is rounded up
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

// FreeLarge gives what AllocLarge returned back to the system.
func FreeLarge(p unsafe.Pointer, size uintptr) {
	if onGoHeap {
		freeGo(p, size, true)
		return
	}
	unmap(p, size)
}

// RoundLarge returns the size of a large block that holds size bytes, or, where there
// can be none, the largest size there is, which AllocLarge refuses.
func RoundLarge(size uintptr) uintptr {
	const last = ^uintptr(0) &^ (largeUnit - 1)
	return (min(size, last) + largeUnit - 1) &^ (largeUnit - 1)
}

// largeUnit is at least a page everywhere.
const largeUnit = 64 << 10

// A block is an address and a size.
type block struct {
	p    unsafe.Pointer
	size uintptr
}

func (b block) bytes() []byte { return unsafe.Slice((*byte)(b.p), b.size) }
