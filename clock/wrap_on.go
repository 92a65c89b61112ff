//go:build smr_wrap

package clock

import "math"

// Built with -tags smr_wrap, every clock starts three advances below the wrap
// and moves in steps 65,536 times as large, so that it passes the sign bit after
// another 134 million. FreeBSD does the same in its INVARIANTS kernels. Steps
// much larger would break what the clock relies on: that no goroutine is delayed
// for half the range.
const (
	firstSeq  Seq = math.MaxUint64 - 3*increment + 1
	increment Seq = 1 << 36
)
