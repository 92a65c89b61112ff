package metrics

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestRegistry(t *testing.T) {
	ctx := t.Context()
	var clock atomic.Int64
	clock.Store(1e12)
	r, err := New(func() time.Time { return time.Unix(0, clock.Load()) })
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			w := r.Worker()
			defer func() {
				if lost := w.Close(); lost != 0 {
					t.Error(lost)
				}
			}()
			for j := range 90 {
				w.Add("requests", fmt.Sprintf("code=%d", 200+j%3), 1)
				w.Time("latency", fmt.Sprintf("worker=%d", i), func() {})
			}
		})
	}
	for range 10 {
		r.Samples()
		r.Sum("requests")
	}
	wg.Wait()
	if n := r.Sum("requests"); n != 270 {
		t.Fatal(n)
	}
	if err := r.Add("size", "", 1000); err != nil {
		t.Fatal(err)
	}
	if s, ok := r.Get("size", ""); !ok || s.Count != 1 || s.P99 != 1024 {
		t.Fatal(s, ok)
	}
	var out strings.Builder
	if _, err := r.WriteTo(&out); err != nil || !strings.Contains(out.String(), "requests{code=200} count=90") {
		t.Fatal(out.String(), err)
	}
	clock.Add(int64(time.Hour))
	if err := r.Add("requests", "code=200", 1); err != nil {
		t.Fatal(err)
	}
	if n := r.Drop(time.Minute); n != 6 {
		t.Fatal(n)
	}
	if l := r.Samples(); len(l) != 1 || l[0].Sum != 91 {
		t.Fatal(l)
	}
	late := r.Worker()
	if err := r.Close(ctx); err != nil {
		t.Fatal(err)
	}
	late.Add("requests", "", 1)
	if late.Close() != 1 {
		t.Fatal("a late value was not lost")
	}
}
