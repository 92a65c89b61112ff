package clock

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// enterLeave opens a section of the reader, and returns its moment.
func enterLeave(r *Record) Seq {
	_, gen := r.Enter()
	at := Seq(r.seq.Load())
	r.Leave(gen)
	return at
}

func TestOwned_EntersNow(t *testing.T) {
	forEachStart(t, func(t *testing.T, c *Clock) {
		r := c.NewOwned()
		for range 3 {
			require.Equal(t, c.Now(), enterLeave(r))
			require.Equal(t, c.Now(), enterLeave(r), "at the same moment")
			goal := c.Advance()
			require.Equal(t, goal, enterLeave(r), "at another")
		}
	})
}

// The fast path does not load exceptions.
func TestOwned_NextEntryIsTold(t *testing.T) {
	c := newClock(Options{})
	r := c.NewOwned()
	sampled := func() bool {
		_, gen := r.Enter()
		defer r.Leave(gen)
		return r.sampleOf(r.gen.Load()) != nil // gen may say as well that it is fenced
	}
	for range 3 {
		require.False(t, sampled())
		c.SampleSections(1)
		require.True(t, sampled())
		require.True(t, sampled())
		c.SampleSections(0)
	}
	require.False(t, sampled())
	require.True(t, c.Seal())
	require.Panics(t, func() { r.Enter() })
	rec, _ := r.TryEnter()
	require.Nil(t, rec)
	require.True(t, r.Close(), "no section is open on it")
}

// A clock that is sealed again does not move.
func TestSeal_MovesOnce(t *testing.T) {
	c := newClock(Options{})
	require.True(t, c.Seal())
	now := c.Now()
	require.False(t, c.Seal())
	require.Equal(t, now, c.Now())
}

// A record that is used again enters at the moment of its new owner's first section.
func TestOwned_UsedAgain(t *testing.T) {
	c := newClock(Options{})
	r := c.NewOwned()
	enterLeave(r)
	require.True(t, r.Close())
	c.Advance()
	require.Same(t, r, c.NewOwned())
	require.Equal(t, c.Now(), enterLeave(r))
}
