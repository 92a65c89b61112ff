package fate

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

type shared struct {
	Shared
	n int
}

func TestCalls_ByAddressTypeAndFunction(t *testing.T) {
	fn, other := unsafe.Pointer(new(int)), unsafe.Pointer(new(int))
	o := &struct{ first int }{}
	p := unsafe.Pointer(o)
	first := &Call{Object: o, Fn: fn, Frees: true}
	require.Nil(t, Of(p))
	require.Nil(t, Add(first))
	require.Same(t, first, Add(&Call{Object: o, Fn: other, Frees: true}), "not noted")
	require.Nil(t, Add(&Call{Object: o, Fn: other}), "it frees nothing")
	require.Nil(t, Add(&Call{Object: &o.first, Fn: other, Frees: true}), "it has another type")
	require.Same(t, first, Of(p))
	Begin(p, fn)
	require.NotNil(t, Of(p))
	Begin(p, fn) // there is none
	Begin(p, other)
	Begin(p, other)
	require.Nil(t, Of(p))

	// Of two notes alike the one that was refused goes.
	quiet, refused := &Call{Object: o, Fn: fn}, &Call{Object: o, Fn: fn, Frees: true}
	require.Nil(t, Add(quiet))
	require.Nil(t, Add(refused))
	Refuse(refused)
	Refuse(refused)
	require.Nil(t, Add(refused), "it does not wait any more")
	Refuse(refused)
	require.Same(t, quiet, Of(p))
	Begin(p, fn)

	s := &shared{n: 1}
	for range 2 {
		require.Nil(t, Add(&Call{Object: s, Fn: fn, Frees: true}))
	}
	Begin(unsafe.Pointer(s), fn)
	Begin(unsafe.Pointer(s), fn)
	for range 2 {
		require.Nil(t, Add(&Call{Object: new(struct{}), Fn: fn, Frees: true}), "no size")
	}
	require.Empty(t, calls.of)
}

func TestBacks(t *testing.T) {
	p := unsafe.Pointer(new(int))
	_, ok := BackOf(p)
	require.False(t, ok)
	GiveBack(p, Back{Became: "retired"})
	GiveBack(p, Back{Became: "free"})
	b, ok := BackOf(p)
	require.True(t, ok)
	require.Equal(t, "free", b.Became)
	TakeBack(p)
	_, ok = BackOf(p)
	require.False(t, ok)
}
