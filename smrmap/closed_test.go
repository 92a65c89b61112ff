package smrmap

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// ends are the ways in which a map comes to its end: by Close, by that of its domain, or both.
var ends = map[string]func(t *testing.T, d *smr.Domain, end func(context.Context) error){
	"map": func(t *testing.T, _ *smr.Domain, end func(context.Context) error) {
		require.NoError(t, end(watchdogContext(t)))
	},
	"domain": func(t *testing.T, d *smr.Domain, _ func(context.Context) error) {
		require.NoError(t, d.Close(watchdogContext(t)))
	},
	"domain, then map": func(t *testing.T, d *smr.Domain, end func(context.Context) error) {
		require.NoError(t, d.Close(watchdogContext(t)))
		require.NoError(t, end(watchdogContext(t)))
	},
	"map, then domain": func(t *testing.T, d *smr.Domain, end func(context.Context) error) {
		require.NoError(t, end(watchdogContext(t)))
		require.NoError(t, d.Close(watchdogContext(t)))
	},
}

func refused(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, err, smr.ErrClosed)
}

// After its Close, or that of its domain, each operation of a Map that would store something returns
// ErrClosed, and none panics; after its own, none finds anything.
func TestClosed_Map(t *testing.T) {
	for how, end := range ends {
		t.Run(how, func(t *testing.T) {
			t.Run("off the Go heap", func(t *testing.T) { testClosedMap(t, how, end, 7) })
			t.Run("on the Go heap", func(t *testing.T) { testClosedMap(t, how, end, new(int)) })
		})
	}
}

func testClosedMap[V comparable](t *testing.T, how string, end func(*testing.T, *smr.Domain, func(context.Context) error), v V) {
	d, err := smr.New(smr.Options{})
	require.NoError(t, err)
	m, err := New[int, V](Options{Domain: d})
	require.NoError(t, err)
	for k := range 100 {
		require.NoError(t, m.Store(k, v))
	}
	end(t, d, m.Close)
	for _, k := range []int{1, 1000} {
		err := m.Store(k, v)
		for n := 0; how == "domain" && k == 1 && err == nil; n++ { // it replaces, with entries at hand
			require.Less(t, n, 10_000)
			err = m.Store(k, v)
		}
		refused(t, err)
		_, ok, err := m.Compute(k, func(V, bool) (V, Op) { t.Error("fn is called"); return v, UpdateOp })
		refused(t, err)
		require.False(t, ok)
		_, found := m.Load(k)
		if how != "domain" {
			require.False(t, found)
		}
		_, loaded, err := m.LoadOrStore(k, v)
		require.Equal(t, found, loaded)
		if !found {
			refused(t, err)
		}
		m.View(k, func(*V) { require.True(t, found) })
	}
	for range m.All() {
		require.Equal(t, "domain", how)
	}
	for range m.Keys() {
		require.Equal(t, "domain", how)
	}
	m.LoadAndDelete(1)
	m.Delete(2)
	m.Clear()
	require.Zero(t, m.Len())
	require.NoError(t, m.Close(watchdogContext(t)))
	require.Zero(t, m.Stats().ReservedBytes)
	require.NoError(t, d.Close(watchdogContext(t)))
}

// The same for Bytes.
func TestClosed_Bytes(t *testing.T) {
	for how, end := range ends {
		t.Run(how, func(t *testing.T) { testClosedBytes(t, how, end) })
	}
}

