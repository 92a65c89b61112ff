package smrmap

// What the other tests would let pass: each test stops an operation where it matters, by
// way of a hook it has (the hash of an entry, the time), or makes by hand the state that a
// bug would show in.

import (
	"encoding/binary"
	"hash/maphash"
	"maps"
	"math/bits"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

// Whatever unlinks an entry of a Map moves the version of its bucket on: it is all by which
// a Load without a section learns that the entry it copies may be another's by now.
func TestUnlink_MovesTheVersion(t *testing.T) {
	compute := func(op Op) func(*Map[int, int]) {
		return func(m *Map[int, int]) { m.Compute(1, func(int, bool) (int, Op) { return 2, op }) }
	}
	for name, unlink := range map[string]func(*Map[int, int]){
		"Store":           func(m *Map[int, int]) { m.Store(1, 2) },
		"Compute updates": compute(UpdateOp),
		"Compute deletes": compute(DeleteOp),
		"Delete":          func(m *Map[int, int]) { m.Delete(1) },
		"Clear":           (*Map[int, int]).Clear,
	} {
		t.Run(name, func(t *testing.T) {
			m := newMap[int, int](t, Options{})
			require.NoError(t, m.Store(1, 1))
			root := m.c.table.Load().bucket(m.hash(1))
			for range 100 { // Store has a short way, and a long one
				require.NoError(t, m.Store(1, 1))
				ctl := root.ctl.Load()
				unlink(m)
				require.True(t, root.changed(ctl))
				require.Zero(t, root.ctl.Load()&locked)
			}
		})
	}
}

// whileLooking calls fn once, in the middle of the next look of a walk at the bucket of
// entry e: when e is looked at.
func (c *core) whileLooking(e ref, fn func()) {
	done := false
	c.looks = func(x ref) {
		if x == e && !done {
			done = true
			fn()
		}
	}
}

// An entry that a walk has seen is deleted and comes back, in a slot that the walk still
// has before it. The version says so, and the walk looks at the bucket once more.
func TestWalk_EntryThatCameBackIsSeenOnce(t *testing.T) {
	for name, remove := range map[string]func(*Map[int, int]){
		"Delete": func(m *Map[int, int]) { m.Delete(0) },
		"Clear":  (*Map[int, int]).Clear,
	} {
		t.Run("Map "+name, func(t *testing.T) {
			m := newMap[int, int](t, Options{})
			m.ints = intHasher{} // all in one bucket
			require.NoError(t, m.Store(0, 0))
			require.NoError(t, m.Store(1, 1))
			removed := false
			m.c.whileLooking(m.c.table.Load().at(0).slots[1].Load(), func() {
				remove(m)
				for _, k := range []int{2, 3, 0} { // of which 0 comes behind slot 1
					m.Store(k, k)
				}
				removed = true
			})
			seen := make(map[int]int)
			for k := range m.All() {
				seen[k]++
			}
			require.True(t, removed)
			for k, n := range seen {
				require.Equal(t, 1, n, "key %d", k)
			}
			require.Contains(t, seen, 0)
		})
	}
	for name, remove := range map[string]func(m *Bytes, k []byte){
		"Delete": func(m *Bytes, k []byte) { m.Delete(k) },
		"Clear":  func(m *Bytes, _ []byte) { m.Clear() },
		"Evict":  func(m *Bytes, _ []byte) { m.Evict(1) },
	} {
		t.Run("Bytes "+name, func(t *testing.T) {
			m := newBytes(t, Options{})
			keys := inFirstBucket(m, 4)
			require.NoError(t, m.Store(keys[0], nil))
			require.NoError(t, m.Store(keys[1], nil))
			m.Load(keys[1], nil) // so that Evict spares it
			removed := false
			m.c.whileLooking(m.c.table.Load().at(0).slots[1].Load(), func() {
				remove(m, keys[0])
				for _, i := range []int{2, 3, 0} {
					m.Store(keys[i], nil)
				}
				removed = true
			})
			seen := make(map[string]int)
			m.Scan(0, 1000, func(k []byte, _ Item) { seen[string(k)]++ })
			require.True(t, removed)
			for k, n := range seen {
				require.Equal(t, 1, n, "key %q", k)
			}
			require.Contains(t, seen, string(keys[0]))
		})
	}
}

// inFirstBucket returns n keys that belong to the first bucket of a table of the least
// size.
func inFirstBucket(m *Bytes, n int) (keys [][]byte) {
	for i := 0; len(keys) < n; i++ {
		if maphash.Bytes(m.seed, key(i))>>(64-minBits) == 0 {
			keys = append(keys, key(i))
		}
	}
	return keys
}

// keysThat returns two keys that are equal, and call hook whenever the two are compared. The
// language has no such thing: their type is a copy of int64's, with another function where
// the runtime has that for ==. The test is skipped where that is somewhere else.
func keysThat(t testing.TB, hook func()) (a, b any) {
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
		hook()
		return *(*int64)(x) == *(*int64)(y)
	}
	x.typ, y.typ = &typ, &typ
	if a != b || !compared {
		t.Skip("the layout of types is another")
	}
	return a, b
}

