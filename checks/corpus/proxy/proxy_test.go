package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type transport struct {
	open   *atomic.Int64
	closed atomic.Bool
	fails  bool
}

func (t *transport) RoundTrip(_ context.Context, request []byte) (io.ReadCloser, error) {
	if t.closed.Load() {
		panic("a request by a closed transport")
	}
	if t.fails {
		return nil, io.ErrUnexpectedEOF
	}
	return io.NopCloser(bytes.NewReader(request)), nil
}

func (t *transport) Close() error {
	if t.closed.Swap(true) {
		panic("closed twice")
	}
	t.open.Add(-1)
	return nil
}

func TestBalancer(t *testing.T) {
	ctx := t.Context()
	var open atomic.Int64
	b, err := New(func(name string) (Transport, error) {
		if name == "none" {
			return nil, errors.New("no such host")
		}
		open.Add(1)
		return &transport{open: &open, fails: name == "bad"}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Do(ctx, nil); !errors.Is(err, ErrNoBackend) {
		t.Fatal(err)
	}
	if err := b.Configure(Spec{"a", 1}, Spec{"bad", 3}); err != nil {
		t.Fatal(err)
	}
	if err := b.Configure(Spec{"c", 1}, Spec{"none", 1}); err == nil {
		t.Fatal("a backend that can't be reached")
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 60 {
				body, name, err := b.Do(ctx, []byte("hello"))
				if err != nil || name == "bad" {
					t.Error(name, err)
					return
				}
				got, err := io.ReadAll(body)
				if string(got) != "hello" || err != nil {
					t.Error(string(got), err)
				}
				body.Close()
			}
		})
	}
	for i := range 30 {
		if err := b.Configure(Spec{"a", 1 + i%2}, Spec{"bad", 3}, Spec{"b", i % 5}); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	slow, _, err := b.Do(ctx, []byte("slow"))
	if err != nil {
		t.Fatal(err)
	}
	if s := b.Status(); len(s) != 3 || s[0].Active != 1 {
		t.Fatal(s)
	}
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if err := b.Close(short); err == nil {
		t.Fatal("closed with a request")
	}
	if _, _, err := b.Do(ctx, nil); !errors.Is(err, ErrShutdown) {
		t.Fatal(err)
	}
	slow.Close()
	if err := b.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if n := open.Load(); n != 0 {
		t.Fatal(n)
	}
}
