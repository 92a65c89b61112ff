//go:build invariants && !smr_sched

package smrmap

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// touched reports what a read of *p finds: that it faults, or poison, or else the byte.
func touched(p *byte) (what string) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			what = "a fault"
		}
	}()
	if b := *p; b != poison {
		return fmt.Sprintf("%q", b)
	}
	return "poison"
}

// whenKept is what touched finds of a copy that was taken back.
func whenKept(t *testing.T) string {
	p := pages.Lend(1)
	if p == nil {
		return "poison"
	}
	pages.Recall(p, 1, false)
	require.Equal(t, "a fault", touched((*byte)(p)))
	return "a fault"
}

// sections are the kinds in which a reader borrows: each calls fn in one, and then ends it.
func sections(d *smr.Domain) map[string]func(fn func(smr.Section)) {
	return map[string]func(fn func(smr.Section)){
		"section": d.Read,
		"reader": func(fn func(smr.Section)) {
			r := d.NewReader()
			defer r.Close()
			s := r.Enter()
			defer s.Leave()
			fn(s)
		},
		"quiesced": func(fn func(smr.Section)) {
			q := d.NewQuiescent(nil)
			defer q.Close()
			q.Online()
			fn(q.Section())
			q.Quiesce()
		},
		"offline": func(fn func(smr.Section)) {
			q := d.NewQuiescent(nil)
			defer q.Close()
			q.Online()
			fn(q.Section())
			q.Offline()
		},
	}
}

// A borrowed value that is read after its section ended is found, although nothing has changed it.
func TestInvariants_BorrowedReadAfterLeave(t *testing.T) {
	d, want := newDomain(t), whenKept(t)
	m, h, b := newMap[int, [3]byte](t, Options{Domain: d}), newMap[int, *int](t, Options{Domain: d}), newBytes(t, Options{Domain: d})
	require.NoError(t, m.Store(1, [3]byte{'v'}))
	require.NoError(t, h.Store(1, new(int)))
	for _, n := range []int{1, 5000, 100_000, 1 << 20} {
		require.NoError(t, b.Store(key(n), make([]byte, n)))
	}
	for kind, in := range sections(d) {
		t.Run(kind, func(t *testing.T) {
			var p *[3]byte
			var q **int
			in(func(s smr.Section) {
				p, _ = m.LoadIn(s, 1)
				q, _ = h.LoadIn(s, 1)
				require.Equal(t, [3]byte{'v'}, *p)
				require.NotNil(t, *q)
			})
			require.Equal(t, want, touched((*byte)(unsafe.Pointer(p))))
			require.Nil(t, *q, "a pointer of the collector's is zero")
			for _, n := range []int{1, 5000, 100_000, 1 << 20} {
				var v []byte
				in(func(s smr.Section) {
					it, _ := b.LoadIn(s, key(n))
					v = it.Value
					require.Equal(t, make([]byte, n), v)
				})
				if n > 256<<10 {
					want = "poison"
				}
				require.Equal(t, want, touched(&v[0]))
				require.Equal(t, want, touched(&v[n-1]))
			}
		})
		want = whenKept(t)
	}
	var v *byte
	b.View(key(1), func(it Item) { v = &it.Value[0] })
	require.Equal(t, want, touched(v))
	m.View(1, func(p *[3]byte) { v = &p[0] })
	require.Equal(t, want, touched(v))
	require.Zero(t, outstanding.Load())
}

// A section may be left inside a pinned one, or while the goroutine is pinned, as others borrow.
func TestInvariants_LeaveWhilePinned(t *testing.T) {
	d := newDomain(t)
	m, p := newMap[int, int](t, Options{Domain: d}), slab.New[int](d, slab.Options{})
	require.NoError(t, m.Store(1, 1))
	var borrowers sync.WaitGroup
	for range 4 {
		borrowers.Go(func() {
			for i := range 2000 {
				s := d.Enter()
				m.LoadIn(s, 1)
				if i%2 == 0 || runtime.GOOS != "linux" {
					pinned := d.Pin()
					s.Leave()
					pinned.Leave()
					continue
				}
				l := p.Pin()
				s.Leave()
				l.Unpin()
			}
		})
	}
	borrowers.Wait()
	require.NoError(t, p.Close(watchdogContext(t)))
}

