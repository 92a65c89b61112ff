package resp

// A large argument may be read to where it is to stay, rather than into the buffer:
//
//	buf:   │ *3 $3 SET $1 k $9000000 │ ──▶ the CR LF that ends the argument, and what follows
//	place: │ the argument      │ space │
//
// That is decided once an eighth of it has arrived, and all of it is charged then: a length that was
// merely announced takes nothing.

// A Placer has places for arguments.
type Placer interface {
	// Place returns n bytes for the argument that follows args, or nil if that is to be in the
	// buffer. They must stay until the command is complete, or the parser is closed.
	Place(args [][]byte, n int) []byte
}

// arrivedPart is which part of an argument has arrived when a place is asked for.
const arrivedPart = 8

// A placed is an argument that is not in the buffer.
type placed struct {
	b      []byte // nil: there is none
	filled int    // bytes of it
	arg    int    // which argument it is
	asked  bool   // for a place, once for a command
}

// PlaceLarge has p ask for places for arguments of least bytes, or more.
func (p *Parser) PlaceLarge(least int, placer Placer) { p.large, p.placer = least, placer }

// placeLarge finds a place for the argument that is being read, if it is time for that.
func (p *Parser) placeLarge() {
	n, arrived := p.bulk, p.end-p.pos
	if p.placer == nil || p.placed.asked || arrived < n/arrivedPart || arrived >= n {
		return
	}
	p.placed.asked = true
	if !p.budget.Try(n) {
		return
	}
	b := p.placer.Place(p.arguments(), n)
	if b == nil {
		p.budget.Release(n)
		return
	}
	p.placed.b, p.placed.arg, p.placed.filled = b, len(p.spans), copy(b, p.buf.B[p.pos:p.end])
	p.end = p.pos
	p.bulk = 0 // is what the buffer has of it
}

// unplace forgets the place, after its command.
func (p *Parser) unplace() {
	p.budget.Release(len(p.placed.b))
	p.placed = placed{}
}

// placing reports whether bytes of a placed argument are still to come.
func (p *Parser) placing() bool { return p.placed.filled < len(p.placed.b) }

// Tail returns where what comes after the space may be read to, with the same read; nil if it is not to
// be read yet.
func (p *Parser) Tail() []byte {
	if !p.placing() || p.end == cap(p.buf.B) {
		return nil
	}
	return p.buf.B[p.end:cap(p.buf.B)]
}
