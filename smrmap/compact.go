package smrmap

import (
	"context"
	"unsafe"
)

// Compact gives the memory of one slab back to the budget: for a writer of an item for
// which there is room only among entries of other sizes, or after the limit of the budget
// was lowered. Of the sizes other than that of the item it takes the one that wastes most,
// or uses most; moves the entries of one slab to others, as long as there is room, and
// evicts those for which there is none, as [Bytes.Evict] does. size is the length of the
// item's key and value; 0 if memory is wanted for something else.
//
// It returns how many bytes went back, 0 if none could. Entries above 64 KiB are in no slab,
// and stay. It waits for readers, with the errors of [smr.Domain.Barrier], and must not be
// called inside a section. Idea: the slab rebalancer of memcached.
//
// Cost: some hundred microseconds, for slabs of 64 KiB.
func (m *Bytes) Compact(ctx context.Context, size int) (released int64, err error) {
	n := int(headerSize) + size
	if size <= 0 {
		n = -1
	}
	return m.blocks.Evacuate(ctx, n, func(block []byte) { m.vacate(block, m.spared) })
}

// vacate moves an entry out of a block, if there is one; where there is no room for it, it
// deletes it, unless it is spared.
//
// Whether there is one says the bucket that the block's hash leads to. It is locked, and
// so, if it has the block, nobody else changes or retires it. What is read of a block
// that is nobody's, or on its way into the map, may be anything: then no bucket has it,
// or not yet.
func (m *Bytes) vacate(block []byte, spared func(*header) bool) {
	e := (*header)(unsafe.Pointer(unsafe.SliceData(block)))
	now := m.now() // of the user's, who must not be called with the bucket locked
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
		fresh = m.blocks.GetFree(e.size())
	}
	if fresh == nil && !gone && (spared(e) || m.claims.on(e.hash) != nil) {
		m.c.release(root) // a claimed one is being replaced
		return
	}
	if fresh != nil {
		// The hash is read again, since the entry may be another one than it was of.
		to := fill(fresh, uint64(e.hash)<<32, e.key(), e.item())
		to.used.Store(e.used.Load())
		m.c.commit(UpdateOp, t, root, p, h, to.ref())
	} else {
		m.c.commit(DeleteOp, t, root, p, h, nil)
	}
	m.retire(e)
	switch {
	case fresh != nil:
	case gone:
		m.expired.Add(1)
	default:
		m.evicted.Add(1)
	}
}

// peekHash reads the hash of what may be nobody's entry. The race detector is not told,
// since whoever the block is given to may be writing it.
//
//go:norace
func (e *header) peekHash() uint32 { return e.hash }

// placeOf returns the place of a given entry in a locked chain, none if it is not there.
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
