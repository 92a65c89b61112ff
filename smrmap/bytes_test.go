package smrmap

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/slab"
)

// clock is a time that tests set.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time { return time.UnixMilli(c.ms.Load()) }

// Every operation does what it does to a Go map of items, with expiry.
func TestBytes_Oracle(t *testing.T) {
	var at clock
	at.ms.Store(1000)
	m := newBytes(t, Options{Now: at.now})
	type item struct {
		value   string
		expires int64
	}
	want := make(map[string]item)
	get := func(k string) (item, bool) {
		it, ok := want[k]
		return it, ok && (it.expires == 0 || it.expires > at.ms.Load())
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range rounds(60_000) {
		k := strings.Repeat("k", rnd.IntN(3)) + fmt.Sprint(rnd.IntN(3000))
		if rnd.IntN(1000) == 0 {
			k = ""
		}
		v := strings.Repeat(string(rune('a'+i%26)), rnd.IntN(1<<rnd.IntN(12)))
		var expires int64
		if rnd.IntN(3) == 0 {
			expires = at.ms.Load() + int64(rnd.IntN(500)) - 50
		}
		old, had := get(k)
		if !had {
			old = item{}
		}
		switch rnd.IntN(12) {
		case 0, 1:
			require.NoError(t, m.Store([]byte(k), []byte(v)))
			want[k] = item{v, 0}
		case 2, 3:
			require.NoError(t, m.StoreItem([]byte(k), Item{[]byte(v), expires}))
			want[k] = item{v, expires}
		case 4:
			got, ok := m.LoadAndDelete([]byte(k), []byte("x"))
			require.Equal(t, had, ok)
			require.Equal(t, "x"+old.value, string(got))
			delete(want, k)
		case 5:
			require.Equal(t, had, m.Delete([]byte(k)))
			delete(want, k)
		case 6:
			got, loaded, err := m.LoadOrStore([]byte(k), Item{[]byte(v), expires}, []byte("x"))
			require.NoError(t, err)
			require.Equal(t, had, loaded)
			if had {
				require.Equal(t, "x"+old.value, string(got))
			} else {
				require.Equal(t, "x"+v, string(got))
				want[k] = item{v, expires}
			}
		case 7, 8, 9:
			op := []Op{CancelOp, UpdateOp, DeleteOp, ExpireOp}[rnd.IntN(4)]
			ok, err := m.Compute([]byte(k), func(o Item, loaded bool) (Item, Op) {
				require.Equal(t, had, loaded)
				require.Equal(t, old, item{string(o.Value), o.Expires})
				if op == UpdateOp { // a part of the old one, and something new
					return Item{append(o.Value[:len(o.Value)/2:len(o.Value)/2], v...), expires}, op
				}
				return Item{Expires: expires}, op
			})
			require.NoError(t, err)
			switch {
			case op == UpdateOp:
				want[k] = item{old.value[:len(old.value)/2] + v, expires}
			case op == DeleteOp:
				delete(want, k)
			case op == ExpireOp && had:
				want[k] = item{old.value, expires}
			}
			_, has := get(k)
			require.Equal(t, has, ok)
		case 10:
			at.ms.Add(int64(rnd.IntN(10)))
		default:
			got, ok := m.Load([]byte(k), nil)
			require.Equal(t, had, ok)
			require.Equal(t, old.value, string(got))
			s := m.dom.Enter()
			it, ok := m.LoadIn(s, []byte(k))
			require.Equal(t, had, ok)
			require.Equal(t, old, item{string(it.Value), it.Expires})
			s.Leave()
		}
	}
	live := make(map[string]item)
	for k := range want {
		if it, ok := get(k); ok {
			live[k] = it
		}
	}
	seen := make(map[string]item)
	for k, it := range m.All() {
		seen[string(k)] = item{string(it.Value), it.Expires}
	}
	require.Equal(t, live, seen)

	require.GreaterOrEqual(t, m.Len(), len(live))
	dead := m.Len() - len(live)
	before := m.Stats().Expired
	removed, expiring := 0, 0
	for cursor := uint64(0); ; {
		next, n, later := m.Sweep(cursor, 100)
		expiring += later
		if removed += n; next == 0 {
			break
		}
		cursor = next
	}
	require.Equal(t, dead, removed)
	later := 0
	for _, it := range live {
		if it.expires != 0 {
			later++
		}
	}
	require.Equal(t, later, expiring)
	require.EqualValues(t, dead, m.Stats().Expired-before)
	require.Equal(t, len(live), m.Len())
	keys := 0
	for range m.Keys() {
		keys++
	}
	require.Equal(t, len(live), keys)
	m.Clear()
	require.Zero(t, m.Len())
}

// A scan in small steps sees each key once that is there all the time, and none twice,
// while the map grows and shrinks under it.
func TestScan_OnceDuringResizing(t *testing.T) {
	m := newBytes(t, Options{})
	const stay = 500
	for i := range stay {
		require.NoError(t, m.Store(key(i), key(i)))
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			for i := range 5000 {
				m.Store(key(stay+i), key(i))
				if i%50 == 0 { // on one processor the scan would wait for long, at each step
					runtime.Gosched()
				}
			}
			for i := range 5000 {
				m.Delete(key(stay + i))
				if i%50 == 0 {
					runtime.Gosched()
				}
			}
		}
	})
	scans := 0
	for ; scans < rounds(300) || m.Stats().Resizes < 10; scans++ {
		seen := make(map[string]int)
		for cursor := uint64(0); ; {
			cursor = m.Scan(cursor, 1+scans%50, func(k []byte, it Item) { seen[string(k)]++ })
			if cursor == 0 {
				break
			}
			if scans%3 == 0 {
				runtime.Gosched()
			}
		}
		for k, n := range seen {
			require.Equal(t, 1, n, "%q", k)
		}
		for i := range stay {
			require.Equal(t, 1, seen[string(key(i))], "key %d", i)
		}
	}
	stop.Store(true)
	wg.Wait()
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

