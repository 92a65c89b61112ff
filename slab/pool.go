package slab

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"unsafe"

	"github.com/gosmr/gosmr/smr"
)

// Options configure a [Pool] or [Blocks]. The zero Options is valid.
type Options struct {
	// Name names the pool in Stats, errors and panics. Default: the type.
	Name string

	// Budget is what the memory is taken from. Default: none, no bound.
	Budget *Budget

	// Keep says that users rely on what an earlier user left in an object: a
	// generation, or a lock that readers of freed objects try. Such contents are
	// not poisoned under -tags invariants. (What is in the memory of a slab that
	// went back to the system is lost all the same: the object comes back zero.)
	Keep bool

	// Unstable says that Free is called only for objects that no reader can hold. Then
	// a slab whose objects are all free need not wait for readers before its memory is
	// another's. (Where nobody else wants it, it goes back to the system when a deferred
	// call finds it idle, here as in other pools.)
	Unstable bool

	// FreeOnDrop says that no object is used once the pool itself is unreachable, but by
	// readers in sections that are open then: as in a structure that owns both. A pool that
	// is dropped without Close then gives back objects in use as well. Default: their
	// memory stays.
	FreeOnDrop bool

	// OffHeapLinks says that the fields of types smr.Pointer and smrq.Link point to
	// objects of this pool only, or to others that are never on the Go heap. Then they
	// do not count as Go pointers, and the pool may be off the Go heap. Default: they count.
	OffHeapLinks bool
}

// A Pool hands out objects of type T and takes them back: a free list that knows of
// readers. Its biased use is objects that are published to readers in sections of
// its domain, unlinked, and retired, by many goroutines at a high rate.
//
// The objects are off the Go heap if T holds no Go pointers and is not larger than
// 64 KiB, where the system has mmap. Such a *T is an ordinary pointer, but for two
// things: the collector does not keep what it points to alive, and Go pointers must not
// be written into it by way of unsafe. On the Go heap a free object keeps alive what it
// points to: clear its pointers before it is given back, where that matters.
//
// Close a pool that is not used any more. One that becomes unreachable without Close
// gives its memory back by itself if no object of it is in use, or Options.FreeOnDrop
// says that none counts: after a garbage collection has found it, or, if readers were in
// sections then, when they have left and some pool of the process is made, closed or takes
// memory. Otherwise its memory stays, since somebody may use the
// objects, and a warning through log/slog says how many there are. The pool must be
// reachable wherever its methods, or a [Local] of it, are in use.
//
// All methods may be called by any number of goroutines. All but Retire, Pin, OffHeap and
// the methods of [Local] may block for a moment, and so must not be called in a pinned
// section. Make a Pool with [New]; it must not be copied.
type Pool[T any] struct {
	s       *store
	cleanup runtime.Cleanup // for who drops it without Close
}

// New returns an empty pool whose retired objects wait for the readers of d. It
// panics if d is nil.
func New[T any](d *smr.Domain, o Options) *Pool[T] {
	if d == nil {
		panic("slab: New without a domain")
	}
	t := reflect.TypeFor[T]()
	if o.Name == "" {
		o.Name = t.String()
	}
	s := &store{dom: d, budget: o.Budget, layout: layout{name: o.Name}}
	type cell struct {
		obj  T
		slab *slab
	}
	if offHeap(t, o.OffHeapLinks) {
		s.size = max(t.Size(), uintptr(t.Align()))
	} else {
		s.size = unsafe.Sizeof(cell{})
		s.trailer = unsafe.Offsetof(cell{}.slab)
		s.newCells = func(sl *slab) unsafe.Pointer {
			cells := make([]cell, sl.store.perSlab)
			for i := range cells {
				cells[i].slab = sl
			}
			return unsafe.Pointer(&cells[0])
		}
	}
	s.init(!o.Unstable)
	s.check.init(s, o.Keep || s.newCells != nil)
	p := &Pool[T]{s: s}
	p.cleanup = whenDropped(p, &remains{dom: d, stores: []*store{s}, all: o.FreeOnDrop || !p.OffHeap()})
	return p
}

