package main

import (
	"sync"
	"sync/atomic"
)

// A readCount is what one reader has read. Only the reader uses it until it is added to a tally.
type readCount struct {
	sections uint64
	ages     [reusable + 1]uint64 // of the elements it read
	others   uint64               // reads of what has no age, such as entries of maps
}

func (c *readCount) add(other *readCount) {
	c.sections += other.sections
	c.others += other.others
	for age, n := range other.ages {
		c.ages[age] += n
	}
}

func (c *readCount) reads() uint64 {
	sum := c.others
	for _, n := range c.ages {
		sum += n
	}
	return sum
}

// A readTally sums what all readers have read. They add to it between stints.
type readTally struct {
	mu     sync.Mutex
	byKind [numReaderKinds]readCount
}

// take adds c, and clears it.
func (t *readTally) take(kind readerKind, c *readCount) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byKind[kind].add(c)
	*c = readCount{}
}

func (t *readTally) sum() *readCount {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := new(readCount)
	for i := range t.byKind {
		sum.add(&t.byKind[i])
	}
	return sum
}

// A writeTally sums what all writers have done, except for callbacks: see shelf.
type writeTally struct {
	updates atomic.Uint64
	graces  [numWriterKinds]atomic.Uint64
}
