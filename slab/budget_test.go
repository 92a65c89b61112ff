package slab

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Spare slabs that no reader looks at can be had in a section, too.
func TestBudget_ReclaimsInSection(t *testing.T) {
	d := newDomain(t)
	b := NewBudget(64 << 20)
	p := New[page](d, Options{Budget: b})
	q := New[page](d, Options{Budget: b, Name: "q"})
	freeAll(p, getAll(t, p, 8000))
	s := d.Enter()
	require.NoError(t, b.Take(40<<20))
	b.Put(40 << 20)
	freeAll(p, getAll(t, p, 8000))
	s.Leave()
	s = d.Enter() // entered when they were whole
	freeAll(q, getAll(t, q, 10_000))
	s.Leave()
	closeEmpty(t, q)
	closeEmpty(t, p)
}

// What a member gave back that has left is not taken for what another one did.
func TestBudget_ReclaimsAfterMemberLeft(t *testing.T) {
	d := newDomain(t)
	b := NewBudget(64 << 20)
	p := New[page](d, Options{Budget: b})
	q := New[page](d, Options{Budget: b, Name: "q"})
	freeAll(q, getAll(t, q, 8000))
	q.Flush()
	all := getAll(t, p, 8000)
	require.ErrorIs(t, b.Take(60<<20), ErrNoMemory)
	closeEmpty(t, q)
	freeAll(p, all)
	require.NoError(t, b.Take(40<<20))
	b.Put(40 << 20)
	closeEmpty(t, p)
}

// A pool's own try to make room does not hide from others what it could have given.
func TestBudget_ReclaimsFromWhoReclaimed(t *testing.T) {
	d := newDomain(t)
	type block = [64 << 10]byte
	b := NewBudget(8<<20 - 64<<10)
	p := New[block](d, Options{Budget: b})
	q := New[block](d, Options{Budget: b, Name: "q"})
	all := getAll(t, p, 7*p.s.perSlab)
	// A goroutine in p.Get has found nothing ...
	require.ErrorIs(t, p.s.grow(), ErrNoMemory)
	p.s.policy.drain()
	require.Nil(t, p.s.take(true))
	freeAll(p, all) // ... others give back ...
	b.reclaim(p.s)  // ... and it goes on.
	p.s.grow()
	q.Free(get(t, q))
	closeEmpty(t, q)
	closeEmpty(t, p)
}

// Two Gets that found nothing both grew the pool, and one slab would have done.
func TestBudget_ReclaimsNewSlab(t *testing.T) {
	d := newDomain(t)
	b := NewBudget(2 * 64 << 10)
	p := New[flat](d, Options{Budget: b})
	q := New[page](d, Options{Budget: b, Name: "q"})
	require.NoError(t, p.s.grow())
	require.NoError(t, p.s.grow())
	obj := get(t, p)
	q.Free(get(t, q))
	p.Free(obj)
	closeEmpty(t, q)
	closeEmpty(t, p)
}

// A section that keeps memory from others does not keep it from its pool.
func TestBudget_ReclaimsNothingUnderReader(t *testing.T) {
	d := newDomain(t)
	const slabs = 27
	b := NewBudget((slabs + 13) * 64 << 10)
	p := New[page](d, Options{Budget: b})
	n := slabs * p.s.perSlab
	all := getAll(t, p, n)
	s := d.Enter()
	freeAll(p, all)
	require.ErrorIs(t, b.Take(20*64<<10), ErrNoMemory)
	require.NoError(t, b.Take(13*64<<10))
	all = getAll(t, p, n)
	freeAll(p, all) // the budget is scarce now
	all = getAll(t, p, n)
	s.Leave()
	freeAll(p, all)
	b.Put(13 * 64 << 10)
	closeEmpty(t, p)
}
