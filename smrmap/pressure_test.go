package smrmap

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/compaction"
	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// newFull returns a map whose budget is used up by entries with values of n bytes, under the
// keys from 0 on, and how many were stored.
func newFull(t testing.TB, limit int64, n int) (m *Bytes, stored int) {
	m = newBytes(t, Options{Budget: slab.NewBudget(limit)})
	for full := 0; full < 2; {
		err := m.Store(key(stored), valueOf(stored, n))
		if err == nil {
			stored++
			continue
		}
		require.ErrorIs(t, err, slab.ErrNoMemory)
		m.c.migrated.Wait() // then the last table's memory is free
		full++
	}
	budget := m.c.budget
	budget.SetLimit(min(limit, budget.Used())) // what is left might do for a first entry of another size
	return m, stored
}

// need is what an entry takes of the budget, if it is the first of its size.
func need(m *Bytes, value int) int64 {
	c, err := compaction.Of(m.blocks).Claim(context.Background(), int(headerSize)+len(key(0))+value)
	if err != nil {
		panic(err)
	}
	defer c.End()
	return c.Size()
}

// A value of another size than all others evicts what it needs, and little more.
func TestStoreEvicting_EvictsWhatIsNeeded(t *testing.T) {
	limit := int64(reduced(16<<20, 4<<20))
	for i, old := range []int{8, 100, 3000, 50_000, 200_000} {
		for j, size := range []int{8, 1000, 60_000, 64 << 10, int(limit / 16), int(limit / 2)} {
			if testing.Short() && ((i+j)%4 != 1 || i+j == 5 && i == 0) { // each of them once or twice
				continue
			}
			t.Run(fmt.Sprintf("%d/%d", old, size), func(t *testing.T) {
				m, stored := newFull(t, limit, old)
				before := m.Stats()
				over := max(0, m.c.budget.Used()-limit) // chained buckets are taken beyond it
				require.NoError(t, m.StoreEvicting(watchdogContext(t), key(-1), Item{Value: valueOf(1, size)}))
				value, ok := m.Load(key(-1), nil)
				require.True(t, ok)
				require.Equal(t, valueOf(1, size), value)
				require.LessOrEqual(t, m.c.budget.Used(), limit*102/100+m.young.size.Load(), "chained buckets and notes come all the same")
				slab := need(m, old)
				slabs := (need(m, size) + over + slab - 1) / slab * slab
				bytes := int64(m.Stats().Evicted) * before.EntryBytes / int64(stored)
				require.LessOrEqual(t, bytes, slabs*3/2+int64(old), "%d of %d keys were evicted", m.Stats().Evicted, stored)
				if old == 8 && size == 1000 {
					require.Less(t, int64(m.Stats().Evicted)*limit, int64(stored)*(16<<20)/100, "a slab's")
				}
			})
		}
	}
}

// Where memory is free among entries of other sizes, nothing is evicted.
func TestStoreEvicting_CompactsFirst(t *testing.T) {
	limit := int64(reduced(16<<20, 4<<20))
	m, stored := newFull(t, limit, 100)
	deleted := 0
	for i := range stored {
		if i%4 == 0 && m.Delete(key(i)) {
			deleted++
		}
	}
	for i, size := range []int{1000, 64 << 10, int(limit / 16)} {
		require.NoError(t, m.StoreEvicting(watchdogContext(t), key(-1-i), Item{Value: valueOf(1, size)}))
		require.Zero(t, m.Stats().Evicted, "for %d bytes", size)
	}
	require.Equal(t, stored-deleted+3, m.Len())
}

// If the context ends while entries move to make room, nothing is evicted.
func TestStoreEvicting_EndsWhileCompacting(t *testing.T) {
	m, stored := newFull(t, 4<<20, 100)
	for i := range stored / 4 {
		m.Delete(key(4 * i))
	}
	require.NoError(t, m.dom.Barrier(watchdogContext(t)))
	ctx, cancel := context.WithCancel(watchdogContext(t))
	var s smr.Section
	now := m.now
	m.now = func() int64 {
		if ctx.Err() == nil && strings.Contains(string(debug.Stack()), ".vacate(") {
			s = testkit.Enter(m.dom) // what has moved is retired, and waits for it
			cancel()
		}
		return now()
	}
	err := m.StoreEvicting(ctx, key(-1), Item{Value: valueOf(1, 64<<10)})
	s.Leave()
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, m.Stats().Evicted)
}

