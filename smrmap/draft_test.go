package smrmap

import (
	"bytes"
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// draft returns a draft whose value is n times b.
func draft(t testing.TB, m *Bytes, key string, n int, b byte) *Draft {
	d, err := m.Draft([]byte(key), n)
	require.NoError(t, err)
	v := d.Value()
	require.Len(t, v, n)
	for i := range v {
		v[i] = b
	}
	return d
}

// What is stored is where it was written, and counts in the budget from then on.
func TestDraft_StoreCopiesNothing(t *testing.T) {
	budget := slab.NewBudget(0)
	var at clock
	at.ms.Store(1000)
	m := newBytes(t, Options{Budget: budget, Now: at.now})
	require.NoError(t, m.Store([]byte("k"), []byte("old")))
	for _, n := range []int{0, 10, 100_000, 3 << 20} {
		before := budget.Used()
		d := draft(t, m, "k", n, 'x')
		if n > 64<<10 {
			require.Equal(t, before, budget.Used())
		}
		require.EqualValues(t, 1, m.Stats().Drafts)
		old, _ := m.Load([]byte("k"), nil)
		require.NotEqual(t, n, len(old), "nothing is there before Store")
		where := unsafe.SliceData(d.Value())
		require.NoError(t, d.Store(2000))
		require.Zero(t, m.Stats().Drafts)
		d.Discard() // does nothing
		if n > 64<<10 {
			require.GreaterOrEqual(t, budget.Used(), before+int64(n))
		}
		s := m.Enter()
		it, ok := m.LoadIn(s, []byte("k"))
		require.True(t, ok)
		require.Equal(t, Item{bytes.Repeat([]byte("x"), n), 2000}, it)
		if !invariants.Enabled { // or it is a copy that is lent
			require.Equal(t, where, unsafe.SliceData(it.Value))
		}
		s.Leave()
	}
	at.ms.Store(2000)
	require.False(t, m.Delete([]byte("k")), "it has expired")
}

// A draft that finds no memory goes on, and is stored when there is some.
func TestDraft_NoMemory(t *testing.T) {
	budget := slab.NewBudget(1 << 20)
	m := newBytes(t, Options{Budget: budget})
	for _, store := range []bool{true, false} {
		budget.SetLimit(1 << 20)
		used := budget.Used()
		d := draft(t, m, "k", 2<<20, 'x')
		for range 2 {
			require.ErrorIs(t, d.Store(0), slab.ErrNoMemory)
			require.Equal(t, used, budget.Used())
			require.Zero(t, m.Len())
		}
		if store {
			budget.SetLimit(4 << 20)
			require.NoError(t, d.Store(0))
			require.True(t, m.Delete([]byte("k")))
			require.NoError(t, m.dom.Barrier(watchdogContext(t)))
		}
		d.Discard()
		require.Equal(t, used, budget.Used())
		require.Zero(t, m.Stats().Drafts)
	}
}

// Close waits for a draft, which can't be stored any more.
func TestDraft_Close(t *testing.T) {
	m := newBytes(t, Options{})
	d := draft(t, m, "k", 100_000, 'x')
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, m.Close(ended), context.Canceled)
	require.ErrorIs(t, d.Store(0), ErrClosed)
	_, err := m.Draft([]byte("k"), 100_000)
	require.ErrorIs(t, err, ErrClosed)
	d.Discard()
	require.NoError(t, m.Close(watchdogContext(t)))

	dom, err := smr.New(smr.Options{})
	require.NoError(t, err)
	m = newBytes(t, Options{Domain: dom})
	d = draft(t, m, "k", 100_000, 'x')
	require.NoError(t, dom.Close(watchdogContext(t)))
	require.ErrorIs(t, d.Store(0), ErrClosed)
	_, err = m.Draft([]byte("k"), 100_000)
	require.ErrorIs(t, err, ErrClosed)
	d.Discard()
}

func TestDraft_Misuse(t *testing.T) {
	m := newBytes(t, Options{})
	_, err := m.Draft(nil, MaxLen+1)
	require.ErrorIs(t, err, ErrTooLarge)
	require.PanicsWithValue(t, "smrmap: Draft of a negative size", func() { m.Draft(nil, -1) })
	d := draft(t, m, "k", 10, 'x')
	require.NoError(t, d.Store(0))
	require.PanicsWithValue(t, "smrmap: Store of a Draft that has ended", func() { d.Store(0) })
	require.PanicsWithValue(t, "smrmap: Value of a Draft that has ended", func() { d.Value() })
}

// Drafts, copies, evictions and readers side by side: each value is whole.
func TestDraft_BesideOthers(t *testing.T) {
	budget := slab.NewBudget(4 << 20)
	m := newBytes(t, Options{Budget: budget})
	var wg sync.WaitGroup
	keys := []string{"a", "b", "c", "d"}
	for i := range 4 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			for range rounds(400) {
				key, n, b := keys[rnd.IntN(len(keys))], 1+rnd.IntN(300_000), byte(rnd.IntN(256))
				switch rnd.IntN(4) {
				case 0:
					m.Delete([]byte(key))
				case 1:
					m.StoreEvicting(context.Background(), []byte(key), Item{Value: bytes.Repeat([]byte{b}, n)})
				default:
					n += 64 << 10 // a smaller one may find no memory
					d := draft(t, m, key, n, b)
					if err := d.Store(0); err != nil {
						m.EvictBytes(n)
					}
					d.Discard()
				}
				m.View([]byte(key), func(it Item) {
					for j := 0; j < len(it.Value); j += 1 + len(it.Value)/16 {
						if it.Value[j] != it.Value[0] {
							t.Error("a value is not whole")
						}
					}
				})
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
	require.Zero(t, m.Stats().Drafts)
}

// What a Draft stores came last, as what Store does: eviction leaves it until others have come.
func TestDraft_IsYoung(t *testing.T) {
	m := newBytes(t, Options{})
	m.EvictBytes(1)
	store := map[string]func(k, v []byte){
		"Store": func(k, v []byte) { require.NoError(t, m.Store(k, v)) },
		"Draft": func(k, v []byte) {
			d, err := m.Draft(k, len(v))
			require.NoError(t, err)
			copy(d.Value(), v)
			require.NoError(t, d.Store(0))
		},
	}
	for name, store := range store {
		before := m.young.next
		store([]byte(name), make([]byte, 100))
		require.Equal(t, before+1, m.young.next, name)
		store([]byte(name), make([]byte, 100))
		require.Equal(t, before+1, m.young.next, "%s over a key", name)
	}
}
