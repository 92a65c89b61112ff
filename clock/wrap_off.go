//go:build !smr_wrap

package clock

// The first moment of a clock, and its increment. The count has 44 bits: a clock that advances a
// million times a second wraps in half a year.
const (
	firstSeq  Seq = 0
	increment Seq = 1 << tagBits
)