// Get returns an object that nobody else holds. It is zero, or as its last user left
// it. It returns an error that wraps [ErrNoMemory] if there is none free and no
// memory for more. It panics on a closed pool.
//
// Cost: a pinned pop (4 ns), and a share of loading a magazine.
func (p *Pool[T]) Get() (*T, error) {
	obj, err := p.s.get()
	runtime.KeepAlive(p)
	return (*T)(obj), err
}

// Free gives back an object that no reader can hold, such as one that was never
// published; it may be given out again at once. Readers that may hold it nonetheless
// find a T in their section, but it may be another one's. It panics if obj is nil.
//
// Cost: as for Get.
func (p *Pool[T]) Free(obj *T) {
	p.s.free1(unsafe.Pointer(obj))
	runtime.KeepAlive(p)
}

// Retire gives back an object that was unlinked, so that no new reader can find it.
// It is given out again once every section of the domain that is open now has been
// left. It never blocks, so it may be called in any section, and in a pinned one. It
// panics if obj is nil.
//
// It is cheaper than a deferred call of Free, and writers don't run ahead of readers with
// it: a Get that finds nothing free looks at the readers itself before it takes more memory
// from the system.
//
// Up to a magazine of retired objects per processor (at most 128, or 64 KiB) waits
// for more before it is handed to the domain: [Pool.Flush] hands it over at once.
//
// Cost: as for Get; one [smr.Call] per magazine. Idea: SMR zones of XNU and FreeBSD.
func (p *Pool[T]) Retire(obj *T) {
	p.s.retire1(unsafe.Pointer(obj))
	runtime.KeepAlive(p)
}

// Flush hands all retired objects to the domain, and gives free objects and whole
// slabs back. It is for a pool that will not be used for a while, and for tests.
//
// Cost: a fence on all processors and a walk over what is free in magazines.
func (p *Pool[T]) Flush() {
	p.s.policy.trim(trimAll)
	runtime.KeepAlive(p)
}

// Stats returns a snapshot.
func (p *Pool[T]) Stats() Stats { return p.s.stats() }

// OffHeap reports whether the objects are out of the collector's sight.
func (p *Pool[T]) OffHeap() bool { return p.s.newCells == nil }

// Close waits until everything retired is free, as [smr.Domain.Barrier] does, and
// gives the memory back. Nobody may use the pool's objects any more, or its methods.
// The domain may be closed before or after its pools: on a closed one, Close waits for
// the readers that are left, as [smr.Domain.Close] does.
//
// It returns an error if ctx ends first, inside a callback of the domain
// ([smr.ErrInCallback]; then the pool is open as before), and if objects were not given
// back, whose slabs then stay; under -tags invariants it says where they were gotten.
// Close may be called again, after what was missing was given back.
func (p *Pool[T]) Close(ctx context.Context) error {
	err := closeStores(ctx, p.s.dom, p.s)
	if err == nil {
		p.cleanup.Stop()
	}
	runtime.KeepAlive(p)
	return err
}

// A Local is one processor's share of a pool, for a writer that takes one object and
// retires another in one go, under one pin. Its rules are those of [pcpu.Pin]: from
// Pin to Unpin the goroutine must not block, or panic.
type Local[T any] struct{ c *cache }

// Pin takes the share of this processor.
func (p *Pool[T]) Pin() Local[T] { return Local[T]{p.s.pin()} }

// Unpin ends the use of l.
func (l Local[T]) Unpin() { l.c.unpin() }

// Get is [Pool.Get] for what is at hand: it returns nil if nothing is. Then Unpin, and
// use Pool.Get.
func (l Local[T]) Get() *T {
	p := l.c.get()
	if p != nil {
		l.c.s.check.got(p)
	}
	return (*T)(p)
}

// Retire is [Pool.Retire] as long as there is room for obj. It reports whether there
// was; if not, or if obj is nil, Unpin, and use Pool.Retire.
func (l Local[T]) Retire(obj *T) bool {
	if obj == nil || l.c == nil {
		return false
	}
	l.c.s.check.retired(unsafe.Pointer(obj))
	if l.c.retire(unsafe.Pointer(obj)) {
		return true
	}
	l.c.s.check.unretired(unsafe.Pointer(obj))
	return false
}

