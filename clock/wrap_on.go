//go:build smr_wrap

package clock

import "math"

// With -tags smr_wrap, every clock starts three advances below the wrap and moves in steps 65,536
// times as large, so that it passes the sign bit 134 million advances later. FreeBSD does the same
// in its INVARIANTS kernels. With much larger steps a goroutine could be delayed for half the
// range, which the clock does not allow for.
const (
	firstSeq  Seq = math.MaxUint64 - 3*increment + 1
	increment Seq = 1 << 36
)
