package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/gosmr/gosmr/smr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, dir string) *Store {
	dom, err := smr.New(smr.Options{Name: "segments"})
	require.NoError(t, err)
	st, err := Open(t.Context(), dom, dir)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		st.Close(ctx) // some tests have closed it
		require.NoError(t, dom.Close(ctx))
	})
	return st
}

func write(t testing.TB, st *Store, pairs ...string) {
	records := make(map[string][]byte)
	for i := 0; i < len(pairs); i += 2 {
		records[pairs[i]] = []byte(pairs[i+1])
		if pairs[i+1] == "-" {
			records[pairs[i]] = nil
		}
	}
	require.NoError(t, st.Write(t.Context(), records))
}

func all(t testing.TB, st *Store, from string) (text string) {
	for r, err := range st.All(from) {
		require.NoError(t, err)
		text += fmt.Sprintf("%s=%s ", r.Key, r.Value)
	}
	return text
}

func TestStore_NewestWins(t *testing.T) {
	dir := t.TempDir()
	st := open(t, dir)
	require.NoError(t, st.Compact(t.Context()))
	write(t, st, "a", "1", "b", "1", "c", "1", "e", "")
	write(t, st, "b", "2", "c", "-", "d", "2")
	check := func(st *Store) {
		require.Equal(t, "a=1 b=2 d=2 e= ", all(t, st, ""))
		require.Equal(t, "b=2 d=2 e= ", all(t, st, "aa"))
		for key, want := range map[string]string{"a": "1", "b": "2", "c": "-", "d": "2", "e": "", "x": "-", "": "-"} {
			value, ok, err := st.Get(key, nil)
			require.NoError(t, err)
			require.Equal(t, want != "-", ok, key)
			if ok {
				require.Equal(t, want, string(value), key)
			}
		}
	}
	check(st)
	require.NoError(t, st.Compact(t.Context()))
	check(st)
	require.NoError(t, st.Close(t.Context()))
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, names, 1)
	check(open(t, dir))
}

// What a crash leaves: a compaction was published, and what it replaced is still there.
func TestOpen_AfterACrash(t *testing.T) {
	dir := t.TempDir()
	st := open(t, dir)
	write(t, st, "a", "1")
	write(t, st, "a", "-", "b", "2")
	first, err := os.ReadFile(filepath.Join(dir, span{1, 1}.name()))
	require.NoError(t, err)
	require.NoError(t, st.Compact(t.Context()))
	require.NoError(t, st.Close(t.Context()))
	require.NoError(t, os.WriteFile(filepath.Join(dir, span{1, 1}.name()), first, 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.tmp"), first, 0o666))

	st = open(t, dir)
	require.Equal(t, "b=2 ", all(t, st, ""))
	write(t, st, "c", "3")
	require.NoError(t, st.Close(t.Context()))
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, names, 2)
	require.NoError(t, os.WriteFile(filepath.Join(dir, span{4, 4}.name()), []byte("no segment"), 0o666))
	_, err = Open(t.Context(), st.dom, dir)
	require.ErrorContains(t, err, "not a segment")
}

// The load: readers and iterators beside a writer and compactions. Each write sets all keys to one
// value, so an iterator that sees two values has seen two lists.
func TestLoad_IteratorsBesideCompaction(t *testing.T) {
	writes := 60
	if testing.Short() {
		writes = 15
	}
	const keys = 50
	dir := t.TempDir()
	st := open(t, dir)
	set := func(value int) error {
		records := make(map[string][]byte)
		for i := range keys {
			records[fmt.Sprintf("key-%03d", i)] = fmt.Appendf(nil, "%d", value)
		}
		return st.Write(t.Context(), records)
	}
	require.NoError(t, set(0))

	var load errgroup.Group
	done := make(chan struct{})
	running := func() bool {
		select {
		case <-done:
			return false
		default:
			return true
		}
	}
	for range 2 {
		load.Go(func() error {
			for running() {
				if err := sameValue(st, keys); err != nil {
					return err
				}
			}
			return nil
		})
	}
	load.Go(func() error {
		for i := 0; running(); i++ {
			if _, ok, err := st.Get(fmt.Sprintf("key-%03d", i%keys), nil); err != nil || !ok {
				return fmt.Errorf("key %d: %v %v", i%keys, ok, err)
			}
		}
		return nil
	})
	load.Go(func() error {
		for running() {
			if err := st.Compact(t.Context()); err != nil {
				return err
			}
		}
		return nil
	})
	for i := range writes {
		require.NoError(t, set(i))
	}
	close(done)
	require.NoError(t, load.Wait())
	require.NoError(t, st.Compact(t.Context()))
	require.NoError(t, st.Close(t.Context()))
	require.Zero(t, st.set.Waiting())
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, names, 1, "segments that were compacted are removed")
}

func sameValue(st *Store, keys int) error {
	var first []byte
	n := 0
	for r, err := range st.All("") {
		if err != nil {
			return err
		}
		if n == 0 {
			first = bytes.Clone(r.Value)
		}
		if !bytes.Equal(first, r.Value) {
			return fmt.Errorf("%s is %s, not %s", r.Key, r.Value, first)
		}
		n++
	}
	if n != keys {
		return fmt.Errorf("%d keys", n)
	}
	return nil
}

func TestRun(t *testing.T) { require.NoError(t, run(t.Context(), "", 100)) }

func BenchmarkGet(b *testing.B) {
	st := open(b, b.TempDir())
	records := make(map[string][]byte)
	for i := range 10_000 {
		records[fmt.Sprintf("key-%06d", i)] = make([]byte, 100)
	}
	require.NoError(b, st.Write(b.Context(), records))
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var value []byte
		for pb.Next() {
			var ok bool
			var err error
			if value, ok, err = st.Get("key-004711", value[:0]); err != nil || !ok {
				b.Error(ok, err)
				return
			}
		}
	})
}
