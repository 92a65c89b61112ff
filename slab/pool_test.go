package slab

import (
	"context"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/asym"
	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrq"
)

type flat struct {
	key   uint64
	value [4]uint64
}

type withPointer struct {
	key  int
	next *withPointer
}

func TestPool_ObjectsAreDistinctAndComeBack(t *testing.T) {
	d := newDomain(t)
	t.Run("off heap", func(t *testing.T) {
		testDistinct(t, New[flat](d, Options{}), func(f *flat, n int) { f.key, f.value[3] = uint64(n), uint64(n) })
	})
	t.Run("on heap", func(t *testing.T) {
		testDistinct(t, New[withPointer](d, Options{}), func(f *withPointer, n int) { f.key, f.next = n, f })
	})
	t.Run("no size", func(t *testing.T) { testDistinct(t, New[struct{}](d, Options{}), func(*struct{}, int) {}) })
	t.Run("large", func(t *testing.T) {
		testDistinct(t, New[[20000]int32](d, Options{}), func(f *[20000]int32, n int) { f[n] = 1 })
	})
	t.Run("very large", func(t *testing.T) {
		testDistinct(t, New[[1 << 20]byte](d, Options{}), func(f *[1 << 20]byte, n int) { f[n] = 1 })
	})
}

func testDistinct[T any](t *testing.T, p *Pool[T], use func(*T, int)) {
	n := 5000
	if unsafe.Sizeof(*new(T)) > 1<<12 {
		n = 50
	}
	for range 3 {
		seen := make(map[*T]bool, n)
		for i := range n {
			obj := get(t, p)
			require.False(t, seen[obj], "given out twice")
			require.Zero(t, uintptr(unsafe.Pointer(obj))%uintptr(reflect.TypeFor[T]().Align()))
			use(obj, i)
			seen[obj] = true
		}
		require.EqualValues(t, n, p.Stats().InUse)
		for obj := range seen {
			p.Free(obj)
		}
	}
	closeEmpty(t, p)
}

func TestPool_FreshObjectsAreZero(t *testing.T) {
	d := newDomain(t)
	for range 2 {
		p := New[flat](d, Options{})
		var all []*flat
		for range 3000 {
			obj := get(t, p)
			require.Zero(t, *obj)
			*obj = flat{1, [4]uint64{2, 3, 4, 5}}
			all = append(all, obj)
		}
		for _, obj := range all {
			p.Free(obj)
		}
		closeEmpty(t, p) // so that the next pool gets memory that was used
	}
}

func TestPool_WhereObjectsLie(t *testing.T) {
	type node struct {
		_ int
		_ smr.Pointer[int]
		_ smrq.Link[int]
	}
	require.True(t, OffHeap[flat]())
	require.True(t, OffHeap[[3]struct {
		a uintptr
		b complex64
	}]())
	require.True(t, OffHeap[[0]*int]())
	for name, free := range map[string]bool{
		"pointer": OffHeap[*int](), "slice": OffHeap[[]byte](), "string": OffHeap[string](),
		"func": OffHeap[func()](), "map": OffHeap[map[int]int](), "chan": OffHeap[chan int](),
		"interface": OffHeap[any](), "unsafe": OffHeap[unsafe.Pointer](),
		"nested": OffHeap[[2]struct{ s string }](), "links": OffHeap[node](),
	} {
		require.False(t, free, name)
	}
	d := newDomain(t)
	require.True(t, New[flat](d, Options{}).OffHeap())
	require.False(t, New[withPointer](d, Options{}).OffHeap())
	require.False(t, New[node](d, Options{}).OffHeap())
	require.True(t, New[node](d, Options{OffHeapLinks: true}).OffHeap())
}

// What is on the Go heap keeps what it points to alive.
func TestPool_CollectorSeesPointers(t *testing.T) {
	p := New[withPointer](newDomain(t), Options{})
	var all []*withPointer
	for i := range 1000 {
		obj := get(t, p)
		obj.next = &withPointer{key: i}
		all = append(all, obj)
	}
	runtime.GC()
	runtime.GC()
	for i, obj := range all {
		require.Equal(t, i, obj.next.key)
		p.Free(obj)
	}
	closeEmpty(t, p)
}