// A Quiescent whose owner is told of a write has ended its section, and Close has closed it.
func TestInvariants_QuiescentIsEndedFirst(t *testing.T) {
	d := newDomain(t)
	m := newMap[int, int](t, Options{Domain: d})
	require.NoError(t, m.Store(1, 1))
	for name, end := range map[string]func(q *smr.Quiescent){
		"Offline": (*smr.Quiescent).Offline,
		"Close":   (*smr.Quiescent).Close,
	} {
		q := d.NewQuiescent(nil)
		q.Online()
		v, _ := m.LoadIn(q.Section(), 1)
		*v++
		require.Panics(t, func() { end(q) }, name)
		require.Panics(t, d.CheckEntered, name)
		if name == "Offline" {
			q.Close()
		}
		q.Online() // does nothing to a closed one
		require.Panics(t, func() { q.Section() }, name)
	}
}

// A Close that would block a pinned section panics, and leaves the map as it was.
func TestInvariants_CloseWhilePinned(t *testing.T) {
	d := newDomain(t)
	m := newMap[int, int](t, Options{Domain: d})
	require.NoError(t, m.Store(1, 1))
	s := d.Pin()
	text := panicOf(t, func() { m.Close(watchdogContext(t)) })
	s.Leave()
	require.Contains(t, text, "smrmap: Close inside a pinned section")
	require.NoError(t, m.Store(2, 2))
	require.NoError(t, m.Close(watchdogContext(t)))
}

// In a pinned section, too: there the copy is poisoned.
func TestInvariants_BorrowedWhilePinned(t *testing.T) {
	b := newBytes(t, Options{})
	require.NoError(t, b.Store(key(1), []byte("v")))
	s := b.dom.Pin()
	it, _ := b.LoadIn(s, key(1))
	s.Leave()
	require.Equal(t, "poison", touched(&it.Value[0]))
}

// A write to a borrowed value is found as its section ends, with the key and the LoadIn; and the map
// still has the value.
func TestInvariants_BorrowedWritten(t *testing.T) {
	d := newDomain(t)
	m, h, b := newMap[string, int](t, Options{Domain: d}), newMap[string, *int](t, Options{Domain: d}), newBytes(t, Options{Domain: d})
	f := newMap[int, int](t, Options{Domain: d})
	require.NoError(t, m.Store("the key", 1))
	require.NoError(t, f.Store(1234, 1))
	require.NoError(t, h.Store("the key", new(int)))
	require.NoError(t, b.Store([]byte("the key"), []byte("value")))
	for name, write := range map[string]func(s smr.Section){
		"Map":                func(s smr.Section) { v, _ := m.LoadIn(s, "the key"); *v = 2 },
		"Map on the Go heap": func(s smr.Section) { v, _ := h.LoadIn(s, "the key"); *v = nil },
		"Map off it":         func(s smr.Section) { v, _ := f.LoadIn(s, 1234); *v++ },
		"Bytes":              func(s smr.Section) { it, _ := b.LoadIn(s, []byte("the key")); it.Value[1]++ },
	} {
		for _, in := range sections(d) {
			text := panicOf(t, func() { in(write) })
			require.Regexp(t, `smrmap: the value of key ("the key"|the key|1234) was written to while it was borrowed. Change a copy, and Store that. It was lent\n`, text, name)
			require.Contains(t, text, "TestInvariants_BorrowedWritten", name)
		}
	}
	v, _ := b.Load([]byte("the key"), nil)
	require.Equal(t, "value", string(v))
	i, _ := m.Load("the key")
	require.Equal(t, 1, i)
	require.Panics(t, func() { b.View([]byte("the key"), func(it Item) { it.Value[0] = 0 }) })
	require.Panics(t, func() { b.Scan(0, 1, func(k []byte, it Item) { k[0]++ }) })
	require.Panics(t, func() {
		for _, it := range b.All() {
			it.Value[0]++
		}
	})
}

func panicOf(t *testing.T, fn func()) (text string) {
	t.Helper()
	defer func() {
		v := recover()
		require.NotNil(t, v, "no panic")
		text = fmt.Sprint(v)
	}()
	fn()
	return ""
}

