package smrmap

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/slab"
)

// valueOf returns a value that tells its key, n bytes long.
func valueOf(i, n int) []byte {
	return bytes.Repeat([]byte{byte(i), byte(i >> 8), byte(i >> 16)}, n/3+1)[:n]
}

// Where there is room for all, nothing is lost: entries move together, and the memory goes
// back.
func TestCompact_LosesNothing(t *testing.T) {
	budget := slab.NewBudget(0)
	m := newBytes(t, Options{Budget: budget})
	const n = 20_000
	expires := time.Now().UnixMilli() + 1e9
	item := func(i int) Item { return Item{Value: valueOf(i, 100), Expires: int64(i/4%2) * expires} }
	for i := range n {
		require.NoError(t, m.StoreItem(key(i), item(i)))
	}
	for i := range n {
		if i%4 != 0 {
			m.Delete(key(i))
		}
	}
	ctx := watchdogContext(t)
	require.NoError(t, m.dom.Barrier(ctx))
	used := make(map[int]uint32) // as CLOCK sees it
	for i := 0; i < n; i += 4 {
		e := m.entryOf(key(i))
		used[i] = uint32(i / 8 % 2)
		e.used.Store(used[i])
	}
	const slabSize = 64 << 10
	for fruitless := 0; m.blocks.Stats().FreeBytes >= 4*slabSize; {
		released, err := m.CompactFor(ctx, 1000)
		require.NoError(t, err)
		if fruitless++; released > 0 {
			fruitless = 0
		}
		require.Less(t, fruitless, 10)
	}
	st := m.Stats()
	require.Zero(t, st.Evicted)
	require.Equal(t, n/4, st.Len)
	for i := 0; i < n; i += 4 {
		e := m.entryOf(key(i))
		require.NotNil(t, e)
		require.Equal(t, item(i), e.item())
		require.Equal(t, used[i], e.used.Load())
	}
}

// When sizes change altogether under a budget that is used up, no more is evicted than
// what makes room.
func TestCompact_SizesChange(t *testing.T) {
	const limit = 8 << 20
	m := newBytes(t, Options{Budget: slab.NewBudget(limit)})
	n := 0
	for ; m.Store(key(n), valueOf(n, 100)) == nil; n++ {
	}
	require.Greater(t, n, 30_000)
	ctx := watchdogContext(t)
	const large = 1000
	for i := range large {
		err := m.Store(key(1<<20+i), valueOf(i, 1000))
		for tries := 0; err != nil; tries++ {
			require.ErrorIs(t, err, slab.ErrNoMemory)
			require.Less(t, tries, 20) // more than one where a slab is on its way back for a while
			_, cerr := m.CompactFor(ctx, 4+1000)
			require.NoError(t, cerr)
			err = m.Store(key(1<<20+i), valueOf(i, 1000))
		}
	}
	st := m.Stats()
	require.Equal(t, n+large-int(st.Evicted), st.Len)
	require.Less(t, int(st.Evicted)*128, 3*large*1024)
	for i := range large {
		value, ok := m.Load(key(1<<20+i), nil)
		require.True(t, ok)
		require.Equal(t, valueOf(i, 1000), value)
	}
}

// An entry whose time has come is not moved.
func TestCompact_Expired(t *testing.T) {
	now := time.UnixMilli(1000)
	m := newBytes(t, Options{Now: func() time.Time { return now }})
	for i := range 100 {
		require.NoError(t, m.StoreItem(key(i), Item{Value: valueOf(i, 10), Expires: 2000}))
	}
	now = time.UnixMilli(2000)
	released, err := m.CompactFor(watchdogContext(t), 0)
	require.NoError(t, err)
	require.Positive(t, released)
	st := m.Stats()
	require.Zero(t, st.Len)
	require.EqualValues(t, 100, st.Expired)
	require.Zero(t, st.Evicted)
}

// The time is not asked for with a bucket locked.
func TestCompact_NowPanics(t *testing.T) {
	broken := false
	m := newBytes(t, Options{Now: func() time.Time {
		if broken {
			panic("no time")
		}
		return time.UnixMilli(1)
	}})
	require.NoError(t, m.StoreItem(key(1), Item{Value: valueOf(1, 10), Expires: 100}))
	broken = true
	require.PanicsWithValue(t, "no time", func() { m.CompactFor(watchdogContext(t), 0) })
	broken = false
	require.True(t, m.Delete(key(1)))
}

