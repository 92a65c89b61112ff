package smrmap

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

const largeValue = 2 * maxLocked

// whileClaimed calls fn, once, when the next large entry of m is made, after its key is
// claimed.
func (m *Bytes) whileClaimed(fn func()) {
	m.claimed = func() {
		m.claimed = nil
		fn()
	}
}

// No bucket is locked while a large value is allocated and copied: meanwhile all others read,
// write, walk, evict and resize, and the value's own key is as it was.
func TestCompute_LargeValueIsMadeWithoutLock(t *testing.T) {
	for name, present := range map[string]bool{"present": true, "absent": false} {
		t.Run(name, func(t *testing.T) {
			m := newBytes(t, Options{})
			keys := inFirstBucket(m, 4)
			k, beside := keys[0], keys[1:]
			if present {
				require.NoError(t, m.Store(k, []byte("old")))
			}
			asBefore := func() {
				v, ok := m.Load(k, nil)
				require.Equal(t, present, ok)
				if ok {
					require.Equal(t, "old", string(v))
				}
			}
			called, finish := 0, func() {}
			m.whileClaimed(func() {
				called++
				for b := range m.c.table.Load().n {
					require.Zero(t, m.c.table.Load().at(b).ctl.Load()&locked)
				}
				for _, b := range beside {
					require.NoError(t, m.Store(b, []byte("x")))
					_, err := m.Compute(b, func(Item, bool) (Item, Op) { return Item{Value: []byte("y")}, UpdateOp })
					require.NoError(t, err)
					require.True(t, m.Delete(b))
					require.NoError(t, m.Store(b, []byte("z")))
				}
				asBefore()
				finish = m.c.halfway(t) // with k moved
				asBefore()
				m.Clear()
				require.Equal(t, present, m.Len() == 1)
				require.Zero(t, m.EvictBytes(1), "what is being replaced is not evicted")
				asBefore()
				m.Sweep(0, 1000)
				asBefore()
				if e := m.entryOf(k); e != nil {
					m.vacate(e.block(), m.spared)
				}
				asBefore()
				require.NoError(t, m.Store(beside[0], []byte("last")))
			})
			large := bytes.Repeat([]byte{7}, largeValue)
			ok, err := m.Compute(k, func(old Item, loaded bool) (Item, Op) {
				require.Equal(t, present, loaded)
				return Item{Value: large}, UpdateOp
			})
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, 1, called)
			finish()
			v, ok := m.Load(k, nil)
			require.True(t, ok)
			require.Equal(t, large, v)
			require.Equal(t, 2, m.Len())
			require.Empty(t, m.claims.list)
			require.Zero(t, m.claims.n.Load())
		})
	}
}

// entryOf returns the entry of a key, nil if there is none.
func (m *Bytes) entryOf(k []byte) *header {
	h := m.hashOf(k)
	t, root := m.c.lock(h)
	defer m.c.release(root)
	e, _ := m.find(t, root, h, k)
	return e
}

// A large value may be a part of the old one, which stays while it is copied, although it is
// moved or its time has come meanwhile.
func TestCompute_LargePartOfOldValue(t *testing.T) {
	var at clock
	at.ms.Store(1000)
	m := newBytes(t, Options{Now: at.now})
	const size = 40 << 10
	old := valueOf(1, size)
	for name, meanwhile := range map[string]func(){
		"moved": func() { m.vacate(m.entryOf(key(1)).block(), m.spared) },
		"expired": func() {
			at.ms.Store(3000)
			m.Sweep(0, 1000)
			m.vacate(m.entryOf(key(1)).block(), m.spared)
		},
	} {
		t.Run(name, func(t *testing.T) {
			at.ms.Store(1000)
			require.NoError(t, m.StoreItem(key(1), Item{old, 2000}))
			m.whileClaimed(func() {
				meanwhile()
				goal := m.dom.Advance()
				for range 100 {
					require.False(t, m.dom.Poll(goal), "the old value may be gone")
				}
			})
			_, err := m.Compute(key(1), func(old Item, loaded bool) (Item, Op) {
				return Item{Value: old.Value[1:]}, UpdateOp
			})
			require.NoError(t, err)
			v, ok := m.Load(key(1), nil)
			require.True(t, ok)
			require.Equal(t, old[1:], v)
			require.Equal(t, 1, m.Len())
		})
	}
}

