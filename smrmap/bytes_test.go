package smrmap

import (
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
		case 0:
			require.NoError(t, m.Store([]byte(k), []byte(v)))
			want[k] = item{v, 0}
		case 1:
			d, err := m.Draft([]byte(k), len(v))
			require.NoError(t, err)
			copy(d.Value(), v)
			require.NoError(t, d.Store(expires))
			want[k] = item{v, expires}
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
		did := m.Sweep(cursor, 100)
		expiring += did.Expiring
		removed += did.Removed
		if cursor = did.Next; cursor == 0 {
			break
		}
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
			require.NotZero(t, m.EvictBytes(64<<10))
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

// A reader loads the expiry once: while time stands still an entry expires at 500 (it is gone) or
// at 2000 (it is there), and no reader gets one that expires at 500.
func TestBytes_ExpiredIsNeverReturned(t *testing.T) {
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

// All operations run at once under a small budget, and the structure holds.
func TestBytes_EverythingAtOnce(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(6))
	var at clock
	at.ms.Store(1000)
	budget := slab.NewBudget(3 << 20)
	m := newBytes(t, Options{Now: at.now, Budget: budget})
	end := time.Now().Add(time.Second)
	var wg sync.WaitGroup
	for g := range 5 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 1))
			for i := 0; time.Now().Before(end); i++ {
				k := key(rnd.IntN(5000))
				switch rnd.IntN(12) {
				case 0, 1, 2, 3:
					if m.StoreItem(k, Item{make([]byte, rnd.IntN(1<<rnd.IntN(13))), int64(rnd.IntN(2)) * (at.ms.Load() + int64(rnd.IntN(100)))}) != nil {
						m.EvictBytes(20000)
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
							if c = m.Sweep(c, 50).Next; c == 0 {
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
	within(t, "torture", wg.Wait)
	m.c.migrated.Wait()
	require.Equal(t, m.c.check(), m.Len())
	t.Logf("%+v", m.Stats())
}
