//go:build smr_wrap

package clock

import "math"

// Built with -tags smr_wrap, every clock starts three advances below the wrap
// and moves in steps a million times as large, so that it passes the sign bit
// after another 8 million and wraps again after 16 million. FreeBSD does the
// same in its INVARIANTS kernels.
const (
	firstSeq  Seq = math.MaxUint64 - 3*increment + 1
	increment Seq = 1 << 40
)
