package ratelimit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gosmr/gosmr/slab"
)

func TestLimiter(t *testing.T) {
	ctx := t.Context()
	var now atomic.Int64
	l, err := New(slab.NewBudget(16<<20), now.Load)
	if err != nil {
		t.Fatal(err)
	}
	if ok, _ := l.Allow("a", "/", 1); !ok {
		t.Fatal("without a rule")
	}
	if _, _, ok := l.Last(); ok {
		t.Fatal("no decision was made")
	}
	if err := l.SetRules(Rule{"/", 10, 5}, Rule{"/login", 1, 1}); err != nil {
		t.Fatal(err)
	}
	if err := l.SetRules(Rule{"/", 0, 5}); err == nil {
		t.Fatal("a rule without tokens")
	}
	for i := range 7 {
		if ok, retry := l.Allow("a", "/x", 1); ok != (i < 5) || ok != (retry == 0) {
			t.Fatal(i, ok, retry)
		}
	}
	now.Add(int64(time.Second))
	if ok, _ := l.Allow("a", "/x", 5); !ok {
		t.Fatal("not refilled")
	}
	if n, ok := l.Tokens("a", "/x"); n != 0 || !ok {
		t.Fatal(n, ok)
	}
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if ok, _ := l.Allow("b", "/login", 1); ok {
					allowed.Add(1)
				}
				l.Last()
			}
		})
	}
	wg.Wait()
	if n := allowed.Load(); n != 1 {
		t.Fatal(n)
	}
	if n := l.Forget(time.Minute); n != 0 {
		t.Fatal(n)
	}
	now.Add(int64(time.Hour))
	if n := l.Forget(time.Minute); n != 2 {
		t.Fatal(n)
	}
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
