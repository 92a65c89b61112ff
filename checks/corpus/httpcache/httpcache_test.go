package httpcache

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestCache(t *testing.T) {
	ctx := t.Context()
	var clock atomic.Int64
	clock.Store(1e6)
	c, err := New(8<<20, func() time.Time { return time.UnixMilli(clock.Load()) })
	if err != nil {
		t.Fatal(err)
	}
	c.Run(time.Millisecond)
	page := &Response{200, "text/html", `"1"`, []byte("<html>")}
	big := &Response{200, "image/png", `"2"`, bytes.Repeat([]byte("x"), 2*slowBody)}
	for key, r := range map[string]*Response{"/": page, "/img": big} {
		if err := c.Put(ctx, key, r, time.Second); err != nil {
			t.Fatal(err)
		}
	}
	r, err := c.Get("/")
	if err != nil || r.Type != page.Type || !bytes.Equal(r.Body, page.Body) {
		t.Fatal(r, err)
	}
	if !c.Fresh("/", `"1"`) || c.Fresh("/", `"0"`) || c.Fresh("/none", "") {
		t.Fatal("Fresh")
	}
	var wg sync.WaitGroup
	for _, key := range []string{"/", "/img"} {
		wg.Go(func() {
			for range 50 {
				var out strings.Builder
				if status, err := c.WriteTo(&out, key); err != nil || status != 200 {
					t.Error(status, err)
				}
			}
		})
	}
	for i := range 200 {
		if err := c.Put(ctx, fmt.Sprint("/n/", i), page, time.Second); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if key, n := c.Largest("IMAGE/png"); key != "/img" || n != len(big.Body) {
		t.Fatal(key, n)
	}
	if ok, err := c.Touch("/", time.Hour); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if n := c.Purge("/n/"); n != 200 {
		t.Fatal(n)
	}
	clock.Add(2000)
	if _, err := c.Get("/img"); err != ErrMiss {
		t.Fatal(err)
	}
	if _, err := c.Get("/"); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
