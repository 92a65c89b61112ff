//go:build invariants

package slab

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

// A hold does not keep an object from its pool: that the pool has it, or gets it, is found.
func TestInvariants_HeldAndGivenBack(t *testing.T) {
	for back, give := range map[string]func(*Pool[called], *called){"Free": freeIt, "Retire": retireIt} {
		t.Run(back, func(t *testing.T) {
			d := newDomain(t)
			p := New[called](d, Options{Name: "both"})
			c, err := p.Get()
			require.NoError(t, err)
			s := d.Enter()
			h := smr.Hold(s, c)
			text := panicTextOf(t, func() { give(p, c) })
			for _, part := range []string{"slab: pool both of slab.called: " + back + " of 0x", "which is held (smr.Hold, on domain " + d.Name() + ")",
				"Give it to smr.Call, with the pool's Free", "TestInvariants_HeldAndGivenBack", "and given to " + back + "\n\tby ", "eIt"} {
				require.Contains(t, text, part)
			}
			h.Release()

			c, err = p.Get()
			require.NoError(t, err)
			give(p, c)
			text = panicTextOf(t, func() { smr.Hold(s, c) })
			for _, part := range []string{"smr: Hold, on domain " + d.Name() + ", of 0x", " in pool both: a hold does not keep it", "It was given back at:", "eIt", "and held at:", "TestInvariants_HeldAndGivenBack"} {
				require.Contains(t, text, part)
			}
			require.Zero(t, d.Stats().Holds)
			s.Leave()
		})
	}
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
