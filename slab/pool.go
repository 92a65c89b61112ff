package slab

import (
	"context"
	"reflect"
	"runtime"
	"unsafe"

	"github.com/gosmr/gosmr/smr"
)

// Options configure a [Pool] or [Blocks]. The zero Options is valid.
type Options struct {
	// Name names the pool in Stats, errors and panics. Default: the type.
	Name string

	// Budget is what the memory is taken from. Default: none, no bound.
	Budget *Budget

	// KeepContents says that users rely on what an earlier user left in an object, such as a
	// generation, or a lock that readers of freed objects try: -tags invariants does not
	// poison it. (An object whose slab went back to the system comes back zero all the
	// same.)
	KeepContents bool

	// PrivateFree says that Free is called only for objects that no reader can hold. Then
	// an empty slab does not wait for readers before another pool of the budget gets its
	// memory. Default: it does, since a reader may hold an object that was freed.
	PrivateFree bool

	// FreeOnDrop says that once the pool itself is unreachable, only readers use its
	// objects, in sections that are open then: as in a structure that owns both. A pool that
	// is dropped without Close then gives back objects in use as well. Default: their
	// memory stays.
	FreeOnDrop bool

	// OffHeapLinks says that the fields of types smr.Pointer and smrq.Link point to
	// objects of this pool only, or to others that are never on the Go heap. Then they
	// do not count as Go pointers, and the pool may be off the Go heap. Default: they count.
	OffHeapLinks bool
}

// A Pool hands out objects of type T and takes them back: a free list that knows of
// readers. It is made for objects that many goroutines publish to readers in sections of
// its domain, unlink, and retire, at a high rate.
//
// The objects are off the Go heap if T holds no Go pointers and is not larger than
// 64 KiB, where the system has mmap. Such a *T is an ordinary pointer, but for two
// things: the collector does not keep what it points to alive, and Go pointers must not
// be written into it by way of unsafe. On the Go heap a free object keeps alive what it
// points to: clear its pointers before it is given back, where that matters.
//
// Close a pool that is not used any more. A pool that becomes unreachable without Close
// gives its memory back by itself if no object of it is in use, or with
// Options.FreeOnDrop: after a garbage collection has found it, or, if readers were in
// sections then, when they have left and any pool of the process is made, closed or takes
// memory. Otherwise its memory stays, since the objects may be in use, and a warning through
// log/slog says how many there are. The pool must be reachable wherever its methods, or a
// [Local] of it, are in use.
//
// All methods may be called by any number of goroutines. All but Retire, Pin, OffHeap and
// the methods of [Local] may block for a moment, and so must not be called in a pinned
// section. Make a Pool with [New]; it must not be copied.
type Pool[T any] struct {
	s       *store
	cleanup runtime.Cleanup // for a pool that is dropped without Close
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
	s.init(!o.PrivateFree)
	s.check.init(s, o.KeepContents || s.newCells != nil)
	p := &Pool[T]{s: s}
	p.cleanup = whenDropped(p, &remains{dom: d, stores: []*store{s}, all: o.FreeOnDrop || !p.OffHeap()})
	return p
}

// Get returns a free object. It is zero, or as its last user left it. It returns an error that wraps [ErrNoMemory] if there is none free and no
// memory for more. It panics on a closed pool.
//
// Cost: a pinned pop (4 ns), and a share of loading a magazine.
func (p *Pool[T]) Get() (*T, error) {
	obj, err := p.s.get()
	runtime.KeepAlive(p)
	return (*T)(obj), err
}

// Free gives back an object that no reader can hold, such as one that was never
// published; it may be given out again at once. A reader that holds it nonetheless
// finds a T until its section ends, but perhaps another user's. It panics if obj is nil.
//
// Cost: as for Get.
func (p *Pool[T]) Free(obj *T) {
	p.s.free(unsafe.Pointer(obj))
	runtime.KeepAlive(p)
}

// Retire gives back an object that was unlinked, so that no new reader can find it.
// It is given out again once every section of the domain that is open now has been
// left. It never blocks, so it may be called in any section, and in a pinned one. It
// panics if obj is nil.
//
// It is cheaper than a deferred call of Free, and writers don't run ahead of readers: a Get
// that finds nothing free polls the readers before it takes more memory from the system.
//
// Up to a magazine of retired objects per processor (at most 128, or 64 KiB) waits for more
// before it waits for readers, and counts for [smr.Domain.Throttle] from then on: [Pool.Trim]
// does not let it wait.
//
// Cost: as for Get; one [smr.Call] per magazine. Idea: SMR zones of XNU and FreeBSD.
func (p *Pool[T]) Retire(obj *T) {
	p.s.retire(unsafe.Pointer(obj))
	runtime.KeepAlive(p)
}

// Trim has all retired objects wait for readers, and gives empty slabs back. It is for a
// pool that will not be used for a while, and for tests.
//
// Cost: a fence on all processors and a walk over what is free in magazines.
func (p *Pool[T]) Trim() {
	p.s.policy.trim(trimAll)
	runtime.KeepAlive(p)
}

// Stats returns a snapshot.
func (p *Pool[T]) Stats() Stats { return p.s.stats() }

// OffHeap reports whether the objects are out of the collector's sight.
func (p *Pool[T]) OffHeap() bool { return p.s.newCells == nil }

// Close waits until everything retired is free, as [smr.Domain.Barrier] does, and
// gives the memory back. The pool's objects and its methods must not be in use any more.
// The domain may be closed before or after its pools: on a closed one, Close waits for
// the readers that are left, as [smr.Domain.Close] does.
//
// It returns an error if ctx ends first; inside a callback of the domain
// ([smr.ErrInCallback]; then the pool is open as before); and if objects were not given
// back, whose slabs then stay. Under -tags invariants the error says where they were gotten.
// Close may be called again, after they were given back.
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

// Get is [Pool.Get] from this processor's share: it returns nil if that has no free object.
// Then Unpin, and use Pool.Get.
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
// is retired, and must be unlinked before Unpin. (Its wait for readers begins after Unpin
// at the earliest.) It returns nil, and has done nothing, if the share has no free object, or
// no room for obj, or obj is nil: then Unpin, and use Pool.Get and Pool.Retire.
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
