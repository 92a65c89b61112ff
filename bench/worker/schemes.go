package main

import (
	"time"
)

// An object is what readers load and updates replace.
type object struct {
	number uint64
	_      [7]uint64
}

func (o *object) fill(number uint64) {
	*o = object{number: number}
}

// A scheme is one way to let readers follow a pointer while a writer replaces its target. What
// the scheme does not offer is nil.
type scheme struct {
	name string
	make func() *instance
}

// An instance is a scheme in use. Its loops are written out for each scheme, so that what
// is between two operations is the same for all: nothing.
type instance struct {
	reader      func() *reader      // called in the reader's goroutine
	update      func(number uint64) // by any goroutine
	synchronize func()              // returns when readers of before have left
	close       func()
}

// A reader's functions are called by one goroutine.
type reader struct {
	empty  func(n int)        // n sections
	load   func(n int) uint64 // n sections with a load and a read
	nested func(n, depth int)
	hold   func(d time.Duration)
	close  func()
}

func schemes() []scheme {
	if portable {
		return ours()
	}
	return append(append(ours(), locks()...), onHeap()...)
}

func (r *reader) end() {
	if r.close != nil {
		r.close()
	}
}

// readers are the families in which sections are read.
func readers() (all []entry) {
	for _, s := range schemes() {
		add := func(family string, measure func(*instance, job) values) {
			all = append(all, entry{family, s.name, func(j job) (values, error) {
				in := s.make()
				v := measure(in, j)
				if in.close != nil {
					in.close()
				}
				return v, nil
			}})
		}
		// What this scheme has is seen by looking.
		in := s.make()
		r := in.reader()
		if r.empty != nil {
			add("section", func(in *instance, j job) values {
				return values{"ns": nsPerOp(j.procs, j.for_, batch, func(int) (func(int), func()) {
					r := in.reader()
					return r.empty, r.end
				})}
			})
		}
		if r.nested != nil {
			add("nested", func(in *instance, j job) values {
				return values{"ns": nsPerOp(j.procs, j.for_, batch, func(int) (func(int), func()) {
					r := in.reader()
					return func(n int) { r.nested(n, j.param) }, r.end
				})}
			})
		}
		add("load", func(in *instance, j job) values {
			return values{"ns": nsPerOp(j.procs, j.for_, batch, in.loader)}
		})
		add("threads", func(in *instance, j job) values {
			return values{"ns": manyThreads(j.param, j.procs, j.for_, in.loader)}
		})
		add("swap", func(in *instance, j job) values {
			return values{"ns": nsPerOp(j.procs, j.for_, batch, func(g int) (func(int), func()) {
				return in.mixer(j.param)
			})}
		})
		if r.hold != nil && in.synchronize != nil {
			add("long", long)
		}
		r.end()
		if in.close != nil {
			in.close()
		}
	}
	return all
}

// loader is a goroutine that loads.
func (in *instance) loader(int) (loop func(int), end func()) {
	r := in.reader()
	return func(n int) { sink.Store(r.load(n)) }, r.end
}

// mixer is a goroutine that loads and, so often in a thousand operations, updates.
func (in *instance) mixer(updates int) (loop func(int), end func()) {
	r := in.reader()
	number, sum := uint64(0), uint64(0)
	return func(n int) {
		if updates == 0 {
			sum += r.load(n)
		} else {
			for range n * updates / 1000 {
				sum += r.load(1000/updates - 1)
				number++
				in.update(number)
			}
		}
		sink.Store(sum)
	}, r.end
}

// long has readers that stay, and a writer that updates and waits for them.
func long(in *instance, j job) values {
	stay := time.Duration(j.param) * time.Microsecond
	readers := inBackground(max(1, j.procs-1), 1, func(int) (func(int), func()) {
		r := in.reader()
		return func(int) { r.hold(stay) }, r.end
	})
	began, updates := time.Now(), uint64(0)
	for time.Since(began) < j.for_ {
		updates++
		in.update(updates)
		in.synchronize()
	}
	took := time.Since(began).Seconds()
	reads := readers.stop()
	return values{"updates": float64(updates) / took, "reads": float64(reads) / time.Since(began).Seconds()}
}
