package dnscache

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestCache(t *testing.T) {
	ctx := t.Context()
	var clock, asked atomic.Int64
	clock.Store(1e9)
	addr := netip.MustParseAddr("192.0.2.1")
	c, err := New(16<<20, func(_ context.Context, name string) ([]Record, error) {
		asked.Add(1)
		switch name {
		case "fails.net":
			return nil, errors.New("timeout")
		case "none.net":
			return nil, nil
		}
		return []Record{{name, addr, 30 * time.Second}}, nil
	}, func() time.Time { return time.UnixMilli(clock.Load()) })
	if err != nil {
		t.Fatal(err)
	}
	load := func(serial int) {
		t.Helper()
		var list []Record
		for i := range 40 {
			list = append(list, Record{fmt.Sprintf("h%d.example.com", i), addr, time.Duration(serial) * time.Second})
		}
		if err := c.Load("example.com", uint32(serial), list); err != nil {
			t.Fatal(err)
		}
	}
	load(1)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 100 {
				r, err := c.Lookup(ctx, "H39.example.com.")
				if err != nil || len(r) != 1 || r[0].Addr != addr {
					t.Error(r, err)
				}
				if r, err := c.Lookup(ctx, "www.example.net"); err != nil || r[0].TTL != 30*time.Second {
					t.Error(r, err)
				}
			}
		})
	}
	for i := range 50 {
		load(i)
	}
	wg.Wait()
	if n := asked.Load(); n > 2 {
		t.Fatal(n)
	}
	for name, want := range map[string]string{
		"none.net":       ErrNoName.Error(),
		"x.example.com":  ErrNoName.Error(),
		"fails.net":      "timeout",
		"h1.example.com": "<nil>",
	} {
		if _, err := c.Lookup(ctx, name); fmt.Sprint(err) != want {
			t.Error(name, err)
		}
	}
	clock.Add(10_000)
	if r, err := c.Lookup(ctx, "www.example.net"); err != nil || r[0].TTL != 20*time.Second {
		t.Fatal(r, err)
	}
	if names, serial := c.Names("example.com"); len(names) != 40 || serial != 49 {
		t.Fatal(len(names), serial)
	}
	var sizes []int
	err = c.Transfer("example.com", func(r []Record) error { sizes = append(sizes, len(r)); return nil })
	if err != nil || fmt.Sprint(sizes) != "[16 16 8]" {
		t.Fatal(sizes, err)
	}
	if err := c.Load("example.com", 99, []Record{{"other.org", addr, 0}}); err == nil {
		t.Fatal("a record of another zone")
	}
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
