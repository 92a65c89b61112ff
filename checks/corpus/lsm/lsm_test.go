package lsm

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
)

func TestDB(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	db, err := Open(dir, 3000)
	if err != nil {
		t.Fatal(err)
	}
	key := func(i int) []byte { return fmt.Appendf(nil, "key:%03d", i) }
	const n = 150
	for i := range n {
		if err := db.Put(ctx, key(i), key(i)); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			var buf []byte
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				var err error
				if buf, err = db.Get(key(i%n), buf[:0]); err != nil || len(buf) < 7 {
					t.Error(string(buf), err)
					return
				}
			}
		})
	}
	for round := range 3 {
		for i := range n {
			if err := db.Put(ctx, key(i), append(key(i), byte('0'+round))); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Merge(ctx); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()

	if err := db.Delete(ctx, key(7)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Get(key(7), nil); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	seen := 0
	err = db.Scan([]byte("key:0"), func(k, v []byte) bool {
		if !bytes.Equal(v, append(bytes.Clone(k), '2')) {
			t.Errorf("%s = %s", k, v)
		}
		if seen++; seen == 10 {
			if err := errors.Join(db.Flush(ctx), db.Merge(ctx)); err != nil {
				t.Error(err)
			}
		}
		return true
	})
	if err != nil || seen != 99 {
		t.Fatal(seen, err)
	}
	if db.Segments() != 1 {
		t.Fatal(db.Segments())
	}
	err = db.View(key(8), func(v []byte) error {
		if len(v) != 8 {
			return errors.New("wrong value")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
}