// If others take the room to which entries move, those stay where they are.
func TestStoreEvicting_OthersTakeTheRoom(t *testing.T) {
	m, stored := newFull(t, 4<<20, 100)
	m.SetEvictable(EvictNone)
	ctx := watchdogContext(t)
	deleted := 0
	for i := 0; i < stored; i += 4 {
		require.True(t, m.Delete(key(i)))
		deleted++
	}
	require.NoError(t, m.dom.Barrier(ctx))
	others := 0
	now := m.now
	m.now = func() int64 {
		if others == 0 && strings.Contains(string(debug.Stack()), ".vacate(") {
			for others++; m.Store(key(stored+others), valueOf(others, 100)) == nil; {
				others++
			}
		}
		return now()
	}
	require.ErrorIs(t, m.StoreEvicting(ctx, key(-1), Item{Value: valueOf(1, 64<<10)}), slab.ErrNoMemory)
	require.Greater(t, others, 1)
	require.Zero(t, m.Stats().Evicted)
	require.Equal(t, stored-deleted+others-1, m.Len())
}

// What was retired is waited for, and nothing is evicted for it.
func TestStoreEvicting_WaitsForWhatIsPending(t *testing.T) {
	m, stored := newFull(t, 4<<20, 100_000)
	require.True(t, m.Delete(key(0)))
	require.NoError(t, m.StoreEvicting(watchdogContext(t), key(-1), Item{Value: valueOf(1, 100_000)}))
	require.Zero(t, m.Stats().Evicted)
	require.Equal(t, stored, m.Len())
}

// An attempt that can't succeed evicts nothing.
func TestStoreEvicting_InVainEvictsNothing(t *testing.T) {
	limit := reduced(8<<20, 2<<20)
	m, stored := newFull(t, int64(limit), 100)
	unharmed := func(err error) {
		t.Helper()
		require.ErrorIs(t, err, slab.ErrNoMemory)
		require.Zero(t, m.Stats().Evicted)
		require.Equal(t, stored, m.Len())
	}
	ctx := watchdogContext(t)
	for _, size := range []int{limit + 1, limit, limit - 64<<10, 64 * limit} {
		unharmed(m.StoreEvicting(ctx, key(-1), Item{Value: make([]byte, size)}))
	}
	require.ErrorIs(t, m.StoreEvicting(ctx, key(-1), Item{Value: make([]byte, MaxLen+1)}), ErrTooLarge)

	// Readers who do not leave.
	s := testkit.Enter(m.dom)
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	err := m.StoreEvicting(stopped, key(-1), Item{Value: valueOf(1, 1000)})
	s.Leave()
	unharmed(err)
	require.ErrorIs(t, err, context.Canceled)

	// In a callback it would wait for itself.
	failed := make(chan error)
	smr.Call(m.dom, m, 0, func(m *Bytes) {
		failed <- m.StoreEvicting(ctx, key(-1), Item{Value: valueOf(1, 1000)})
	})
	err = <-failed
	unharmed(err)
	require.ErrorIs(t, err, smr.ErrInCallback)
}

// An entry grows out of its memory's bounds: its own old value is not evicted for it.
func TestComputeEvicting_SparesItsOwnEntry(t *testing.T) {
	limit := reduced(8<<20, 2<<20)
	m := newBytes(t, Options{Budget: slab.NewBudget(int64(limit))})
	ctx := watchdogContext(t)
	appendTo := func(k []byte, more int) error {
		_, err := m.ComputeEvicting(ctx, k, func(old Item, loaded bool) (Item, Op) {
			require.True(t, loaded)
			return Item{Value: append(append([]byte(nil), old.Value...), make([]byte, more)...)}, UpdateOp
		})
		return err
	}
	n := 1
	fill := func() {
		for m.Store(key(n), make([]byte, 100)) == nil {
			n++
		}
	}
	large := make([]byte, limit*5/8)
	for _, it := range []struct{ key, value []byte }{{key(0), large}, {large, nil}} {
		require.NoError(t, m.StoreEvicting(ctx, it.key, Item{Value: it.value}))
		fill()
		evicted := m.Stats().Evicted
		require.ErrorIs(t, appendTo(it.key, 1), slab.ErrNoMemory)
		require.Equal(t, evicted, m.Stats().Evicted, "in vain: there is no room for both")
		require.True(t, m.Delete(it.key))
		require.NoError(t, m.dom.Barrier(ctx)) // then its memory is free
	}
	require.NoError(t, m.Store(key(1), make([]byte, 100))) // that may be evicted by now
	fill()
	for size := 100; size < limit/4; size *= 2 {
		require.NoError(t, appendTo(key(1), size), "%d", size)
	}
	require.Positive(t, m.Stats().Evicted)
}

