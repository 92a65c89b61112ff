package fuzz

import (
	"math/big"

	"github.com/gosmr/gosmr/clock"
)

// A moment is the number of advances since the clock began: it does not wrap. (A program advances a
// clock fewer than 2^63 times.)
type moment = int64

// never is later than any moment.
const never = moment(1<<63 - 1)

// A clockModel is a clock of such moments. It computes their Seqs with integers of any size.
type clockModel struct {
	start, step *big.Int // the Seq of moment 0; what one advance adds to a Seq
	around      moment   // so many advances lead back to the same Seq

	wr moment // now
	rd moment // the last known to be reached by all
}

// two64 is how many Seqs there are.
var two64 = new(big.Int).Lsh(big.NewInt(1), 64)

func newClockModel(start clock.Seq, step uint64) *clockModel {
	m := &clockModel{start: new(big.Int).SetUint64(uint64(start)), step: new(big.Int).SetUint64(step)}
	m.around = new(big.Int).Quo(two64, m.step).Int64()
	return m
}

// maxLead is how far wr may be ahead of rd.
func (m *clockModel) maxLead() moment { return m.around / 4 }

// half is how far apart two moments may be to be comparable.
func (m *clockModel) half() moment { return m.around / 2 }

// seq returns the Seq of a moment.
func (m *clockModel) seq(at moment) clock.Seq {
	n := new(big.Int).Mul(big.NewInt(at), m.step)
	n.Add(n, m.start)
	return clock.Seq(n.Mod(n, two64).Uint64())
}

// resolve returns the moment of a goal. issued is false if the clock can't have issued it: it is
// another clock's, or ahead of the present deferred goal, or was held for half the range, which is
// indistinguishable from that.
func (m *clockModel) resolve(goal clock.Seq) (at moment, issued bool) {
	n := new(big.Int).SetUint64(uint64(goal))
	count, rest := n.Sub(n, m.start).DivMod(n, m.step, new(big.Int))
	if rest.Sign() != 0 {
		return 0, false
	}
	// The latest moment up to the deferred goal that has this Seq.
	behind := new(big.Int).Sub(big.NewInt(m.wr+1), count)
	behind.Mod(behind, big.NewInt(m.around))
	at = m.wr + 1 - behind.Int64()
	return at, m.wr+1-at < m.half()
}

// advance is one Advance, and returns the moment of the goal.
func (m *clockModel) advance() moment {
	if m.wr-m.rd < m.maxLead() {
		m.wr++
		return m.wr
	}
	return m.wr + 1
}

// commit is Commit of any Seq.
func (m *clockModel) commit(goal clock.Seq) {
	if goal == m.seq(m.wr+1) {
		m.advance() // which leaves wr where it is if it is too far ahead
	}
}
