package smrmap

// What was broken once, each as a property that must hold.

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// rawMap is newMap without the structure check of its cleanup.
func rawMap[K comparable, V any](t testing.TB, o Options) *Map[K, V] {
	if o.Domain == nil {
		o.Domain = newDomain(t)
	}
	m, err := New[K, V](o)
	require.NoError(t, err)
	return m
}

// within fails the test if fn hangs.
func within(t testing.TB, d time.Duration, what string, fn func()) {
	done := make(chan struct{})
	go func() { defer close(done); fn() }()
	select {
	case <-done:
	case <-time.After(d):
		buf := make([]byte, 1<<20)
		t.Fatalf("%s hangs\n%s", what, buf[:runtime.Stack(buf, true)])
	}
}

func TestPast_NaN_SeenByWalks(t *testing.T) {
	m := rawMap[float64, int](t, Options{})
	const n = 30
	for range n {
		require.NoError(t, m.Store(math.NaN(), 1))
	}
	seen := 0
	for range m.All() {
		seen++
	}
	require.Equal(t, n, m.Len())
	require.Equal(t, n, seen, "All over entries that stay")
}

// NaN entries are rehashed by move to buckets that others own: it writes without a lock to
// live buckets of the next table.
func TestPast_NaN_MoveCorruptsOthers(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	lost, drift := 0, 0
	for range rounds(20) {
		m := rawMap[float64, int](t, Options{})
		for range 3000 {
			m.Store(math.NaN(), 1)
		}
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 2000 {
					m.Store(float64(g*100_000+i), i)
				}
			})
		}
		wg.Wait()
		m.c.migrated.Wait()
		for g := range 4 {
			for i := range 2000 {
				if v, ok := m.Load(float64(g*100_000 + i)); !ok || v != i {
					lost++
				}
			}
		}
		entries := 0
		tab := m.c.table.Load()
		for i := range tab.n {
			for b := tab.at(i); b != nil; b = tab.after(b) {
				for s := range b.slots {
					if b.slots[s].Load() != nil {
						entries++
					}
				}
			}
		}
		if entries != m.Len() {
			drift++
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if err := m.Close(ctx); err != nil {
			t.Log(err)
		}
		cancel()
	}
	require.Zero(t, lost, "ordinary keys lost")
	require.Zero(t, drift, "maps whose Len is wrong")
}

func TestPast_HugeCapacity(t *testing.T) {
	for _, capacity := range []int{math.MaxInt, math.MaxInt/4 + 1, math.MaxInt/4 + 2, 1 << (strconv.IntSize - 3), 1 << (strconv.IntSize - 10)} {
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("Capacity %d: panic: %v", capacity, p)
				}
			}()
			m, err := New[int, int](Options{Domain: newDomain(t), Capacity: capacity, Budget: nil})
			if err != nil {
				return
			}
			tab := m.c.table.Load()
			if tab.n <= 0 || tab.shift == 0 || int64(tab.n)*4 < int64(capacity)/2 {
				t.Errorf("Capacity %d: no error, and a table of %d buckets, shift %d", capacity, tab.n, tab.shift)
			}
		}()
	}
}

func TestPast_NewErrorLeaks(t *testing.T) {
	d := newDomain(t)
	budget := slab.NewBudget(100)
	measure := func() uint64 {
		var st runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&st)
		return st.HeapAlloc
	}
	before := measure()
	for range 500 {
		_, err := NewBytes(Options{Domain: d, Budget: budget})
		require.ErrorIs(t, err, slab.ErrNoMemory)
	}
	after := measure()
	runtime.KeepAlive(budget)
	require.Less(t, int64(after)-int64(before), int64(1<<20), "500 maps that could not be made stay in the budget")
}

func TestPast_ErrorsReturnNil(t *testing.T) {
	m, err := New[int, int](Options{Domain: newDomain(t), Budget: slab.NewBudget(100)})
	require.Error(t, err)
	require.Nil(t, m)
}

