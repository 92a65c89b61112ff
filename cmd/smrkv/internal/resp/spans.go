package resp

import (
	"unsafe"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"
)

// A span is an argument's place in the buffer. The buffer may move while a
// command is incomplete; spans don't care.
//
// Few of them are Go's, and stay with the connection; more are in a buffer, off the Go heap
// as what they are of: many clients may send many arguments, and go.
type span struct{ from, to int }

const (
	// keptArgs is how many arguments a connection has room for all the time.
	keptArgs = 32

	// manyArgs is how many it has room for as long as the command takes: a buffer of the
	// smallest size. Beyond that the room is charged to the budget.
	manyArgs = buffer.Base / bytesPerSpan
)

const (
	bytesPerSpan = int(unsafe.Sizeof(span{}))
	bytesPerArg  = bytesPerSpan + int(unsafe.Sizeof([]byte{}))
)

// Uncharged returns what the arguments of the command that is executed take and are not charged.
func (p *Parser) Uncharged() int {
	if p.taken > 0 {
		return 0
	}
	return cap(p.spans)*bytesPerSpan + cap(p.args)*(bytesPerArg-bytesPerSpan)
}

func (p *Parser) add(s span) error {
	if n := len(p.spans); n == cap(p.spans) {
		if n >= manyArgs {
			more := 2*n*bytesPerArg - p.taken
			if !p.budget.Try(more) {
				return ErrNoRoom
			}
			p.taken += more
		}
		p.moveSpans(max(2*n, 8))
	}
	p.spans = append(p.spans, s)
	return nil
}

// moveSpans moves the spans to where there is room for n.
func (p *Parser) moveSpans(n int) {
	old := p.room
	var spans []span
	if p.room = nil; n <= keptArgs {
		spans = make([]span, 0, n)
	} else {
		p.room = p.pool.Get(n * bytesPerSpan)
		spans = unsafe.Slice((*span)(unsafe.Pointer(unsafe.SliceData(p.room.B))), cap(p.room.B)/bytesPerSpan)[:0]
	}
	p.spans = append(spans, p.spans...)
	if old != nil {
		p.pool.Put(old)
	}
}

// shrink gives back the room for the arguments of the last command. Those of an
// unfinished one stay.
func (p *Parser) shrink() {
	if p.left == 0 {
		p.spans = p.spans[:0]
	}
	if n := len(p.spans); n < manyArgs && cap(p.spans) > max(keptArgs, 2*n) && (n <= keptArgs || cap(p.spans) > manyArgs) {
		p.moveSpans(n)
		p.budget.Release(p.taken)
		p.taken = 0
	}
	if cap(p.args) > keptArgs {
		p.args = nil
	}
	clear(p.args[:cap(p.args)]) // they point to a buffer that another has next
}
