//go:build invariants

package slab

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

// A hold keeps an object from no Free: that it is freed while it is held, or held when it is free, is
// found.
func TestInvariants_HeldAndFreed(t *testing.T) {
	d := newDomain(t)
	p := New[called](d, Options{Name: "both"})
	c, err := p.Get()
	require.NoError(t, err)
	s := d.Enter()
	h := smr.Hold(s, c)
	text := panicTextOf(t, func() { freeIt(p, c) })
	for _, part := range []string{"slab: pool both of slab.called: Free of 0x", "which is held (smr.Hold, on domain " + d.Name() + ")",
		"Retire what readers may hold", "TestInvariants_HeldAndFreed", "and given to Free\n\tby ", "freeIt"} {
		require.Contains(t, text, part)
	}
	h.Release()

	c, err = p.Get()
	require.NoError(t, err)
	freeIt(p, c)
	text = panicTextOf(t, func() { smr.Hold(s, c) })
	for _, part := range []string{"smr: Hold, on domain " + d.Name() + ", of 0x", "which is free in pool both: ", "It was given back at:", "freeIt", "and held at:", "TestInvariants_HeldAndFreed"} {
		require.Contains(t, text, part)
	}
	require.Zero(t, d.Stats().Holds)
	s.Leave()
}

// What is retired may be held, before and after, by readers that found it. It is poisoned when it is
// released, and not before.
func TestInvariants_HeldAndRetired(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	obj := get(t, p)
	obj.key = 5
	s := d.Enter()
	h := smr.Hold(s, obj)
	p.Retire(obj)
	h2 := smr.Hold(s, obj)
	s.Leave()
	settleUnheld(t, d)
	require.EqualValues(t, 5, obj.key)
	h.Release()
	p.Trim()
	settleUnheld(t, d)
	require.EqualValues(t, 5, obj.key)
	h2.Release()
	settle(t, d)
	require.NotEqualValues(t, 5, obj.key)
	closeEmpty(t, p)
}

// A pool's object that is given to Call with the pool's Free is kept while it is held.
func TestInvariants_HeldAndCalled(t *testing.T) {
	d := newDomain(t)
	p := New[called](d, Options{})
	c, err := p.Get()
	require.NoError(t, err)
	s := d.Enter()
	h := smr.Hold(s, c)
	s.Leave()
	smr.Call(d, c, smr.Expedite, p.Free)
	require.NoError(t, d.Synchronize(t.Context()))
	require.EqualValues(t, 1, d.Stats().PendingCalls)
	h.Release()
	require.NoError(t, d.Barrier(t.Context()))
}
