package main

import (
	"context"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// neighbours is keys that share a bucket: an operation on one must not delay the others for more
// than a moment. There are keys that equal no key (NaN), values that take long to copy, and deletes
// of absent keys.
type neighbours struct{}

func (neighbours) join(r *rig) {
	dom := r.domain("neighbours", nil)
	nb := &neighbour{dom: dom, rng: r.rand("neighbours"), faults: &r.faults}
	rounds := r.counter("looks at neighbours")
	r.start("neighbours", func(ctx context.Context, p *pulse) {
		for i := 0; i < 3 || ctx.Err() == nil; i++ { // each once at least
			r.gate.pass()
			switch i % 3 {
			case 0:
				nb.notNumbers(p)
			case 1:
				nb.largeValue(p)
			case 2:
				nb.absent()
			}
			rounds.Add(1)
			r.writes.updates.Add(1)
			p.beat()
		}
	})
}

type neighbour struct {
	dom    *smr.Domain
	rng    *rand.Rand
	faults *faults
}

// notNumbers stores keys that are NaN, or hold one.
func (nb *neighbour) notNumbers(p *pulse) {
	switch nb.rng.IntN(4) {
	case 0:
		storeCosts(nb, p, "NaN", math.NaN())
	case 1:
		type point struct {
			n int
			f float32
		}
		storeCosts(nb, p, "a NaN in a struct", point{1, float32(math.NaN())})
	case 2:
		storeCosts(nb, p, "a NaN in an array", [2]float64{1, math.NaN()})
	case 3:
		storeCosts(nb, p, "a NaN in an interface", any(math.NaN()))
	}
}

const (
	costKeys   = 1 << 13
	costChunk  = 64 // stores that are timed together
	costChunks = costKeys / costChunk / 4
	costGrowth = 16 // times what a store may cost in the end, of what it did at first
)

// storeCosts stores a key that does not equal itself, many times, and compares the fastest chunk of
// stores in the first quarter with the fastest in the last: anything slower is due to the machine.
func storeCosts[K comparable](nb *neighbour, p *pulse, what string, key K) {
	m, err := smrmap.New[K, uint64](smrmap.Options{Domain: nb.dom})
	if err != nil {
		panic(err)
	}
	first, last := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	for chunk := range costKeys / costChunk {
		began := time.Now()
		for range costChunk {
			if err := m.Store(key, 1); err != nil {
				nb.faults.add(faultMap, "a store: %v", err)
			}
		}
		switch took := time.Since(began); {
		case chunk < costChunks:
			first = min(first, took)
		case chunk >= 3*costChunks:
			last = min(last, took)
		}
		p.beat()
	}
	nb.faults.within("Close of a map of neighbours", m.Close)
	nb.compareCosts(what, max(first, time.Microsecond), last)
}

func (nb *neighbour) compareCosts(what string, first, last time.Duration) {
	if last > costGrowth*first {
		nb.faults.add(faultIdle, "%d stores of %s took %v at first, and %v after %d", costChunk, what, first, last, costKeys)
	}
}

const (
	largeSize  = 16 << 20
	largeTries = 16
	absentKeys = 8 // so many that some are in the bucket of one that is there
)

var largeKey = []byte("large")

// largeValue stores a large value while another goroutine stores small ones to the same key, and so
// to the same bucket. In at least one of several tries a small store must wait for less than half
// the time of the large one; otherwise the large one holds it up.
func (nb *neighbour) largeValue(p *pulse) {
	m, err := smrmap.NewBytes(smrmap.Options{Domain: nb.dom})
	if err != nil {
		panic(err)
	}
	defer nb.faults.within("Close of a map of neighbours", m.Close)
	value := make([]byte, largeSize)
	for range largeTries {
		var over atomic.Bool
		begun, longest := make(chan struct{}), make(chan time.Duration)
		go func() { longest <- storeSmall(m, begun, &over) }()
		<-begun
		began := time.Now()
		err := m.Store(largeKey, value)
		took := time.Since(began)
		over.Store(true)
		share := float64(<-longest) / float64(took)
		if err != nil {
			nb.faults.add(faultMap, "a store of %d bytes: %v", largeSize, err)
			return
		}
		m.Delete(largeKey)
		p.beat()
		if share < 0.5 {
			return
		}
	}
	nb.faults.add(faultIdle, "stores of a byte took as long as a store of %d bytes beside them, in each of %d tries", largeSize, largeTries)
}

// storeSmall stores to the large value's key until over is set, and returns how long the longest
// store took.
func storeSmall(m *smrmap.Bytes, begun chan<- struct{}, over *atomic.Bool) (longest time.Duration) {
	close(begun)
	for !over.Load() {
		began := time.Now()
		m.Store(largeKey, []byte{1})
		longest = max(longest, time.Since(began))
	}
	return longest
}

// absent deletes absent keys while their bucket is locked: finding nothing takes no lock.
func (nb *neighbour) absent() {
	m, err := smrmap.New[uint64, uint64](smrmap.Options{Domain: nb.dom})
	if err != nil {
		panic(err)
	}
	b, err := smrmap.NewBytes(smrmap.Options{Domain: nb.dom})
	if err != nil {
		panic(err)
	}
	m.Compute(0, func(uint64, bool) (uint64, smrmap.Op) {
		nb.unhindered("Delete and LoadAndDelete of absent keys", func() {
			for k := range uint64(absentKeys) {
				m.Delete(k + 1)
				m.LoadAndDelete(k + 1)
			}
		})
		return 1, smrmap.UpdateOp
	})
	b.Compute([]byte{0}, func(smrmap.Item, bool) (smrmap.Item, smrmap.Op) {
		nb.unhindered("Delete and LoadAndDelete of absent bytes", func() {
			for k := range byte(absentKeys) {
				b.Delete([]byte{k + 1})
				b.LoadAndDelete([]byte{k + 1}, nil)
			}
		})
		return smrmap.Item{}, smrmap.UpdateOp
	})
	nb.faults.within("Close of a map of neighbours", m.Close)
	nb.faults.within("Close of a map of neighbours", b.Close)
}

// unhindered runs fn, which must not wait for the caller.
func (nb *neighbour) unhindered(what string, fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	select {
	case <-done:
	case <-time.After(min(callTimeout, nb.faults.patience)):
		nb.faults.add(faultIdle, "%s waited for the lock of a bucket", what)
	}
}