// Swap is Get and Retire at once: it returns an object to put in the place of obj, which
// must be unlinked before Unpin, and is retired. It returns nil, and has done nothing, if
// there is no object at hand, or no room for obj, or obj is nil: then Unpin, and use
// Pool.Get and Pool.Retire.
//
// (Nobody hands obj to the domain while its processor is pinned: so it may be retired
// before it is unlinked.)
func (l Local[T]) Swap(obj *T) *T {
	if obj == nil || l.c == nil {
		return nil
	}
	l.c.s.check.retired(unsafe.Pointer(obj))
	p := l.c.swap(unsafe.Pointer(obj))
	if p == nil {
		l.c.s.check.unretired(unsafe.Pointer(obj))
		return nil
	}
	l.c.s.check.got(p)
	return (*T)(p)
}

func (s *store) get() (unsafe.Pointer, error) {
	c := s.pin()
	p := c.get()
	c.unpin()
	if p == nil {
		var err error
		if p, err = s.getSlow(); err != nil {
			return nil, err
		}
	}
	s.check.got(p)
	return p, nil
}

func (s *store) free1(p unsafe.Pointer) {
	if p == nil {
		panic("slab: Free of nil")
	}
	s.check.freed(p)
	c := s.pin()
	done := c.free(p)
	c.unpin()
	if !done {
		s.freeSlow(p)
	}
}

func (s *store) retire1(p unsafe.Pointer) {
	if p == nil {
		panic("slab: Retire of nil")
	}
	s.check.retired(p)
	c := s.pin()
	done := c.retire(p)
	c.unpin()
	if !done {
		s.retireSlow(p)
	}
}

// closeStores closes stores of one domain.
func closeStores(ctx context.Context, d *smr.Domain, stores ...*store) error {
	bury()
	wait := func() error {
		err := d.Barrier(ctx)
		if errors.Is(err, smr.ErrClosed) {
			err = d.Close(ctx) // readers may be left: the first one's ctx may have ended
		}
		return err
	}
	if err := wait(); err != nil { // inside a callback nothing is closed
		return err
	}
	for _, s := range stores {
		s.depot.close()
		s.heap.close()
		s.caches.Seal()
		s.policy.drain()
	}
	if err := wait(); err != nil {
		return err
	}
	for _, s := range stores {
		if d.Closed() { // no reader is left, and no tick may come
			s.depot.ready(true)
		}
		s.policy.trim(trimAll)
	}
	if err := wait(); err != nil { // slabs may have waited once more
		return err
	}
	var errs []error
	for _, s := range stores {
		s.policy.trim(trimAll)
		s.budget.leave(s)
		if n := s.heap.counts().taken; n > 0 {
			errs = append(errs, fmt.Errorf("slab: Close of %s: %d objects were not given back%s", s.name, n, s.check.leaks()))
		}
	}
	return errors.Join(errs...)
}

// pointerFree reports whether the collector has nothing to see in a value of type t.
func pointerFree(t reflect.Type, offHeapLinks bool) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return true
	case reflect.Array:
		return t.Len() == 0 || pointerFree(t.Elem(), offHeapLinks)
	case reflect.Struct:
		if offHeapLinks && isLink(t) {
			return true
		}
		for f := range t.NumField() {
			if !pointerFree(t.Field(f).Type, offHeapLinks) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// OffHeap reports whether a [Pool] of T is off the Go heap, given the zero Options.
func OffHeap[T any]() bool { return offHeap(reflect.TypeFor[T](), false) }

func offHeap(t reflect.Type, offHeapLinks bool) bool {
	return pointerFree(t, offHeapLinks) && t.Size() <= maxObject && t.Align() <= firstObject
}

// isLink reports whether t is an smr.Pointer or an smrq.Link. They are told by name,
// since smrq is not below this package.
func isLink(t reflect.Type) bool {
	module := strings.TrimSuffix(reflect.TypeFor[Budget]().PkgPath(), "slab")
	return t.PkgPath() == module+"smr" && strings.HasPrefix(t.Name(), "Pointer[") ||
		t.PkgPath() == module+"smrq" && strings.HasPrefix(t.Name(), "Link[")
}