// A key or value kept from a walk is found where it is used after its step.
func TestInvariants_KeptFromWalk(t *testing.T) {
	b, want := newBytes(t, Options{}), whenKept(t)
	require.NoError(t, b.Store([]byte("k"), []byte("v")))
	for name, walk := range map[string]func() (key, value []byte){
		"Scan": func() (key, value []byte) {
			b.Scan(0, 1, func(k []byte, it Item) { key, value = k, it.Value })
			return
		},
		"All": func() (key, value []byte) {
			for k, it := range b.All() {
				key, value = k, it.Value
				require.Equal(t, "k v", string(key)+" "+string(value))
			}
			return
		},
		"All, left early": func() (key, value []byte) {
			for k, it := range b.All() {
				key, value = k, it.Value
				break
			}
			return
		},
		"Keys": func() (key, value []byte) {
			for k := range b.Keys() {
				key, value = k, k
			}
			return
		},
	} {
		k, v := walk()
		require.Equal(t, want, touched(&k[0]), name)
		require.Equal(t, want, touched(&v[0]), name)
		require.Equal(t, 1, cap(k))
		require.Equal(t, 1, cap(v))
	}
	require.Zero(t, outstanding.Load())
}

// Above a bound readers borrow the entry itself, until others give copies back.
func TestInvariants_LentBytesAreBounded(t *testing.T) {
	b := newBytes(t, Options{})
	require.NoError(t, b.Store([]byte("k"), make([]byte, 10<<20)))
	s := b.Enter()
	copies := map[*byte]bool{}
	for range 20 {
		it, _ := b.LoadIn(s, []byte("k"))
		copies[unsafe.SliceData(it.Value)] = true
	}
	require.Len(t, copies, 7, "six copies, and the entry")
	s.Leave()
	require.Zero(t, outstanding.Load())
}

// What would write to a map, or walk over it, inside a function of its own Compute panics, with both
// stacks, whichever bucket it needs.
func TestInvariants_WriteInsideOwnCompute(t *testing.T) {
	d := newDomain(t)
	m, b := newMap[int, int](t, Options{Domain: d}), newBytes(t, Options{Domain: d})
	require.NoError(t, m.Store(1, 1))
	require.NoError(t, b.Store(key(1), key(1)))
	ctx := watchdogContext(t)
	for name, inside := range map[string]func(){
		"Store":       func() { m.Store(1, 2) },
		"StoreOther":  func() { m.Store(2, 2) },
		"Delete":      func() { m.Delete(1) },
		"LoadOrStore": func() { m.LoadOrStore(2, 2) },
		"Compute":     func() { m.Compute(2, func(int, bool) (int, Op) { return 0, CancelOp }) },
		"All": func() {
			for range m.All() {
			}
		},
		"Clear": m.Clear,
		"Close": func() { m.Close(ctx) },
	} {
		text := panicOf(t, func() {
			m.Compute(1, func(int, bool) (int, Op) { inside(); return 0, CancelOp })
		})
		require.Regexp(t, `(?s)smrmap: a \w+ of a map in a function of its own Compute.*smrmap\.\(\*.*inside the Compute called.*TestInvariants_WriteInsideOwnCompute`, text, name)
	}
	for name, inside := range map[string]func(){
		"Store":      func() { b.Store(key(1), nil) },
		"StoreOther": func() { b.Store(key(2), nil) },
		"Delete":     func() { b.Delete(key(1)) },
		"Sweep":      func() { b.Sweep(0, 1) },
		"EvictBytes": func() { b.EvictBytes(1) },
		"Scan":       func() { b.Scan(0, 1, func([]byte, Item) {}) },
	} {
		text := panicOf(t, func() {
			b.Compute(key(1), func(Item, bool) (Item, Op) { inside(); return Item{}, CancelOp })
		})
		require.Contains(t, text, "in a function of its own Compute", name)
	}
	// A Load may, and a write to another map.
	_, _, err := m.Compute(1, func(int, bool) (int, Op) {
		v, _ := m.Load(1)
		if err := b.Store(key(3), nil); err != nil {
			t.Error(err)
		}
		return v + 1, UpdateOp
	})
	require.NoError(t, err)
	require.NoError(t, m.Store(1, 1))
}
