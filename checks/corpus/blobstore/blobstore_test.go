package blobstore

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
)

func TestStore(t *testing.T) {
	ctx := t.Context()
	st, err := Open(t.TempDir(), 64<<10)
	if err != nil {
		t.Fatal(err)
	}
	key := func(i int) Key { return Key{byte(i), byte(i >> 8)} }
	blob := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 1000+i) }
	const n = 100
	for i := range n {
		if err := st.Put(key(i), blob(i)); err != nil {
			t.Fatal(err)
		}
	}
	slow, err := st.Reader(key(1))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := 1; i < n; i += 2 {
				b, err := st.Get(key(i))
				if err != nil || !bytes.Equal(b, blob(i)) {
					t.Error(i, len(b), err)
				}
				var out bytes.Buffer
				if _, err := st.WriteTo(&out, key(i)); err != nil || !bytes.Equal(out.Bytes(), blob(i)) {
					t.Error(i, out.Len(), err)
				}
			}
		})
	}
	for i := 0; i < n; i += 2 {
		if !st.Delete(key(i)) {
			t.Error(i)
		}
	}
	compacted := make(chan error)
	go func() {
		removed, err := st.Compact(ctx, 0.9)
		if removed == 0 && err == nil {
			err = errors.New("nothing was removed")
		}
		compacted <- err
	}()
	wg.Wait()
	if b, err := io.ReadAll(slow); err != nil || !bytes.Equal(b, blob(1)) {
		t.Fatal(len(b), err)
	}
	slow.Close()
	if err := <-compacted; err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(st.Trim(ctx), st.Sync()); err != nil {
		t.Fatal(err)
	}
	if size, err := st.Stat(key(3)); size != 1003 || err != nil {
		t.Fatal(size, err)
	}
	if _, err := st.Get(key(2)); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if err := st.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
