package bufring

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
)

func TestRing(t *testing.T) {
	ctx := t.Context()
	r, err := New(8)
	if err != nil {
		t.Fatal(err)
	}
	add := func(i int) {
		t.Helper()
		seq, err := r.Append(ctx, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "message %d\n", i)
			return err
		})
		if err != nil || seq != uint64(i) {
			t.Fatal(seq, err)
		}
	}
	for i := range 10 {
		add(i)
	}
	failed := errors.New("failed")
	if _, err := r.Append(ctx, func(io.Writer) error { return failed }); err != failed {
		t.Fatal(err)
	}
	lease, err := r.Lease(3)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			seq := uint64(0)
			for seq < 200 {
				for n, b := range r.Since(seq) {
					if string(b) != fmt.Sprintf("message %d\n", n) || n < seq {
						t.Error(n, string(b))
					}
					if seq = n + 1; n%5 == 0 {
						break
					}
				}
			}
		})
	}
	for i := 10; i < 200; i++ {
		add(i)
	}
	wg.Wait()
	if _, err := r.Get(7, nil); !errors.Is(err, ErrGone) {
		t.Fatal(err)
	}
	if b, err := r.Get(199, nil); err != nil || string(b) != "message 199\n" {
		t.Fatal(string(b), err)
	}
	var out bytes.Buffer
	if _, err := lease.WriteTo(&out); err != nil || out.String() != "message 7\nmessage 8\nmessage 9\n" {
		t.Fatal(out.String(), err)
	}
	lease.Close()
	done := make(chan error)
	pr, pw := io.Pipe()
	r.Send(2, pw, done)
	b := make([]byte, 12)
	if _, err := io.ReadFull(pr, b); err != nil || string(b) != "message 198\n" {
		t.Fatal(string(b), err)
	}
	pr.CloseWithError(failed)
	if err := <-done; err != failed {
		t.Fatal(err)
	}
	if err := r.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Append(ctx, func(io.Writer) error { return nil }); err == nil {
		t.Fatal("closed")
	}
}