func testClosedBytes(t *testing.T, how string, end func(*testing.T, *smr.Domain, func(context.Context) error)) {
	d, err := smr.New(smr.Options{})
	require.NoError(t, err)
	m, err := NewBytes(Options{Domain: d})
	require.NoError(t, err)
	for i := range 100 {
		require.NoError(t, m.StoreItem(key(i), Item{Value: key(i), Expires: int64(i % 2)}))
	}
	end(t, d, m.Close)
	ctx := watchdogContext(t)
	item := Item{Value: make([]byte, 2*maxLocked), Expires: 1 << 60}
	for _, i := range []int{0, 1, 1000} {
		k := key(i)
		refused(t, m.Store(k, k))
		refused(t, m.StoreItem(k, item))
		refused(t, m.StoreEvicting(ctx, k, item))
		compute := func(Item, bool) (Item, Op) { t.Error("fn is called"); return item, UpdateOp }
		ok, err := m.Compute(k, compute)
		refused(t, err)
		require.False(t, ok)
		_, err = m.ComputeEvicting(ctx, k, compute)
		refused(t, err)
		_, loaded, err := m.LoadOrStore(k, item, nil)
		refused(t, err)
		require.False(t, loaded)
		_, ok = m.Load(k, nil)
		require.False(t, ok)
		require.False(t, m.View(k, func(Item) { t.Error("fn is called") }))
	}
	require.Zero(t, m.Scan(0, 10, func([]byte, Item) { t.Error("Scan finds an entry") }))
	for range m.All() {
		t.Error("All finds an entry")
	}
	for range m.Keys() {
		t.Error("Keys finds an entry")
	}
	require.Zero(t, m.Sweep(0, 1000))
	_, err = m.CompactFor(ctx, 100)
	if d.Closed() {
		refused(t, err)
	} else {
		require.NoError(t, err)
	}
	found := how == "domain"
	require.Equal(t, found, m.Delete(key(2)))
	_, deleted := m.LoadAndDelete(key(4), nil)
	require.Equal(t, found, deleted)
	require.Equal(t, found, m.EvictBytes(1) > 0)
	m.Clear()
	require.Zero(t, m.Len())
	require.NoError(t, m.Close(watchdogContext(t)))
	require.Zero(t, m.Stats().ReservedBytes)
	require.NoError(t, d.Close(watchdogContext(t)))
}

// A Close whose context has ended does not say that all memory is given back, if it is not.
func TestCloseEntries_EndedContext(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	leak := errors.New("an object was not given back")
	for _, err := range []error{nil, leak, context.Canceled} {
		got := closeEntries(ended, func(context.Context) error { return err }, func() int64 { return 1000 })
		require.ErrorIs(t, got, context.Canceled)
		if err == nil {
			require.ErrorContains(t, got, "operations under way hold 1000 bytes")
		} else {
			require.ErrorIs(t, got, err)
		}
	}
	require.NoError(t, closeEntries(ended, func(context.Context) error { return nil }, func() int64 { return 0 }))
}

// A Close that panicked is made good by the next.
func TestSeal_Panic(t *testing.T) {
	m := newMap[int, *int](t, Options{})
	for k := range 1000 {
		require.NoError(t, m.Store(k, &k))
	}
	retired := 0
	require.Panics(t, func() {
		m.c.seal(func(ref) {
			if retired++; retired == 100 {
				panic("retire")
			}
		})
	})
	if err := m.Store(1, new(int)); err != nil { // some buckets are shut
		refused(t, err)
	}
	ctx, closed := watchdogContext(t), make(chan error, 1)
	go func() { closed <- m.Close(ctx) }()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-ctx.Done():
		t.Fatal("the second Close waits for the lock of the first")
	}
	require.Zero(t, m.Len())
	refused(t, m.Store(1, new(int)))
}

// elsewhere calls end in another goroutine: the caller's is in a section.
func elsewhere(ctx context.Context, end func(context.Context) error) error {
	done := make(chan error)
	go func() { done <- end(ctx) }()
	return <-done
}

// What a reader in a section has borrowed stays until it leaves, while map and domain are closed.
func TestClose_WaitsForBorrowers(t *testing.T) {
	d, err := smr.New(smr.Options{})
	require.NoError(t, err)
	m, err := NewBytes(Options{Domain: d})
	require.NoError(t, err)
	require.NoError(t, m.Store([]byte("k"), []byte("v")))
	s := m.Enter()
	it, ok := m.LoadIn(s, []byte("k"))
	require.True(t, ok)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, elsewhere(ended, m.Close), context.Canceled)
	require.ErrorIs(t, elsewhere(ended, d.Close), context.Canceled)
	_, ok = m.LoadIn(s, []byte("k"))
	require.False(t, ok, "a closed map is empty, in an older section as well")
	require.Equal(t, "v", string(it.Value))
	s.Leave()
	require.NoError(t, m.Close(watchdogContext(t)))
	require.Zero(t, m.Stats().ReservedBytes)
	require.NoError(t, d.Close(watchdogContext(t)))
}

