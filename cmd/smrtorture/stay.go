package main

import (
	"context"
	"math/rand/v2"
	"runtime"
	"time"
)

// A stay is what a reader does between loading elements and checking them again.
type stay struct {
	spins  int
	yields int
	sleep  time.Duration
}

// drawStay draws a stay. Most are short, since most can go wrong at an entry. Those of a sleepy
// reader often outlast many grace periods.
func drawStay(rng *rand.Rand, sleepy bool) stay {
	switch n := rng.IntN(512); {
	case sleepy && n < 128:
		return stay{sleep: 50*time.Microsecond + below(rng, 950*time.Microsecond)}
	case sleepy && n < 384, n == 0:
		return stay{yields: 1 + rng.IntN(4)}
	default:
		return drawPinnedStay(rng)
	}
}

// drawPinnedStay draws one that does not block.
func drawPinnedStay(rng *rand.Rand) stay {
	switch n := rng.IntN(16); {
	case n < 6:
		return stay{}
	case n < 14:
		return stay{spins: rng.IntN(200)}
	default:
		return stay{spins: rng.IntN(2000)}
	}
}

func (st stay) pass(rng *rand.Rand) {
	for range st.spins {
		rng.Uint64() // a few nanoseconds, and not removed by the compiler
	}
	for range st.yields {
		runtime.Gosched()
	}
	if st.sleep > 0 {
		time.Sleep(st.sleep)
	}
}

// below draws a duration less than d.
func below(rng *rand.Rand, d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }

// pause waits for d, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
