package resp

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"
)

// The limits of Redis, except that it allows 2^31-1 arguments, and that what is
// "too big" there depends on how the bytes were cut up on their way.
const (
	MaxLine = 64 << 10  // an inline command; a line that says how many or how long
	MaxArgs = 1 << 20   // arguments of a command
	MaxBulk = 512 << 20 // bytes of an argument

	// Before the client has authenticated.
	MaxArgsUnauthenticated = 10
	MaxBulkUnauthenticated = 16 << 10
)

// Protocol errors have the text of Redis's. After one the connection is of no
// more use: nobody knows where the next command begins.
var (
	errBigInline  = errors.New("Protocol error: too big inline request")
	errBigArgs    = errors.New("Protocol error: too big mbulk count string")
	errBigBulk    = errors.New("Protocol error: too big bulk count string")
	errArgs       = errors.New("Protocol error: invalid multibulk length")
	errBulk       = errors.New("Protocol error: invalid bulk length")
	errArgsUnauth = errors.New("Protocol error: unauthenticated multibulk length")
	errBulkUnauth = errors.New("Protocol error: unauthenticated bulk length")

	// ErrNoRoom is returned when the connections' budget has no room for a
	// command that gets longer and longer.
	ErrNoRoom = errors.New("Protocol error: too much unprocessed input of all clients together")
)

// A Parser finds the commands in what a client sends. It does no I/O:
//
//	for {
//		args, err := p.Next()
//		if args == nil && err == nil {
//			space, err := p.Space()
//			n, err := read(space)
//			p.Filled(n)
//		}
//	}
//
// Commands are not copied: the arguments that Next returns are parts of the
// buffer that was read into.
//
//	buf: │ done │ *2 $3 GET $5 hel        │ space │
//	     0      start          pos        end     cap
//
// A command that is not complete is taken up where it was left, so bytes are
// looked at once however they are cut up. The buffer grows as they arrive, never
// because of a length that was merely announced.
type Parser struct {
	// Unauthenticated makes the limits those before AUTH.
	Unauthenticated bool

	budget *buffer.Account
	pool   *buffer.Pool
	buf    *buffer.Buffer // nil: nothing is buffered
	start  int            // of the unfinished command
	pos    int            // first byte not looked at
	end    int            // of what was read

	left  int // arguments still to come; 0: between commands
	bulk  int // length of the one that is being read; -1: not known yet
	spans []span
	room  *buffer.Buffer // whose memory spans is; nil: it is Go's
	args  [][]byte
	taken int // of the budget, for spans and args
	waits int // of the budget, for what is not charged else while it waits for more
	err   error

	placer Placer // nil: there are no places
	large  int    // the least argument that is placed
	placed placed
}

// Init makes p ready. Its buffers are of pool; what they have above the smallest size is
// charged to budget, and while they wait for the rest of a command all of it.
func (p *Parser) Init(budget *buffer.Account, pool *buffer.Pool) {
	*p = Parser{budget: budget, pool: pool, bulk: -1}
}

// Next returns the next command, at least one argument, or nil if the bytes so
// far don't hold a complete one. What it returns is valid until the next call of
// a method. An error is final.
func (p *Parser) Next() ([][]byte, error) {
	if p.err != nil {
		return nil, p.err
	}
	args, err := p.next()
	p.err = err
	return args, err
}