// A Load whose bucket changes while it compares keys starts over, but not for ever: after
// maxTries it goes on in a section, which does not mind.
func TestLoad_FallsBackToASection(t *testing.T) {
	var root *bucket
	changes, compared := 0, 0
	stored, k := keysThat(t, func() {
		compared++
		if changes > 0 {
			changes--
			root.ctl.Store(bumped(root.ctl.Load()))
		}
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
	// With the domain closed, so that entering a section is seen.
	require.NoError(t, m.dom.Close(watchdogContext(t)))
	changes = maxTries - 1
	require.NotPanics(t, func() { m.load(h, k) })
	changes = maxTries
	require.Panics(t, func() { m.load(h, k) })
	changes = 0
}

// halfway moves the entries of the first half of the roots to a table of twice the size, as
// migrate does, and stops there. What it returns moves the others, the first time, and is
// called when the test ends.
func (c *core) halfway(t testing.TB) (finish func()) {
	c.migrated.Wait()
	c.resizing.Lock()
	old := c.table.Load()
	next, err := newTable(bits.Len(uint(old.n)), c.heap, false, c.budget)
	require.NoError(t, err)
	old.next.Store(next)
	for i := range old.n / 2 {
		c.move(old, next, i, 1)
	}
	finish = sync.OnceFunc(func() {
		for i := old.n / 2; i < old.n; i++ {
			c.move(old, next, i, 1)
		}
		c.table.Store(next)
		old.drop()
		c.resizing.Unlock()
	})
	t.Cleanup(finish)
	return finish
}

// What is stored, replaced and deleted in the middle of a resizing is what readers find,
// with half of the buckets in the next table. The moved ones still hold what they held.
func TestLookup_HalfMoved(t *testing.T) {
	type reader = func(k int) (v int, ok bool)
	test := func(t *testing.T, c *core, store func(k, v int) error, remove func(k int) bool, readers map[string]reader, all func() map[int]int) {
		const n = 24
		want := make(map[int]int)
		put := func(k, v int) {
			require.NoError(t, store(k, v))
			want[k] = v
		}
		check := func() {
			for name, read := range readers {
				for k := range 2 * n {
					v, ok := read(k)
					old, had := want[k]
					require.Equal(t, had, ok, "%s of %d", name, k)
					require.Equal(t, old, v, "%s of %d", name, k)
				}
			}
			require.Equal(t, want, all())
		}
		for k := range n {
			put(k, k)
		}
		finish := c.halfway(t)
		check()
		for k := range n {
			switch k % 3 {
			case 0:
				put(k, k+1000)
			case 1:
				require.True(t, remove(k))
				delete(want, k)
			}
			if k%4 == 0 {
				put(k+n, k)
			}
		}
		check()
		finish()
		check()
	}
	t.Run("Map", func(t *testing.T) {
		m := newMap[int, int](t, Options{})
		require.True(t, m.OffHeap())
		test(t, &m.c, m.Store, m.Delete, map[string]reader{"Load": m.Load, "LoadIn": func(k int) (v int, ok bool) {
			m.dom.Read(func(s smr.Section) {
				var p *int
				if p, ok = m.LoadIn(s, k); ok {
					v = *p
				}
			})
			return v, ok
		}}, func() map[int]int { return maps.Collect(m.All()) })
	})
	t.Run("Map on the Go heap", func(t *testing.T) {
		m := newMap[string, *int](t, Options{})
		require.False(t, m.OffHeap())
		value := func(p *int, ok bool) (int, bool) {
			if !ok {
				return 0, false
			}
			return *p, true
		}
		test(t, &m.c, func(k, v int) error { return m.Store(strconv.Itoa(k), &v) },
			func(k int) bool { return m.Delete(strconv.Itoa(k)) },
			map[string]reader{
				"Load": func(k int) (int, bool) { return value(m.Load(strconv.Itoa(k))) },
				"LoadIn": func(k int) (v int, ok bool) {
					m.dom.Read(func(s smr.Section) {
						var p **int
						if p, ok = m.LoadIn(s, strconv.Itoa(k)); ok {
							v = **p
						}
					})
					return v, ok
				},
			}, func() map[int]int {
				all := make(map[int]int)
				for k, p := range m.All() {
					i, err := strconv.Atoi(k)
					require.NoError(t, err)
					all[i] = *p
				}
				return all
			})
	})
	t.Run("Bytes", func(t *testing.T) {
		m := newBytes(t, Options{})
		number := func(b []byte) int { return int(binary.BigEndian.Uint32(b[len("key"):])) }
		test(t, &m.c, func(k, v int) error { return m.Store(key(k), key(v)) },
			func(k int) bool { return m.Delete(key(k)) },
			map[string]reader{
				"Load": func(k int) (int, bool) {
					v, ok := m.Load(key(k), nil)
					if !ok {
						return 0, false
					}
					return number(v), true
				},
				"LoadIn": func(k int) (v int, ok bool) {
					m.dom.Read(func(s smr.Section) {
						var it Item
						if it, ok = m.LoadIn(s, key(k)); ok {
							v = number(it.Value)
						}
					})
					return v, ok
				},
			}, func() map[int]int {
				all := make(map[int]int)
				for k, it := range m.All() {
					all[number(k)] = number(it.Value)
				}
				return all
			})
	})
}

// Bytes.Load copies in a section: no grace period ends between its finding the entry, which
// is deleted then, and its copying the value.
func TestBytesLoad_CopiesInASection(t *testing.T) {
	var at clock
	at.ms.Store(1000)
	var m *Bytes
	inside := func() {}
	m = newBytes(t, Options{Now: func() (now time.Time) {
		inside()
		return at.now()
	}})
	require.NoError(t, m.StoreItem(key(1), Item{Value: []byte("value"), Expires: 2000}))
	polled := 0
	inside = func() {
		inside = func() {}
		m.Delete(key(1))
		for goal := m.dom.Advance(); polled < 100; polled++ {
			if m.dom.Poll(goal) {
				t.Error("the entry could have been freed while Load had it")
				return
			}
		}
	}
	v, ok := m.Load(key(1), nil)
	require.True(t, ok)
	require.Equal(t, "value", string(v))
	require.Equal(t, 100, polled)
	require.Zero(t, m.Len())
}

// parkedAt makes somebody wait for root, as who parks a moment before it is unlocked does,
// and returns how to tell whether that one was woken since.
func (c *core) parkedAt(root *bucket) (woken func() bool) {
	lot := c.lots.of(root)
	lot.mu.Lock()
	defer lot.mu.Unlock()
	w := waiter{root, make(chan struct{})}
	lot.waiters = append(lot.waiters, w)
	lot.parked.Store(uint64(len(lot.waiters)))
	return func() bool {
		select {
		case <-w.wake:
			return true
		default:
			return false
		}
	}
}

// Who unlocks a bucket wakes one of those who wait for it, whatever it was locked for: also
// a Store that tried it the short way, whether that was all there was to do or not.
func TestUnlock_WakesWhoWaits(t *testing.T) {
	m := newMap[int, int](t, Options{})
	m.ints = intHasher{} // all in one bucket
	require.NoError(t, m.Store(1, 1))
	root := m.c.table.Load().at(0)
	v := 2
	wakes := func(what string, fn func()) {
		woken := m.c.parkedAt(root)
		fn()
		require.True(t, woken(), what)
		require.Zero(t, m.c.lots.of(root).parked.Load())
	}
	replaced := 0
	for range 1000 { // it is not replaced if there is no free entry at hand
		wakes("replace", func() {
			if m.replace(1, &v) {
				replaced++
			}
		})
	}
	require.NotZero(t, replaced)
	wakes("replace of a key that is not there", func() { require.False(t, m.replace(2, &v)) })
	wakes("Compute", func() { m.Compute(1, func(int, bool) (int, Op) { return 0, CancelOp }) })
	wakes("a panic in Compute", func() {
		defer func() { recover() }()
		m.Compute(1, func(int, bool) (int, Op) { panic("mine") })
	})
	wakes("a walk that had to lock", func() {
		looks := 0
		defer func() { m.c.looks = nil }()
		m.c.looks = func(ref) {
			if looks++; looks <= 3 { // the bucket changes under the first three looks
				root.ctl.Store(bumped(root.ctl.Load()))
			}
		}
		for range m.All() {
			break
		}
		require.Equal(t, 4, looks)
	})
	wakes("Clear", m.Clear)

	require.NoError(t, m.Store(1, 1))
	wakes("who moves it", func() { m.c.halfway(t) })
	wakes("replace in a bucket that was moved", func() { require.False(t, m.replace(1, &v)) })
	wakes("Compute in a bucket that was moved", func() { m.Delete(1) })
}

// What has expired, and nobody deleted yet, is in no walk.
func TestBytesWalk_NoneThatExpired(t *testing.T) {
	var at clock
	at.ms.Store(1000)
	m := newBytes(t, Options{Now: at.now})
	want := make(map[string]int)
	for i := range 30 {
		expires := []int64{0, 1500, 1501}[i%3]
		require.NoError(t, m.StoreItem(key(i), Item{key(i), expires}))
		if expires != 1500 {
			want[string(key(i))] = 1
		}
	}
	at.ms.Store(1500)
	require.Equal(t, 30, m.Len(), "they are there")
	scanned := make(map[string]int)
	for cursor := uint64(0); ; {
		cursor = m.Scan(cursor, 3, func(k []byte, it Item) {
			require.Equal(t, k, it.Value)
			scanned[string(k)]++
		})
		if cursor == 0 {
			break
		}
	}
	require.Equal(t, want, scanned, "Scan")
	all := make(map[string]int)
	for k, it := range m.All() {
		require.Equal(t, k, it.Value)
		all[string(k)]++
	}
	require.Equal(t, want, all, "All")
	keys := make(map[string]int)
	for k := range m.Keys() {
		keys[string(k)]++
	}
	require.Equal(t, want, keys, "Keys")
}

// A page is a value that takes a while to copy.
type page [1024]uint64

func pageOf(x uint64) (p page) {
	for i := range p {
		p[i] = x
	}
	return p
}

// Map.All has copied a bucket's entries before its section is left: one that is unlinked
// just after All looked at it is overwritten as soon as no section is open, while the many
// before it are being copied. (A copy that came too late is a race, too, and most often not
// what it should be.)
func TestAll_CopiesInItsSection(t *testing.T) {
	const n = 1000
	m := newMap[int, page](t, Options{})
	m.ints = intHasher{} // all in one bucket
	for k := range n {
		require.NoError(t, m.Store(k, pageOf(uint64(k))))
	}
	m.c.migrated.Wait()
	root := m.c.table.Load().at(0)
	looks := 0
	last := -1
	var wg sync.WaitGroup
	m.c.looks = func(e ref) {
		if looks++; looks == n {
			m.c.looks = nil
			last = m.entry(e).key
			// Without a new version, as if it were after All's last look at that.
			tab, root := m.c.lock(0)
			_, p := m.find(tab, root, 0, last)
			p.b.take(p.i)
			m.c.release(root)
			m.c.count.Add(-1)
			goal := m.dom.Advance()
			started := make(chan struct{})
			wg.Go(func() {
				close(started)
				for !m.dom.Poll(goal) {
					runtime.Gosched()
				}
				*m.entry(e) = entry[int, page]{key: -1}
				m.pool.Free(m.entry(e))
			})
			<-started
		}
	}
	seen := 0
	for k, v := range m.All() {
		require.GreaterOrEqual(t, k, 0)
		equal(t, pageOf(uint64(k)), v)
		seen++
	}
	wg.Wait()
	require.NotEqual(t, -1, last)
	require.Equal(t, n, seen)
	require.Zero(t, root.ctl.Load()&locked)
	_, ok := m.Load(last)
	require.False(t, ok)
}

// What Map.All yields are copies, made before the loop's body runs: that one deletes the
// entries, waits until nobody holds them, and overwrites them.
func TestAll_YieldsCopies(t *testing.T) {
	const n = 5
	m := newMap[int, int](t, Options{})
	m.ints = intHasher{} // all in one bucket
	want := make(map[int]int)
	for k := range n {
		require.NoError(t, m.Store(k, k+100))
		want[k] = k + 100
	}
	seen := make(map[int]int)
	for k, v := range m.All() {
		if len(seen) == 0 {
			m.c.clear(func(e ref) {
				require.NoError(t, m.dom.Synchronize(watchdogContext(t)))
				*m.entry(e) = entry[int, int]{-1, -1}
				m.pool.Free(m.entry(e))
			})
		}
		seen[k] = v
	}
	require.Equal(t, want, seen)
	require.Zero(t, m.Len())
}