// At a time that stands still an entry expires at 500 (gone) or at 2000 (there): no
// reader may get one that expires at 500.
func TestPast_ExpiresReadTwice(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	var at clock
	at.ms.Store(1000)
	m := newBytes(t, Options{Now: at.now})
	k := key(1)
	var stop atomic.Bool
	var bad atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			m.StoreItem(k, Item{k, 2000})
			m.Compute(k, func(Item, bool) (Item, Op) { return Item{Expires: 500}, ExpireOp })
		}
	})
	for g := range 3 {
		wg.Go(func() {
			for !stop.Load() {
				if g == 0 {
					for _, it := range m.All() {
						if it.Expires == 500 {
							bad.Add(1)
						}
					}
					continue
				}
				s := m.dom.Enter()
				if it, ok := m.LoadIn(s, k); ok && it.Expires == 500 {
					bad.Add(1)
				}
				s.Leave()
			}
		})
	}
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end) && bad.Load() == 0; {
		runtime.Gosched()
	}
	stop.Store(true)
	wg.Wait()
	require.Zero(t, bad.Load(), "an item that is gone was returned")
}

func TestPast_ComputeOkOfExpired(t *testing.T) {
	var at clock
	at.ms.Store(1000)
	m := newBytes(t, Options{Now: at.now})
	require.NoError(t, m.Store(key(1), nil))
	ok, err := m.Compute(key(1), func(Item, bool) (Item, Op) { return Item{Expires: 500}, ExpireOp })
	require.NoError(t, err)
	_, there := m.Load(key(1), nil)
	require.Equal(t, there, ok, `"reports whether the key has a value afterwards"`)
}

// The map grows between Sweep's look at a bucket and its purge.
func TestPast_SweepWhileGrowing(t *testing.T) {
	var at clock
	at.ms.Store(1000)
	var m *Bytes
	var armed atomic.Bool
	now := func() time.Time {
		if armed.CompareAndSwap(true, false) {
			for i := range 2000 {
				m.Store(key(10_000+i), nil)
			}
			m.c.migrated.Wait()
		}
		return at.now()
	}
	m = newBytes(t, Options{Now: now})
	for i := range 30 {
		require.NoError(t, m.StoreItem(key(i), Item{Expires: 1500}))
	}
	at.ms.Store(2000)
	armed.Store(true)
	removed := 0
	for cursor := uint64(0); ; {
		next, n, _ := m.Sweep(cursor, 1)
		removed += n
		if cursor = next; next == 0 {
			break
		}
	}
	require.False(t, armed.Load())
	require.Equal(t, 30, removed, "a sweep from 0 to 0 leaves entries that were expired from start to end")
}

func TestPast_NowPanics(t *testing.T) {
	var at clock
	at.ms.Store(1000)
	var armed atomic.Bool
	m, err := NewBytes(Options{Domain: newDomain(t), Now: func() time.Time {
		if armed.Load() {
			panic("now")
		}
		return at.now()
	}})
	require.NoError(t, err)
	require.NoError(t, m.Store(key(1), nil))
	s := m.dom.Enter()
	m.LoadIn(s, key(1)) // used
	s.Leave()
	for i := range 20 {
		require.NoError(t, m.StoreItem(key(i), Item{Expires: 2000}))
		s := m.dom.Enter()
		m.LoadIn(s, key(i))
		s.Leave()
	}
	armed.Store(true)
	require.Panics(t, func() { m.Evict(1) })
	armed.Store(false)
	within(t, 5*time.Second, "Store after Now panicked in Evict", func() {
		for i := range 20 {
			m.Store(key(i), nil)
		}
	})
}

func TestPast_LoadInMisuse(t *testing.T) {
	if !invariants.Enabled {
		t.Skip("needs -tags invariants")
	}
	m := newMap[int, int](t, Options{})
	b := newBytes(t, Options{})
	require.NoError(t, m.Store(1, 1))
	other := newDomain(t)
	foreign := other.Enter()
	defer foreign.Leave()
	left := m.dom.Enter()
	left.Leave()
	for name, s := range map[string]smr.Section{"zero": {}, "foreign": foreign, "left": left} {
		func() {
			defer func() { recover() }()
			m.LoadIn(s, 1)
			t.Errorf("Map.LoadIn in a %s section was not caught", name)
		}()
		func() {
			defer func() { recover() }()
			b.LoadIn(s, key(1))
			t.Errorf("Bytes.LoadIn in a %s section was not caught", name)
		}()
	}
}

