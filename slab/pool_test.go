package slab

import (
	"os"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/internal/self"
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
	require.True(t, CanBeOffHeap[flat]())
	require.True(t, CanBeOffHeap[[3]struct {
		a uintptr
		b complex64
	}]())
	require.True(t, CanBeOffHeap[[0]*int]())
	for name, free := range map[string]bool{
		"pointer": CanBeOffHeap[*int](), "slice": CanBeOffHeap[[]byte](), "string": CanBeOffHeap[string](),
		"func": CanBeOffHeap[func()](), "map": CanBeOffHeap[map[int]int](), "chan": CanBeOffHeap[chan int](),
		"interface": CanBeOffHeap[any](), "unsafe": CanBeOffHeap[unsafe.Pointer](),
		"nested": CanBeOffHeap[[2]struct{ s string }](), "links": CanBeOffHeap[node](),
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
	p.Trim()
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

// Nobody else holds what Get returned, while others flush and processors come and go.
func TestPool_OneHolder(t *testing.T) {
	type owned struct{ holder atomic.Uint32 }
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	d := newDomain(t)
	p := New[owned](d, Options{KeepContents: true})
	var twice atomic.Bool
	var wg, flushing sync.WaitGroup
	stop := make(chan struct{})
	flushing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				p.Trim()
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

func TestPool_Misuse(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	require.Contains(t, panicText(t, func() { p.Free(nil) }), "Free of nil")
	require.Contains(t, panicText(t, func() { p.Retire(nil) }), "Retire of nil")
	require.Contains(t, panicText(t, func() { New[flat](nil, Options{}) }), "without a domain")
	get(t, p) // so that the slab stays
	obj := get(t, p)
	p.Free(obj)
	if !invariants.Enabled {
		// Found when the magazine is emptied.
		p.Free(obj) //smr:ok what then happens is the test
		require.Contains(t, panicText(t, p.Trim), "freed twice")
		return
	}
	require.Contains(t, panicText(t, func() { p.Free(obj) }), "which was freed before")
	require.Contains(t, panicText(t, func() { p.Free(obj) }), "TestPool_Misuse", "the stack of the first Free")
	require.Contains(t, panicText(t, func() { p.Retire(obj) }), "which was freed before")
	require.Contains(t, panicText(t, func() { p.Free(new(flat)) }), "not an object of this pool")
	obj.key = 7
	require.Contains(t, panicText(t, func() {
		p.Trim() // from whichever stripe it is in
		for range p.s.perSlab + 2*magazineCap {
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

// Links of a pool that lies on the Go heap after all (-race, windows, wasm) may be stale: the
// write barrier must not find them in a block that was collected.
func TestPool_StaleLinksOnGoHeap(t *testing.T) {
	type node struct {
		next smr.Pointer[int]
		_    [60]uint64
	}
	if os.Getenv("SLAB_TEST_CHILD") == "" {
		cmd := self.Command("-test.run=^TestPool_StaleLinksOnGoHeap$")
		cmd.Env = append(os.Environ(), "SLAB_TEST_CHILD=1")
		out, err := cmd.CombinedOutput()
		if len(out) > 600 {
			out = out[:600]
		}
		require.NoError(t, err, string(out))
		return
	}
	d := newDomain(t)
	p := New[node](d, Options{OffHeapLinks: true, KeepContents: true})
	var all []*node
	bySlab := map[uintptr][]*node{}
	for range 20_000 {
		n := get(t, p)
		all = append(all, n)
		k := uintptr(unsafe.Pointer(n)) / pages.MinBlock
		bySlab[k] = append(bySlab[k], n)
	}
	for i, n := range all {
		n.next.Init((*int)(unsafe.Pointer(all[(i+len(all)/2)%len(all)])))
	}
	// All but every fifth slab goes back.
	i := 0
	var keep []*node
	for _, objs := range bySlab {
		if i++; i%5 == 0 {
			keep = append(keep, objs...)
			continue
		}
		for _, n := range objs {
			p.Free(n)
		}
	}
	clear(bySlab)
	all = nil
	p.Trim()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	runtime.GC()
	runtime.GC()
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			runtime.GC()
		}
	})
	var dummy = new(int)
	_ = dummy
	for r := range 300 {
		for j := r % 10; j < len(keep); j += 10 {
			keep[j].next.Store((*int)(unsafe.Pointer(keep[(j+1)%len(keep)])))
		}
	}
	stop.Store(true)
	wg.Wait()
}

func TestPool_EmptyTypeIsAligned(t *testing.T) {
	p := New[struct{ _ [0]uint64 }](newDomain(t), Options{})
	for range 10 {
		require.Zero(t, uintptr(unsafe.Pointer(get(t, p)))%unsafe.Alignof(uint64(0)))
	}
}

func TestLocal(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	l := p.Pin()
	require.Nil(t, l.Get(), "nothing is at hand yet")
	l.Unpin()
	obj := get(t, p)
	p.Free(obj)
	l = p.Pin()
	again := l.Get()
	nothing := l.Retire(nil)
	retired := again != nil && l.Retire(again)
	l.Unpin()
	require.False(t, nothing)
	require.NotNil(t, again)
	require.True(t, retired)
	require.EqualValues(t, 1, p.Stats().Pending)
	closeEmpty(t, p)
}

func TestLocal_Swap(t *testing.T) {
	p := New[flat](newDomain(t), Options{})
	l := p.Pin()
	nothing := l.Swap(nil)
	l.Unpin()
	require.Nil(t, nothing)
	obj := get(t, p)
	before := p.Stats()
	swaps := 0
	for range 3 * magazineCap {
		l := p.Pin()
		fresh := l.Swap(obj)
		l.Unpin()
		if fresh == nil { // no room, or nothing at hand: nothing has happened
			p.Retire(obj)
			fresh = get(t, p)
		} else {
			swaps++
			require.NotSame(t, obj, fresh)
		}
		obj = fresh
	}
	require.GreaterOrEqual(t, swaps, 2*magazineCap)
	st := p.Stats()
	require.EqualValues(t, 1, st.InUse)
	require.EqualValues(t, 3*magazineCap, st.Gets-before.Gets)
	require.EqualValues(t, 3*magazineCap, st.Retires-before.Retires)
	p.Retire(obj)
	closeEmpty(t, p)
}

// A slab on the Go heap is counted as its objects.
func TestPool_SlabOnTheGoHeap(t *testing.T) {
	p := New[withPointer](newDomain(t), Options{})
	require.False(t, p.OffHeap())
	obj := get(t, p)
	require.EqualValues(t, uintptr(p.s.perSlab)*p.s.size, p.Stats().ReservedBytes)
	p.Free(obj)
	closeEmpty(t, p)
}
