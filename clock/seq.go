package clock

import (
	"errors"

	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
)

// A Seq is a moment of one clock: a goal to poll or wait for. Seqs of one clock are ordered, but
// wrap: compare them with [Seq.Before], never with <. No clock reaches the zero Seq.
//
// Layout, low bits first:
//
//	bit 0      always 0; in a record it marks a pinned section
//	1 to 19    the clock's tag, never 0
//	20 to 63   the count of advances (the increment is 1<<20)
//
// The tag keeps a Seq from being 0 when the count wraps, and from being mistaken for a goal of
// another clock. Tags are handed out in turn: two clocks share one only if half a million others
// were made between them.
type Seq uint64

const (
	tagBits   = 20
	tagStep   = 2
	pinnedBit = 1 // in a record's word, not in a Seq
)

// Tag returns the bits that all Seqs of one clock share: see [Clock.Tag].
func (a Seq) Tag() uint64 { return uint64(a) & (1<<tagBits - 1) }

// Before reports whether a is an earlier moment than b. The two must be less than half the range,
// 2^43 advances, apart.
func (a Seq) Before(b Seq) bool { return int64(a-b) < 0 }

// ErrSeq is returned by [Clock.Wait] for a goal that the clock never issued: the zero Seq, a goal
// of another clock, a goal from the future, or one kept for more than 2^43 advances.
var ErrSeq = errors.New("goal was never issued by this clock")

var lastTag satomic.Uint32

// nextTag returns the tag bits for a new clock, in place.
func nextTag() Seq {
	for {
		if tag := Seq(lastTag.Add(1)*tagStep) % (1 << tagBits); tag != 0 {
			return tag
		}
	}
}
