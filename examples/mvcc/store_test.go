package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/gosmr/gosmr/smr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB) *Store {
	st, err := New()
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, st.Close(ctx))
		require.Zero(t, st.versions.Stats().InUse)
	})
	return st
}

func set(t testing.TB, st *Store, key uint64, value int64) {
	tx := st.Begin()
	tx.Set(key, Value{value})
	require.NoError(t, tx.Commit())
}

func get(t testing.TB, from interface {
	Get(uint64) (Value, bool, error)
}, key uint64) int64 {
	value, ok, err := from.Get(key)
	require.NoError(t, err)
	if !ok {
		return -1
	}
	return value[0]
}

func TestSnapshot_StaysAsItIs(t *testing.T) {
	st := open(t)
	empty := st.Snapshot()
	set(t, st, 1, 10)
	first := st.Snapshot()
	set(t, st, 1, 20)
	set(t, st, 2, 5)
	require.EqualValues(t, -1, get(t, empty, 1))
	require.EqualValues(t, 10, get(t, first, 1))
	require.EqualValues(t, -1, get(t, first, 2))
	require.EqualValues(t, 20, get(t, st, 1))
	require.EqualValues(t, -1, get(t, st, 3))
	empty.Close()
	for i := range 100 {
		set(t, st, 1, int64(i))
	}
	require.EqualValues(t, 10, get(t, first, 1))
	require.EqualValues(t, 103, st.versions.Stats().InUse)
	first.Close()
	set(t, st, 1, 100)
	require.EqualValues(t, 3, st.versions.Stats().InUse, "the present value, the one before, and another row's")
}

func TestCommit_TheFirstWins(t *testing.T) {
	st := open(t)
	set(t, st, 1, 1)
	a, b := st.Begin(), st.Begin()
	a.Set(1, Value{2})
	a.Set(2, Value{2})
	b.Set(1, Value{3})
	b.Set(3, Value{3})
	require.EqualValues(t, 2, get(t, a, 2))
	require.NoError(t, a.Commit())
	require.ErrorIs(t, b.Commit(), ErrConflict)
	require.EqualValues(t, 2, get(t, st, 1))
	require.EqualValues(t, -1, get(t, st, 3))
	require.Empty(t, st.snapshots)
}

func TestClose_LateUsersFail(t *testing.T) {
	st := open(t)
	set(t, st, 1, 1)
	sn, tx := st.Snapshot(), st.Begin()
	tx.Set(1, Value{2})
	require.NoError(t, st.Close(t.Context()))
	_, _, err := sn.Get(1)
	require.ErrorIs(t, err, smr.ErrClosed)
	require.ErrorIs(t, tx.Commit(), smr.ErrClosed)
}

// The load: transfers, and sums of snapshots beside them.
func TestLoad_SumsOfOneMoment(t *testing.T) {
	transfers := 10_000
	if testing.Short() {
		transfers = 1500
	}
	st := open(t)
	require.NoError(t, bank(t.Context(), st, 20, transfers))
}

// Readers without a snapshot find each row, though commits unlink what they were about to read.
func TestLoad_GetBesideCommits(t *testing.T) {
	commits := 10_000
	if testing.Short() {
		commits = 1500
	}
	st := open(t)
	set(t, st, 1, 0)
	done := make(chan struct{})
	var g errgroup.Group
	for range 2 {
		g.Go(func() error {
			last := int64(0)
			for {
				value, ok, err := st.Get(1)
				if err != nil || !ok || value[0] < last || value[0] != value[3] {
					return errors.Join(err, fmt.Errorf("%v %v after %d", value, ok, last))
				}
				last = value[0]
				select {
				case <-done:
					return nil
				default:
				}
			}
		})
	}
	for i := range commits {
		tx := st.Begin()
		tx.Set(1, Value{int64(i), 0, 0, int64(i)})
		require.NoError(t, tx.Commit())
	}
	close(done)
	require.NoError(t, g.Wait())
}

func TestRun(t *testing.T) { require.NoError(t, run(t.Context(), 10, 100)) }

func BenchmarkGet(b *testing.B) {
	st := open(b)
	for i := range uint64(1000) {
		set(b, st, i, 1)
	}
	sn := st.Snapshot()
	defer sn.Close()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := uint64(0); pb.Next(); i++ {
			if _, ok, err := sn.Get(i % 1000); !ok || err != nil {
				b.Error(ok, err)
				return
			}
		}
	})
}