func (p *Parser) next() ([][]byte, error) {
	for p.left == 0 {
		if p.placed.asked {
			p.unplace()
		}
		p.start = p.pos
		if p.pos == p.end {
			return nil, nil
		}
		if p.buf.B[p.pos] != '*' {
			args, err := p.inline()
			if args != nil || err != nil || p.pos == p.start {
				return args, err
			}
			continue // an empty line
		}
		n, ok, err := p.header(errBigArgs, errArgs)
		switch {
		case err != nil || !ok:
			return nil, err
		case n > MaxArgs:
			return nil, errArgs
		case n > MaxArgsUnauthenticated && p.Unauthenticated:
			return nil, errArgsUnauth
		}
		p.left = int(max(n, 0)) // none is no command
		p.spans = p.spans[:0]
	}
	for p.left > 0 {
		if p.bulk < 0 {
			n, ok, err := p.header(errBigBulk, errBulk)
			switch {
			case err != nil || !ok:
				return nil, err
			case n < 0 || n > MaxBulk:
				return nil, errBulk
			case n > MaxBulkUnauthenticated && p.Unauthenticated:
				return nil, errBulkUnauth
			}
			p.bulk = int(n)
		}
		// CR and LF after it are not looked at: Redis doesn't either.
		if p.end-p.pos < p.bulk+2 || p.placing() {
			if p.bulk >= p.large {
				p.placeLarge()
			}
			return nil, nil
		}
		if err := p.add(span{p.pos, p.pos + p.bulk}); err != nil {
			return nil, err
		}
		p.pos += p.bulk + 2
		p.bulk = -1
		p.left--
	}
	return p.arguments(), nil
}

// header reads a line at pos that is a byte and a number. It reports false if
// the line is not complete yet.
func (p *Parser) header(tooBig, invalid error) (n int64, ok bool, err error) {
	b := p.buf.B[p.pos:p.end]
	// Almost always it is a few digits. The first of them is no 0, or the only one.
	for i := 1; i < len(b) && i < 10; i++ {
		if d := b[i] - '0'; d <= 9 {
			n = n*10 + int64(d)
			continue
		}
		if b[i] != '\r' || i == 1 || b[1] == '0' && i > 2 || i+1 >= len(b) {
			break
		}
		if b[0] != '*' && b[0] != '$' {
			break
		}
		if (b[0] == '*') != (p.left == 0) {
			break
		}
		p.pos += i + 2
		return n, true, nil
	}
	return p.headerSlow(b, tooBig, invalid)
}

func (p *Parser) headerSlow(b []byte, tooBig, invalid error) (n int64, ok bool, err error) {
	i := bytes.IndexByte(b, '\r')
	switch {
	case i > MaxLine || i < 0 && len(b) > MaxLine:
		return 0, false, tooBig
	case i < 0 || i+1 >= len(b): // the byte after CR belongs to it, whatever it is
		return 0, false, nil
	case p.left > 0 && b[0] != '$':
		return 0, false, fmt.Errorf("Protocol error: expected '$', got '%s'", b[:1])
	}
	if n, ok = ParseInt(b[1:i]); !ok {
		return 0, false, invalid
	}
	p.pos += i + 2
	return n, true, nil
}

// inline returns the words of the line at pos; none if it is empty or, with pos
// left as it is, not complete yet.
func (p *Parser) inline() ([][]byte, error) {
	b := p.buf.B[p.pos:p.end]
	i := bytes.IndexByte(b, '\n')
	switch {
	case i > MaxLine || i < 0 && len(b) > MaxLine:
		return nil, errBigInline
	case i < 0:
		return nil, nil
	}
	line := b[:i]
	if i > 0 && line[i-1] == '\r' {
		line = line[:i-1]
	}
	spans, err := splitInline(line, p.spans[:0])
	if err != nil {
		return nil, err
	}
	for j := range spans {
		spans[j].from += p.pos
		spans[j].to += p.pos
	}
	p.spans = spans
	p.pos += i + 1
	if len(spans) == 0 {
		return nil, nil
	}
	return p.arguments(), nil
}

// arguments returns the complete command.
func (p *Parser) arguments() [][]byte {
	args := p.args[:0]
	if cap(args) < len(p.spans) {
		args = make([][]byte, 0, len(p.spans))
	}
	b := p.buf.B[:p.end]
	for _, s := range p.spans {
		args = append(args, b[s.from:s.to:s.to])
	}
	if cap(args) <= manyArgs {
		p.args = args // till Release
	}
	if p.placed.b != nil {
		args[p.placed.arg] = p.placed.b
	}
	return args
}