// fn ends in every way while the chain of its bucket is long, and writers wait.
func TestPast_ComputeEnds(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	m := newMap[int, int](t, Options{})
	m.ints = intHasher{} // all in one bucket
	var wg sync.WaitGroup
	var held atomic.Int64
	var bad atomic.Int64
	for g := range 8 {
		wg.Go(func() {
			for i := range reduced(3000, 500) {
				var in sync.WaitGroup
				in.Go(func() {
					defer func() { recover() }()
					m.Compute(i%150+g*150, func(old int, ok bool) (int, Op) {
						if held.Add(1) != 1 {
							bad.Add(1)
						}
						defer held.Add(-1)
						switch i % 7 {
						case 0:
							panic("x")
						case 1:
							runtime.Goexit()
						case 2:
							return 0, Op(77)
						case 3:
							runtime.Gosched()
							return 0, DeleteOp
						case 4:
							return 0, CancelOp
						}
						return i, UpdateOp
					})
				})
				in.Wait()
			}
		})
	}
	within(t, 2*time.Minute, "Compute", wg.Wait)
	require.Zero(t, bad.Load())
	m.c.check()
}

// Walks inside Compute's function are not writes.
func TestPast_WalkInsideCompute(t *testing.T) {
	m := newMap[int, int](t, Options{})
	for i := range 100 {
		m.Store(i, i)
	}
	within(t, 10*time.Second, "All inside Compute", func() {
		m.Compute(1, func(old int, ok bool) (int, Op) {
			n := 0
			for range m.All() {
				n++
			}
			return n, UpdateOp
		})
	})
}

func TestPast_Uncomparable(t *testing.T) {
	m := newMap[any, int](t, Options{})
	m.Store(1, 1)
	for name, fn := range map[string]func(){
		"Load":    func() { m.Load([]int{1}) },
		"Store":   func() { m.Store([]int{1}, 1) },
		"Delete":  func() { m.Delete(map[int]int{}) },
		"Compute": func() { m.Compute(func() {}, func(int, bool) (int, Op) { return 1, UpdateOp }) },
	} {
		require.Panics(t, fn, name)
	}
	within(t, 5*time.Second, "Store", func() {
		for i := range 1000 {
			m.Store(i, i)
		}
	})
	type key struct {
		a [2]any
	}
	m2 := newMap[key, int](t, Options{})
	require.Panics(t, func() { m2.Store(key{[2]any{1, []int{}}}, 1) })
	require.Panics(t, func() { m2.Load(key{[2]any{1, []int{}}}) })
	within(t, 5*time.Second, "Store", func() {
		for i := range 1000 {
			m2.Store(key{[2]any{i, i}}, i)
		}
	})
}

func TestPast_ZeroSizes(t *testing.T) {
	m := newMap[struct{}, struct{}](t, Options{})
	for range 1000 {
		require.NoError(t, m.Store(struct{}{}, struct{}{}))
		require.Equal(t, 1, m.Len())
		_, ok := m.Load(struct{}{})
		require.True(t, ok)
		require.True(t, m.Delete(struct{}{}))
	}
	f := newMap[[0]string, [0]func()](t, Options{})
	require.NoError(t, f.Store([0]string{}, [0]func(){}))
}