// A retired object is not given out while a section is open that could hold it.
func TestRetire_NotReusedBeforeReadersLeft(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	s := d.Enter()
	retired := make(map[*flat]bool)
	for i := range 1000 {
		obj := get(t, p)
		obj.key = uint64(i)
		retired[obj] = true
	}
	for obj := range retired {
		p.Retire(obj)
	}
	p.Flush()
	var others []*flat
	for range 5000 {
		obj := get(t, p)
		require.False(t, retired[obj], "reused under a reader")
		others = append(others, obj)
	}
	s.Leave()
	for _, obj := range others {
		p.Free(obj)
	}
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.Zero(t, p.Stats().Pending)
	reused := 0
	others = others[:0]
	for range 7000 {
		obj := get(t, p)
		if retired[obj] {
			reused++
		}
		others = append(others, obj)
	}
	require.NotZero(t, reused)
	for _, obj := range others {
		p.Free(obj)
	}
	closeEmpty(t, p)
}

// In a section, memory of a pool stays memory of that pool, whatever is freed.
func TestFree_SlabWaitsForReaders(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{Keep: true})
	s := d.Enter()
	lost := freeUnderReader(t, p, getAll(t, p, 10000))
	s.Leave()
	require.Zero(t, lost, "the slab went back under a reader")
	closeEmpty(t, p)
}

// The same for slabs that were whole before.
func TestFree_SlabThatWasEmptyWaitsForReaders(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{Keep: true})
	freeAll(p, getAll(t, p, 10000))
	all := getAll(t, p, 10000)
	s := d.Enter()
	lost := freeUnderReader(t, p, all)
	s.Leave()
	require.Zero(t, lost, "the slab went back under a reader")
	closeEmpty(t, p)
}

// freeUnderReader frees all objects of a pool, looks at them as a reader may whose section is
// open, and returns how many of them are not what they were.
func freeUnderReader(t *testing.T, p *Pool[flat], all []*flat) (lost int) {
	t.Helper()
	for _, obj := range all {
		obj.key = 42
	}
	freeAll(p, all)
	p.Flush()
	require.Zero(t, p.Stats().ReservedBytes)
	for _, obj := range all {
		if obj.key != 42 {
			lost++
		}
	}
	return lost
}

// Nobody else holds what Get returned, while others flush and processors come and go.
func TestPool_OneHolder(t *testing.T) {
	type owned struct{ holder atomic.Uint32 }
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	d := newDomain(t)
	p := New[owned](d, Options{Keep: true})
	var twice atomic.Bool
	var wg, flushing sync.WaitGroup
	stop := make(chan struct{})
	flushing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				p.Flush()
				p.Stats()
				if i%64 == 0 {
					runtime.GOMAXPROCS(1 + i/64%4)
				}
				runtime.Gosched()
			}
		}
	})
	for g := range 4 {
		wg.Go(func() {
			var mine []*owned
			for i := range rounds(400_000) {
				obj, err := p.Get()
				if err != nil || !obj.holder.CompareAndSwap(0, 1) {
					twice.Store(true)
					return
				}
				mine = append(mine, obj)
				if len(mine) > (i+g*37)%300 || i%7 == 0 {
					k := i % len(mine)
					obj, mine[k] = mine[k], mine[len(mine)-1]
					mine = mine[:len(mine)-1]
					obj.holder.Store(0)
					if i%3 == 0 {
						p.Retire(obj)
					} else {
						p.Free(obj)
					}
				}
				if i%1000 == 0 {
					runtime.Gosched()
				}
			}
			for _, obj := range mine {
				obj.holder.Store(0)
				p.Free(obj)
			}
		})
	}
	wg.Wait()
	close(stop)
	flushing.Wait()
	require.False(t, twice.Load(), "an object was given out twice")
	closeEmpty(t, p)
}

