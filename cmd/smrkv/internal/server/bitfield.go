package server

import (
	"math"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
)

// This file has BITFIELD, which reads and writes integers of any width within a value.

const (
	errFieldType = "ERR Invalid bitfield type. Use something like i16 u8. " +
		"Note that u64 is not supported but i64 is."
	errFieldReadOnly = "ERR BITFIELD_RO only supports the GET subcommand"
)

// A fieldOp is a GET, SET or INCRBY of BITFIELD.
type fieldOp struct {
	kind     int
	signed   bool
	width    int
	at       int64
	operand  int64
	overflow int
}

const (
	fieldGet = iota
	fieldSet
	fieldIncr
)

// What to do with a number that has no room in a field.
const (
	overflowWrap = iota // cut off its higher bits
	overflowSat         // the nearest that has
	overflowFail        // nothing
)

var overflowNames = []string{"WRAP", "SAT", "FAIL"}

// fieldOps is a BITFIELD; its results are those of the last try.
type fieldOps struct {
	ops     []fieldOp
	writes  bool
	bytes   int64 // that a value must have for what is written
	results []fieldResult
}

type fieldResult struct {
	n    int64
	null bool
}

func cmdBitField(c *conn, args [][]byte)   { c.bitField(args, false) }
func cmdBitFieldRO(c *conn, args [][]byte) { c.bitField(args, true) }

func (c *conn) bitField(args [][]byte, readOnly bool) {
	var f fieldOps
	switch {
	case !f.parse(c, args[2:]):
		return
	case !f.writes:
		if !c.view(args[1], func(v []byte) { f.apply(v) }) {
			f.apply(nil)
		}
	case readOnly:
		c.error(errFieldReadOnly)
		return
	default:
		var length int
		if _, ok := c.edit(args[1], edit{
			size: func(l int) int64 {
				length = l
				return max(int64(l), f.bytes)
			},
			change: func(v []byte) bool { return f.apply(v) || len(v) != length },
		}); !ok {
			return
		}
	}
	c.array(len(f.results))
	for _, r := range f.results {
		if r.null {
			c.null()
		} else {
			c.int(r.n)
		}
	}
}

// parse parses the arguments, or replies with the error.
func (f *fieldOps) parse(c *conn, args [][]byte) bool {
	overflow := overflowWrap
	for len(args) > 0 {
		op := fieldOp{overflow: overflow}
		n := 4
		switch {
		case equalFold(args[0], "GET"):
			op.kind, n = fieldGet, 3
		case equalFold(args[0], "SET"):
			op.kind = fieldSet
		case equalFold(args[0], "INCRBY"):
			op.kind = fieldIncr
		case equalFold(args[0], "OVERFLOW"):
			n = 2
		default:
			n = math.MaxInt
		}
		if len(args) < n {
			c.error(errSyntax)
			return false
		}
		if n == 2 {
			if overflow = indexFold(overflowNames, args[1]); overflow < 0 {
				c.error("ERR Invalid OVERFLOW type specified")
				return false
			}
		} else if !f.parseOp(c, op, args[1:n]) {
			return false
		}
		args = args[n:]
	}
	return true
}

// parseOp parses the type, the place and, unless it is a GET, the number.
func (f *fieldOps) parseOp(c *conn, op fieldOp, args [][]byte) (ok bool) {
	if !op.parseType(args[0]) {
		c.error(errFieldType)
		return false
	}
	if op.at, ok = c.parseBitOffset(args[1], op.width); !ok {
		return false
	}
	if op.kind != fieldGet {
		if op.operand, ok = c.parseInt(args[2]); !ok {
			return false
		}
		f.writes = true
		f.bytes = max(f.bytes, (op.at+int64(op.width)-1)>>3+1)
	}
	f.ops = append(f.ops, op)
	return true
}

// parseType parses i1 to i64 and u1 to u63, up to a NUL.
func (op *fieldOp) parseType(arg []byte) bool {
	arg = cString(arg, len(arg))
	if len(arg) == 0 || arg[0] != 'i' && arg[0] != 'u' {
		return false
	}
	op.signed = arg[0] == 'i'
	most := int64(63)
	if op.signed {
		most = 64
	}
	n, ok := resp.ParseInt(arg[1:])
	op.width = int(n)
	return ok && 1 <= n && n <= most
}

// apply does all of it to v, and reports whether that changed it.
func (f *fieldOps) apply(v []byte) (changed bool) {
	f.results = f.results[:0]
	for i := range f.ops {
		op := &f.ops[i]
		old := op.read(v)
		if op.kind == fieldGet {
			f.results = append(f.results, fieldResult{n: old})
			continue
		}
		n, fits := op.result(old)
		if !fits && op.overflow == overflowFail {
			f.results = append(f.results, fieldResult{null: true})
			continue
		}
		op.write(v, n)
		changed = changed || n != old
		if op.kind == fieldSet {
			f.results = append(f.results, fieldResult{n: old})
		} else {
			f.results = append(f.results, fieldResult{n: n})
		}
	}
	return changed
}

// result returns what to write to a field that is old, and whether that is exact.
func (op *fieldOp) result(old int64) (n int64, fits bool) {
	least, most := int64(0), int64(1)<<(op.width-1)-1 // of an int64 that is MaxInt64, too
	if op.signed {
		least = -most - 1
	} else {
		most = most<<1 | 1
	}
	n = op.operand
	above, below := n > most, n < least
	if op.kind == fieldIncr {
		n += old
		above = op.operand > 0 && (n < old || n > most)
		below = op.operand < 0 && (n > old || n < least)
	} else if !op.signed { // a negative number counts as one of 64 bits
		above, below = above || below, false
	}
	switch {
	case !above && !below:
		return n, true
	case op.overflow == overflowWrap:
		return op.extend(uint64(n)), false
	case above:
		return most, false
	}
	return least, false
}

// extend makes a number of the lower bits.
func (op *fieldOp) extend(b uint64) int64 {
	unused := 64 - op.width
	if op.signed {
		return int64(b<<unused) >> unused
	}
	return int64(b << unused >> unused)
}

func (op *fieldOp) read(v []byte) int64 {
	var b uint64
	for i := range int64(op.width) {
		b = b<<1 | uint64(bitAt(v, op.at+i))
	}
	return op.extend(b)
}

func (op *fieldOp) write(v []byte, n int64) {
	for i := range int64(op.width) {
		setBit(v, op.at+i, byte(uint64(n)>>(int64(op.width)-1-i)&1))
	}
}
