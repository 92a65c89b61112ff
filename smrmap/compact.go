package smrmap

import (
	"context"
	"unsafe"

	"github.com/gosmr/gosmr/internal/compaction"
)

// CompactFor gives the memory of one slab back to the budget. With a size above 0 that is for an item
// of so many bytes, key and value, and the slab is one of entries of another size; with 0 it is for
// any use, as after the limit of the budget was lowered. It picks the size of entries that wastes most,
// or uses most. It moves the entries of one slab to others while there is room, and evicts the rest,
// as [Bytes.EvictBytes] does.
//
// It returns how many bytes went back, 0 if none could. Entries above 64 KiB, and samples of a
// Quarantine, are in no slab, and stay: call [Bytes.EvictBytes] for such entries. It waits for readers,
// with the errors of [smr.Domain.Barrier] (those of a closed domain wrap [ErrClosed]), and must not be
// called inside a section. Idea: the slab rebalancer of memcached.
//
// Cost: some hundred microseconds, for slabs of 64 KiB.
func (m *Bytes) CompactFor(ctx context.Context, size int) (released int64, err error) {
	m.dom.CheckMayWait("smrmap: CompactFor")
	n := int(headerSize) + size
	if size <= 0 {
		n = -1
	}
	released, err = compaction.Of(m.blocks).Evacuate(ctx, n, func(block []byte) { m.vacate(block, m.spared) })
	return released, orClosed(err)
}

// vacate moves the entry of a block elsewhere, if the block has one. Where there is no room, it
// deletes the entry, unless that is spared.
//
// The chain that the block's hash leads to tells whether there is an entry. It is locked, so an
// entry found there is not changed or retired meanwhile. The hash of a block that is free, or on
// its way into the map, may be anything: no chain has the block.
func (m *Bytes) vacate(block []byte, spared func(*header) bool) {
	e := (*header)(unsafe.Pointer(unsafe.SliceData(block)))
	now := m.now() // not with the chain locked: it is the user's
	h := uint64(e.peekHash()) << 32
	t, root := m.c.lock(h)
	p := t.placeOf(root, e.ref())
	if p.b == nil {
		m.c.release(root)
		return
	}
	gone := e.expiredAt(now)
	var fresh []byte
	if !gone {
		fresh = compaction.Of(m.blocks).GetFree(e.size())
	}
	switch {
	case fresh != nil:
		// Read the hash again: the one that led here may have been an earlier entry's.
		to := fill(fresh, uint64(e.hash)<<32, e.key(), e.item(), e.used.Load())
		m.c.commit(UpdateOp, t, root, p, h, to.ref())
	case gone:
		m.c.commit(DeleteOp, t, root, p, h, nil)
		m.met(e)
	case spared(e) || m.claims.on(e.hash) != nil: // a claimed one is being replaced
		m.c.release(root)
		return
	default:
		m.c.commit(DeleteOp, t, root, p, h, nil)
		m.evicted.Add(1)
		m.removed(e, true)
	}
	m.retire(e)
}

// peekHash reads the hash of a block that may hold no entry, or one that is being written. The race
// detector is not told.
//
//go:norace
func (e *header) peekHash() uint32 { return e.hash }

// placeOf returns the place of entry e in a locked chain, zero if it is not there.
func (t *table) placeOf(b *bucket, e ref) place {
	for ; b != nil; b = t.after(b) {
		for i := range b.slots {
			if b.slots[i].Load() == e {
				return place{b, i}
			}
		}
	}
	return place{}
}
