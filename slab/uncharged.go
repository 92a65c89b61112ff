package slab

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/smr"
)

// A large block may be filled before it counts: in the budget, and in the statistics but for the number
// of blocks in use. Its owner then charges it, before others learn of it, or frees it. It is no sample
// of the quarantine, whose memory is in the budget from the first.

// GetUncharged is [compaction.Blocks.GetUncharged].
func (b compactor) GetUncharged(n int) ([]byte, error) {
	smr.CheckMayBlock("slab: Get")
	defer runtime.KeepAlive(b.Blocks)
	if n <= maxObject {
		return b.Get(n)
	}
	if n > maxBlock {
		return nil, fmt.Errorf("%s: %w: %d bytes", b.name, ErrNoMemory, n)
	}
	l := &largeBlock{b: b.blocks, size: pages.RoundLarge(uintptr(n)), uncharged: true}
	var err error
	if l.p, err = b.budget.allocLarge(l.size); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", b.name, ErrNoMemory, err)
	}
	return b.enlist(l, n)
}

// Charge is [compaction.Blocks.Charge].
func (b compactor) Charge(block []byte) error {
	defer runtime.KeepAlive(b.Blocks)
	if cap(block) <= maxObject {
		return nil
	}
	b.mu.Lock()
	l := b.large[unsafe.Pointer(unsafe.SliceData(block))]
	b.mu.Unlock()
	if !l.uncharged {
		return nil
	}
	if err := b.reserveLarge(int64(l.size)); err != nil {
		return err
	}
	b.mu.Lock()
	l.uncharged = false
	b.stats.InUseBytes += int64(l.size)
	b.stats.ReservedBytes += int64(l.size)
	b.mu.Unlock()
	return nil
}
