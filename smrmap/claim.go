package smrmap

import (
	"slices"

	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// Claims keep other writers from a key after the function of Compute has returned a large value for
// it, until the value is in the map. Allocating, faulting in and copying it takes up to seconds,
// too long to keep the bucket locked.
//
// A key is claimed with its bucket locked. Later holders of that lock, or of its successor's in the
// next table, check for claims before they search for the key: one load while there are none. A
// writer of the key waits. A walk that deletes entries leaves the claimed ones. A move takes the
// entry along: its place changes, and the entry does not.
type claims struct {
	// n is the length of list. Written under mu, and when it grows also with the bucket of the
	// claimed key locked; read with a bucket locked. That lock orders the two.
	n satomic.Int64

	mu   ssync.Mutex
	list []*claim
}

// A claim is on all keys whose hash has the given high half; two keys share it once in 2^32.
type claim struct {
	hash uint32
	done chan struct{} // closed when the claim is dropped
}

// add claims a key that is not claimed. The bucket is locked.
func (c *claims) add(hash uint32) *claim {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := &claim{hash, make(chan struct{})}
	c.list = append(c.list, cl)
	c.n.Store(int64(len(c.list)))
	return cl
}

// on returns the claim on a key whose bucket is locked, nil if there is none.
func (c *claims) on(hash uint32) *claim {
	if c.n.Load() == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cl := range c.list {
		if cl.hash == hash {
			return cl
		}
	}
	return nil
}

// drop ends a claim, and wakes all that wait for it.
func (c *claims) drop(cl *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = slices.DeleteFunc(c.list, func(other *claim) bool { return other == cl })
	c.n.Store(int64(len(c.list)))
	sched.Wakes()
	close(cl.done)
}

// lock is [core.lock] that waits while the key is claimed.
func (m *Bytes) lock(h uint64) (*table, *bucket) {
	for {
		t, root := m.c.lock(h)
		cl := m.claims.on(uint32(h >> 32))
		if cl == nil {
			return t, root
		}
		m.c.release(root)
		<-cl.done
	}
}
