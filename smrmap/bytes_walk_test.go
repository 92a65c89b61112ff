package smrmap

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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

// What has expired, and is not deleted yet, is in no walk.
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

// Sweep deletes all that has expired also where the map grows between its snapshot of a bucket and
// the deletion.
func TestSweep_GrowingTableHidesNone(t *testing.T) {
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
		did := m.Sweep(cursor, 1)
		removed += did.Removed
		if cursor = did.Next; cursor == 0 {
			break
		}
	}
	require.False(t, armed.Load())
	require.Equal(t, 30, removed, "a sweep from 0 to 0 leaves entries that were expired from start to end")
}

// An expired entry that a Compute is replacing stays for now, and so is one for a later sweep.
func TestSweep_ClaimedIsForLater(t *testing.T) {
	m := newBytes(t, Options{})
	require.NoError(t, m.StoreItem(key(1), Item{Value: valueOf(1, 100), Expires: m.now() - 1}))
	cl := m.claims.add(uint32(m.hashOf(key(1)) >> 32))
	require.Equal(t, Swept{Expiring: 1}, m.Sweep(0, 100))
	m.claims.drop(cl)
	require.Equal(t, Swept{Removed: 1}, m.Sweep(0, 100))
}

// Of several claims each is found by its own hash.
func TestClaims_EachIsFound(t *testing.T) {
	m := newBytes(t, Options{})
	var all []*claim
	for hash := range uint32(3) {
		all = append(all, m.claims.add(hash))
	}
	for hash, cl := range all {
		require.Same(t, cl, m.claims.on(uint32(hash)))
	}
	require.Nil(t, m.claims.on(3))
	for hash, cl := range all {
		m.claims.drop(cl)
		require.Nil(t, m.claims.on(uint32(hash)))
	}
}
