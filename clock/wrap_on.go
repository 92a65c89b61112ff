//go:build smr_wrap

package clock

// Built with -tags smr_wrap, every clock starts three advances below the wrap
// and moves in steps a million times as large, so that it passes the sign bit
// after another 8 million and wraps again after 16 million. FreeBSD does the
// same in its INVARIANTS kernels.
const (
	firstSeq  Seq = 1<<64 - 3*increment
	increment Seq = 1 << 40
)
