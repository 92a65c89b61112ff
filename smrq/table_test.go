package smrq_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

// The tests of the table in example_table_test.go, which show what Append, Unpublish and Split are for.

const maxBits = 6 // of the tables here

// grow doubles the buckets, and shrink halves them, within limits.
func (t *table) grow() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buckets.LoadSerialized().bits < maxBits {
		t.growLocked()
	}
}

func (t *table) shrink() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buckets.LoadSerialized().bits > 0 {
		t.shrinkLocked()
	}
}

// check compares the table with what should be in it.
func (t *table) check(tt *testing.T, want map[uint64]*entry) {
	tt.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	require.Equal(tt, len(want), t.n)
	found := 0
	b := t.buckets.LoadSerialized()
	for i := range b.lists {
		require.NoError(tt, b.lists[i].Verify())
		for e := range b.lists[i].AllSerialized() {
			require.Same(tt, want[e.key], e)
			require.Equal(tt, i, b.index(e.key))
			found++
		}
	}
	require.Equal(tt, len(want), found)
}

// What one goroutine does to a table gives what a map would.
func TestTable_LikeAMap(t *testing.T) {
	d := newDomain(t)
	tab := newTable(d)
	want := make(map[uint64]*entry)
	rng := rand.New(rand.NewPCG(1, 2))
	for range rounds(30000) {
		key := rng.Uint64N(100)
		switch rng.IntN(10) {
		case 0, 1, 2, 3:
			e := &entry{key: key}
			require.Equal(t, want[key] == nil, tab.insert(e))
			if want[key] == nil {
				want[key] = e
			}
		case 4, 5:
			e := &entry{key: key}
			require.Equal(t, want[key], tab.replace(e))
			if want[key] != nil {
				want[key] = e
			}
		case 6, 7:
			require.Equal(t, want[key], tab.remove(key))
			delete(want, key)
		case 8:
			tab.grow()
			tab.check(t, want)
		default:
			tab.shrink()
			tab.check(t, want)
		}
		d.Read(func(s smr.Section) { require.Equal(t, want[key], tab.get(s, key)) })
	}
	tab.fit()
	tab.check(t, want)
	require.LessOrEqual(t, len(want), len(tab.buckets.LoadSerialized().lists))
	for key := range want {
		tab.remove(key)
	}
	tab.fit()
	require.Len(t, tab.buckets.LoadSerialized().lists, 1)
}

// What was left to do when growing was cut short is done by the next writer, and no key is lost.
func TestTable_GrowingCutShort(t *testing.T) {
	for name, write := range map[string]func(tab *table, e *entry){
		"insert":  func(tab *table, e *entry) { tab.remove(7); tab.insert(e) },
		"replace": func(tab *table, e *entry) { tab.replace(e) },
		"fit":     func(tab *table, e *entry) { tab.fit(); tab.replace(e) },
	} {
		t.Run(name, func(t *testing.T) {
			tab := newTable(newDomain(t))
			want := make(map[uint64]*entry)
			for key := range uint64(20) {
				want[key] = &entry{key: key}
				tab.insert(want[key])
			}
			tab.mu.Lock()
			tab.splitLocked()
			tab.stepLocked()
			tab.mu.Unlock()
			want[7] = &entry{key: 7}
			write(tab, want[7])
			tab.check(t, want)
			require.Nil(t, tab.splits)
		})
	}
}

// No lookup misses a key that is there throughout, and none finds a freed entry, whatever writers do
// to the other keys and to the table meanwhile. Entries are freed and used again right after their
// grace periods.
func TestTable_NoLookupMisses(t *testing.T) {
	const keys = 64 // the even ones are always there
	d := newDomain(t)
	tab := newTable(d)
	free := make(chan *entry, 4*keys)
	for range cap(free) {
		free <- new(entry)
	}
	fresh := func(key uint64) *entry {
		if len(free) == 0 {
			d.Flush()
		}
		e := <-free
		*e = entry{key: key, value: value{key, alive}}
		return e
	}
	retire := func(e *entry) {
		smr.Call(d, e, int(unsafe.Sizeof(*e)), func(e *entry) {
			*e = entry{key: poison, value: value{1: poison}} // readers would miss what comes after it
			free <- e
		})
	}
	for key := uint64(0); key < keys; key += 2 {
		tab.insert(fresh(key))
	}
	w := startWalkers(d, func(s smr.Section, n int) string {
		key := uint64(n) * 7 % keys
		e := tab.get(s, key)
		switch {
		case e == nil && key%2 == 0:
			return fmt.Sprintf("key %d is there, and was not found", key)
		case e != nil && e.value != value{key, alive}:
			return fmt.Sprintf("the entry of key %d was freed: %x", key, e.value)
		}
		return ""
	})
	var resizer sync.WaitGroup
	stop := make(chan struct{})
	resizer.Go(func() {
		rng := rand.New(rand.NewPCG(3, 4))
		for {
			select {
			case <-stop:
				return
			default:
			}
			if rng.IntN(2) == 0 {
				tab.grow()
			} else {
				tab.shrink()
			}
		}
	})
	rng := rand.New(rand.NewPCG(5, 6))
	for range rounds(20000) {
		if w.failed() {
			break
		}
		key := rng.Uint64N(keys)
		if key%2 == 0 {
			retire(tab.replace(fresh(key)))
		} else if old := tab.remove(key); old != nil {
			retire(old)
		} else {
			tab.insert(fresh(key))
		}
	}
	close(stop)
	resizer.Wait()
	w.finish(t)
}
