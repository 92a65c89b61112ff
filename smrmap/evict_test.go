package smrmap

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/slab"
)

func TestEvict(t *testing.T) {
	m := newBytes(t, Options{})
	require.Zero(t, m.EvictBytes(1000))
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
		retired := m.EvictBytes(20_000)
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
	for m.EvictBytes(1) > 0 {
	}
	require.Zero(t, m.Len())
}

// What was not read since it was stored is evicted before what was.
func TestEvict_UnreadFirst(t *testing.T) {
	m := newBytes(t, Options{})
	const n, read = 100, 10
	for i := range n {
		require.NoError(t, m.Store(key(i), valueOf(i, 100)))
	}
	m.c.migrated.Wait()
	for i := range read {
		m.Load(key(i), nil)
	}
	m.EvictBytes(n / 2 * slab.BlockSize(int(headerSize)+100))
	require.Less(t, m.Len(), n*2/3)
	for i := range read {
		_, ok := m.Load(key(i), nil)
		require.True(t, ok, i)
	}
}

// A Now that panics in Evict leaves no bucket locked.
func TestEvict_NowPanics(t *testing.T) {
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
	require.Panics(t, func() { m.EvictBytes(1) })
	armed.Store(false)
	within(t, "Store after Now panicked in Evict", func() {
		for i := range 20 {
			m.Store(key(i), nil)
		}
	})
}
