package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"strings"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// extremes is sizes near the end of their range, and sums of sizes beyond it. The impossible is
// refused, by an error or panic that says so; no size or sum is ever negative.
type extremes struct{}

func (extremes) join(r *rig) {
	ex := &extreme{rng: r.rand("extremes"), faults: &r.faults}
	ex.dom = r.domain("extremes", nil)
	tried := r.counter("extreme sizes")
	r.start("extremes", func(ctx context.Context, p *pulse) {
		for first := true; first || ctx.Err() == nil; first = false {
			r.gate.pass()
			for _, try := range []func(){ex.blockSizes, ex.budgets, ex.pending, ex.capacities, ex.evictions} {
				try()
				tried.Add(1)
				r.writes.updates.Add(1)
				p.beat()
			}
		}
	})
}

type extreme struct {
	dom    *smr.Domain
	rng    *rand.Rand
	faults *faults
}

// near returns a size a little below most, or a power of two, or one less.
func (ex *extreme) near(most int) int {
	if ex.rng.IntN(2) == 0 {
		return most - ex.rng.IntN(1<<ex.rng.IntN(20))
	}
	return max(0, 1<<ex.rng.IntN(63)&math.MaxInt-ex.rng.IntN(2))
}

// refused runs fn, which may panic if the message is this library's.
func (ex *extreme) refused(what string, fn func()) {
	defer func() {
		v := recover()
		if text := fmt.Sprint(v); v != nil && !strings.HasPrefix(text, "slab: ") && !strings.HasPrefix(text, "smr: ") &&
			!strings.HasPrefix(text, "smrmap: ") {
			ex.faults.add(faultSize, "%s: %v\n%s", what, v, debug.Stack())
		}
	}()
	fn()
}

func (ex *extreme) blockSizes() {
	n := ex.near(math.MaxInt)
	ex.refused(fmt.Sprintf("BlockSize(%d)", n), func() {
		if size := slab.BlockSize(n); size < n {
			ex.faults.add(faultSize, "BlockSize(%d) is %d", n, size)
		}
	})
	budget := slab.NewBudget(1 << 20)
	blocks := slab.NewBlocks(ex.dom, slab.Options{Budget: budget})
	ex.refused(fmt.Sprintf("Get(%d)", n), func() {
		if block, err := blocks.Get(n); err == nil {
			blocks.Free(block)
			if n > 1<<20 {
				ex.faults.add(faultSize, "Get(%d) was granted on 1 MiB", n)
			}
		}
	})
	ex.faults.within("Close of blocks", blocks.Close)
	ex.notNegative("used of 1 MiB", budget.Used())
}

func (ex *extreme) notNegative(what string, n int64) {
	if n < 0 {
		ex.faults.add(faultSize, "%d bytes are %s", n, what)
	}
}

// budgets takes more than there is.
func (ex *extreme) budgets() {
	b := slab.NewBudget(int64(ex.rng.IntN(2)) * math.MaxInt64)
	for range 4 {
		n := math.MaxInt64 - ex.rng.Int64N(1<<ex.rng.IntN(60))
		force := ex.rng.IntN(2) == 0
		ex.refused(fmt.Sprintf("Take or Force of %d with %d used", n, b.Used()), func() {
			if force {
				b.ReserveAlways(n)
			} else {
				_ = b.Reserve(n) // refused, perhaps
			}
		})
		ex.notNegative("used of all that there may be", b.Used())
	}
}

// pending makes calls wait whose sizes add up to more than a word holds.
func (ex *extreme) pending() {
	const calls = 1 << 17
	size := int(min(int64(1)<<47, math.MaxInt/4)) // about what Call takes at most
	var s smr.Section
	elsewhere(func() { s = ex.dom.Enter() })
	ex.refused("a call", func() {
		for range calls {
			ex.dom.CallFunc(size, func() {})
		}
	})
	st := ex.dom.Stats()
	s.Leave()
	if st.PendingBytes < int64(size) {
		ex.faults.add(faultSize, "%d calls of %d bytes are said to be %d bytes pending", calls, size, st.PendingBytes)
	}
	if err := ex.dom.Barrier(context.Background()); err != nil {
		ex.faults.add(faultWait, "Barrier: %v", err)
	}
	if st := ex.dom.Stats(); st.PendingBytes != 0 {
		ex.faults.add(faultSize, "%d bytes are pending of %d calls that were all done", st.PendingBytes, calls)
	}
}

// capacities asks for tables that are impossible, or for which there is no memory.
func (ex *extreme) capacities() {
	budget := slab.NewBudget(1 << 20)
	n := ex.near(math.MaxInt)
	ex.refused(fmt.Sprintf("Capacity %d", n), func() {
		m, err := smrmap.New[uint64, uint64](smrmap.Options{Domain: ex.dom, Budget: budget, Capacity: n})
		if err != nil {
			return
		}
		if buckets := m.Stats().Buckets; buckets <= 0 || n > 1<<20 {
			ex.faults.add(faultSize, "Capacity %d was granted on 1 MiB, by %d buckets", n, buckets)
		}
		for k := range uint64(64) {
			err := m.Store(k, k)
			full := errors.Is(err, slab.ErrNoMemory) && budget.Used() == budget.Limit() // the table takes all
			if err != nil && !full {
				ex.faults.add(faultMap, "a store to a map of capacity %d: %v", n, err)
			}
		}
		ex.faults.within("Close of a map", m.Close)
	})
	ex.notNegative("used of 1 MiB", budget.Used())
}

// evictions asks for more evictions than there are entries.
func (ex *extreme) evictions() {
	m, err := smrmap.NewBytes(smrmap.Options{Domain: ex.dom})
	if err != nil {
		panic(err)
	}
	for k := range uint64(64) {
		if err := m.Store(appendKey(nil, k), make([]byte, 100)); err != nil {
			ex.faults.add(faultMap, "a store: %v", err)
		}
	}
	n := ex.near(math.MaxInt)
	ex.refused(fmt.Sprintf("EvictBytes(%d)", n), func() { m.EvictBytes(max(n, 1)) })
	ex.refused(fmt.Sprintf("CompactFor(%d)", n), func() { _, _ = m.CompactFor(context.Background(), max(n, 0)) })
	ex.faults.within("Close of a map", m.Close)
}
