package smr

import (
	"unsafe"

	"github.com/gosmr/gosmr/internal/relacq"
)

// A Pointer is a pointer that readers follow while writers change it: one word.
// The zero Pointer is nil. It may be part of any structure, on the Go heap or
// off it.
//
// Each accessor says in its name who may call it:
//
//   - entered: a reader, in a section of the domain that reclaims the targets;
//   - serialized: a writer, holding the lock (or being the one goroutine) that
//     orders all writers of this pointer;
//   - unserialized: whoever has the structure to itself, before publication or
//     after the last grace period.
//
// Under -tags invariants Load checks its section, and the pointer remembers the
// domain of the first section that loaded it.
type Pointer[T any] struct {
	pointerDebug
	p relacq.Pointer[T]
}

// Load returns the target for a reader in section s. What it points to is not
// freed before s is left. Cost: one load. Idea: smr_entered_load of XNU,
// rcu_dereference of Linux.
func (p *Pointer[T]) Load(s Section) *T {
	if debugging {
		p.loading(s)
	}
	return p.p.Load()
}

// LoadSerialized returns the target for a writer. No section is needed: only
// writers unlink, and this one holds the others off.
func (p *Pointer[T]) LoadSerialized() *T { return p.p.Load() }

// LoadUnserialized returns the target where no reader or writer can be.
func (p *Pointer[T]) LoadUnserialized() *T { return p.p.Load() }

// LoadUnsafe returns the target's address: to compare or to print, never to
// follow. It needs no section.
func (p *Pointer[T]) LoadUnsafe() uintptr { return uintptr(unsafe.Pointer(p.p.Load())) }

// Init sets the target in a structure that is not visible to readers yet. Cost:
// a plain store, and the collector's write barrier.
func (p *Pointer[T]) Init(target *T) { p.p.StorePrivate(target) }

// Clear sets the pointer to nil. Writers are serialized. What it pointed to is
// unlinked and may be given to [Call] if nothing else leads there.
func (p *Pointer[T]) Clear() { p.p.Store(nil) }

// Store publishes target: a reader that loads it sees everything that was
// written to it before. Writers are serialized. Cost: a release store (a plain
// MOV on linux/amd64, where atomic.Pointer uses XCHG) and the collector's write
// barrier. Idea: smr_serialized_store of XNU, rcu_assign_pointer of Linux.
func (p *Pointer[T]) Store(target *T) {
	p.p.Store(target)
}

// StoreRelaxed sets a target that readers could reach before, and so needs no
// release of its own. (It must still not become visible before the store that
// published the target, should that be this goroutine's, a moment ago.) Go has no
// weaker store to offer: it is what Store is. The name keeps the reason.
func (p *Pointer[T]) StoreRelaxed(target *T) { p.p.Store(target) }

// StoreUnserialized sets the target where no reader or writer can be. Cost: a
// plain store, and the collector's write barrier.
func (p *Pointer[T]) StoreUnserialized(target *T) { p.p.StorePrivate(target) }

// Swap publishes target and returns the one before, which nobody else gets:
// writers need no lock. Cost: one atomic exchange.
func (p *Pointer[T]) Swap(target *T) *T { return p.p.Swap(target) }
