package smrmap

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// A map without references gives back what it took, like any other Go map,
// whatever is in it; but not while a reader may look at a value that it borrowed.
func TestDrop_MemoryComesBack(t *testing.T) {
	if sched.Controlled {
		t.Skip("under the scheduler of -tags smr_sched nothing is cleaned up")
	}
	d, err := smr.New(smr.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close(watchdogContext(t))) }()
	for name, fill := range map[string]func(Options, smr.Section) (borrowed func() byte){
		"Map": func(o Options, s smr.Section) func() byte {
			m, err := New[int, [8]byte](o)
			require.NoError(t, err)
			for k := range 1000 {
				require.NoError(t, m.Store(k, [8]byte{byte(k)}))
			}
			for k := range 500 {
				m.Delete(k + 500)
			}
			v, _ := m.LoadIn(s, 7)
			return func() byte { return v[0] }
		},
		"Map on the Go heap": func(o Options, s smr.Section) func() byte {
			m, err := New[int, *byte](o)
			require.NoError(t, err)
			for k := range 1000 {
				b := byte(k)
				require.NoError(t, m.Store(k, &b))
			}
			v, _ := m.LoadIn(s, 7)
			return func() byte { return **v }
		},
		"Bytes": func(o Options, s smr.Section) func() byte {
			m, err := NewBytes(o)
			require.NoError(t, err)
			for k := range 1000 {
				require.NoError(t, m.Store([]byte{byte(k), byte(k >> 8)}, []byte{byte(k)}))
			}
			require.NoError(t, m.Store([]byte("large"), make([]byte, 1<<20)))
			m.EvictBytes(1) // from now on it notes keys
			require.NotZero(t, m.young.size.Load())
			require.NoError(t, m.Store([]byte{7, 0}, []byte{7}))
			it, _ := m.LoadIn(s, []byte{7, 0})
			return func() byte { return it.Value[0] }
		},
	} {
		t.Run(name, func(t *testing.T) {
			budget := slab.NewBudget(0)
			s := d.Enter()
			var borrowed func() byte
			done := make(chan struct{})
			go func() { // so that no stack refers to the map
				defer close(done)
				borrowed = fill(Options{Domain: d, Budget: budget}, s)
			}()
			<-done
			for range 3 {
				runtime.GC()
				require.EqualValues(t, 7, borrowed())
			}
			s.Leave()
			for budget.Used() > 0 {
				runtime.GC()
				p := slab.New[[64]byte](d, slab.Options{}) // looks for what was dropped
				require.NoError(t, p.Close(watchdogContext(t)))
			}
		})
	}
}

// Whichever is closed first.
func TestClose_BeforeOrAfterItsDomain(t *testing.T) {
	for _, domainFirst := range []bool{true, false} {
		d, err := smr.New(smr.Options{})
		require.NoError(t, err)
		budget := slab.NewBudget(0)
		o := Options{Domain: d, Budget: budget}
		b, err := NewBytes(o)
		require.NoError(t, err)
		for _, n := range []int{10, 1000, 70_000, 1 << 20} {
			require.NoError(t, b.Store([]byte{byte(n), byte(n >> 8)}, make([]byte, n)))
		}
		m, err := New[int, int](o)
		require.NoError(t, err)
		require.NoError(t, m.Store(1, 1))
		if domainFirst {
			require.NoError(t, d.Close(watchdogContext(t)))
		}
		require.NoError(t, b.Close(watchdogContext(t)))
		require.NoError(t, m.Close(watchdogContext(t)))
		require.NoError(t, d.Close(watchdogContext(t)))
		require.Zero(t, budget.Used())
	}
}
