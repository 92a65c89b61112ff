// Package buffer lends the byte buffers that connections read into and write
// from. A connection holds one only while there is something in it, so thousands
// of idle connections hold none.
package buffer

import (
	"math/bits"
	"sync"
)

// Base is the size of the smallest buffer, which every connection at work has
// for reading and another for writing: large enough for a pipeline of small
// commands in one system call, and what Redis reads at once.
const Base = 16 << 10

// Sizes from Base to maxPooled, each twice the one before, are pooled. Larger
// ones are made for the occasion: few are needed at once, and a pool of them
// would keep for itself what the collector could give back.
const (
	maxPooled = 1 << 20
	classes   = 7
)

// A Buffer is a byte slice on loan. The holder may change B but not what it
// points to.
type Buffer struct {
	B     []byte
	class int // index into pools; -1: not pooled
}

var pools [classes]sync.Pool

// Get returns an empty buffer with room for n bytes.
func Get(n int) *Buffer {
	class := classOf(n)
	if class < 0 {
		return &Buffer{B: make([]byte, 0, n), class: -1}
	}
	if b, ok := pools[class].Get().(*Buffer); ok {
		return b
	}
	return &Buffer{B: make([]byte, 0, Base<<class), class: class}
}

// Put gives b back. Nobody may use it, or what was in it, any more.
func Put(b *Buffer) {
	if b.class < 0 {
		return
	}
	b.B = b.B[:0]
	pools[b.class].Put(b)
}

// Size returns how large a buffer Get(n) returns.
func Size(n int) int {
	if class := classOf(n); class >= 0 {
		return Base << class
	}
	return n
}

func classOf(n int) int {
	if n <= Base {
		return 0
	}
	if n > maxPooled {
		return -1
	}
	return bits.Len(uint(n-1) / Base)
}