// Entries that do not expire stay, also where others must move for the new one.
func TestStoreEvicting_OnlyExpiring(t *testing.T) {
	limit := reduced(8<<20, 4<<20)
	m := newBytes(t, Options{Budget: slab.NewBudget(int64(limit))})
	m.SetEvictable(EvictExpiring)
	later := m.now() + 1e9
	n := 0
	for ; m.StoreItem(key(n), Item{valueOf(n, 100), int64(n%2) * later}) == nil; n++ {
	}
	ctx := watchdogContext(t)
	for i, size := range []int{1000, 50_000, reduced(1<<20, 1<<18)} {
		require.NoError(t, m.StoreEvicting(ctx, key(-1-i), Item{Value: valueOf(1, size)}))
	}
	require.Less(t, int(m.Stats().Evicted), n/3)
	for i := 0; i < n; i += 2 {
		_, ok := m.Load(key(i), nil)
		require.True(t, ok)
	}
	// When none is left that expires the map is full, and stays so until there is one.
	for m.EvictBytes(1<<20) > 0 {
	}
	require.NoError(t, m.dom.Barrier(ctx))
	for n = 1 << 20; m.Store(key(n), valueOf(n, 100)) == nil; n++ {
	}
	evicted := m.Stats().Evicted
	require.ErrorIs(t, m.StoreEvicting(ctx, key(-9), Item{Value: valueOf(1, 100)}), slab.ErrNoMemory)
	require.Equal(t, evicted, m.Stats().Evicted)
	require.True(t, m.barren.Load(), "and nothing is looked for")
	require.True(t, m.Delete(key(0)))
	require.NoError(t, m.dom.Barrier(ctx))
	require.NoError(t, m.StoreEvicting(ctx, key(-9), Item{valueOf(1, 100), later}))
	require.False(t, m.barren.Load())
	require.NoError(t, m.StoreEvicting(ctx, key(-10), Item{Value: valueOf(1, 100)}))
	require.Equal(t, evicted+1, m.Stats().Evicted)
	m.SetEvictable(EvictAll)
	require.NoError(t, m.StoreEvicting(ctx, key(-11), Item{Value: valueOf(1, 100)}))
}

// Where nothing may be evicted, entries move for the new one, if there is room for all.
func TestStoreEvicting_None(t *testing.T) {
	limit := reduced(8<<20, 2<<20)
	m, stored := newFull(t, int64(limit), 100)
	m.SetEvictable(EvictNone)
	ctx := watchdogContext(t)
	require.ErrorIs(t, m.StoreEvicting(ctx, key(-1), Item{Value: valueOf(1, 1000)}), slab.ErrNoMemory)
	require.Zero(t, m.EvictBytes(1000))
	require.Equal(t, stored, m.Len())
	for i := range stored / 8 {
		require.True(t, m.Delete(key(8*i)))
	}
	require.NoError(t, m.StoreEvicting(ctx, key(-1), Item{Value: valueOf(1, 100_000)}))
	require.ErrorIs(t, m.StoreEvicting(ctx, key(-1), Item{Value: valueOf(1, limit/4)}), slab.ErrNoMemory)
	require.Equal(t, stored-stored/8+1, m.Len())
	require.Panics(t, func() { m.SetEvictable(EvictNone + 1) })
}