func TestEvict(t *testing.T) {
	m := newBytes(t, Options{})
	require.Zero(t, m.Evict(1000))
	const n = 10_000
	for i := range n {
		require.NoError(t, m.Store(key(i), make([]byte, 100)))
	}
	m.c.migrated.Wait() // so that buckets are short
	// A tenth of the entries is read now and then.
	hot := func(i int) bool { return i%10 == 0 }
	for m.Len() > n/2 {
		for i := range n {
			if hot(i) {
				m.Load(key(i), nil)
			}
		}
		before := m.Len()
		retired := m.Evict(20_000)
		require.GreaterOrEqual(t, retired, 20_000)
		require.Less(t, retired, 30_000)
		require.Less(t, m.Len(), before)
	}
	left := 0
	for i := range n {
		if _, ok := m.Load(key(i), nil); ok && hot(i) {
			left++
		}
	}
	require.EqualValues(t, n-m.Len(), m.Stats().Evicted)
	require.Greater(t, left, n/10*9/10, "of those that were read")
	for m.Evict(1) > 0 {
	}
	require.Zero(t, m.Len())
}

func TestBytes_NoMemory(t *testing.T) {
	budget := slab.NewBudget(4 << 20)
	m := newBytes(t, Options{Budget: budget})
	n := 0
	for ; ; n++ {
		if err := m.Store(key(n), make([]byte, n%1000)); err != nil {
			require.ErrorIs(t, err, slab.ErrNoMemory)
			break
		}
	}
	require.Greater(t, n, 3000)
	require.ErrorIs(t, m.Store(key(n), make([]byte, 5<<20)), slab.ErrNoMemory)
	require.LessOrEqual(t, budget.Used(), budget.Limit()*5/4) // chained buckets come all the same
	require.Equal(t, n, m.Len())
	for i := range n {
		v, ok := m.Load(key(i), nil)
		require.True(t, ok)
		require.Len(t, v, i%1000)
	}
	// Evicting makes room, after a grace period.
	for i := range 1000 {
		for {
			err := m.Store(key(n+i), make([]byte, 900))
			if err == nil {
				break
			}
			require.ErrorIs(t, err, slab.ErrNoMemory)
			require.NotZero(t, m.Evict(64<<10))
			require.NoError(t, m.dom.Barrier(watchdogContext(t)))
		}
	}
	require.LessOrEqual(t, budget.Used(), budget.Limit()*5/4) // chained buckets come all the same
}