// Who unloads a cache finds it either not in use, or waits for who is at it. The window
// between the holder's two instructions is met by trying often.
func TestUnload_WaitsForHolder(t *testing.T) {
	if !pcpu.Exclusive {
		t.Skip("in this build caches are taken by compare-and-swap, which needs no fence")
	}
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("needs two processors")
	}
	for name, fence := range map[string]asym.Fence{"membarrier": asym.New(), "both": asym.Both()} {
		t.Run(name, func(t *testing.T) {
			p := New[flat](newDomain(t), Options{})
			s := p.s
			s.fence = fence
			var stop atomic.Bool
			var broken, taken atomic.Int64
			var wg sync.WaitGroup
			wg.Go(func() {
				for i := 0; !stop.Load(); i++ {
					c := s.pin()
					ld := c.magazines()
					if ld != nil {
						n := (*uintptr)(unsafe.Pointer(&ld.get.n))
						before := *n
						for range 20 {
							if atomic.LoadUintptr(n) != before { // so that it is loaded each time
								broken.Add(1)
								break
							}
						}
					}
					c.unpin()
					if ld == nil {
						s.pinLoaded().unpin()
					}
					if i%1000 == 0 {
						runtime.Gosched()
					}
				}
			})
			deadline := time.Now().Add(time.Second)
			for i := 0; broken.Load() == 0 && (taken.Load() < 1000 || time.Now().Before(deadline)); i++ {
				for _, ld := range s.unload() {
					taken.Add(1)
					for range 20 {
						ld.get.n++
					}
				}
				for range i % 100 {
				}
				if i%1000 == 0 {
					runtime.Gosched()
				}
			}
			stop.Store(true)
			wg.Wait()
			s.unload()
			require.Zero(t, broken.Load(), "the cache was unloaded under its holder")
		})
	}
}

func TestPool_GivesMemoryBackByItself(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	var all []*flat
	for range 500_000 {
		all = append(all, get(t, p))
	}
	full := p.Stats().ReservedBytes
	require.Greater(t, full, int64(500_000*unsafe.Sizeof(flat{})))
	require.Less(t, full, int64(500_000*unsafe.Sizeof(flat{})*105/100), "memory for objects")
	for _, obj := range all {
		p.Retire(obj)
	}
	settle(t, d)
	require.Less(t, p.Stats().ReservedBytes, int64(4<<20))
	closeEmpty(t, p)
}

// What comes and goes in waves keeps its slabs, as long as there is a wave in each grace
// period.
func TestPool_WavesKeepTheirSlabs(t *testing.T) {
	d := newDomain(t)
	p := New[page](d, Options{Unstable: true}) // or an empty slab would advance the clock
	wave := func() int {
		freeAll(p, getAll(t, p, 1000))
		return p.Stats().Slabs
	}
	look := func() { // as the only two ticks, a grace period after those before
		for range 2 {
			released, _ := p.s.heap.dropIdle()
			p.s.release(released)
		}
		d.Advance()
		p.s.depot.mu.Lock()
		p.s.depot.ticked = d.DeferredAdvance()
		p.s.depot.mu.Unlock()
	}
	look()
	most := wave()
	for range 20 {
		look()
		require.InDelta(t, most, p.Stats().Slabs, 4, "magazines differ, when the test changes processors")
		wave()
	}
	d.Advance()
	wave()
	settle(t, d)
	require.LessOrEqual(t, p.Stats().Slabs, 2, "of %d, when the last wave is over", most)
	closeEmpty(t, p)
}

// A spare slab is not held back where others may need its memory.
func TestPool_ScarceMemoryIsNotKept(t *testing.T) {
	d := newDomain(t)
	for _, used := range []int64{0, 60 << 20} {
		b := NewBudget(64 << 20)
		p := New[page](d, Options{Budget: b})
		require.NoError(t, b.Take(used))
		freeAll(p, getAll(t, p, 900))
		st := p.Stats()
		if used == 0 {
			require.Greater(t, st.ReservedBytes, int64(3<<20))
		} else {
			require.Less(t, st.ReservedBytes, int64(2<<20)) // the depot has up to 1 MiB
		}
		b.Put(used)
		closeEmpty(t, p)
	}
}

