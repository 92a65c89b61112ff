package relacq_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/litmus"
	"github.com/gosmr/gosmr/internal/relacq"
)

// Each kind of store stores.
func TestStores(t *testing.T) {
	var n relacq.Uint64
	n.Store(1)
	require.EqualValues(t, 1, n.Load())
	n.StoreGuarded(1<<63 + 2)
	require.EqualValues(t, uint64(1<<63+2), n.Load())

	var p relacq.Pointer[int]
	a, b := new(int), new(int)
	p.Store(a)
	require.Same(t, a, p.Load())
	p.StorePrivate(b)
	require.Same(t, b, p.Load())
}

// A Fence on both sides orders each side's store before its load.
func TestFence_StoresBeforeLoads(t *testing.T) {
	litmus.StoreLoad(t, relacq.Fence, relacq.Fence)
}