func TestBytes_TooLarge(t *testing.T) {
	if testing.Short() || invariants.Enabled {
		t.Skip("maps a gigabyte")
	}
	m := newBytes(t, Options{})
	big := make([]byte, MaxLen+1)
	require.ErrorIs(t, m.Store([]byte("k"), big), ErrTooLarge)
	require.ErrorIs(t, m.Store(big, nil), ErrTooLarge)
	require.Zero(t, m.Len())
	big[MaxLen-1] = 7
	require.NoError(t, m.Store([]byte("k"), big[:MaxLen]))
	s := m.dom.Enter()
	it, ok := m.LoadIn(s, []byte("k"))
	require.True(t, ok)
	require.Len(t, it.Value, MaxLen)
	require.EqualValues(t, 7, it.Value[MaxLen-1])
	s.Leave()
}

func TestBytes_ComputePanic(t *testing.T) {
	m := newBytes(t, Options{})
	require.NoError(t, m.Store(key(1), []byte("v")))
	require.PanicsWithValue(t, "mine", func() {
		m.Compute(key(1), func(Item, bool) (Item, Op) { panic("mine") })
	})
	require.PanicsWithValue(t, "smrmap: Compute of Bytes: Op(-1)", func() {
		m.Compute(key(1), func(Item, bool) (Item, Op) { return Item{}, -1 })
	})
	v, ok := m.Load(key(1), nil)
	require.True(t, ok)
	require.Equal(t, "v", string(v))
	require.True(t, m.Delete(key(1)))
}

func TestBytes_NoAllocations(t *testing.T) {
	if invariants.Enabled {
		t.Skip("invariants keep track of each object")
	}
	m := newBytes(t, Options{})
	k, v, room := key(1), make([]byte, 64), make([]byte, 0, 100)
	for range 100_000 { // so that there are magazines enough
		require.NoError(t, m.Store(k, v))
	}
	require.Zero(t, testing.AllocsPerRun(10_000, func() {
		m.Load(k, room)
		s := m.dom.Enter()
		m.LoadIn(s, k)
		s.Leave()
	}))
	require.Zero(t, testing.AllocsPerRun(50_000, func() { m.Store(k, v) }))
	require.Zero(t, testing.AllocsPerRun(50_000, func() {
		m.Delete(k)
		m.Store(k, v)
	}))
}

// Bytes looks at keys and values, and lets go of them: those on the caller's stack stay there.
func TestBytes_ArgumentsDoNotEscape(t *testing.T) {
	if invariants.Enabled {
		t.Skip("invariants keep track of each object")
	}
	m := newBytes(t, Options{})
	for range 100_000 { // so that there are magazines enough
		require.NoError(t, m.Store(key(1), key(1)))
	}
	require.Zero(t, testing.AllocsPerRun(10_000, func() {
		var k, v [40]byte
		var room [50]byte
		m.Store(k[:], v[:])
		m.StoreItem(k[:], Item{Value: v[:]})
		m.LoadOrStore(k[:], Item{Value: v[:]}, room[:0])
		m.Compute(k[:], func(Item, bool) (Item, Op) { return Item{}, UpdateOp })
		m.Load(k[:], room[:0])
		m.LoadAndDelete(k[:], room[:0])
		m.Delete(k[:])
	}))
}
