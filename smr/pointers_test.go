//go:build invariants

package smr

import (
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func containsAll(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		require.Contains(t, text, part)
	}
}

// firstLoadIn and enterIn are named by the messages.
//
//go:noinline
func firstLoadIn(d *Domain, p *Pointer[int]) {
	s := d.Enter()
	defer s.Leave()
	p.Load(s)
}

//go:noinline
func enterIn(d *Domain) Section { return d.Enter() }

// The message names both domains, where each of them comes from, and what to do.
func TestInvariants_LoadInAnotherDomainsSection(t *testing.T) {
	a := newDomain(t, Options{Name: "a"})
	b := newDomain(t, Options{Name: "b"})
	var p Pointer[int]
	firstLoadIn(a, &p)
	s := enterIn(b)
	containsAll(t, panicText(t, func() { p.Load(s) }),
		"Pointer.Load in a section of another domain: the pointer is of domain a, by its first Load at:", "firstLoadIn",
		"Enter that domain", "The section is of domain b, entered by goroutine", "enterIn")
	s.Leave()
	firstLoadIn(a, &p)

	q := b.NewQuiescent(nil)
	defer q.Close()
	q.Online()
	require.Contains(t, panicText(t, func() { p.Load(q.Section()) }), "The section is of domain b, a Quiescent's")
}

//go:noinline
func sayIn(p *Pointer[int], d *Domain) { p.In(d) }

// In makes the first Load a mistake, also in memory off the Go heap and in memory that was used for
// something else; and moves the pointer to another domain.
func TestInvariants_PointerIn(t *testing.T) {
	a := newDomain(t, Options{Name: "a"})
	b := newDomain(t, Options{Name: "b"})
	for name, mem := range map[string][]byte{
		"Zero":     make([]byte, unsafe.Sizeof(Pointer[int]{})),
		"Poisoned": []byte(strings.Repeat("\xdb", int(unsafe.Sizeof(Pointer[int]{})))),
	} {
		t.Run(name, func(t *testing.T) {
			words := make([]uint64, 4)
			copy(unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(mem)), mem)
			p := (*Pointer[int])(unsafe.Pointer(&words[0]))
			p.Init(nil)
			sayIn(p, a)
			s := b.Enter()
			containsAll(t, panicText(t, func() { p.Load(s) }), "the pointer is of domain a, by In at:", "sayIn", "of domain b")
			s.Leave()
			firstLoadIn(a, p)
			sayIn(p, b)
			firstLoadIn(b, p)
			p.StoreUnserialized(nil)
			p.Store(nil) // no lock is named
		})
	}
}

// A first Load tells the domain also where the memory was something else before.
func TestInvariants_FirstLoadOfRecycledMemory(t *testing.T) {
	a := newDomain(t, Options{Name: "a"})
	b := newDomain(t, Options{Name: "b"})
	nameLock(new(Pointer[int]), new(sync.Mutex)) // there are guards
	for _, was := range []uint64{0xdbdbdbdbdbdbdbdb, 1, 2, 1 << 32, 1<<32 + 1, 2<<32 + 2, 1<<64 - 1} {
		words := []uint64{was, 0, 0}
		p := (*Pointer[int])(unsafe.Pointer(&words[0]))
		p.Store(nil)
		firstLoadIn(a, p)
		require.Contains(t, panicText(t, func() { firstLoadIn(b, p) }), "the pointer is of domain a")
	}
}

// Each number is that of one value.
func TestInvariants_NumbersOfTables(t *testing.T) {
	for _, n := range []int{1, 2, 3, 1000, 1 << 20, 1<<31 - 1} {
		require.EqualValues(t, n, ordinal(idOf(n)))
	}
	require.NotZero(t, ordinal(1)>>20)
	require.NotZero(t, ordinal(2)>>20)
}

//go:noinline
func aReadOf(d *Domain, s Section) { d.CheckSection(s) }

// A container's check names what was called, both domains, where the section was entered, and what to
// do.
func TestInvariants_CheckSection(t *testing.T) {
	a := newDomain(t, Options{Name: "a"})
	b := newDomain(t, Options{Name: "b"})
	s := enterIn(b)
	containsAll(t, panicText(t, func() { aReadOf(a, s) }), "smr: smr.aReadOf in a section of another domain: what it reads is of domain a.",
		"m.Enter() or m.Domain().Enter()", "The section is of domain b, entered by goroutine", "enterIn")
	aReadOf(b, s)
	s.Leave()
	containsAll(t, panicText(t, func() { aReadOf(b, s) }), "smr.aReadOf in a section that has been left", "It was of domain b, entered by", "enterIn")
	require.Contains(t, panicText(t, func() { aReadOf(b, Section{}) }),
		"smr.aReadOf outside a section: the Section is zero. Enter one of domain b first")
}

//go:noinline
func nameLock(p *Pointer[int], l TryLocker) { p.GuardedBy(l) }

// Accessors for the lock's holder need it; the others do not.
func TestInvariants_PointerGuardedBy(t *testing.T) {
	d := newDomain(t, Options{})
	var mu sync.RWMutex
	var p Pointer[int]
	nameLock(&p, &mu)
	writes := map[string]func(){
		"LoadSerialized": func() { p.LoadSerialized() },
		"Store":          func() { p.Store(nil) },
		"StoreRelaxed":   func() { p.StoreRelaxed(nil) },
		"Clear":          p.Clear,
	}
	for name, write := range writes {
		containsAll(t, panicText(t, write), "smr: Pointer."+name+": the lock that guards the pointer's writers, a *sync.RWMutex, is not held",
			"Swap or CompareAndSwap", "GuardedBy named it at:", "nameLock", "is used at:", "TestInvariants_PointerGuardedBy")
		mu.Lock()
		write()
		mu.Unlock()
	}
	firstLoadIn(d, &p)
	p.Init(nil)
	p.LoadUnserialized()
	p.StoreUnserialized(nil)
	p.Swap(nil)
	p.CompareAndSwap(nil, nil)
	p.LoadUnsafe()

	var other sync.Mutex
	nameLock(&p, &other)
	mu.Lock()
	require.Contains(t, panicText(t, p.Clear), "*sync.Mutex", "the last lock that was named")
	mu.Unlock()
	p.GuardedBy(nil)
	p.Clear()
}

type unhashable struct {
	*sync.Mutex
	_ []int
}

func TestInvariants_GuardedByNoPointer(t *testing.T) {
	var p Pointer[int]
	require.Contains(t, panicText(t, func() { p.GuardedBy(unhashable{Mutex: new(sync.Mutex)}) }), "which is no pointer")
}