// Entries are deleted while Compact is at their slab.
func TestCompact_BesideDeletes(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	m := newBytes(t, Options{})
	var stop atomic.Bool
	var wg sync.WaitGroup
	for g := range 3 {
		wg.Go(func() {
			for !stop.Load() {
				for i := range 400 {
					m.Store(key(g<<20+i), valueOf(i, 1500))
				}
				for i := range 400 {
					m.Delete(key(g<<20 + i))
				}
				m.dom.Flush()
			}
		})
	}
	for range reduced(10_000, 300) {
		_, err := m.CompactFor(watchdogContext(t), 0)
		if !assert.NoError(t, err) {
			break
		}
	}
	stop.Store(true)
	wg.Wait()
}

// Readers and writers go on while entries move: what is in the map is found, whole, and no write
// is lost, except what was evicted where there was no room.
func TestCompact_ReadersAndWriters(t *testing.T) {
	t.Run("many small ones", func(t *testing.T) { testCompact(t, 200, 1500, 1500) })
	t.Run("few large ones", func(t *testing.T) { testCompact(t, 8, 30, 32<<10) })
}

// testCompact has some entries that stay, others that come and go, of a size, and those of
// writers.
func testCompact(t *testing.T, stable, churned, size int) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	m := newBytes(t, Options{})
	writers := stable/20 + 1 // keys of each
	for i := range stable + churned {
		require.NoError(t, m.Store(key(i), valueOf(i, size)))
	}
	var stop atomic.Bool
	var broken atomic.Pointer[string]
	fail := func(why string) { broken.CompareAndSwap(nil, &why) }
	var lost sync.Map // keys that were not found
	var wg sync.WaitGroup
	for g := range 4 { // readers of what is never written
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(g)))
			for !stop.Load() {
				i := rnd.IntN(stable)
				s := m.dom.Enter()
				if it, ok := m.LoadIn(s, key(i)); !ok {
					lost.Store(i, true)
				} else if !bytes.Equal(it.Value, valueOf(i, size)) {
					fail("an entry was not whole")
				}
				s.Leave()
			}
		})
	}
	var rewritten atomic.Int64 // keys that were not found, and are written anew
	for g := range 4 {         // writers, each with keys of its own
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(2, uint64(g)))
			last := make(map[int]int)
			for !stop.Load() {
				i := stable + churned + rnd.IntN(writers)*4 + g
				value, ok := m.Load(key(i), nil)
				switch v, there := last[i]; {
				case there && !ok:
					rewritten.Add(1)
				case there != ok || ok && !bytes.Equal(value, valueOf(v, size)):
					fail("a write was lost")
				}
				if v := rnd.IntN(1 << 24); v%3 == 0 {
					m.Delete(key(i))
					delete(last, i)
				} else if err := m.Store(key(i), valueOf(v, size)); err != nil {
					fail(err.Error())
				} else {
					last[i] = v
				}
			}
		})
	}
	ctx := watchdogContext(t)
	rnd := rand.New(rand.NewPCG(3, 0))
	released := int64(0)
	for round := range reduced(50, 3) {
		// There is room for those that move, since others have just gone.
		for i := range churned {
			if i%3 != 0 {
				m.Delete(key(stable + i))
			}
		}
		n, err := m.CompactFor(ctx, 0)
		if err != nil {
			fail(err.Error())
		}
		released += n
		for range 3_000_000 / size { // Compact takes the least; so move others as it would
			i := rnd.IntN(stable)
			if round%2 == 0 {
				i = stable + churned + rnd.IntN(writers*4)
			}
			s := m.dom.Enter() // so that the block stays a block
			k := key(i)
			if e := m.entryOf(k); e != nil {
				m.vacate(e.block(), m.spared)
			}
			s.Leave()
		}
		for i := range churned {
			m.Store(key(stable+i), valueOf(i, size))
		}
		if broken.Load() != nil {
			break
		}
	}
	stop.Store(true)
	wg.Wait()
	if why := broken.Load(); why != nil {
		t.Fatal(*why)
	}
	notFound := int(rewritten.Load())
	for i := range lost.Range {
		_, found := m.Load(key(i.(int)), nil)
		require.False(t, found, "it was not there for a while")
		notFound++
	}
	require.LessOrEqual(t, notFound, int(m.Stats().Evicted))
	require.Positive(t, moved)
}
