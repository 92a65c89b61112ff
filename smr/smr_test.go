package smr

import (
	"context"
	"github.com/gosmr/gosmr/pcpu"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func must(b testing.TB, o Options) *Domain {
	d, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	return d
}
func BenchmarkProcPin(b *testing.B) {
	for i := 0; i < b.N; i++ {
		pcpu.Pin()
		pcpu.Unpin()
	}
}
func BenchmarkPin(b *testing.B) {
	c := must(b, Options{})
	for i := 0; i < b.N; i++ {
		s := c.Pin()
		s.Leave()
	}
}
func BenchmarkEnter(b *testing.B) {
	c := must(b, Options{})
	for i := 0; i < b.N; i++ {
		s := c.Enter()
		s.Leave()
	}
}
func BenchmarkReader(b *testing.B) {
	c := must(b, Options{})
	r := c.NewReader()
	for i := 0; i < b.N; i++ {
		s := r.Enter()
		s.Leave()
	}
}
func BenchmarkRW(b *testing.B) {
	var m sync.RWMutex
	for i := 0; i < b.N; i++ {
		m.RLock()
		m.RUnlock()
	}
}
func BenchmarkSynchronize(b *testing.B) {
	c := must(b, Options{})
	for i := 0; i < b.N; i++ {
		if err := c.Synchronize(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

type node struct{ a [8]uint64 }

var freed atomic.Int64
var nfreed int

func free(n *node) { nfreed++ }
func BenchmarkCall(b *testing.B) {
	b.ReportAllocs()
	c := must(b, Options{})
	n := &node{}
	for i := 0; i < b.N; i++ {
		Call(c, n, 64, free)
		if i&255 == 0 {
			c.Throttle(context.Background())
		}
	}
	if err := c.Barrier(context.Background()); err != nil {
		b.Fatal(err)
	}
	runtime.KeepAlive(n)
	st := c.Stats()
	b.ReportMetric(float64(st.Scans)/float64(b.N), "scans/op")
}
func TestCall(t *testing.T) {
	c := must(t, Options{})
	var n node
	var x atomic.Int64
	for i := range 100000 {
		_ = i
		Call(c, &n, 64, func(*node) { x.Add(1) })
	}
	if err := c.Barrier(context.Background()); err != nil {
		t.Fatal(err)
	}
	if x.Load() != 100000 {
		t.Fatal(x.Load())
	}
	s := c.Enter()
	if !s.Active() {
		t.Fatal()
	}
	s.Leave()
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", c.Stats())
}