// A key is not written to between the moment when Compute's function saw its value and that
// when the large value it returned is in the map: no addition is lost, whichever way others
// write to the key.
func TestCompute_LargeIsAtomic(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	m := newBytes(t, Options{})
	m.claimed = runtime.Gosched // let others try
	const writers = 4
	n := rounds(2000)
	add := func(by uint64, size int) {
		value := make([]byte, size)
		_, err := m.Compute(key(1), func(old Item, loaded bool) (Item, Op) {
			was := uint64(0)
			if loaded {
				was = binary.LittleEndian.Uint64(old.Value)
			}
			binary.LittleEndian.PutUint64(value, was+by)
			return Item{Value: value}, UpdateOp
		})
		require.NoError(t, err)
	}
	var taken uint64
	var wg sync.WaitGroup
	for g := range writers {
		wg.Go(func() {
			for i := range n {
				if g == 0 && i%3 == 0 {
					if v, ok := m.LoadAndDelete(key(1), nil); ok {
						taken += binary.LittleEndian.Uint64(v)
					}
				}
				add(1, []int{8, largeValue}[(g+i)%2])
			}
		})
	}
	wg.Wait()
	v, ok := m.LoadAndDelete(key(1), nil)
	if ok {
		taken += binary.LittleEndian.Uint64(v)
	}
	require.EqualValues(t, writers*n, taken)
}

// A large value for which there is no memory, or whose copying panics, leaves the map, the
// budget and the key's other writers as they were.
func TestCompute_LargeThatFails(t *testing.T) {
	budget := slab.NewBudget(1 << 20)
	m := newBytes(t, Options{Budget: budget})
	require.NoError(t, m.Store(key(1), []byte("old")))
	used := budget.Used()
	check := func(what string) {
		v, ok := m.Load(key(1), nil)
		require.True(t, ok, what)
		require.Equal(t, "old", string(v), what)
		require.Equal(t, used, budget.Used(), what)
		within(t, "Store after it "+what, func() { require.NoError(t, m.Store(key(1), []byte("old"))) })
	}
	large := func(n int) (bool, error) {
		return m.Compute(key(1), func(Item, bool) (Item, Op) { return Item{Value: make([]byte, n)}, UpdateOp })
	}
	ok, err := large(2 << 20)
	require.ErrorIs(t, err, slab.ErrNoMemory)
	require.True(t, ok)
	check("failed")
	mine := errors.New("mine")
	m.whileClaimed(func() { panic(mine) })
	require.PanicsWithValue(t, mine, func() { large(largeValue) })
	check("panicked")
}

// Store allocates and copies a large value before it locks the bucket: it does
// so while another has it locked. What it stores is what the value was then.
func TestStore_LargeValueIsMadeBeforeLock(t *testing.T) {
	v := valueOf(1, largeValue)
	for name, store := range map[string]func(m *Bytes) error{
		"Store":     func(m *Bytes) error { return m.Store(key(1), v) },
		"StoreItem": func(m *Bytes) error { return m.StoreItem(key(1), Item{Value: v}) },
		"LoadOrStore": func(m *Bytes) error {
			_, _, err := m.LoadOrStore(key(1), Item{Value: v}, nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newBytes(t, Options{})
			_, root := m.c.lock(m.hashOf(key(1)))
			stored := make(chan error, 1)
			go func() { stored <- store(m) }()
			awaitThat(func() bool { return m.c.lots.of(root).parked.Load() != 0 })
			made := m.Stats().EntryBytes
			clear(v)
			m.c.release(root)
			require.NoError(t, <-stored)
			require.Greater(t, made, int64(largeValue), "what is there while the bucket is locked")
			v = valueOf(1, largeValue)
			got, ok := m.Load(key(1), nil)
			require.True(t, ok)
			require.True(t, bytes.Equal(v, got))
		})
	}
	t.Run("Map", func(t *testing.T) {
		m := newMap[int, [20 << 10]byte](t, Options{})
		require.True(t, m.OffHeap())
		for name, store := range map[string]func() error{
			"Store": func() error { return m.Store(1, [20 << 10]byte{}) },
			"LoadOrStore": func() error {
				_, _, err := m.LoadOrStore(2, [20 << 10]byte{})
				return err
			},
			"Compute": func() error {
				_, _, err := m.Compute(3, func(v [20 << 10]byte, _ bool) ([20 << 10]byte, Op) { return v, UpdateOp })
				return err
			},
		} {
			before := m.pool.Stats().Gets
			var held []*bucket
			for i := range m.c.table.Load().n {
				m.c.lots.lock(m.c.table.Load().at(i))
				held = append(held, m.c.table.Load().at(i))
			}
			stored := make(chan error, 1)
			go func() { stored <- store() }()
			awaitThat(func() bool {
				for _, b := range held {
					if m.c.lots.of(b).parked.Load() != 0 {
						return true
					}
				}
				return false
			})
			made := m.pool.Stats().Gets
			for _, b := range held {
				m.c.lots.release(b, b.ctl.Load())
			}
			require.NoError(t, <-stored)
			require.Equal(t, before+1, made, name)
		}
	})
}

