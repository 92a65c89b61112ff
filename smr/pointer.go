package smr

import (
	"sync"
	"unsafe"

	"github.com/gosmr/gosmr/internal/relacq"
)

// A Pointer is one word that readers follow while writers change it. The zero Pointer is nil. It
// may be part of any structure, on the Go heap or off it. Each method is for one kind of caller:
//
//	reader, in a section of the domain       Load
//	writer, holding the writers' lock        LoadSerialized, Store, StoreRelaxed, Clear
//	writer, without a lock                   Swap, CompareAndSwap
//	sole user of the structure, before       Init, LoadUnserialized, StoreUnserialized
//	publication or after a grace period
//	anyone, to compare addresses             LoadUnsafe
//
// The writers' lock is whatever serializes all writers of this pointer: a mutex, or a single
// writing goroutine. Under -tags invariants Load checks that its section is open, and of the same
// domain as in the first Load, or of the one that In names; and the accessors for its holder check
// that the lock is held, if GuardedBy names it.
type Pointer[T any] struct {
	pointerDebug
	p relacq.Pointer[T]
}

// A TryLocker is a lock that can be tested for being held: a [sync.Mutex] or a [sync.RWMutex].
type TryLocker interface {
	sync.Locker
	TryLock() bool
}

// In says of which domain the pointer is, so that even the first Load in a section of another panics
// under -tags invariants; without, In does nothing. Call it before publication, as Init, and again
// where the memory becomes part of another domain's structure.
func (p *Pointer[T]) In(d *Domain) { p.in(d) }

// GuardedBy names the writers' lock. Under -tags invariants LoadSerialized, Store, StoreRelaxed and
// Clear then panic if it is not held (by which goroutine, they can't tell), and the lock is kept for
// as long as the program runs; without, GuardedBy does nothing. Call it before publication, and again,
// with nil if need be, where the memory becomes part of another structure.
func (p *Pointer[T]) GuardedBy(lock TryLocker) { p.guardedBy(lock) }

// Load returns the target to a reader in section s. The target is not freed before s is left. Cost:
// one load. Idea: smr_entered_load of XNU, rcu_dereference of Linux.
func (p *Pointer[T]) Load(s Section) *T {
	if debugging {
		p.loading(s)
	}
	return p.p.Load()
}

// LoadSerialized returns the target to a writer that holds the writers' lock. It needs no section:
// no other writer can unlink the target.
func (p *Pointer[T]) LoadSerialized() *T {
	if debugging {
		p.writing("LoadSerialized")
	}
	return p.p.Load()
}

// LoadUnserialized returns the target where there are no readers and no other writers.
func (p *Pointer[T]) LoadUnserialized() *T { return p.p.Load() }

// LoadUnsafe returns the target's address, to compare or print but not to follow. It needs no
// section.
func (p *Pointer[T]) LoadUnsafe() uintptr { return uintptr(unsafe.Pointer(p.p.Load())) }

// Init sets the target in a structure that readers can't see yet. Cost: a plain store and the
// collector's write barrier.
func (p *Pointer[T]) Init(target *T) { p.p.StorePrivate(target) }

// Clear sets the pointer to nil. If nothing else leads to the old target, it is now unlinked and
// can be given to [Call].
func (p *Pointer[T]) Clear() {
	if debugging {
		p.writing("Clear")
	}
	p.p.Store(nil)
}

// Store publishes target: a reader that loads it sees all that was written to it before. Cost: a
// release store (a plain MOV on linux/amd64, where atomic.Pointer uses XCHG) and the collector's
// write barrier. Idea: smr_serialized_store of XNU, rcu_assign_pointer of Linux.
func (p *Pointer[T]) Store(target *T) {
	if debugging {
		p.writing("Store")
	}
	p.p.Store(target)
}

// StoreRelaxed sets a target that is already published. It needs no release, but must not become
// visible before the store that published the target. Go has no such store weaker than Store, so
// StoreRelaxed is the same; the name states the intent.
func (p *Pointer[T]) StoreRelaxed(target *T) {
	if debugging {
		p.writing("StoreRelaxed")
	}
	p.Store(target)
}

// StoreUnserialized sets the target where there are no readers and no other writers, at the cost of
// Init.
func (p *Pointer[T]) StoreUnserialized(target *T) { p.p.StorePrivate(target) }

// Swap publishes target and returns the old one. Writers need no lock: each old target goes to one
// of them. Cost: one atomic exchange.
func (p *Pointer[T]) Swap(target *T) *T { return p.p.Swap(target) }

// CompareAndSwap publishes target if the pointer leads to old, and reports whether it did. Writers
// need no lock. Load old in a section and stay in it: else old may be freed meanwhile and published
// again with other contents, and CompareAndSwap would not notice (the ABA problem). Cost: one
// compare-and-swap. Idea: rcu_cmpxchg_pointer of liburcu.
func (p *Pointer[T]) CompareAndSwap(old, target *T) bool { return p.p.CompareAndSwap(old, target) }
