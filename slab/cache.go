package slab

import (
	"slices"
	"unsafe"

	"github.com/gosmr/gosmr/internal/owned"
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/pcpu"
)

// A cache is one processor's share of a store: magazines for taking, and one for retiring.
// Between pin and unpin its owner uses the loaded magazines; unload revokes those of all caches.
// Package owned describes that handshake.
type cache struct {
	s *store // constant
	owned.Slot[loaded]

	// Counts, written by the owner, read by Stats from anywhere.
	gets, frees, retires relacq.Uint64

	// sampleAt: from this number of gets on the next one is that of a sample, which get and swap
	// leave to getSlow. The owner's; never reached without a quarantine.
	sampleAt uint64

	_ [pcpu.Stride - unsafe.Sizeof(uintptr(0)) - unsafe.Sizeof(owned.Slot[loaded]{}) - 3*unsafe.Sizeof(relacq.Uint64{}) - 8]byte
}

// loaded holds the magazines of a cache. It is not used again after it was unloaded.
type loaded struct {
	get     *magazine // Get takes from it, Free puts into it
	other   *magazine // the previous get: full, empty or in between
	retired *magazine
}

// pin takes the cache of this processor, or returns nil if there is none or it is taken. Between
// pin and unpin the goroutine keeps its processor, so it must not block, panic, or run for long.
func (s *store) pin() *cache {
	c := s.caches.At(pcpu.Pin())
	if c != nil && c.TryLock(s.fence) {
		return c
	}
	return nil
}

// unpin ends what pin began; c may be nil, as for the methods below.
func (c *cache) unpin() {
	if c != nil {
		c.Unlock()
	}
	pcpu.Unpin()
}

// magazines returns what is loaded, nil if nothing is. What it returns is the caller's until
// unpin, although a second call under the same pin may return nil.
func (c *cache) magazines() *loaded {
	if c == nil {
		return nil
	}
	return c.Value.Load()
}

// get returns a free object, nil if the cache has none, or a sample is due.
func (c *cache) get() unsafe.Pointer {
	if c == nil {
		return nil
	}
	ld := c.Value.Load()
	if ld == nil {
		return nil
	}
	n := c.gets.Load() + 1
	if n >= c.sampleAt {
		return nil
	}
	m := ld.get
	if m.n == 0 {
		if m = ld.some(); m == nil {
			return nil
		}
	}
	c.gets.Store(n)
	return m.pop()
}

// getAlways is get also when a sample is due.
func (c *cache) getAlways() unsafe.Pointer {
	ld := c.magazines()
	if ld == nil {
		return nil
	}
	m := ld.some()
	if m == nil {
		return nil
	}
	c.gets.Store(c.gets.Load() + 1)
	return m.pop()
}

// some returns a magazine with free objects, nil if both are empty.
func (ld *loaded) some() *magazine {
	if ld.get.n == 0 {
		if ld.other.n == 0 {
			return nil
		}
		ld.get, ld.other = ld.other, ld.get
	}
	return ld.get
}

// room returns a magazine with room for a free object, nil if both are full.
func (ld *loaded) room(capacity int) *magazine {
	if ld.get.n >= capacity {
		if ld.other.n >= capacity {
			return nil
		}
		ld.get, ld.other = ld.other, ld.get
	}
	return ld.get
}

// free puts an object back. It reports false if there is no room for it, or it is a sample.
func (c *cache) free(p unsafe.Pointer) bool {
	if c == nil {
		return false
	}
	ld := c.Value.Load()
	if ld == nil || c.s.sampled(p) {
		return false
	}
	m := ld.get
	if m.n >= c.s.capacity {
		if m = ld.room(c.s.capacity); m == nil {
			return false
		}
	}
	m.push(p)
	c.frees.Store(c.frees.Load() + 1)
	return true
}

// retire puts an object that is no sample into the retired magazine, and reports whether there was
// room for it.
func (c *cache) retire(p unsafe.Pointer) bool {
	ld := c.magazines()
	if ld == nil || ld.retired.n >= c.s.capacity {
		return false
	}
	ld.retired.push(p)
	c.retires.Store(c.retires.Load() + 1)
	return true
}

// swap is get and retire at once; p is no sample. It returns nil if it can't do both, and then does
// neither.
func (c *cache) swap(p unsafe.Pointer) unsafe.Pointer {
	if c == nil {
		return nil
	}
	ld := c.Value.Load()
	if ld == nil || ld.retired.n >= c.s.capacity {
		return nil
	}
	n := c.gets.Load() + 1
	if n >= c.sampleAt {
		return nil
	}
	m := ld.get
	if m.n == 0 {
		if m = ld.some(); m == nil {
			return nil
		}
	}
	ld.retired.push(p)
	c.retires.Store(c.retires.Load() + 1)
	c.gets.Store(n)
	return m.pop()
}

// pinLoaded is pin that makes the cache and its magazines if need be. It returns nil in a closed
// store, and, where pinning is not exclusive, if the cache is taken.
func (s *store) pinLoaded() *cache {
	id := pcpu.Pin()
	c := s.caches.At(id)
	if c == nil {
		if c = s.caches.Grow(id); c == nil {
			return nil
		}
	}
	if !c.TryLock(s.fence) {
		return nil
	}
	if c.Value.Load() == nil {
		ld := &loaded{get: new(magazine), other: new(magazine), retired: new(magazine)}
		if !c.Value.CompareAndSwap(nil, ld) {
			panic("slab: two at one cache")
		}
		if s.caches.Sealed() { // Close may have found the cache empty, and does not try again: pairs with its Seal
			c.Value.CompareAndSwap(ld, nil)
			c.Unlock()
			return nil
		}
	}
	return c
}

// unload takes the magazines of all caches, once their owners have left them. If no cache has
// any, it saves the fence: what an owner took out of its cache is on its way already.
func (s *store) unload() []*loaded {
	caches := s.caches.All()
	if !slices.ContainsFunc(caches, func(c *cache) bool { return c.Value.Load() != nil }) {
		return nil
	}
	return owned.Revoke(s.fence, caches, nil)
}
