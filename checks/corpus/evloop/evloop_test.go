package evloop

import (
	"sync/atomic"
	"testing"
	"time"
)

func TestLoops(t *testing.T) {
	g, err := NewGroup()
	if err != nil {
		t.Fatal(err)
	}
	var bytes, closed atomic.Int64
	count := func(e *Event) { bytes.Add(int64(len(e.Payload))) }
	if _, err := g.Handle("data", count, func() { closed.Add(1) }); err != nil {
		t.Fatal(err)
	}
	loops := []*Loop{g.Start("a"), g.Start("b")}
	for i := range 100 {
		for _, l := range loops {
			l.Post(Event{"data", make([]byte, 10)})
			l.Post(Event{"none", nil})
		}
		var open atomic.Bool
		open.Store(true)
		remove, err := g.Handle("data", func(*Event) {
			if !open.Load() {
				t.Error("a closed handler was called")
			}
		}, func() { open.Store(false); closed.Add(1) })
		if err != nil {
			t.Fatal(err)
		}
		loops[i%2].Post(Event{Kind: "data"})
		remove()
	}
	if err := g.Quiet(time.Second); err != nil {
		t.Fatal(err)
	}
	for _, l := range loops {
		l.Stop()
	}
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Load(); n != 2000 || closed.Load() != 101 {
		t.Fatal(n, closed.Load())
	}
}
