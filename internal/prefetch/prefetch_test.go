package prefetch

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// A hint leaves memory as it is, and takes any address, and none.
func TestLines_AnyAddress(t *testing.T) {
	Lines(nil, 0)
	words := make([]uint64, 1000)
	for i := range words {
		words[i] = uint64(i)
	}
	addresses := make([]unsafe.Pointer, 100) // nil, but for some
	for i := 0; i < len(addresses); i += 3 {
		addresses[i] = unsafe.Pointer(&words[i*10])
	}
	for n := range addresses {
		Lines(addresses[:n], 0)
		Lines(addresses[:n], 1<<30) // perhaps not mapped
	}
	for i, w := range words {
		require.EqualValues(t, i, w)
	}
	for i, a := range addresses {
		require.Equal(t, i%3 == 0, a != nil)
	}
}