// Always-new keys, by many at once, of sizes that change: the budget is kept, hardly a store
// fails, and most of the memory holds entries all the time.
func TestStoreEvicting_ManyAtOnce(t *testing.T) {
	limit := int64(16 << 20)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	m, _ := newFull(t, limit, 20)
	table := m.c.stats().ReservedBytes // of which half may be forced, when it shrinks
	ctx := watchdogContext(t)
	var wg sync.WaitGroup
	var failed atomic.Int64
	var most atomic.Int64
	for g := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(g)))
			for i := range rounds(2000) {
				size := 20
				switch rnd.IntN(50) {
				case 0:
					size = 1000 + rnd.IntN(60_000)
				case 1:
					size = 1000
				case 2:
					size = 100_000
				}
				k := key((g+1)<<24 + i)
				if err := m.StoreEvicting(ctx, k, Item{Value: valueOf(i, size)}); err != nil {
					if !errors.Is(err, slab.ErrNoMemory) {
						t.Error(err)
					}
					failed.Add(1)
				}
				if used := m.c.budget.Used(); used > most.Load() {
					most.Store(used)
				}
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, failed.Load(), int64(4+8*rounds(2000)/1000), "others may use what one evicts, eight times in a row")
	require.LessOrEqual(t, most.Load(), limit*102/100+table/2, "chained buckets come all the same")
	require.Greater(t, m.Stats().EntryBytes, limit/4)
}

// Where the limit was lowered, what is used falls to it as more is stored.
func TestStoreEvicting_PaysDebts(t *testing.T) {
	limit := int64(reduced(8<<20, 2<<20))
	m, _ := newFull(t, limit, 100)
	m.c.budget.SetLimit(limit * 3 / 4)
	ctx := watchdogContext(t)
	for i := 0; m.c.budget.Used() > limit*3/4; i++ {
		require.Less(t, i, 100)
		require.NoError(t, m.StoreEvicting(ctx, key(-1-i), Item{Value: valueOf(1, 100_000)}))
	}
}

// fn is called again for each attempt, and what it wants may grow meanwhile.
func TestComputeEvicting_CallsAgain(t *testing.T) {
	m, _ := newFull(t, int64(reduced(8<<20, 2<<20)), 100)
	size := 100
	ok, err := m.ComputeEvicting(watchdogContext(t), key(-1), func(Item, bool) (Item, Op) {
		size = min(3*size, 1000)
		return Item{Value: make([]byte, size)}, UpdateOp
	})
	require.NoError(t, err)
	require.True(t, ok)
	value, _ := m.Load(key(-1), nil)
	require.Len(t, value, size)

	m.c.budget.SetLimit(m.c.budget.Used()) // the slab that was emptied gave more than the entry took
	ok, err = m.ComputeEvicting(watchdogContext(t), key(-2), func(Item, bool) (Item, Op) {
		if size *= 20; size < 1<<20 {
			return Item{Value: make([]byte, size)}, UpdateOp
		}
		return Item{}, CancelOp
	})
	require.NoError(t, err)
	require.False(t, ok)
}

// Where there is memory for an entry, but its bucket is full and there is none to chain
// another to it, room is made in that bucket.
func TestStoreEvicting_FullBucket(t *testing.T) {
	budget := slab.NewBudget(0)
	m := newBytes(t, Options{Budget: budget})
	var blocks [][]byte
	for range 1000 { // there is room for entries, in what is opened
		block, err := m.blocks.Get(int(headerSize) + len(key(0)))
		require.NoError(t, err)
		blocks = append(blocks, block)
	}
	for _, block := range blocks {
		m.blocks.Free(block)
	}
	for i := 0; m.c.table.Load().n == 1<<minBits; i++ {
		require.NoError(t, m.Store(key(i), nil))
		m.c.migrated.Wait()
	}
	stored := 0
	var err error
	for i := 1000; ; i++ {
		if budget.Limit() == 0 && m.c.table.Load().n > 1<<(minBits+1) {
			budget.SetLimit(budget.Used())
		}
		if err = m.Store(key(i), nil); err != nil {
			require.NoError(t, m.StoreEvicting(watchdogContext(t), key(i), Item{}))
		}
		m.c.migrated.Wait()
		_, ok := m.Load(key(i), nil)
		require.True(t, ok)
		stored++
		if errors.Is(err, errCrowded) {
			break
		}
		require.Less(t, stored, 1_000_000, "no bucket was full")
	}
}