func TestBudget(t *testing.T) {
	d := newDomain(t)
	const limit = 3 << 20
	b := NewBudget(limit)
	p, q := New[flat](d, Options{Budget: b}), New[[1024]byte](d, Options{Budget: b, Name: "q"})
	var all []*flat
	for {
		obj, err := p.Get()
		if err != nil {
			require.ErrorIs(t, err, ErrNoMemory)
			require.ErrorContains(t, err, "slab.flat")
			break
		}
		all = append(all, obj)
	}
	require.EqualValues(t, limit, b.Used())
	require.Greater(t, len(all), int(limit/unsafe.Sizeof(flat{})*98/100))
	_, err := q.Get()
	require.ErrorIs(t, err, ErrNoMemory)
	require.ErrorContains(t, err, "q: ")

	for _, obj := range all {
		p.Free(obj)
	}
	p.Flush()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.Zero(t, b.Used())
	obj := get(t, q)
	require.NoError(t, b.Take(limit-b.Used()))
	require.ErrorIs(t, b.Take(1), ErrNoMemory)
	b.Put(limit - b.Used() + b.Used() - int64(q.Stats().ReservedBytes))
	q.Free(obj)
	closeEmpty(t, p)
	closeEmpty(t, q)
	require.Zero(t, b.Used())
	b.SetLimit(0)
	require.NoError(t, b.Take(1<<40))
	b.Put(1 << 40)
	require.Contains(t, panicText(t, func() { b.Put(1) }), "more bytes than were taken")
	require.Contains(t, panicText(t, func() { b.SetLimit(-1) }), "negative")
}

// What another pool holds and does not use is found when the budget is at its end.
func TestBudget_TakesBackWhatOthersDoNotUse(t *testing.T) {
	d := newDomain(t)
	b := NewBudget(2 * pages.MinBlock)
	x, y, z := NewBlocks(d, Options{Budget: b}), NewBlocks(d, Options{Budget: b}), NewBlocks(d, Options{Budget: b})
	for _, bl := range []*Blocks{x, y} {
		block, err := bl.Get(100)
		require.NoError(t, err)
		bl.Free(block)
	}
	require.EqualValues(t, b.Limit(), b.Used())
	block, err := z.Get(50)
	require.NoError(t, err)
	z.Free(block)
	for _, bl := range []*Blocks{x, y, z} {
		require.NoError(t, bl.Close(watchdogContext(t)))
	}
	require.Zero(t, b.Used())
}

func TestClose_Leak(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{Name: "leaky"})
	obj := get(t, p)
	err := p.Close(watchdogContext(t))
	require.ErrorContains(t, err, "leaky: 1 objects were not given back")
	if invariants.Enabled {
		require.ErrorContains(t, err, "TestClose_Leak")
	}
	require.Contains(t, panicText(t, func() { p.Get() }), "closed pool leaky")
	p.Free(obj)
	closeEmpty(t, p)
}

func TestPool_Misuse(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	require.Contains(t, panicText(t, func() { p.Free(nil) }), "Free of nil")
	require.Contains(t, panicText(t, func() { p.Retire(nil) }), "Retire of nil")
	require.Contains(t, panicText(t, func() { New[flat](nil, Options{}) }), "without a domain")
	obj := get(t, p)
	p.Free(obj)
	if !invariants.Enabled {
		// Found when the magazine is emptied.
		p.Free(obj)
		require.Contains(t, panicText(t, p.Flush), "freed twice")
		return
	}
	require.Contains(t, panicText(t, func() { p.Free(obj) }), "which is free")
	require.Contains(t, panicText(t, func() { p.Retire(obj) }), "which is free")
	require.Contains(t, panicText(t, func() { p.Free(new(flat)) }), "not an object of this pool")
	obj.key = 7
	require.Contains(t, panicText(t, func() {
		for range 2 * magazineCap {
			p.Get()
		}
	}), "byte 0 of")
}

func TestPool_NoAllocations(t *testing.T) {
	if invariants.Enabled {
		t.Skip("invariants keep track of each object")
	}
	d := newDomain(t)
	p := New[flat](d, Options{})
	for range 100_000 { // so that there are magazines enough
		p.Retire(get(t, p))
	}
	require.Zero(t, testing.AllocsPerRun(100_000, func() {
		obj, _ := p.Get()
		p.Free(obj)
	}))
	require.Zero(t, testing.AllocsPerRun(100_000, func() {
		obj, _ := p.Get()
		p.Retire(obj)
	}))
	closeEmpty(t, p)
}

