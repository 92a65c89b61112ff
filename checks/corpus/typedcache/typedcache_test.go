package typedcache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gosmr/gosmr/smr"
)

type user struct {
	id    uint64
	score [4]int32
}

func TestCache(t *testing.T) {
	ctx := t.Context()
	dom, err := smr.New(smr.Options{Name: "typedcache"})
	if err != nil {
		t.Fatal(err)
	}
	var clock atomic.Int64
	unknown := errors.New("unknown")
	c, err := New(Options{Domain: dom, TTL: time.Minute, Now: func() time.Time { return time.Unix(0, clock.Load()) }},
		func(_ context.Context, id uint64) (u user, err error) {
			if id == 0 {
				return u, unknown
			}
			return user{id: id, score: [4]int32{int32(id)}}, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i := range uint64(100) {
				if u, err := c.Get(ctx, 1+i%10); err != nil || u.id != 1+i%10 {
					t.Error(u, err)
				}
				err := c.With(ctx, 1+i%10, func(u *user) error {
					if int32(u.id) != u.score[0] {
						return errors.New("torn")
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := c.Loads.Load(); n != 10 {
		t.Fatal(n)
	}
	refs, err := c.AcquireAll(ctx, 1, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.AcquireAll(ctx, 4, 0); !errors.Is(err, unknown) {
		t.Fatal(err)
	}
	if !c.Pin(5) || c.Pin(99) || !c.Drop(1) || c.Drop(1) {
		t.Fatal("Pin or Drop")
	}
	clock.Add(int64(time.Hour))
	if n := c.DropStale(); n != 8 {
		t.Fatal(n)
	}
	for id, u := range c.Fresh() {
		if id != 5 || u.id != 5 {
			t.Fatal(id, u)
		}
	}
	for i, r := range refs {
		if r.Value().id != uint64(i+1) {
			t.Fatal(*r.Value())
		}
		r.Release()
	}
	if err := errors.Join(c.Close(ctx), dom.Close(ctx)); err != nil {
		t.Fatal(err)
	}
}
