package slab

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The domain of a pool's readers is known.
func TestDomain(t *testing.T) {
	d := newDomain(t)
	require.Same(t, d, New[flat](d, Options{}).Domain())
	require.Same(t, d, NewBlocks(d, Options{}).Domain())
}
