package buffer

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

func newPool(t *testing.T) (*Pool, *smr.Domain) {
	dom, err := smr.New(smr.Options{})
	require.NoError(t, err)
	p := NewPool(dom)
	t.Cleanup(func() {
		require.NoError(t, p.Close(context.Background()))
		require.Zero(t, p.Bytes())
		require.NoError(t, dom.Close(context.Background()))
	})
	return p, dom
}

func TestGet_Sizes(t *testing.T) {
	pool, _ := newPool(t)
	for _, p := range []*Pool{pool, nil} {
		for _, n := range []int{0, 1, Base, Base + 1, 2 * Base, 3 * Base, 64 << 10, 100_000, 128 << 10, maxDoubled, maxDoubled + 1, 5_000_000} {
			b := p.Get(n)
			require.Len(t, b.B, 0)
			require.GreaterOrEqual(t, cap(b.B), n)
			require.Equal(t, Size(n), cap(b.B))
			clear(b.B[:cap(b.B)])
			p.Put(b)
		}
	}
}

// What was lent goes back to the system when it is given back, but for a few buffers of
// each size: large ones at once, and small ones a few grace periods later.
func TestPut_MemoryGoesBack(t *testing.T) {
	p, dom := newPool(t)
	for _, size := range []int{Base, 4 * Base, 128 << 10, 1 << 20, 10 << 20} {
		var lent []*Buffer
		for range 256 << 20 / max(size, 256<<10) {
			lent = append(lent, p.Get(size))
		}
		require.GreaterOrEqual(t, p.Bytes(), int64(len(lent)*size))
		for _, b := range lent {
			p.Put(b)
		}
		for tries := 0; p.Bytes() > 16<<20; tries++ {
			require.Less(t, tries, 100, "%d bytes stay, of buffers of %d", p.Bytes(), size)
			require.NoError(t, dom.Barrier(context.Background()))
		}
	}
}

func TestGet_AllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool drop buffers")
	}
	p, _ := newPool(t)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		p.Put(p.Get(Base))
		p.Put(p.Get(300_000))
	}))
}
