package main

import (
	"runtime"
	"sync/atomic"

	"github.com/gosmr/gosmr/pcpu"
)

// padded is alone in its cache lines.
type padded struct {
	_ [128]byte
	atomic.Uint64
	plain uint64
	_     [128]byte
}

// floors are what no scheme can do without.
func floors() []entry {
	if portable {
		return nil
	}
	alone := func(peer string, loop func(w *padded, n int)) entry {
		return entry{"floor", peer, func(j job) (values, error) {
			return values{"ns": nsPerOp(j.procs, j.for_, batch, func(int) (func(int), func()) {
				w := new(padded)
				return func(n int) { loop(w, n) }, nil
			})}, nil
		}}
	}
	return []entry{
		alone("empty-loop", func(_ *padded, n int) {
			for range n {
			}
		}),
		alone("plain-store", func(w *padded, n int) {
			for i := range n {
				w.plain = uint64(i)
				keep(w)
			}
		}),
		alone("locked-add", func(w *padded, n int) {
			for range n {
				w.Add(1)
			}
		}),
		alone("proc-pin", func(_ *padded, n int) {
			for range n {
				pcpu.Pin()
				pcpu.Unpin()
			}
		}),
		{"floor", "cache-line", func(j job) (values, error) {
			if j.procs < 2 {
				return nil, errParam
			}
			// Two hand a word to each other: a round is two transfers.
			w := new(padded)
			other := inBackground(1, 1, func(int) (func(int), func()) {
				return func(int) {
					if x := w.Load(); x%2 == 1 {
						w.Store(x + 1)
					}
				}, nil
			})
			ns := nsPerOp(1, j.for_, batch, func(int) (func(int), func()) {
				return func(n int) {
					for range n {
						x := w.Load()
						w.Store(x + 1)
						for spins := 1; w.Load() != x+2; spins++ {
							if spins%(1<<20) == 0 {
								runtime.Gosched()
							}
						}
					}
				}, nil
			})
			other.stop()
			return values{"ns": ns / 2}, nil
		}},
	}
}

// keep has the compiler take each store for needed.
//
//go:noinline
func keepSlow(*padded) {}

func keep(w *padded) {
	if w == nil {
		keepSlow(w)
	}
}
