//go:build invariants && !smr_sched

package slab

import (
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/self"
	"github.com/gosmr/gosmr/smr"
)

// What may block is refused in a pinned section; Retire never blocks.
func TestInvariants_BlockingWhilePinned(t *testing.T) {
	d, err := smr.New(smr.Options{Name: "held"})
	require.NoError(t, err)
	p := New[[64]byte](d, Options{})
	b := NewBlocks(d, Options{})
	obj, err := p.Get()
	require.NoError(t, err)
	block, err := b.Get(64)
	require.NoError(t, err)
	for what, call := range map[string]func(){
		"pool/Get":    func() { p.Get() },
		"pool/Free":   func() { p.Free(obj) },
		"pool/Trim":   p.Trim,
		"blocks/Get":  func() { b.Get(64) },
		"blocks/Free": func() { b.Free(block) },
		"blocks/Trim": b.Trim,
	} {
		t.Run(what, func(t *testing.T) {
			text := self.Dies(t, func() {
				s := d.Pin()
				call()
				s.Leave()
			})
			require.Contains(t, text, "slab: "+path.Base(what)+" inside a pinned section of domain held")
		})
	}
	s := d.Pin()
	p.Retire(obj)
	b.Retire(block)
	s.Leave()
}