// An entry that an operation holds as the map is closed, and is not in the map, is waited for.
func TestClose_WaitsForOperations(t *testing.T) {
	m := newBytes(t, Options{})
	require.NoError(t, m.Store([]byte("k"), nil))
	closed := make(chan error, 1)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	m.claimed = func() { // a large value is about to be copied, with nothing locked
		m.claimed = nil
		m.c.seal(func(e ref) { m.retire(asHeader(e)) })
		require.ErrorIs(t, elsewhere(ended, m.Close), context.Canceled, "the writer is in a section")
		go func() { closed <- m.Close(watchdogContext(t)) }()
	}
	_, err := m.Compute([]byte("k"), func(Item, bool) (Item, Op) {
		return Item{Value: make([]byte, 2*maxLocked)}, UpdateOp
	})
	refused(t, err)
	require.NoError(t, <-closed)
	require.Zero(t, m.Stats().ReservedBytes)
}

// So is one that is held outside of any section.
func TestClose_WaitsForEntriesUnderWay(t *testing.T) {
	m := newBytes(t, Options{})
	block, err := m.blocks.Get(10)
	require.NoError(t, err)
	tries := 0
	require.NoError(t, closeEntries(watchdogContext(t), func(ctx context.Context) error {
		if tries++; tries == 2 {
			m.blocks.Free(block)
		}
		return m.blocks.Close(ctx)
	}, func() int64 { return m.blocks.Stats().ReservedBytes }))
	require.Equal(t, 2, tries)
}

// The recipe of the package's doc, but with readers and writers who go on all through it: nothing
// panics, faults, or stays behind, and what is found is right.
func TestClose_BesideLateReadersAndWriters(t *testing.T) {
	for range rounds(10) {
		for _, domainFirst := range []bool{false, true} {
			testCloseBesideUsers(t, domainFirst)
		}
	}
}

