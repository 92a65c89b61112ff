//go:build invariants

package smr

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// A resource is a field of an owner, at the same address.
type owner struct{ resource }

type resource struct{ n int }

func (o *owner) free()    {}
func (r *resource) free() {}

//go:noinline
func callFirst(d *Domain, o *owner, size int) { Call(d, o, size, (*owner).free) }

// An object that is given to Call while it waits for another: both domains and both places are shown.
func TestInvariants_CalledTwice(t *testing.T) {
	a, b := newDomain(t, Options{Name: "a"}), newDomain(t, Options{Name: "b"})
	for _, size := range []int{1, Expedite} {
		o := new(owner)
		s := enterElsewhere(a)
		callFirst(a, o, 8)
		for _, d := range []*Domain{a, b} {
			text := panicText(t, func() { Call(d, o, size, func(*owner) {}) })
			containsAll(t, text, "smr: Call, on domain "+d.Name()+", of the *smr.owner at 0x", "was given to Call on domain a before, and whose callback has not begun",
				"it would be freed twice", "Give each object once", "has size 0, or is a CallFunc",
				"It was given first at:", "callFirst", "and again at:", "TestInvariants_CalledTwice")
		}
		s.Leave()
		require.NoError(t, a.Barrier(watchdogContext(t)))
		callFirst(b, o, 8) // its first call is over
		require.NoError(t, b.Barrier(watchdogContext(t)))
	}
}

// Calls of one address that are no mistake.
func TestInvariants_CalledOften(t *testing.T) {
	d := newDomain(t, Options{})
	s := enterElsewhere(d)
	o := new(owner)
	callFirst(d, o, 8)
	Call(d, &o.resource, 8, (*resource).free) // another object at the same address
	counter := new(owner)
	for range 3 { // they free nothing
		callFirst(d, counter, 0)
	}
	callFirst(d, counter, 8)
	for range 2 { // objects of no size may all have one address
		Call(d, new(struct{}), 8, func(*struct{}) {})
		d.CallFunc(8, func() {})
	}
	refused := new(owner)
	for _, size := range []int{-1, maxSize + 1} {
		if size == Expedite { // with 32 bits
			continue
		}
		require.Panics(t, func() { callFirst(d, refused, size) })
	}
	callFirst(d, refused, 8)
	s.Leave()
	require.NoError(t, d.Barrier(watchdogContext(t)))

	// A callback may give its object to Call again.
	chain := new(owner)
	done := make(chan struct{})
	Call(d, chain, 8, func(o *owner) {
		Call(d, o, 8, func(*owner) { close(done) })
	})
	<-done

	closed, err := New(Options{})
	require.NoError(t, err)
	require.NoError(t, closed.Close(watchdogContext(t)))
	require.False(t, TryCall(closed, o, 8, (*owner).free))
	callFirst(d, o, 8) // the caller has kept it
	require.EqualValues(t, unsafe.Pointer(o), unsafe.Pointer(&o.resource))
}