// A domain whose Close ran out of time still has readers, for which the pool's Close waits.
func TestClose_AfterDomainWaitsForItsReaders(t *testing.T) {
	d, err := smr.New(smr.Options{})
	require.NoError(t, err)
	p := New[flat](d, Options{})
	b := NewBlocks(d, Options{})
	objects := getAll(t, p, 2)
	var blocks [][]byte
	for _, n := range []int{100, maxObject + 1, maxObject + 1} {
		block, err := b.Get(n)
		require.NoError(t, err)
		blocks = append(blocks, block)
	}
	p.Retire(objects[0])
	b.Retire(blocks[1])
	s := testkit.Enter(d)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, d.Close(over), context.Canceled)
	p.Retire(objects[1])
	b.Retire(blocks[0])
	b.Retire(blocks[2])
	require.ErrorIs(t, p.Close(over), context.Canceled)
	require.ErrorIs(t, b.Close(over), context.Canceled)
	require.EqualValues(t, 2, p.Stats().Pending)
	require.EqualValues(t, 3, b.Stats().Pending)
	s.Leave()
	closeEmpty(t, p)
	require.NoError(t, b.Close(watchdogContext(t)))
	require.Zero(t, b.Stats().ReservedBytes)
}

// Whoever retires and frees beside Domain.Close is not told off for it, and nothing is lost.
func TestRetire_BesideDomainClose(t *testing.T) {
	for range rounds(200) {
		d, err := smr.New(smr.Options{})
		require.NoError(t, err)
		budget := NewBudget(0)
		p := New[flat](d, Options{Budget: budget})
		p.s.capacity = 1 // a call for each object
		all := getAll(t, p, 400)
		begun, done := make(chan struct{}), make(chan any, 1)
		go func() {
			defer func() { done <- recover() }()
			close(begun)
			for i, obj := range all {
				if i%2 == 0 {
					p.Retire(obj)
				} else {
					p.Free(obj)
				}
			}
		}()
		<-begun
		require.NoError(t, d.Close(watchdogContext(t)))
		require.Nil(t, <-done)
		closeEmpty(t, p)
		require.Zero(t, budget.Used())
	}
}

// A domain whose Close has begun may have readers: slabs of objects that were freed, rather
// than retired, stay until they have left.
func TestFree_SlabWaitsForReadersOfClosingDomain(t *testing.T) {
	d, err := smr.New(smr.Options{})
	require.NoError(t, err)
	p := New[page](d, Options{})
	all := getAll(t, p, 200)
	for _, obj := range all {
		obj[0] = 7
	}
	p.Flush()
	s := testkit.Enter(d)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	require.Error(t, d.Close(over))
	freeAll(p, all)
	p.Flush()
	require.GreaterOrEqual(t, p.Stats().ReservedBytes, int64(len(all)*len(page{})))
	if invariantsOff := p.s.check.leaks() == ""; invariantsOff && p.OffHeap() {
		for _, obj := range all {
			_ = obj[0] // does not fault
		}
	}
	s.Leave()
	closeEmpty(t, p)
}

// What arrived while the lock was taken is found by Close on a closed domain, and finds
// nothing in a pool that was dropped.
func TestRetire_ArrivedBeforeCloseOrDrop(t *testing.T) {
	for _, drop := range []bool{false, true} {
		d, err := smr.New(smr.Options{})
		require.NoError(t, err)
		budget := NewBudget(0)
		p := New[flat](d, Options{Budget: budget})
		all := getAll(t, p, 10)
		if !drop {
			require.NoError(t, d.Close(watchdogContext(t)))
		}
		for _, obj := range all {
			p.Retire(obj)
		}
		unloaded := p.s.unload()
		p.s.depot.mu.Lock()
		for _, ld := range unloaded {
			p.s.depot.retire(ld.retired)
		}
		p.s.depot.mu.Unlock()
		if drop {
			(&remains{dom: d, stores: []*store{p.s}}).release()
			require.NoError(t, d.Close(watchdogContext(t)))
		} else {
			for _, ld := range unloaded {
				p.s.keep(ld.get)
				p.s.keep(ld.other)
			}
			closeEmpty(t, p)
		}
		require.Zero(t, budget.Used())
	}
}
