package broker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
)

func TestBroker(t *testing.T) {
	ctx := t.Context()
	b, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Create(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	if err := b.Create(ctx, "../etc"); err == nil {
		t.Fatal("bad name")
	}
	const n = 200
	var wg sync.WaitGroup
	for i, filter := range []string{"", "7", "none"} {
		c, err := b.Subscribe("orders", filter)
		if err != nil {
			t.Fatal(err)
		}
		want := []int{n, 38, 0}[i]
		wg.Go(func() {
			got := 0
			for {
				read, err := c.Next(10, func(r []byte) error {
					if !bytes.HasPrefix(r, []byte("order ")) {
						return errors.New("wrong record")
					}
					return nil
				})
				got += read
				if errors.Is(err, ErrNoTopic) {
					break
				}
				if err != nil {
					t.Error(err)
					break
				}
				if read > 0 {
					continue
				}
				if got == want {
					break
				}
				if err := c.Wait(ctx); err != nil {
					break
				}
			}
			if got != want {
				t.Errorf("%q: %d", filter, got)
			}
			c.Close()
		})
	}
	for i := range n {
		if err := b.Publish("orders", fmt.Appendf(nil, "order %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	late, err := b.Subscribe("orders", "")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := late.Read(nil); err != nil || string(r) != "order 0" {
		t.Fatal(string(r), err)
	}
	var out bytes.Buffer
	if m, err := b.Export("orders", &out); err != nil || int(m) != out.Len() || m < n*recordHead {
		t.Fatal(m, err)
	}
	if topics := b.Topics(); topics["orders"] != 1 {
		t.Fatal(topics)
	}
	if err := b.Delete(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	if err := late.Wait(ctx); err != io.EOF {
		t.Fatal(err)
	}
	late.Close()
	if err := b.Publish("orders", nil); !errors.Is(err, ErrNoTopic) {
		t.Fatal(err)
	}
	if err := b.Create(ctx, "mail"); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish("mail", nil); !errors.Is(err, ErrStopped) {
		t.Fatal(err)
	}
}
