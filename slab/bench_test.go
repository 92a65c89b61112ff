package slab

import (
	"sync"
	"testing"
)

var sink *flat

func BenchmarkGetFree(b *testing.B) {
	d := newDomain(b)
	b.Run("Pool", func(b *testing.B) {
		p := New[flat](d, Options{})
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				obj, _ := p.Get()
				p.Free(obj)
			}
		})
	})
	b.Run("sync.Pool", func(b *testing.B) {
		p := sync.Pool{New: func() any { return new(flat) }}
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				p.Put(p.Get().(*flat))
			}
		})
	})
}

func BenchmarkGetRetire(b *testing.B) {
	d := newDomain(b)
	b.Run("Pool", func(b *testing.B) {
		p := New[flat](d, Options{})
		b.ReportAllocs()
		for b.Loop() {
			obj, _ := p.Get()
			p.Retire(obj)
		}
	})
	b.Run("Local", func(b *testing.B) {
		p := New[flat](d, Options{})
		b.ReportAllocs()
		for b.Loop() {
			l := p.Pin()
			obj := l.Get()
			done := obj != nil && l.Retire(obj)
			l.Unpin()
			if !done {
				if obj == nil {
					obj, _ = p.Get()
				}
				p.Retire(obj)
			}
		}
	})
	b.Run("new, left to the collector", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sink = new(flat)
		}
	})
}

// Get and Retire, with one in a thousand sampled, once the quarantine is full: then MaxBytes and For
// bound how many are sampled.
func BenchmarkQuarantine(b *testing.B) {
	d := newDomain(b)
	for name, q := range map[string]Quarantine{"off": {}, "1 in 1000": {OneIn: 1000}} {
		b.Run(name, func(b *testing.B) {
			p := New[flat](d, Options{Quarantine: q})
			for q.OneIn > 0 && p.Stats().QuarantinedBytes < defaultRegion {
				p.Retire(get(b, p))
			}
			for b.Loop() {
				obj, _ := p.Get()
				p.Retire(obj)
			}
		})
	}
}
