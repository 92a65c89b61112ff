package slab

import "unsafe"

// sampled reports whether an object is a sample. It is on the path of every Free and Retire, where
// it takes four instructions.
func (s *store) sampled(p unsafe.Pointer) bool { return uintptr(p)-s.region < s.extent }

// getSample returns a sample if one is due and there is room for it, else an object of the cache, or
// nil.
func (s *store) getSample() unsafe.Pointer {
	due := false
	c := s.pinLoaded()
	if c.magazines() != nil && c.gets.Load()+1 >= c.sampleAt {
		due = true
		c.sampleAt = s.samples.nextAfter(c.gets.Load())
	}
	c.unpin()
	if !due {
		return nil
	}
	if x := s.samples.take(s, s.size, false); x != nil {
		s.check.forget(x.p)
		s.outside.Add(1)
		s.uncached.gets.Add(1)
		return x.p
	}
	c = s.pin()
	p := c.getAlways()
	c.unpin()
	return p
}

func (s *store) freeSample(p unsafe.Pointer) {
	x := s.samples.given(s, p, false)
	s.outside.Add(-1)
	s.uncached.frees.Add(1)
	if s.samples.stable {
		s.samples.readers.after(x, x.p, int(x.bytes()))
		return
	}
	x.end()
}

// retireSample does not block.
func (s *store) retireSample(p unsafe.Pointer) {
	x := s.samples.given(s, p, true)
	s.uncached.retires.Add(1)
	if !s.samples.readers.after(x, x.p, int(x.bytes())) {
		s.freed.tell()
	}
}
