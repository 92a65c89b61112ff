package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gosmr/gosmr/smr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newDomain(t testing.TB) *smr.Domain {
	dom, err := smr.New(smr.Options{Name: "hosts"})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, dom.Close(ctx))
	})
	return dom
}

func TestTable_LikeAMap(t *testing.T) {
	dom := newDomain(t)
	retired := make(chan int, 1000)
	table := NewTable[int](dom, func(v *int) { retired <- *v })
	check := func(n int) {
		s := dom.Enter()
		defer s.Leave()
		for i := range 200 {
			v := table.Get(s, i)
			require.Equal(t, i < n, v != nil, "%d of %d", i, n)
			if v != nil {
				require.Equal(t, 2*i, *v)
			}
		}
		require.Equal(t, n, table.Len())
	}
	for i := range 200 {
		require.NoError(t, table.Set(t.Context(), i, i))
		require.NoError(t, table.Set(t.Context(), i, 2*i))
	}
	check(200)
	for i := 199; i >= 0; i-- {
		ok, err := table.Delete(t.Context(), i)
		require.NoError(t, err)
		require.True(t, ok)
	}
	check(0)
	ok, err := table.Delete(t.Context(), 1)
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, dom.Barrier(t.Context()))
	require.Len(t, retired, 400)
}

// A Set whose growing is given up sets nothing, and the next one goes on.
func TestSet_GivesUp(t *testing.T) {
	dom := newDomain(t)
	table := NewTable[int, int](dom, nil)
	require.NoError(t, table.Set(t.Context(), 0, 0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	entered, release, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() { // a reader that stays
		defer close(left)
		dom.Read(func(smr.Section) {
			close(entered)
			<-release
		})
	}()
	<-entered
	var gaveUp []int
	for i := 1; i < 10; i++ {
		if table.Set(ctx, i, i) != nil {
			gaveUp = append(gaveUp, i)
		}
	}
	close(release)
	<-left
	dom.Read(func(s smr.Section) {
		for _, i := range gaveUp {
			require.Nil(t, table.Get(s, i))
		}
	})
	require.NotEmpty(t, gaveUp)
	for i := range 10 {
		require.NoError(t, table.Set(t.Context(), i, i))
	}
	require.Equal(t, 10, table.Len())
}

// The load: lookups beside growing, replacing and shrinking.
func TestLoad_ComeAndGo(t *testing.T) {
	hosts := 2000
	if testing.Short() {
		hosts = 300
	}
	require.NoError(t, run(t.Context(), hosts))
}

func BenchmarkGet(b *testing.B) {
	dom := newDomain(b)
	table := NewTable[int, int](dom, nil)
	for i := range 1000 {
		require.NoError(b, table.Set(b.Context(), i, i))
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			s := dom.Enter()
			if table.Get(s, i%1000) == nil {
				b.Error("missed")
			}
			s.Leave()
		}
	})
}
