package smrmap

import (
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// Claims keep others from writing to a key from the moment when the function of Compute has
// returned a large value for it until the value is in the map: to allocate, fault in and copy it
// takes up to seconds, and the bucket is not locked for so long.
//
// A key is claimed with its bucket locked. The next to lock that bucket, or what became of it in
// the next table, checks for claims before it searches the key: one load while there are none. A
// writer of the key waits. One that goes through buckets to delete entries leaves the claimed one
// out. A move takes the entry along: its place changes, and the entry does not.
type claims struct {
	// n is the length of list. Written under mu, and when it goes up with the bucket of the
	// claimed key locked too; read with a bucket locked. That lock orders the two.
	n satomic.Int64

	mu   ssync.Mutex
	list []*claim
}

// A claim is on all keys whose hash has the given high half; two keys share it once in 2^32.
type claim struct {
	hash uint32
	done chan struct{} // closed when the claim has gone
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

// drop takes a claim back, and wakes all that wait for it.
func (c *claims) drop(cl *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.list {
		if c.list[i] == cl {
			last := len(c.list) - 1
			c.list[i], c.list[last] = c.list[last], nil
			c.list = c.list[:last]
			break
		}
	}
	c.n.Store(int64(len(c.list)))
	sched.Wakes()
	close(cl.done)
}

// lock is [core.lock] that waits until the key is not claimed.
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