// A call of Evict that wants nothing says nothing about what may be evicted, and neither does
// one that meets claimed entries only.
func TestEvict_NotBarrenForNothing(t *testing.T) {
	m := newBytes(t, Options{})
	m.SetEvictable(EvictExpiring)
	now := m.now()
	require.NoError(t, m.StoreItem(key(1), Item{Value: valueOf(1, 100), Expires: now + 1e9}))
	require.Zero(t, m.EvictBytes(0))
	require.False(t, m.barren.Load())
	cl := m.claims.add(uint32(m.hashOf(key(1)) >> 32))
	require.Zero(t, m.EvictBytes(1))
	m.claims.drop(cl)
	require.False(t, m.barren.Load())
	require.Positive(t, m.EvictBytes(1))
}

// An entry for which the limit has no room, as it is now, evicts nothing.
func TestStoreEvicting_BeyondLoweredLimit(t *testing.T) {
	limit := reduced(8<<20, 2<<20)
	m, stored := newFull(t, int64(limit), 100)
	m.c.budget.SetLimit(int64(limit / 8))
	require.ErrorIs(t, m.StoreEvicting(watchdogContext(t), key(-1), Item{Value: valueOf(1, limit/4)}), slab.ErrNoMemory)
	require.Equal(t, stored, m.Len())
}

// Small entries come after large ones: the table is too small for them, and can't grow.
func TestStoreEvicting_SmallAfterLarge(t *testing.T) {
	m := newBytes(t, Options{Budget: slab.NewBudget(4 << 20)})
	ctx := watchdogContext(t)
	for i := range 1500 {
		require.NoError(t, m.StoreEvicting(ctx, key(i), Item{Value: valueOf(i, 8000)}))
	}
	for i := range rounds(40_000) {
		require.NoError(t, m.StoreEvicting(ctx, key(1<<24+i), Item{Value: valueOf(i, 8)}))
	}
}

// Where another writer has the memory, and its entry is not in the map yet, there is nothing to evict: a
// store waits for it.
func TestComputeEvicting_WaitsForWhatIsUnderWay(t *testing.T) {
	const n = 100_000
	stalled := make(chan struct{}, 1)
	d, err := smr.New(smr.Options{StallAfter: 1, OnStall: func(smr.Stall) {
		select {
		case stalled <- struct{}{}:
		default:
		}
	}})
	require.NoError(t, err)
	budget := slab.NewBudget(0)
	m := newBytes(t, Options{Domain: d, Budget: budget})
	size := int64(slab.BlockSize(n))
	budget.SetLimit(budget.Used() + size)
	require.NoError(t, budget.Reserve(size))
	attempts, ended := 0, make(chan struct{})
	_, err = m.ComputeEvicting(watchdogContext(t), key(0), func(Item, bool) (Item, Op) {
		attempts++
		switch attempts {
		case 2: // it has waited for readers, and waits again only if it finds nothing to evict
			budget.Release(size)
			block, err := m.blocks.Get(n)
			require.NoError(t, err)
			entered := make(chan struct{})
			go func() {
				other := d.Enter()
				close(entered)
				select {
				case <-stalled:
				case <-ended:
				}
				m.blocks.Free(block)
				other.Leave()
			}()
			<-entered
		case 3:
			require.Equal(t, 1, d.Stats().Sections, "others wait for this one")
		}
		return Item{Value: valueOf(0, n-1000)}, UpdateOp
	})
	close(ended)
	require.NoError(t, err)
	require.Equal(t, 3, attempts)
	require.NoError(t, m.Close(watchdogContext(t)))
	require.NoError(t, d.Close(watchdogContext(t)))
}

// A Store of a large value is in a section from before it has the memory, for those who wait for it.
func TestStore_LargeIsInSection(t *testing.T) {
	d := newDomain(t)
	now, sections := int64(0), 0
	m := newBytes(t, Options{Domain: d, Now: func() time.Time { return time.UnixMilli(now) },
		OnRemove: func([]byte, bool) { sections = d.Stats().Sections }})
	require.NoError(t, m.StoreItem(key(0), Item{Expires: 1}))
	now = 1
	require.NoError(t, m.Store(key(0), make([]byte, maxLocked)))
	require.Equal(t, 1, sections)
}
