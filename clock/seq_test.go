package clock

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSeq_BeforeSurvivesWrap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		a := Seq(rng.Uint64())
		if rng.IntN(4) == 0 {
			a = -Seq(rng.Uint64N(1 << 30)) // near the wrap
		}
		d := Seq(1 + rng.Uint64N(1<<62))
		require.True(t, a.Before(a+d), "%#x before %#x", uint64(a), uint64(a+d))
		require.False(t, (a + d).Before(a), "%#x before %#x", uint64(a+d), uint64(a))
		require.False(t, a.Before(a))
	}
}

func TestSeq_NeverZeroAndTagged(t *testing.T) {
	tags := make(map[uint64]bool)
	for range 100 {
		c := newClock(Options{Start: belowWrap(2)})
		require.NotZero(t, c.Tag())
		require.Zero(t, c.Tag()&pinnedBit)
		require.False(t, tags[c.Tag()], "two clocks share a tag")
		tags[c.Tag()] = true
		for range 5 {
			require.NotZero(t, c.Advance())
			require.Equal(t, c.Tag(), uint64(c.Now())&(1<<tagBits-1))
		}
	}
}

func TestNextTag_SkipsZero(t *testing.T) {
	last := lastTag.Load()
	defer lastTag.Store(last)
	lastTag.Store(1<<(tagBits-1) - 1) // the next one is 0 in the tag's bits
	require.NotZero(t, nextTag())
}