func TestPast_GiantValues(t *testing.T) {
	type giant [100_000]uint64
	m := newMap[int, giant](t, Options{})
	require.False(t, m.OffHeap())
	for i := range 20 {
		require.NoError(t, m.Store(i, giant{0: uint64(i), 99_999: 7}))
	}
	for i := range 20 {
		v, ok := m.Load(i)
		require.True(t, ok)
		require.EqualValues(t, i, v[0])
		require.EqualValues(t, 7, v[99_999])
	}
	type limit [64<<10 - 8]byte
	m2 := newMap[uint64, limit](t, Options{})
	require.True(t, m2.OffHeap())
	for i := range uint64(100) {
		require.NoError(t, m2.Store(i%7, limit{0: byte(i)}))
		v, ok := m2.Load(i % 7)
		require.True(t, ok)
		require.EqualValues(t, byte(i), v[0])
	}
}

// Heap entries under a collector that never rests.
func TestPast_GCStress(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	m := newMap[string, *[4]uint64](t, Options{})
	var stop atomic.Bool
	var wg, bg sync.WaitGroup
	bg.Go(func() {
		for !stop.Load() {
			runtime.GC()
		}
	})
	var bad atomic.Int64
	for g := range 4 {
		wg.Go(func() {
			for round := range reduced(10, 3) {
				for i := range 2000 {
					m.Store(fmt.Sprint(g, i), &[4]uint64{uint64(i), uint64(i), uint64(round), uint64(g)})
				}
				for i := range 2000 {
					v, ok := m.Load(fmt.Sprint(g, i))
					if !ok || v[0] != uint64(i) || v[1] != uint64(i) || v[2] != uint64(round) || v[3] != uint64(g) {
						bad.Add(1)
					}
				}
				for k, v := range m.All() {
					if k[0]-'0' != byte(v[3]) {
						bad.Add(1)
					}
				}
				for i := range 2000 {
					if i%3 != 0 || round%2 == 1 {
						m.Delete(fmt.Sprint(g, i))
					}
				}
			}
		})
	}
	wg.Wait()
	stop.Store(true)
	bg.Wait()
	require.Zero(t, bad.Load())
}

// A shrink that fails for want of memory is never tried again.
func TestPast_FailedShrinkIsForgotten(t *testing.T) {
	budget := slab.NewBudget(0)
	m := newMap[uint64, value](t, Options{Budget: budget})
	n := reduced(100_000, 25_000)
	for k := range uint64(n) {
		require.NoError(t, m.Store(k, value{}))
	}
	m.c.migrated.Wait()
	budget.SetLimit(budget.Used())
	s := m.dom.Enter() // a slow reader
	for k := range uint64(n) {
		m.Delete(k)
	}
	m.c.migrated.Wait()
	s.Leave()
	require.NoError(t, m.dom.Barrier(watchdogContext(t)))
	m.c.migrated.Wait()
	st := m.Stats()
	t.Logf("%d buckets, %d resizes, budget %d of %d used", st.Buckets, st.Resizes, budget.Used(), budget.Limit())
	m.Load(1)
	require.LessOrEqual(t, m.Stats().Buckets, 64, "an empty map at rest, with %d bytes free in the budget", budget.Limit()-budget.Used())
}

// Walks while keys of the same buckets come and go all the time.
func TestPast_WalksUnderChurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(6))
	for name, ints := range map[string]intHasher{"chains": {0, 1 << 59}, "few": {0, 1<<61 + 1}} {
		t.Run(name, func(t *testing.T) {
			m := newMap[int, int](t, Options{})
			m.ints = ints
			for i := range 60 {
				m.Store(i, i)
			}
			var stop atomic.Bool
			var wg sync.WaitGroup
			for g := range 3 {
				wg.Go(func() {
					for i := 0; !stop.Load(); i++ {
						k := 100 + g*1000 + i%(1+i/3%300)
						m.Store(k, i)
						m.Delete(100 + g*1000 + (i*7)%300)
					}
				})
			}
			end := time.Now().Add(500 * time.Millisecond)
			walks := 0
			for ; time.Now().Before(end); walks++ {
				seen := map[int]int{}
				for k := range m.All() {
					seen[k]++
				}
				for k, n := range seen {
					if n > 1 {
						t.Errorf("%d seen %d times", k, n)
					}
				}
				for i := range 60 {
					if seen[i] != 1 {
						t.Errorf("%d seen %d times", i, seen[i])
					}
				}
				if t.Failed() {
					break
				}
			}
			stop.Store(true)
			wg.Wait()
			t.Log(walks, "walks", m.Stats().Resizes, "resizes")
		})
	}
}

