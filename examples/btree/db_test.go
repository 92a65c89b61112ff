package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/gosmr/gosmr/smr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var modes = map[string]Options{"moving": {}, "reserved": {Reserve: 1 << 28}}

func open(t testing.TB, path string, o Options) *DB {
	dom, err := smr.New(smr.Options{Name: "btree"})
	require.NoError(t, err)
	db, err := Open(dom, path, o)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		db.Close(ctx) // some tests have closed it
		require.NoError(t, dom.Close(ctx))
	})
	return db
}

// same requires that the tree has what the map has.
func same(t testing.TB, db *DB, want map[string]string) {
	sn, err := db.Snapshot()
	require.NoError(t, err)
	defer sn.Close()
	got := make(map[string]string)
	var order []string
	for r, err := range sn.All(nil) {
		require.NoError(t, err)
		got[string(r.Key)] = string(r.Value)
		order = append(order, string(r.Key))
	}
	require.Equal(t, want, got)
	require.Equal(t, slices.Sorted(maps.Keys(want)), order)
	for k, v := range want {
		value, ok, err := db.Get([]byte(k), nil)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, v, string(value))
	}
}

// Programs of updates, against a Go map; the file is opened anew now and then.
func TestUpdate_LikeAMap(t *testing.T) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tree")
			db := open(t, path, o)
			random := rand.New(rand.NewPCG(1, 2))
			want := make(map[string]string)
			rounds := 40
			if testing.Short() {
				rounds = 20
			}
			for round := range rounds {
				var records []Record
				for range random.IntN(200) {
					k := fmt.Sprintf("%d", random.IntN(1000))
					if random.IntN(3) == 0 {
						records = append(records, Record{Key: []byte(k)})
						delete(want, k)
						continue
					}
					want[k] = strings.Repeat(k, 1+random.IntN(1+random.IntN(200)))
					records = append(records, Record{[]byte(k), []byte(want[k])})
				}
				require.NoError(t, db.Update(records))
				if round%10 == 9 {
					same(t, db, want)
					require.NoError(t, db.Close(t.Context()))
					db = open(t, path, o)
					same(t, db, want)
				}
			}
			var all []Record
			for k := range want {
				all = append(all, Record{Key: []byte(k)})
			}
			require.NoError(t, db.Update(all))
			same(t, db, map[string]string{})
		})
	}
}

func TestUpdate_TooLarge(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "tree"), Options{})
	require.ErrorIs(t, db.Update([]Record{{make([]byte, maxItem), []byte{1}}}), ErrTooLarge)
	require.NoError(t, db.Update([]Record{{make([]byte, maxItem-8), []byte{1}}, {nil, make([]byte, maxItem)}}))
	require.NoError(t, db.Close(t.Context()))
	require.ErrorIs(t, db.Update(nil), os.ErrClosed)
}

// A file that can't grow fails the update, and keeps what it has; also on the disk.
func TestUpdate_NoRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tree")
	db := open(t, path, Options{Reserve: growBy})
	want := make(map[string]string)
	var err error
	for i := 0; err == nil; i++ {
		k := fmt.Sprintf("%06d", i)
		if err = db.Update([]Record{{[]byte(k), make([]byte, 1000)}}); err == nil {
			want[k] = string(make([]byte, 1000))
		}
	}
	same(t, db, want)
	require.NoError(t, db.Close(t.Context()))
	db = open(t, path, Options{})
	same(t, db, want)
	require.NoError(t, db.Update([]Record{{[]byte("x"), []byte("y")}}))
}

// A crash leaves a meta page half written: the other one leads to the tree before.
func TestOpen_AfterACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tree")
	db := open(t, path, Options{})
	require.NoError(t, db.Update([]Record{{[]byte("a"), []byte("1")}}))
	require.NoError(t, db.Update([]Record{{[]byte("a"), []byte("2")}}))
	last := db.meta.txn
	require.NoError(t, db.Close(t.Context()))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{0xff}, int64(last%2*pageSize)+16)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	same(t, open(t, path, Options{}), map[string]string{"a": "1"})

	require.NoError(t, os.Truncate(path, 2*pageSize))
	_, err = Open(db.dom, path, Options{})
	require.Error(t, err)
}

