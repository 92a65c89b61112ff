//go:build !smr_wrap

package clock

// The clock's first count and its increment. With 44 bits of count, a clock
// that advances a million times a second wraps in half a year.
const (
	firstSeq  Seq = 0
	increment Seq = 1 << tagBits
)
