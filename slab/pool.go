package slab

import (
	"context"
	"reflect"
	"runtime"
	"sync"
	"unsafe"

	"github.com/gosmr/gosmr/smr"
)

// Options configure a [Pool] or [Blocks]. The zero Options is valid.
type Options struct {
	// Name names the pool in Stats, errors and panics. Default: the type.
	Name string

	// Budget bounds the memory. Default: none, no bound.
	Budget *Budget

	// KeepContents says that users rely on what an earlier user left in an object, such as a
	// generation, or a lock that readers of freed objects try. Then -tags invariants does not
	// poison it. (An object whose slab went back to the system still comes back zero.)
	KeepContents bool

	// PrivateFree says that no reader can hold an object passed to Free. Then an empty slab
	// goes back to the budget without waiting for readers. Default: it waits, since a reader
	// may hold a freed object.
	PrivateFree bool

	// FreeOnDrop says that once the pool is unreachable, its objects are used only by readers
	// in sections already open, as in a structure that owns both. A pool dropped without Close
	// then gives back objects in use as well. Default: their memory stays.
	FreeOnDrop bool

	// Quarantine finds uses of freed objects by sampling. Default: off.
	Quarantine Quarantine

	// OptimisticReaders says that readers outside sections read objects that may have been freed,
	// and then check whether what they read counts. Then a sample of Quarantine can be read, as
	// zeros, when it was given back, and only writes fault. Default: reads fault as well, from when
	// each section has been left that was open when the object was given back; at once if it was
	// freed, and PrivateFree is set.
	OptimisticReaders bool

	// OffHeapLinks says that fields of types smr.Pointer and smrq.Link never point to the Go
	// heap, but for example to objects of this pool. Then they do not count as Go pointers,
	// and the pool may be off the Go heap. Default: they count.
	OffHeapLinks bool
}

// A Pool is a free list of objects of type T that knows of readers. It is for objects that many
// goroutines publish to readers in sections of its domain, unlink, and retire, at a high rate.
//
// The objects are off the Go heap if T holds no Go pointers and is not larger than 64 KiB, where
// the system has mmap. Such a *T is an ordinary pointer with two exceptions: the collector does
// not keep the object alive, and Go pointers must not be written into it through unsafe. On the
// Go heap a free object keeps alive what it points to: where that matters, clear its pointers
// before giving it back.
//
// Close a pool that is no longer used. A pool that becomes unreachable without Close gives its
// memory back by itself if none of its objects is in use, or with Options.FreeOnDrop. It does so when
// a garbage collection finds it or, if readers are in sections then, later: when they have left, and
// some pool of the process is made, closed or takes memory. Otherwise its memory stays, since the
// objects may be in use, and a warning through log/slog gives their number. The pool must stay
// reachable while its methods, or a [Local] of it, are in use.
//
// All methods may be called by any number of goroutines. All but Retire, Pin, OffHeap and the
// methods of [Local] may block briefly, and so must not be called in a pinned section. Make a
// Pool with [New]; it must not be copied.
type Pool[T any] struct {
	_ [0]sync.Mutex // by which vet finds copies

	s       *store
	cleanup runtime.Cleanup // for a pool that is dropped without Close
}

// New returns an empty pool of the domain d, for whose readers it waits. It panics if d is nil.
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
	if s.newCells == nil {
		s.use(newQuarantine(d, o, !o.PrivateFree))
	}
	s.init(!o.PrivateFree)
	s.check.init(s, t.String(), o.KeepContents || s.newCells != nil)
	p := &Pool[T]{s: s}
	p.cleanup = whenDropped(p, &remains{dom: d, name: o.Name, stores: []*store{s}, samples: s.samples, all: o.FreeOnDrop || !p.OffHeap()})
	return p
}

// Get returns a free object, zero or as its last user left it. It returns an error that wraps
// [ErrNoMemory] if none is free and there is no memory for more, or [ErrClosed] after Close.
//
// Cost: a pinned pop (4 ns), and a share of loading a magazine.
func (p *Pool[T]) Get() (*T, error) {
	smr.CheckMayBlock("slab: Get")
	obj, err := p.s.get()
	runtime.KeepAlive(p)
	return (*T)(obj), err
}

// Free gives back an object that no reader can hold, such as one that was never published. It
// may be given out again at once. A reader that holds it nonetheless finds a T until its section
// ends, but perhaps another user's. Free panics if obj is nil.
//
// Cost: as for Get.
func (p *Pool[T]) Free(obj *T) {
	smr.CheckMayBlock("slab: Free")
	p.s.free(unsafe.Pointer(obj))
	runtime.KeepAlive(p)
}

