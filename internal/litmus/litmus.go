// Package litmus runs the two sides of a fence's pair against each other on two processors, some
// hundred thousand times, at all distances. Without the fence x86-TSO lets a load pass the store
// before it, and the forbidden outcome appears within some thousand rounds. For tests.
package litmus

import (
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/self"
)

// A Word has its own cache lines, so that one side's writes do not fetch the other's.
type Word struct {
	relacq.Uint64
	_ [120]byte
}

// noise keeps stores in their processor's store buffer. They leave it in order: one behind stores
// to lines that another processor holds waits for those lines, while loads go ahead.
type noise [6]Word

func (n *noise) delayStores(v uint64) {
	for i := range n {
		n[i].Store(v)
	}
}

// take brings the lines to the calling processor.
func (n *noise) take() {
	for i := range n {
		n[i].Store(0)
	}
}

// Duel runs a and b against each other for half a second. It calls each once a round with the
// round's number, from 1, and then check, on a's goroutine. a's stores are delayed.
//
// Neither side may wait long for the other: it might be pinned, and the other stopped by the
// collector. See Glance.
func Duel(t testing.TB, a, b, check func(round uint64)) {
	t.Helper()
	if os.Getenv(self.Emulator) != "" {
		// QEMU 7.2 on amd64 lets an arm64 load-acquire pass an earlier store-release.
		t.Skip("the emulator reorders what sync/atomic promises to keep in order")
	}
	if runtime.GOMAXPROCS(0) < 2 || runtime.NumCPU() < 2 {
		t.Skip("needs two processors to see a store buffer")
	}
	length := 500 * time.Millisecond
	if testing.Short() || !relacq.Plain {
		length /= 5
	}
	const (
		last = 1 << 20 // round
		skew = 1024    // iterations: b starts some 100 ns late
	)
	var noise noise
	var turn, done atomic.Uint64
	go func() {
		for i := uint64(1); ; i++ {
			noise.take()
			await(&turn, i)
			if turn.Load() == last {
				return
			}
			for range i / 64 % 64 {
			}
			b(i)
			done.Store(i)
		}
	}()
	defer turn.Store(last)
	end := time.Now().Add(length)
	for i := uint64(1); i < last && (i%64 != 0 || time.Now().Before(end)); i++ {
		turn.Store(i)
		for range i * 7 % skew { // to meet the other side at all distances
		}
		noise.delayStores(i)
		a(i)
		await(&done, i)
		check(i)
	}
}

// StoreLoad runs the store-buffer test with a fence on each side: each stores its word, fences, and
// loads the other's. The test fails if in some round neither sees what the other stored.
func StoreLoad(t testing.TB, fenceA, fenceB func()) {
	t.Helper()
	var x, y Word
	var sawX, sawY bool
	neither := 0
	Duel(t,
		func(round uint64) {
			x.Store(round)
			fenceA()
			sawY = y.Load() == round
		},
		func(round uint64) {
			y.Store(round)
			fenceB()
			sawX = x.Load() == round
		},
		func(uint64) {
			if !sawX && !sawY {
				neither++
			}
		})
	if neither > 0 {
		t.Errorf("in %d rounds neither side saw the other's store", neither)
	}
}

// await spins until word is v or more. Now and then it yields, in case the other side has lost its
// processor.
func await(word *atomic.Uint64, v uint64) {
	for n := 1; word.Load() < v; n++ {
		if n%10000 == 0 {
			runtime.Gosched()
		}
	}
}

// Glance waits some microseconds for the word to become v, and reports whether it did.
func (w *Word) Glance(v uint64) bool {
	for range 20000 {
		if w.Load() == v {
			return true
		}
	}
	return false
}
