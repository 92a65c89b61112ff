// Package buffer lends the byte buffers that connections read into and write
// from. A connection holds one only while there is something in it, so thousands
// of idle connections hold none.
//
// Buffers lie off the Go heap, in memory of package slab: what a flood of clients made
// the server take goes back to the system as the clients go, without a collection.
package buffer

import (
	"context"
	"math/bits"
	"sync"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// Base is the size of the smallest buffer, which every connection at work has
// for reading and another for writing: large enough for a pipeline of small
// commands in one system call, and what Redis reads at once.
const Base = 16 << 10

const (
	// Sizes up to maxDoubled are each twice the one before.
	maxDoubled = 1 << 20

	// Of the sizes from firstKept, which are mappings of their own, to maxDoubled a few
	// are kept, for who comes next: a mapping costs as much as copying its bytes.
	firstKept   = 128 << 10
	keptClasses = 4
	keptOfClass = 4
)

// A Buffer is a byte slice on loan. The holder may change B but not what it
// points to.
type Buffer struct {
	B     []byte
	block []byte // nil: B is Go's, since the system had no memory
}

// A Pool is where buffers come from. Its methods may be called by any number of goroutines.
// Those of a nil Pool are Go's, and left to the collector.
type Pool struct {
	blocks *slab.Blocks
	loose  sync.Pool // *Buffer, without memory
	kept   [keptClasses]chan []byte
}

// NewPool returns a pool. The domain must be closed after it.
func NewPool(dom *smr.Domain) *Pool {
	p := &Pool{blocks: slab.NewBlocks(dom, slab.Options{Name: "buffers"})}
	for i := range p.kept {
		p.kept[i] = make(chan []byte, keptOfClass)
	}
	return p
}

// Get returns an empty buffer with room for n bytes, whose capacity is Size(n).
func (p *Pool) Get(n int) *Buffer {
	if p == nil {
		return &Buffer{B: make([]byte, 0, Size(n))}
	}
	b, ok := p.loose.Get().(*Buffer)
	if !ok {
		b = new(Buffer)
	}
	size := Size(n)
	if b.block = p.get(size); b.block == nil {
		b.B = make([]byte, 0, size) // or the program ends, as for all memory that Go has not
	} else {
		b.B = b.block[:0:size]
	}
	return b
}

// get returns a block of a buffer's size, nil if the system has no memory.
func (p *Pool) get(size int) []byte {
	if k := p.keptOf(size); k != nil {
		select {
		case block := <-k:
			return block
		default:
		}
	}
	block, err := p.blocks.Get(size)
	if err != nil {
		return nil
	}
	return block[:cap(block)]
}

// Put gives b back. Nobody may use it, or what was in it, any more: the memory may be gone.
func (p *Pool) Put(b *Buffer) {
	if p == nil {
		return
	}
	block := b.block
	b.B, b.block = nil, nil
	p.loose.Put(b)
	if block == nil {
		return
	}
	if k := p.keptOf(len(block)); k != nil {
		select {
		case k <- block:
			return
		default:
		}
	}
	p.blocks.Free(block)
}

// keptOf returns those that are kept of a size, nil if none are.
func (p *Pool) keptOf(size int) chan []byte {
	if size < firstKept || size > maxDoubled {
		return nil
	}
	return p.kept[bits.Len(uint(size/firstKept))-1]
}

// Bytes returns how much the pool has taken from the system.
func (p *Pool) Bytes() int64 { return p.blocks.Stats().ReservedBytes }

// Close gives the memory back. It returns an error if some buffers were not.
func (p *Pool) Close(ctx context.Context) error {
	for _, k := range p.kept {
		for len(k) > 0 {
			p.blocks.Free(<-k)
		}
	}
	return p.blocks.Close(ctx)
}

// Size returns how large a buffer Get(n) returns.
func Size(n int) int {
	switch {
	case n <= Base:
		return Base
	case n <= maxDoubled:
		return Base << bits.Len(uint(n-1)/Base)
	}
	return slab.BlockSize(n)
}