// Retire gives back an object that was unlinked, so that no new reader can find it. It is given
// out again once every section of the domain that is open now has been left. Retire never
// blocks, so it may be called in any section, pinned or not. It panics if obj is nil.
//
// It is cheaper than a deferred call of Free, and writers don't run ahead of readers: a Get
// that finds nothing free polls the readers before it takes more memory from the system.
//
// A reader that needs the object for longer holds it ([smr.Hold]): then it is given out again when it is
// released, and what was retired with it is not delayed.
//
// Each processor collects up to a magazine of retired objects (at most 128, or 64 KiB) before
// they wait for readers and count for [smr.Domain.Throttle]. [Pool.Trim] cuts that short.
//
// Cost: as for Get; one [smr.Call] per magazine. Idea: SMR zones of XNU and FreeBSD.
func (p *Pool[T]) Retire(obj *T) {
	p.s.retire(unsafe.Pointer(obj))
	runtime.KeepAlive(p)
}

// Trim has the wait for readers begin also for the retired objects of magazines that are not full,
// and gives empty slabs back to the system. It is for a pool that will not be used for a while, and
// for tests.
//
// Cost: a fence on all processors, and a walk over the free objects in magazines.
func (p *Pool[T]) Trim() {
	smr.CheckMayBlock("slab: Trim")
	p.s.policy.trim(trimAll)
	runtime.KeepAlive(p)
}

// Stats returns a snapshot.
func (p *Pool[T]) Stats() Stats {
	st := p.s.stats()
	p.s.samples.addTo(&st)
	return st
}

// OffHeap reports whether the objects are out of the collector's sight.
func (p *Pool[T]) OffHeap() bool { return p.s.newCells == nil }

// Close waits until everything retired is free, as [smr.Domain.Barrier] does, and released by those that
// hold it, and gives the memory back. The domain may be closed before or after its pools: on a closed one, Close waits for
// the remaining readers, as [smr.Domain.Close] does.
//
// From then on Get returns [ErrClosed]. Objects in use stay as they are; Free and Retire still take
// them back, and the next Close gives their memory back.
//
// Close returns an error if ctx ends first; inside a callback of the domain ([smr.ErrInCallback];
// the pool then stays open); and if objects were not given back, whose slabs then stay. Under
// -tags invariants, and of samples of a [Quarantine], the error says where they were gotten. Close
// may be called again, after they were given back.
func (p *Pool[T]) Close(ctx context.Context) error {
	err := closeStores(ctx, p.s.dom, nil, p.s)
	p.s.samples.close() // none is left if err is nil: closeStores counts them
	if err == nil {
		p.s.check.close()
		p.cleanup.Stop()
	}
	runtime.KeepAlive(p)
	return err
}

// A Local is one processor's share of a pool, for a writer that takes one object and retires
// another under one pin. The rules of [pcpu.Pin] apply: from Pin to Unpin the goroutine must not
// block or panic.
type Local[T any] struct{ c *cache }

// Pin takes the share of this processor.
func (p *Pool[T]) Pin() Local[T] { return Local[T]{p.s.pin()} }

// Unpin ends the use of l.
func (l Local[T]) Unpin() { l.c.unpin() }

// Get is [Pool.Get] from this processor's share. It returns nil if the share has no free object, or
// a sample of a [Quarantine] is due: then Unpin, and use Pool.Get.
func (l Local[T]) Get() *T {
	p := l.c.get()
	if p != nil {
		l.c.s.check.got(p)
	}
	return (*T)(p)
}

// Retire is [Pool.Retire] if the share has room for obj. It returns false if it has none, if obj is
// a sample of a [Quarantine], or nil: then Unpin, and use Pool.Retire.
func (l Local[T]) Retire(obj *T) bool {
	if obj == nil || l.c == nil || l.c.s.sampled(unsafe.Pointer(obj)) {
		return false
	}
	l.c.s.check.retired(unsafe.Pointer(obj))
	if l.c.retire(unsafe.Pointer(obj)) {
		return true
	}
	l.c.s.check.unretired(unsafe.Pointer(obj))
	return false
}

// Swap is Get and Retire at once: it retires obj and returns an object to put in its place.
// Here obj may still be linked: put the other in its place before Unpin, since its wait for readers
// begins after that. Swap
// returns nil and does nothing if the share has no free object or no room for obj, if a sample of a
// [Quarantine] is due, or obj is one, or nil: then Unpin, and use Pool.Get and Pool.Retire.
func (l Local[T]) Swap(obj *T) *T {
	if obj == nil || l.c == nil || l.c.s.sampled(unsafe.Pointer(obj)) {
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
