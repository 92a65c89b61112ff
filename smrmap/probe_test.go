package smrmap

import (
	"bytes"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/smr"
)

// What a reader copies is one value, whatever becomes of the entry meanwhile. With more
// threads than processors the system stops readers in the middle of the copy.
func TestLoad_CopyIsOneValue(t *testing.T) {
	t.Run("Load", func(t *testing.T) {
		testCopyIsOneValue(t, func(m *Map[int, wideValue], k int, v *wideValue) (ok bool) {
			*v, ok = m.Load(k)
			return ok
		})
	})
	t.Run("LoadAll", func(t *testing.T) {
		testCopyIsOneValue(t, func(m *Map[int, wideValue], k int, v *wideValue) bool {
			var values [2]wideValue
			n := m.LoadAll([]int{(k + 1) % 4, k}, values[:], make([]bool, 2))
			*v = values[1]
			return n == 2
		})
	})
}

type wideValue [1000]uint64

func testCopyIsOneValue(t *testing.T, load func(m *Map[int, wideValue], k int, v *wideValue) bool) {
	type wide = wideValue
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	m := newMap[int, wide](t, Options{})
	fill := func(v *wide, x uint64) {
		for i := range v {
			v[i] = x
		}
	}
	n := rounds(75_000)
	if !optimistic { // Load copies in a section
		n /= 10
	}
	var v wide
	for k := range 4 {
		require.NoError(t, m.Store(k, v))
	}
	var stop atomic.Bool
	var torn atomic.Int64
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			var v wide
			for i := 0; !stop.Load(); i++ {
				if !load(m, i%4, &v) {
					torn.Add(1)
				}
				for _, x := range v {
					if x != v[0] {
						torn.Add(1)
						break
					}
				}
			}
		})
	}
	for g := range 3 {
		writers.Go(func() {
			var v wide
			for i := 0; i < n && torn.Load() == 0; i++ {
				fill(&v, uint64(i*3+g))
				m.Store(i%4, v)
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	require.Zero(t, torn.Load(), "a copy of two values")
}

// keysThat returns two keys that are equal, and call equal whenever they are compared: with
// false it makes them differ, as a key does that is another's by now. The language has no such
// thing: their type is a copy of int64's, with another function where the runtime has that for
// ==. The test is skipped where that is somewhere else.
func keysThat(t testing.TB, equal func() bool) (a, b any) {
	type rtype struct { // the start of abi.Type
		size, _ uintptr
		_       uint32
		_, _, _ uint8
		kind    uint8
		equal   func(x, y unsafe.Pointer) bool
		_       *byte
		_, _    int32
	}
	if runtime.Compiler != "gc" {
		t.Skip("the layout of types is not known")
	}
	type eface struct {
		typ  *rtype
		data unsafe.Pointer
	}
	a, b = int64(1000), int64(1000)
	x, y := (*eface)(unsafe.Pointer(&a)), (*eface)(unsafe.Pointer(&b))
	if kind := reflect.TypeFor[int64](); x.typ.size != kind.Size() || x.typ.kind != uint8(kind.Kind()) {
		t.Skip("the layout of types is another")
	}
	typ := *x.typ
	compared := false
	typ.equal = func(x, y unsafe.Pointer) bool {
		compared = true
		return equal() && *(*int64)(x) == *(*int64)(y)
	}
	x.typ, y.typ = &typ, &typ
	if a != b || !compared {
		t.Skip("the layout of types is another")
	}
	return a, b
}

// A Load whose bucket changes while it compares keys starts over, but not for ever: after
// maxTries it takes what it finds: in a section, or where the collector keeps it.
func TestLoad_StopsStartingOver(t *testing.T) {
	var root *bucket
	changes, compared := 0, 0
	stored, k := keysThat(t, func() bool {
		compared++
		if changes > 0 {
			changes--
			root.ctl.Store(bumped(root.ctl.Load()))
		}
		return true
	})
	m := newMap[any, int](t, Options{})
	require.NoError(t, m.Store(stored, 7))
	h := m.hash(k)
	root = m.c.table.Load().bucket(h)
	for n, want := range map[int]int{0: 1, 1: 2, maxTries - 1: maxTries, maxTries: maxTries + 1, 1000: maxTries + 1} {
		changes, compared = n, 0
		v, ok := m.load(h, k)
		require.True(t, ok)
		require.Equal(t, 7, v)
		require.Equal(t, want, compared, "comparisons, of which %d change the bucket", n)
	}
	// It needs no section of the domain, which may be closed.
	require.NoError(t, m.dom.Close(watchdogContext(t)))
	changes = 1000
	_, ok := m.load(h, k)
	require.True(t, ok)
	changes = 0
}

// A Load that finds another key in a slot, where the entry of its own may just have become
// another's, has a miss only if nothing was unlinked from the bucket meanwhile.
func TestLoad_MissIsChecked(t *testing.T) {
	var root *bucket
	reused := false
	stored, k := keysThat(t, func() bool {
		if !reused {
			return true
		}
		reused = false
		root.ctl.Store(bumped(root.ctl.Load()))
		return false
	})
	m := newMap[any, int](t, Options{})
	require.NoError(t, m.Store(stored, 7))
	h := m.hash(k)
	root = m.c.table.Load().bucket(h)
	for name, load := range map[string]func() (int, bool){
		"Load": func() (int, bool) { return m.Load(k) },
		"load": func() (int, bool) { return m.load(h, k) },
	} {
		reused = true
		v, ok := load()
		require.False(t, reused, name)
		require.True(t, ok, name)
		require.Equal(t, 7, v, name)
	}
}

// With invariants on, LoadIn panics where its section is none, is over, or is another domain's.
func TestLoadIn_MisuseIsCaught(t *testing.T) {
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

// What a reader borrowed stays as it is until it leaves its section.
func TestLoadIn_BorrowedValueStays(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	m := newBytes(t, Options{})
	const keys = 20
	fill := func(i, n int) []byte { return bytes.Repeat([]byte{byte(i)}, n) }
	for k := range keys {
		require.NoError(t, m.Store(key(k), fill(1, 100)))
	}
	var stop atomic.Bool
	var broken atomic.Int64
	var readers, writers sync.WaitGroup
	for g := range 3 {
		readers.Go(func() {
			for i := 0; !stop.Load(); i++ {
				s := m.dom.Enter()
				it, ok := m.LoadIn(s, key(i%keys))
				if ok {
					first := it.Value[0]
					if g == 0 {
						runtime.Gosched() // in the section
					}
					for _, b := range it.Value {
						if b != first {
							broken.Add(1)
							break
						}
					}
				}
				s.Leave()
			}
		})
	}
	for g := range 2 {
		writers.Go(func() {
			for i := range rounds(60_000) {
				k := key((i + g*7) % keys)
				if i%5 == 0 {
					m.Delete(k)
				} else if m.Store(k, fill(i, 1+i%300)) != nil {
					broken.Add(1)
				}
				if i%100 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	require.Zero(t, broken.Load(), "a borrowed value changed")
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