// Everything at once, then nothing is left.
func TestPast_BytesTorture(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(6))
	var at clock
	at.ms.Store(1000)
	budget := slab.NewBudget(3 << 20)
	m := newBytes(t, Options{Now: at.now, Budget: budget})
	end := time.Now().Add(time.Second)
	var wg sync.WaitGroup
	var removed atomic.Int64
	for g := range 5 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 1))
			for i := 0; time.Now().Before(end); i++ {
				k := key(rnd.IntN(5000))
				switch rnd.IntN(12) {
				case 0, 1, 2, 3:
					if m.StoreItem(k, Item{make([]byte, rnd.IntN(1<<rnd.IntN(13))), int64(rnd.IntN(2)) * (at.ms.Load() + int64(rnd.IntN(100)))}) != nil {
						m.Evict(20000)
					}
				case 4:
					m.Delete(k)
				case 5:
					m.Compute(k, func(o Item, ok bool) (Item, Op) {
						return Item{Value: o.Value, Expires: at.ms.Load() + 10}, Op(rnd.IntN(4))
					})
				case 6:
					at.ms.Add(1)
				case 7:
					if i%50 == 0 {
						c := uint64(0)
						for {
							var n int
							c, n, _ = m.Sweep(c, 50)
							removed.Add(int64(n))
							if c == 0 {
								break
							}
						}
					}
				case 8:
					if i%300 == 0 {
						m.Clear()
					}
				case 9:
					if i%50 == 0 {
						seen := map[string]bool{}
						for k := range m.All() {
							if seen[string(k)] {
								t.Error("seen twice")
							}
							seen[string(k)] = true
						}
					}
				default:
					m.Load(k, nil)
				}
			}
		})
	}
	within(t, time.Minute, "torture", wg.Wait)
	m.c.migrated.Wait()
	require.Equal(t, m.c.check(), m.Len())
	t.Logf("%+v", m.Stats())
}

// Once one reader has found an entry, no later one misses it until it is deleted: of two
// keys that share a bucket and a tag, one comes and goes.
func TestLoadIn_SeenIsSeen(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	m := newBytes(t, Options{})
	// Long keys that are equal but for their end, so that comparing takes a while.
	newKey := func(i int) []byte {
		k := make([]byte, 4096)
		copy(k[4080:], strconv.Itoa(i))
		return k
	}
	hash := func(k []byte) (h uint64) {
		e, err := m.newEntry(0, k, Item{}, nil)
		require.NoError(t, err)
		h = m.c.hashOf(ref(unsafe.Pointer(e)))
		m.blocks.Free(e.block())
		return h
	}
	a := newKey(0)
	ha := hash(a)
	var b []byte
	for i := 1; ; i++ {
		b = newKey(i)
		if h := hash(b); h>>61 == ha>>61 && tag(h) == tag(ha) {
			break
		}
	}
	require.NoError(t, m.Store(a, nil))
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; !stop.Load(); n++ {
			m.Store(b, []byte(strconv.Itoa(n)))
			m.Delete(b)
		}
	})
	var bad atomic.Int64
	for range 4 {
		wg.Go(func() {
			last, missed := "", false
			for !stop.Load() {
				s := m.dom.Enter()
				for range 10 {
					it, ok := m.LoadIn(s, b)
					switch {
					case !ok:
						missed = true
					case string(it.Value) == last && missed:
						bad.Add(1)
						fallthrough
					default:
						last, missed = string(it.Value), false
					}
				}
				s.Leave()
			}
		})
	}
	for end := time.Now().Add(time.Duration(rounds(3000)) * time.Millisecond); time.Now().Before(end) && bad.Load() == 0; {
		runtime.Gosched()
	}
	stop.Store(true)
	wg.Wait()
	require.Zero(t, bad.Load(), "hit, miss, hit of one entry that was stored once")
}
