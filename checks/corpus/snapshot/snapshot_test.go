package snapshot

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gosmr/gosmr/smr"
)

type table struct {
	n     int
	ended bool
}

func TestValue(t *testing.T) {
	ctx := t.Context()
	dom, err := smr.New(smr.Options{Name: "snapshot"})
	if err != nil {
		t.Fatal(err)
	}
	var freed atomic.Int64
	v := New(dom, &table{}, func(*table) int { return 100 }, func(x *table) {
		x.ended = true
		freed.Add(1)
	})

	poll, cancel := context.WithCancel(ctx)
	var last atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() { v.Poll(poll, time.Millisecond, func(x *table) { last.Store(int64(x.n)) }) })

	g := v.Enter()
	kept := g.Keep()
	g.Leave()
	for i := range 100 {
		err := v.Update(ctx, func(old *table) (*table, error) { return &table{n: i + 1}, nil })
		if err != nil {
			t.Fatal(err)
		}
		v.Do(func(x *table) {
			if x.ended || x.n != i+1 {
				t.Error(x.n, "of", i)
			}
		})
	}
	refused := errors.New("refused")
	if err := v.Update(ctx, func(*table) (*table, error) { return nil, refused }); err != refused {
		t.Fatal(err)
	}
	if n := Map(v, func(x *table) int { return x.n }); n != 100 {
		t.Fatal(n)
	}
	s := dom.Enter()
	if v.Load(s).n != 100 || kept.Get().ended {
		t.Error("a version is wrong")
	}
	s.Leave()
	kept.Release()
	for last.Load() != 100 {
		time.Sleep(time.Millisecond) // until the readers have come that far
	}
	cancel()
	wg.Wait()
	if err := errors.Join(v.Close(ctx), dom.Close(ctx)); err != nil {
		t.Fatal(err)
	}
	if n := freed.Load(); n != 101 {
		t.Fatal(n)
	}
}
