package smr

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHistogram_BucketsIncludeTheirBound(t *testing.T) {
	var h histogram
	require.Zero(t, h.snapshot().Count)
	h.add(0, 1)
	h.add(int64(10*time.Microsecond), 2)
	h.add(int64(10*time.Microsecond)+1, 3)
	h.add(int64(100*time.Second), 4)
	h.add(int64(100*time.Second)+1, 5)
	s := h.snapshot()
	require.EqualValues(t, 15, s.Count)
	require.InDelta(t, 900.00005, s.Sum, 1e-6)
	require.Equal(t, Bucket{10 * time.Microsecond, 3}, s.Buckets[0])
	require.Equal(t, Bucket{30 * time.Microsecond, 6}, s.Buckets[1])
	require.Equal(t, Bucket{30 * time.Second, 6}, s.Buckets[len(bounds)-2])
	require.Equal(t, Bucket{100 * time.Second, 10}, s.Buckets[len(bounds)-1])
}

// The histograms have how long calls waited for readers, and then for their callbacks; neither has
// how long an object was held.
func TestDiagnose_Histograms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{Workers: 1})
		require.Zero(t, d.Diagnose(0).GraceTimes.Count)
		upTo := func(h Histogram, bound time.Duration) uint64 {
			for _, b := range h.Buckets {
				if b.UpTo == bound {
					return b.Count
				}
			}
			panic("no such bucket")
		}

		o := new(diagnosed)
		s := enterElsewhere(d)
		h := Hold(s, o)
		Call(d, o, 1, (*diagnosed).free)
		for range 3 {
			d.CallFunc(1, func() { time.Sleep(2 * time.Second) })
		}
		d.Flush()
		synctest.Wait()
		time.Sleep(20 * time.Second)
		s.Leave()
		synctest.Wait()
		require.Equal(t, 1, int(d.Diagnose(0).GraceTimes.Count))
		require.EqualValues(t, 1, d.Diagnose(0).Held.Calls)
		time.Sleep(time.Hour)
		h.Release()
		require.NoError(t, d.Barrier(t.Context()))

		dg := d.Diagnose(0)
		require.EqualValues(t, 1, dg.GraceTimes.Count)
		require.InDelta(t, 20, dg.GraceTimes.Sum, 0.001)
		require.Zero(t, upTo(dg.GraceTimes, 10*time.Second))
		require.EqualValues(t, 1, upTo(dg.GraceTimes, 30*time.Second))
		require.Equal(t, dg.Callbacks, dg.CallbackTimes.Count)
		require.EqualValues(t, 1, upTo(dg.CallbackTimes, time.Second), "the released one")
		require.EqualValues(t, 4, upTo(dg.CallbackTimes, 10*time.Second))
		require.InDelta(t, 3*6, dg.CallbackTimes.Sum, 0.001, "each is done when its chunk is")
	})
}