func testCloseBesideUsers(t *testing.T, domainFirst bool) {
	const keys = 500
	d, err := smr.New(smr.Options{})
	require.NoError(t, err)
	budget := slab.NewBudget(0)
	o := Options{Domain: d, Budget: budget}
	m, err := New[int, [4]int](o)
	require.NoError(t, err)
	h, err := New[int, *int](o)
	require.NoError(t, err)
	b, err := NewBytes(o)
	require.NoError(t, err)

	var users sync.WaitGroup
	stop, warm := make(chan struct{}), make(chan struct{}, 100)
	start := func(op func(k int) error) {
		users.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if n == keys {
					warm <- struct{}{}
				}
				if err := op(rand.IntN(keys)); err != nil && !errors.Is(err, ErrClosed) {
					t.Error(err)
				}
			}
		})
	}
	ctx := watchdogContext(t)
	start(func(k int) error { return m.Store(k, [4]int{k, k, k, k}) })
	start(func(k int) error { m.Delete(k); return h.Store(k, &k) })
	start(func(k int) error {
		if v, ok := m.Load(k); ok && (v != [4]int{k, k, k, k}) {
			t.Error("another's value: ", k, v)
		}
		if v, ok := h.Load(k); ok && *v != k {
			t.Error("another's value: ", k, *v)
		}
		m.View(k, func(v *[4]int) {
			if v[3] != k {
				t.Error("another's value: ", k, *v)
			}
		})
		return nil
	})
	start(func(k int) error {
		size := 100
		if k%50 == 0 {
			size = 2 * maxLocked
		}
		if k%49 == 0 {
			size = 70_000
		}
		v := make([]byte, size)
		copy(v, key(k))
		if k%3 == 0 {
			_, err := b.Compute(key(k), func(Item, bool) (Item, Op) { return Item{Value: v}, UpdateOp })
			return err
		}
		_, _, err := m.Compute(k, func([4]int, bool) ([4]int, Op) { return [4]int{k, k, k, k}, UpdateOp })
		if err == nil {
			err = b.StoreEvicting(ctx, key(k), Item{Value: v, Expires: 1 << 60})
		}
		return err
	})
	start(func(k int) error {
		b.View(key(k), func(it Item) {
			if string(it.Value[:len(key(k))]) != string(key(k)) {
				t.Error("another's value: ", k)
			}
		})
		switch k % 50 {
		case 0:
			b.EvictBytes(1000)
		case 1:
			b.Sweep(0, 100)
		case 2:
			for k, it := range b.All() {
				if string(it.Value[:len(k)]) != string(k) {
					t.Error("another's value: ", k)
				}
			}
		case 3:
			for k, v := range m.All() {
				if v[0] != k {
					t.Error("another's value: ", k, v)
				}
			}
		case 4:
			b.LoadAndDelete(key(k), nil)
		case 5:
			_, err := b.CompactFor(ctx, 5000)
			return err
		}
		return nil
	})
	for range 5 {
		<-warm
	}
	if domainFirst {
		require.NoError(t, d.Close(ctx))
	}
	var closers sync.WaitGroup
	for _, end := range []func(context.Context) error{m.Close, h.Close, b.Close} {
		closers.Go(func() {
			if err := end(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	closers.Wait()
	require.NoError(t, d.Close(ctx))
	close(stop)
	users.Wait()
	require.NoError(t, b.Close(ctx))
	require.NoError(t, m.Close(ctx))
	require.Zero(t, budget.Used())
	require.Zero(t, b.Len()+m.Len()+h.Len())
}

// View finds the value itself in a section of the map's own domain, and leaves it, also if fn panics
// or ends the goroutine.
func TestView_LeavesItsSection(t *testing.T) {
	d := newDomain(t)
	m, b := newMap[int, int](t, Options{Domain: d}), newBytes(t, Options{Domain: d})
	require.Same(t, d, m.Domain())
	require.Same(t, d, b.Domain())
	require.NoError(t, m.Store(1, 2))
	require.NoError(t, b.Store([]byte("k"), []byte("v")))
	views := map[string]func(fn func()) bool{
		"Map": func(fn func()) bool {
			return m.View(1, func(v *int) {
				require.Equal(t, 2, *v)
				fn()
			})
		},
		"Bytes": func(fn func()) bool {
			return b.View([]byte("k"), func(it Item) {
				require.Equal(t, "v", string(it.Value))
				fn()
			})
		},
	}
	for name, view := range views {
		require.True(t, view(func() { require.Equal(t, 1, d.Stats().Sections, name) }))
		require.Zero(t, d.Stats().Sections)
		require.Panics(t, func() { view(func() { panic("fn") }) })
		require.Zero(t, d.Stats().Sections)
		done := make(chan struct{})
		go func() {
			defer close(done)
			view(func() { runtime.Goexit() })
		}()
		<-done
		require.Zero(t, d.Stats().Sections)
	}
	require.False(t, m.View(2, func(*int) { t.Error("there is none") }))
	require.False(t, b.View([]byte("none"), func(Item) { t.Error("there is none") }))
	s := m.Enter()
	v, ok := m.LoadIn(s, 1)
	require.True(t, ok)
	require.Equal(t, 2, *v)
	s.Leave()
	s = b.Enter()
	_, ok = b.LoadIn(s, []byte("k"))
	require.True(t, ok)
	s.Leave()
}

// An append to a borrowed value or key copies it: it does not write into the map.
func TestBorrowed_CapacityIsLength(t *testing.T) {
	m := newBytes(t, Options{})
	check := func(b []byte) { require.Equal(t, len(b), cap(b)) }
	for _, n := range []int{0, 1, 3, 100, 70_000} {
		k := append([]byte("a key of some length "), byte(n))
		require.NoError(t, m.Store(k, make([]byte, n)))
		s := m.Enter()
		it, _ := m.LoadIn(s, k)
		check(it.Value)
		s.Leave()
		m.View(k, func(it Item) { check(it.Value) })
		m.Compute(k, func(old Item, _ bool) (Item, Op) { check(old.Value); return old, CancelOp })
	}
	for k, it := range m.All() {
		check(k)
		check(it.Value)
	}
	for k := range m.Keys() {
		check(k)
	}
	m.Scan(0, 100, func(k []byte, it Item) {
		check(k)
		check(it.Value)
	})
}
