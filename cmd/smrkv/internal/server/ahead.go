package server

import "github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"

// Input is read ahead while the client does not read its replies: it may be a client
// that writes a whole pipeline before it reads anything, and would wait for the
// server while that waits for it. (Redis keeps the replies instead, however many
// they are.) The commands wait here, as bytes, until the replies before them are
// written. What they take is charged as queries, to which half of the budget is left that
// are executed.
type ahead struct {
	budget *buffer.Account
	pool   *buffer.Pool
	bufs   []*buffer.Buffer // filled one after the other
	taken  int              // of the first one
}

// aheadSize is the size of each buffer.
const aheadSize = 64 << 10

func (a *ahead) empty() bool { return len(a.bufs) == 0 }

// space returns where to read to, nil if there is no room.
func (a *ahead) space() []byte {
	if n := len(a.bufs); n > 0 {
		if b := a.bufs[n-1].B; len(b) < cap(b) {
			return b[len(b):cap(b)]
		}
	}
	if !a.budget.TrySpare(aheadSize) {
		return nil
	}
	b := a.pool.Get(aheadSize)
	a.bufs = append(a.bufs, b)
	return b.B[:cap(b.B)]
}

// filled is told how much was read to space; 0 if nothing was.
func (a *ahead) filled(n int) {
	last := len(a.bufs) - 1
	b := a.bufs[last]
	if b.B = b.B[:len(b.B)+n]; len(b.B) == 0 {
		a.giveBack(b)
		a.bufs = a.bufs[:last]
	}
}

// take moves bytes to p, in the order in which they came.
func (a *ahead) take(p []byte) (n int) {
	for n < len(p) && !a.empty() {
		first := a.bufs[0]
		m := copy(p[n:], first.B[a.taken:])
		n += m
		if a.taken += m; a.taken == len(first.B) {
			a.giveBack(first)
			a.bufs = append(a.bufs[:0], a.bufs[1:]...)
			a.taken = 0
		}
	}
	if a.empty() {
		a.bufs = nil
	}
	return n
}

func (a *ahead) giveBack(b *buffer.Buffer) {
	a.pool.Put(b)
	a.budget.Release(aheadSize)
}

func (a *ahead) release() {
	for _, b := range a.bufs {
		a.giveBack(b)
	}
	a.bufs, a.taken = nil, 0
}
