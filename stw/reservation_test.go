package stw

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReservation(t *testing.T) {
	w := newWorld(t, Options{Max: 4})
	r, err := w.NewReservation(areaPage + 1)
	require.NoError(t, err)
	c := startCrowd(t, w, 2)
	asDomain(t, w, func(d *Domain) {
		require.Equal(t, 2*areaPage, r.Area(), "rounded up to pages")
		var all [][]byte
		for {
			b, err := r.Alloc(d, 100)
			if err != nil {
				require.ErrorIs(t, err, ErrExhausted)
				break
			}
			for i := range b {
				require.Zero(t, b[i])
				b[i] = byte(len(all) + 1)
			}
			require.Equal(t, 100, cap(b))
			all = append(all, b)
		}
		require.Len(t, all, 2*areaPage/112)
		for i, b := range all {
			for _, x := range b {
				require.Equal(t, byte(i+1), x, "they do not overlap")
			}
		}
		for _, size := range []int{-1, 2*areaPage + 1, 1 << 30} {
			_, err := r.Alloc(d, size)
			require.ErrorIs(t, err, ErrExhausted)
		}
		rest := r.Area() - r.Used(d)
		b, err := r.Alloc(d, rest)
		require.NoError(t, err)
		require.Len(t, b, rest)
		require.Equal(t, r.Area(), r.Used(d))

		// All are emptied in one stop, after what is needed was moved.
		var kept []byte
		evacuated := 0
		require.NoError(t, r.Resize(d, 1<<20, func(p *Domain, s *Stop) {
			s.Barrier(func() { kept = append(kept, all[0]...) })
			s.Barrier(func() { evacuated = len(s.Participants()) })
		}))
		require.Equal(t, 3, evacuated)
		require.Equal(t, byte(1), kept[99])
		require.Equal(t, 1<<20, r.Area())
		require.Zero(t, r.Used(d))
		_, err = r.Alloc(d, 1<<20)
		require.NoError(t, err)
		require.NoError(t, r.Reset(d, nil))
		require.Zero(t, r.Used(d))

		// If evacuation fails, nothing is lost.
		_, err = r.Alloc(d, 10)
		require.NoError(t, err)
		p := panicOf(t, func() {
			r.Resize(d, 4096, func(p *Domain, _ *Stop) {
				if p == c.domains[0] {
					panic("evacuate")
				}
			})
		})
		require.Equal(t, "evacuate", p.Value)
		require.Equal(t, 1<<20, r.Area())
		require.Equal(t, 16, r.Used(d))

		require.Error(t, r.Resize(d, -1, nil))
		require.Error(t, r.Resize(d, math.MaxInt, nil))
		require.Equal(t, 1<<20, r.Area())
	})
	// What the domain allocated outlives it: the next one goes on behind.
	asDomain(t, w, func(d *Domain) {
		require.Equal(t, 2, d.Slot())
		require.Equal(t, 16, r.Used(d))
		r.Release(d)
		_, err := r.Alloc(d, 1)
		require.ErrorIs(t, err, ErrExhausted)
	})
	c.end(t)
	_, err = w.NewReservation(-1)
	require.Error(t, err)
}