// awaitThat waits until something is so.
func awaitThat(so func() bool) {
	for !so() {
		runtime.Gosched()
	}
}

// What LoadOrStore and Compute had ready, and did not need, goes back to the budget.
func TestStore_WhatWasNotNeededGoesBack(t *testing.T) {
	m := newBytes(t, Options{})
	require.NoError(t, m.Store(key(1), []byte("there")))
	in := m.Stats().EntryBytes
	h := m.hashOf(key(1))
	e, err := m.newEntry(h, key(1), Item{Value: make([]byte, largeValue)}, nil)
	require.NoError(t, err)
	require.Greater(t, m.Stats().EntryBytes, in)
	m.dom.Read(func(smr.Section) {
		there, err := m.insert(h, key(1), e)
		require.NoError(t, err)
		require.Equal(t, "there", string(there.value()))
	})
	require.Equal(t, in, m.Stats().EntryBytes)

	type page [20 << 10]byte
	pages := newMap[int, page](t, Options{})
	require.NoError(t, pages.Store(1, page{}))
	in = pages.Stats().EntryBytes
	for _, op := range []Op{CancelOp, DeleteOp} {
		_, _, err := pages.Compute(2, func(page, bool) (page, Op) { return page{}, op })
		require.NoError(t, err)
	}
	require.Panics(t, func() { pages.Compute(1, func(page, bool) (page, Op) { panic("mine") }) })
	require.Equal(t, in, pages.Stats().EntryBytes)
	full := slab.NewBudget(1 << 20)
	pages = newMap[int, page](t, Options{Budget: full})
	n := 0
	for ; pages.Store(n, page{1}) == nil; n++ {
	}
	v, ok, err := pages.Compute(0, func(v page, ok bool) (page, Op) { return v, UpdateOp })
	require.ErrorIs(t, err, slab.ErrNoMemory)
	require.True(t, ok)
	require.EqualValues(t, 1, v[0])
	for range 3 {
		_, ok, err = pages.Compute(0, func(v page, ok bool) (page, Op) { return v, CancelOp })
		require.NoError(t, err)
		require.True(t, ok)
	}
	_, ok, err = pages.Compute(0, func(v page, ok bool) (page, Op) { return v, DeleteOp })
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, n-1, pages.Len())
}

// What is free in the budget, and what can be evicted, suffice together. How many slabs that takes, and
// so whether one round does, is up to where the map's hashes put the entries.
func TestStoreEvicting_TakesWhatIsFree(t *testing.T) {
	fits := func(limit int64) {
		m := newBytes(t, Options{Budget: slab.NewBudget(limit)})
		for i := 0; m.c.budget.Used() < limit*45/100; i++ {
			require.NoError(t, m.Store(key(i), make([]byte, 100)))
		}
		m.c.migrated.Wait()
		before := m.Len()
		require.NoError(t, m.StoreEvicting(context.Background(), key(-1), Item{Value: make([]byte, limit*6/10)}))
		require.Greater(t, m.Len(), before*3/10, "it evicts what is missing")
		require.LessOrEqual(t, m.c.budget.Used(), limit)
	}
	for range 40 {
		fits(512 << 10)
	}
	fits(4 << 20)
}
