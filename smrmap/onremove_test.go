package smrmap

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/slab"
)

// OnRemove is told of each entry that expired or was evicted, once, whatever met it, and of no
// other.
func TestBytes_OnRemove(t *testing.T) {
	var (
		at              clock
		mu              sync.Mutex
		expired, gone   map[string]int
		keyOf           = func(i int) []byte { return append(key(i), "key"...) }
		m               *Bytes
		value, deadline = make([]byte, 100), int64(2000)
	)
	at.ms.Store(1000)
	m = newBytes(t, Options{Now: at.now, Budget: slab.NewBudget(4 << 20), OnRemove: func(key []byte, evicted bool) {
		mu.Lock()
		defer mu.Unlock()
		if evicted {
			gone[string(key)]++
		} else {
			expired[string(key)]++
		}
	}})
	ctx := context.Background()
	for name, meet := range map[string]func(k []byte){
		"Store":          func(k []byte) { m.Store(k, value) },
		"Delete":         func(k []byte) { m.Delete(k) },
		"LoadAndDelete":  func(k []byte) { m.LoadAndDelete(k, nil) },
		"LoadOrStore":    func(k []byte) { m.LoadOrStore(k, Item{}, nil) },
		"Compute cancel": func(k []byte) { m.Compute(k, func(it Item, _ bool) (Item, Op) { return it, CancelOp }) },
		"Compute delete": func(k []byte) { m.Compute(k, func(it Item, _ bool) (Item, Op) { return it, DeleteOp }) },
		"Compute update": func(k []byte) { m.Compute(k, func(it Item, _ bool) (Item, Op) { return Item{Value: value}, UpdateOp }) },
		"Sweep":          func([]byte) { m.Sweep(0, 1<<20) },
	} {
		expired, gone = map[string]int{}, map[string]int{}
		deadline = at.ms.Load() + 1000
		require.NoError(t, m.StoreItem(keyOf(1), Item{Value: value, Expires: deadline}))
		require.NoError(t, m.StoreItem(keyOf(2), Item{Value: value, Expires: deadline + 1}))
		at.ms.Store(deadline)
		meet(keyOf(1))
		meet(keyOf(2))
		require.Equal(t, map[string]int{string(keyOf(1)): 1}, expired, name)
		require.Empty(t, gone, name)
		m.Clear()
		require.Empty(t, gone, "%s, and Clear", name)
	}

	expired, gone = map[string]int{}, map[string]int{}
	before := m.Stats()
	random := rand.New(rand.NewPCG(1, 2))
	const n = 20_000
	for i := range n { // more than there is room for
		it := Item{Value: value[:random.IntN(len(value))], Expires: at.ms.Load() + 1 + random.Int64N(1000)}
		_, err := m.ComputeEvicting(ctx, keyOf(i), func(Item, bool) (Item, Op) { return it, UpdateOp })
		require.NoError(t, err)
		if i%100 == 0 {
			at.ms.Add(1)
			m.Sweep(0, 1000)
		}
		if i%1000 == 0 {
			m.EvictBytes(10_000)
			m.CompactFor(ctx, 0)
		}
	}
	after := m.Stats()
	require.EqualValues(t, after.Expired-before.Expired, len(expired))
	require.EqualValues(t, after.Evicted-before.Evicted, len(gone))
	require.NotEmpty(t, gone)
	require.NotEmpty(t, expired)
	left := 0
	for k := range m.Keys() {
		left++
		require.Zero(t, expired[string(k)]+gone[string(k)])
	}
	for i := range n {
		k := string(keyOf(i))
		require.LessOrEqual(t, expired[k]+gone[k], 1, k)
	}
	require.LessOrEqual(t, left+len(expired)+len(gone), n, "some have expired, and were not met")
}
