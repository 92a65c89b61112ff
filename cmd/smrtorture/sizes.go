package main

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smrmap"
)

// sizes is a cache full of small values that now and then gets a value of another size. To store it
// the cache must evict, but no more than needed.
type sizes struct{}

const (
	sizesBudget = 8 << 20
	sizesSlab   = 64 << 10 // the least that is taken from one size for another,
	sizesBlocks = 20       // or, for larger values, memory for as many blocks
)

func (sizes) join(r *rig) {
	dom := r.domain("sizes", nil)
	budget := r.budget("sizes", sizesBudget, sizesBudget/forcedShare)
	m, err := smrmap.NewBytes(smrmap.Options{Domain: dom, Budget: budget.Budget})
	if err != nil {
		panic(err)
	}
	r.after(func() { r.faults.within("Close of the sizes", m.Close) })
	sz := &sizing{m: m, rng: r.rand("sizes"), faults: &r.faults}
	strangers := r.counter("values of other sizes")
	r.start("sizes", func(ctx context.Context, p *pulse) {
		for ctx.Err() == nil {
			r.gate.pass()
			sz.fill(p)
			budget.look()
			if sz.stranger() {
				strangers.Add(1)
			}
			r.writes.updates.Add(1)
			p.beat()
		}
	})
}

type sizing struct {
	m      *smrmap.Bytes
	rng    *rand.Rand
	faults *faults
	next   uint64
	key    []byte // scratch
}

func (sz *sizing) nextKey() []byte {
	sz.next++
	sz.key = binary.LittleEndian.AppendUint64(sz.key[:0], sz.next)
	return sz.key
}

// fill stores small values until there is no memory for any more.
func (sz *sizing) fill(p *pulse) {
	for {
		key := sz.nextKey()
		switch err := sz.m.Store(key, key[:8]); {
		case errors.Is(err, slab.ErrNoMemory):
			return
		case err != nil:
			sz.faults.add(faultMap, "a store of 8 bytes: %v", err)
			return
		}
		if sz.next%64 == 0 {
			p.beat()
		}
	}
}

// stranger stores one value of another size. It reports whether all is well.
func (sz *sizing) stranger() bool {
	size := 64 << sz.rng.IntN(12)
	size += sz.rng.IntN(size)
	before := sz.m.Len()
	key := sz.nextKey()
	// Not given up when the scenario ends: a refused store has evicted in vain.
	if err := press(context.Background(), sz.m, key, smrmap.Item{Value: make([]byte, size)}); err != nil {
		sz.faults.add(faultMap, "a store of %d bytes to a cache of %d small entries: %v", size, before, err)
		return false
	}
	ok := sz.compare(before, sz.m.Len(), size)
	sz.m.Delete(key)
	return ok
}

// compare checks how many small entries were evicted for one of the given size.
func (sz *sizing) compare(before, after, size int) bool {
	slab := max(sizesSlab, sizesBlocks*size)
	if size > sizesSlab { // a block of its own
		slab = size
	}
	needed := size + 6*slab // more than a slab, as entries are evicted from many
	if lost := before + 1 - after; int64(lost) > int64(before)*int64(needed)/sizesBudget {
		sz.faults.add(faultMemory, "%d of %d small entries were evicted for a value of %d bytes", lost, before, size)
		return false
	}
	return true
}

// press stores an item in a cache, and evicts others if it needs room.
func press(ctx context.Context, m *smrmap.Bytes, key []byte, it smrmap.Item) error {
	return m.StoreEvicting(ctx, key, it)
}
