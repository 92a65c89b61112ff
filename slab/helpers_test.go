package slab

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/smr"
)

var (
	watchdogContext = testkit.Context
	newDomain       = testkit.Domain
	rounds          = testkit.Rounds
	settle          = testkit.Settle
)

func get[T any](t testing.TB, p *Pool[T]) *T {
	obj, err := p.Get()
	require.NoError(t, err)
	return obj
}

// growSlab has the store take a slab that is opened to its end, as a claim does.
func growSlab(t testing.TB, s *store) {
	require.NoError(t, s.budget.reserve(int64(s.slabSize)))
	require.NoError(t, s.growBy(s.slabSize, nil))
}

type page = [4096]byte

func getAll[T any](t testing.TB, p *Pool[T], n int) (all []*T) {
	for range n {
		all = append(all, get(t, p))
	}
	return all
}

func freeAll[T any](p *Pool[T], all []*T) {
	for _, obj := range all {
		p.Free(obj)
	}
}

// closeEmpty closes a pool all of whose objects were given back.
func closeEmpty[T any](t testing.TB, p *Pool[T]) {
	require.NoError(t, p.Close(watchdogContext(t)))
	st := p.Stats()
	require.Zero(t, st.ReservedBytes)
	require.Zero(t, st.InUse)
	require.Zero(t, st.Pending)
}

func panicText(t testing.TB, fn func()) (text string) {
	t.Helper()
	defer func() {
		v := recover()
		require.NotNil(t, v, "no panic")
		text = v.(string)
	}()
	fn()
	return ""
}

// enter opens a section, which is left at the latest when the test ends: or the domain
// would wait for it where a test failed.
func enter(t testing.TB, d *smr.Domain) (leave func()) {
	leave = sync.OnceFunc(testkit.Enter(d).Leave)
	t.Cleanup(leave)
	return leave
}

func mustGet[T any](p *Pool[T]) *T {
	obj, err := p.Get()
	if err != nil {
		panic(err)
	}
	return obj
}