// Space returns where to read to: as much as there is, one byte at least. Next
// must have returned nil since the last call. It returns [ErrNoRoom] when the
// buffer would have to grow and the budget has no room.
func (p *Parser) Space() ([]byte, error) {
	if p.placing() {
		return p.placed.b[p.placed.filled:], nil
	}
	if p.buf == nil {
		p.buf = p.pool.Get(buffer.Base)
	}
	if p.start == p.end { // nothing is buffered
		p.start, p.pos, p.end = 0, 0, 0
	}
	size := cap(p.buf.B)
	// What is missing of the argument, or a byte of a line.
	need := 1
	if p.bulk >= 0 {
		need = p.bulk + 2 - (p.end - p.pos)
	}
	if need <= size-p.end {
		return p.buf.B[p.end:size], nil
	}
	if p.start > 0 {
		p.moveTo(p.buf)
	}
	// The buffer doubles when it is full, or takes the rest of the command if that
	// is about as much. While it is not full, a length that was announced makes no
	// difference.
	if p.end == size {
		more := size
		if p.left == 1 && p.bulk >= 0 && need <= size+size/2 {
			more = need
		}
		if err := p.grow(size + more); err != nil {
			return nil, err
		}
	}
	return p.buf.B[p.end:cap(p.buf.B)], nil
}

// grow moves everything to a buffer of the given size.
func (p *Parser) grow(size int) error {
	size = buffer.Size(size)
	if !p.budget.Try(size) {
		return ErrNoRoom
	}
	p.replace(size)
	return nil
}

// replace moves everything to a buffer of the given size, which is charged if it is not the
// smallest, and gives the old one back.
func (p *Parser) replace(size int) {
	old := p.buf
	p.moveTo(p.pool.Get(size))
	p.put(old)
}

// put gives a buffer back, and what was charged for it.
func (p *Parser) put(b *buffer.Buffer) {
	if n := cap(b.B); n > buffer.Base {
		p.budget.Release(n)
	}
	p.pool.Put(b)
}

// moveTo moves what is unfinished to the front of b, which may be the buffer.
func (p *Parser) moveTo(b *buffer.Buffer) {
	copy(b.B[:cap(b.B)], p.buf.B[p.start:p.end])
	b.B = b.B[:cap(b.B)]
	for i := range p.spans {
		p.spans[i].from -= p.start
		p.spans[i].to -= p.start
	}
	p.pos -= p.start
	p.end -= p.start
	p.start = 0
	p.buf = b
}

// Filled says that n bytes were read to the beginning of what Space returned, and then of Tail.
func (p *Parser) Filled(n int) {
	if p.placing() {
		placed := min(n, len(p.placed.b)-p.placed.filled)
		p.placed.filled += placed
		n -= placed
	}
	p.end += n
	p.buf.B = p.buf.B[:cap(p.buf.B)]
}

// Buffered returns how many bytes wait for more to come.
func (p *Parser) Buffered() int { return p.end - p.start + p.placed.filled }

// Release gives the buffer back if nothing is in it, or a larger one if little is,
// and what the last command took beyond the usual in any case. To be called before
// waiting for input.
func (p *Parser) Release() {
	if p.left == 0 && p.placed.asked {
		p.unplace()
	}
	switch {
	case p.buf == nil:
	case p.start == p.end:
		p.giveBack()
	case cap(p.buf.B) > buffer.Base && p.end-p.start <= buffer.Base/2:
		p.replace(buffer.Base)
	}
	p.shrink()
	p.charge()
}

// charge charges what an unfinished command holds that is not charged when it is taken:
// most are finished at once.
func (p *Parser) charge() {
	n := 0
	if p.buf != nil && cap(p.buf.B) == buffer.Base {
		n = buffer.Base
	}
	if p.taken == 0 && p.room != nil {
		n += cap(p.room.B)
	}
	if n > p.waits {
		p.budget.Take(n - p.waits)
	} else {
		p.budget.Release(p.waits - n)
	}
	p.waits = n
}

// Close gives the buffer back whatever is in it. The parser must not be used
// any more.
func (p *Parser) Close() {
	if p.buf != nil {
		p.giveBack()
	}
	p.left = 0
	p.unplace()
	p.shrink()
	p.charge()
	p.err = errors.New("resp: parser is closed")
}

func (p *Parser) giveBack() {
	p.put(p.buf)
	p.buf = nil
	p.start, p.pos, p.end = 0, 0, 0
}
