//go:build invariants

package slab

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

type called struct{ N [8]int }

func (c *called) end() {}

//go:noinline
func callIt(d *smr.Domain, c *called) { smr.Call(d, c, 64, (*called).end) }

//go:noinline
func freeIt(p *Pool[called], c *called) { p.Free(c) }

//go:noinline
func retireIt(p *Pool[called], c *called) { p.Retire(c) }

func panicTextOf(t *testing.T, fn func()) (text string) {
	t.Helper()
	defer func() {
		p := recover()
		require.NotNil(t, p, "no panic")
		text = p.(string)
	}()
	fn()
	return ""
}

// An object that is given to Call and to its pool, in either order: both places are shown.
func TestInvariants_CalledAndGivenBack(t *testing.T) {
	for back, give := range map[string]func(*Pool[called], *called){"Free": freeIt, "Retire": retireIt} {
		t.Run(back, func(t *testing.T) {
			d := newDomain(t)
			p := New[called](d, Options{Name: "both"})
			c, err := p.Get()
			require.NoError(t, err)
			held := make(chan smr.Section)
			go func() { held <- d.Enter() }()
			s := <-held
			callIt(d, c)
			text := panicTextOf(t, func() { give(p, c) })
			for _, part := range []string{"slab: pool both of slab.called: " + back + " of 0x", "was given to smr.Call on domain " + d.Name() + ", as a *slab.called",
				"memory that is another object's", "Give each object once", "It was given to Call at:", "callIt", "and to " + back + "\n\tby ", "eIt"} {
				require.Contains(t, text, part)
			}
			s.Leave()

			c, err = p.Get()
			require.NoError(t, err)
			go func() { held <- d.Enter() }()
			s = <-held
			give(p, c)
			text = panicTextOf(t, func() { callIt(d, c) })
			was := map[string]string{"Free": "which is free in pool both: its memory is another object's", "Retire": "which is retired in pool both"}[back]
			for _, part := range []string{"smr: Call, on domain " + d.Name() + ", of the *slab.called at 0x", was, "eIt", "Give each object once",
				"It was given back at:", "and to Call at:", "callIt"} {
				require.Contains(t, text, part)
			}
			s.Leave()
			require.NoError(t, d.Barrier(context.Background()))
		})
	}
}

// A callback gives its object back, and the next use of the memory is another object.
func TestInvariants_CallbackGivesBack(t *testing.T) {
	d := newDomain(t)
	p := New[called](d, Options{Name: "once"})
	for i := range 200 {
		c, err := p.Get()
		require.NoError(t, err)
		switch i % 3 {
		case 0:
			smr.Call(d, c, 64, p.Free)
		case 1:
			smr.Call(d, c, 64, p.Retire)
		default:
			callIt(d, c)
			require.NoError(t, d.Barrier(context.Background()))
			p.Free(c)
		}
	}
	require.NoError(t, d.Barrier(context.Background()))
	require.NoError(t, p.Close(context.Background()))
}