// The load: readers and snapshots beside a writer that grows the file. Each update sets all keys to
// one value, so a reader that meets a page of another version sees it.
func TestLoad_GrowUnderReaders(t *testing.T) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) {
			updates := 50
			if testing.Short() {
				updates = 40
			}
			const keys = 300
			db := open(t, filepath.Join(t.TempDir(), "tree"), o)
			set := func(value int) error {
				records := make([]Record, 0, keys+5)
				for i := range keys {
					records = append(records, Record{binary.BigEndian.AppendUint32(nil, uint32(i)), fmt.Appendf(nil, "%d", value)})
				}
				for i := range 5 { // has the file grow
					records = append(records, Record{fmt.Appendf(nil, "more %d %d", value, i), make([]byte, 1000)})
				}
				return db.Update(records)
			}
			require.NoError(t, set(0))
			ctx, cancel := context.WithCancel(t.Context())
			var readers errgroup.Group
			for range 2 {
				readers.Go(func() error {
					for ctx.Err() == nil {
						if err := sameValue(db, keys); err != nil {
							return err
						}
					}
					return nil
				})
			}
			size := db.file.Size()
			var err error
			for i := 1; i < updates && err == nil; i++ {
				err = set(i)
			}
			cancel()
			require.NoError(t, err)
			require.NoError(t, readers.Wait())
			require.Greater(t, db.file.Size(), size)

			// All pages that no version has come back.
			require.NoError(t, db.Update(nil))
			require.NoError(t, db.dom.Barrier(t.Context()))
			used := make(map[uint64]bool)
			s := db.file.Enter()
			err = db.mark(s, db.current.Load(s).root, used)
			s.Leave()
			require.NoError(t, err)
			require.EqualValues(t, db.meta.pages-2, len(used)+len(db.free))
		})
	}
}

func sameValue(db *DB, keys int) error {
	sn, err := db.Snapshot()
	if err != nil {
		return err
	}
	defer sn.Close()
	var first []byte
	n := 0
	for r, err := range sn.All(nil) {
		if err != nil {
			return err
		}
		if len(r.Key) != 4 {
			break
		}
		if n == 0 {
			first = bytes.Clone(r.Value)
		}
		if !bytes.Equal(first, r.Value) {
			return fmt.Errorf("%x is %q, not %q", r.Key, r.Value, first)
		}
		n++
	}
	if n != keys {
		return fmt.Errorf("%d keys, value %s", n, first)
	}
	return nil
}

// Pages of a snapshot are not used again, although versions that replaced some of them, later on, end
// before it.
func TestSnapshot_KeepsItsPages(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "tree"), Options{})
	const keys = 300 // several leaves, of which each update replaces one
	update := func(value string, from, to int) {
		var records []Record
		for i := from; i < to; i++ {
			records = append(records, Record{binary.BigEndian.AppendUint32(nil, uint32(i)), []byte(strings.Repeat(value, 100))})
		}
		require.NoError(t, db.Update(records))
	}
	update("a", 0, keys)
	sn, err := db.Snapshot()
	require.NoError(t, err)
	for i := range keys / 10 {
		update("b", 10*i, 10*i+10)
		db.dom.Flush()
		require.NoError(t, db.dom.Synchronize(t.Context()))
	}
	n := 0
	for r, err := range sn.All(nil) {
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("a", 100), string(r.Value), "key %x", r.Key)
		n++
	}
	require.Equal(t, keys, n)
	sn.Close()
	require.NoError(t, db.dom.Barrier(t.Context()))
	used := make(map[uint64]bool)
	s := db.file.Enter()
	defer s.Leave()
	require.NoError(t, db.mark(s, db.meta.root, used))
	require.Len(t, db.free, int(db.meta.pages)-2-len(used))
}

func TestRun(t *testing.T) { require.NoError(t, run(t.Context(), t.TempDir(), Options{}, 500)) }

func BenchmarkGet(b *testing.B) {
	for name, o := range modes {
		b.Run(name, func(b *testing.B) {
			db := open(b, filepath.Join(b.TempDir(), "tree"), o)
			var records []Record
			for i := range 50_000 {
				records = append(records, Record{key(i), []byte("value")})
			}
			require.NoError(b, db.Update(records))
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				var value []byte
				for i := 0; pb.Next(); i++ {
					var ok bool
					var err error
					if value, ok, err = db.Get(key(i%50_000), value[:0]); err != nil || !ok {
						b.Error(ok, err)
						return
					}
				}
			})
		})
	}
}
