package fate

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestHolds(t *testing.T) {
	p := unsafe.Pointer(new(int))
	a, b := new(Hold), &Hold{Domain: "other"}
	require.Nil(t, HoldOf(p))
	AddHold(p, a)
	AddHold(p, b)
	require.Same(t, a, HoldOf(p))
	RemoveHold(p, a)
	require.Same(t, b, HoldOf(p))
	RemoveHold(p, b)
	require.Nil(t, HoldOf(p))
	require.Empty(t, holds.of)
}
