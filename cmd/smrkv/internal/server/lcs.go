package server

import (
	"math"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
)

// This file has LCS, which finds the longest common subsequence of two values.
//
// The table of lengths is made row by row, of which one is kept, for the shorter value.
// The way back through the table needs one bit of each place: which of two neighbours is
// larger.

// An lcs is the LCS of two values. The names are of the longer and the shorter.
type lcs struct {
	long, short []byte
	swapped     bool // the shorter comes first
	length      int
	up          []byte // bits, a row for each byte of long; nil if only the length is asked for
	mem         scratch
}

type lcsOptions struct {
	length, index, matchLength bool
	least                      int64 // of a match
}

const errLCSRoom = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"

func cmdLCS(c *conn, args [][]byte) {
	var o lcsOptions
	if !o.parse(c, args[3:]) {
		for _, key := range args[1:3] { // Redis has looked for them before that
			c.view(key, func([]byte) {})
		}
		return
	}
	var l lcs
	defer l.mem.release(c)
	if !l.load(c, args[1], args[2], o) || !l.compute(c) {
		return
	}
	switch {
	case o.index:
		l.replyIndex(c, o)
	case o.length:
		c.int(int64(l.length))
	default:
		l.replyString(c)
	}
}

func (o *lcsOptions) parse(c *conn, args [][]byte) bool {
	for i := 0; i < len(args); i++ {
		switch {
		case equalFold(args[i], "IDX"):
			o.index = true
		case equalFold(args[i], "LEN"):
			o.length = true
		case equalFold(args[i], "WITHMATCHLEN"):
			o.matchLength = true
		case equalFold(args[i], "MINMATCHLEN") && i+1 < len(args):
			var ok bool
			i++
			if o.least, ok = c.parseInt(args[i]); !ok {
				return false
			}
		default:
			c.error(errSyntax)
			return false
		}
	}
	if o.index && o.length {
		c.error("ERR If you want both the length and indexes, please just use IDX.")
		return false
	}
	return true
}

// load copies the values, and makes room for the bits. If it fails it replies with the
// error and reports false.
func (l *lcs) load(c *conn, first, second []byte, o lcsOptions) bool {
	for {
		a, _ := c.peek(first)
		b, _ := c.peek(second)
		// Redis has four bytes for each place of the table: that bounds the time as well.
		if (int64(a.length)+1)*(int64(b.length)+1) > resp.MaxBulk/4 {
			c.error(errLCSRoom)
			return false
		}
		bits := 0
		if !o.length || o.index {
			bits = max(a.length, b.length) * l.stride(min(a.length, b.length))
		}
		if !l.mem.grow(c, a.length+b.length+min(a.length, b.length)+bits) {
			return false
		}
		room := l.mem.buf.B[:0]
		ok1, ok2 := true, true
		take := func(length int, ok *bool) func([]byte) {
			return func(v []byte) {
				if *ok = len(v) == length; *ok {
					room = append(room, v...)
				}
			}
		}
		found1 := c.view(first, take(a.length, &ok1))
		found2 := c.view(second, take(b.length, &ok2))
		if !ok1 || !ok2 || !found1 && a.length > 0 || !found2 && b.length > 0 {
			continue // it was changed meanwhile
		}
		l.long, l.short = room[:a.length], room[a.length:]
		if l.swapped = a.length < b.length; l.swapped {
			l.long, l.short = l.short, l.long
		}
		if bits > 0 {
			from := len(room) + len(l.short) // that is for replyString
			l.up = room[from : from+bits]
			clear(l.up)
		}
		return true
	}
}

// stride is how many bytes the bits of a row take.
func (l *lcs) stride(short int) int { return (short + 7) / 8 }

// lcsAtOnce is how many places take about a tenth of a millisecond.
const lcsAtOnce = 100_000

// compute makes the table. It reports false if nobody waits for the reply any more.
func (l *lcs) compute(c *conn) bool {
	row := make([]uint16, len(l.short)+1) // no more: see load
	stride, since := l.stride(len(l.short)), 0
	if len(l.long)*len(l.short) > lcsAtOnce {
		c.takesLong()
		c.pause() // the values are copies
		defer c.resume()
	}
	for x, b := range l.long {
		if since += len(l.short); since > lcsAtOnce {
			if since = 0; !c.goOn() {
				c.broken = true
				return false
			}
		}
		above := uint16(0) // at the place before, one row above
		for y, s := range l.short {
			before, here := row[y], row[y+1]
			row[y+1] = max(before, here)
			if b == s {
				row[y+1] = above + 1
			} else if l.up != nil && l.isUp(here, before) {
				l.up[x*stride+y>>3] |= 1 << (y & 7)
			}
			above = here
		}
	}
	l.length = int(row[len(l.short)])
	return true
}

// isUp reports whether the way back goes to the place before in the first value, for
// the lengths at the places before in the longer and in the shorter. It goes on in the
// second value if they are the same.
func (l *lcs) isUp(long, short uint16) bool {
	if l.swapped {
		return short > long
	}
	return long > short
}

// walk goes back through the table, and calls match with each place where the two have
// the same byte, from the last, and miss after each step where they have not: without a miss
// the next match is of the bytes before.
func (l *lcs) walk(match func(first, second int), miss func()) {
	stride := l.stride(len(l.short))
	for x, y := len(l.long), len(l.short); x > 0 && y > 0; {
		if l.long[x-1] == l.short[y-1] {
			x, y = x-1, y-1
			if l.swapped {
				match(y, x)
			} else {
				match(x, y)
			}
			continue
		}
		up := l.up[(x-1)*stride+(y-1)>>3]>>((y-1)&7)&1 != 0
		if up != l.swapped {
			x--
		} else {
			y--
		}
		miss()
	}
}

func (l *lcs) replyString(c *conn) {
	first := l.long
	if l.swapped {
		first = l.short
	}
	n := len(l.long) + len(l.short)
	result := l.mem.buf.B[n : n+l.length]
	n = l.length
	l.walk(func(i, _ int) {
		n--
		result[n] = first[i]
	}, func() {})
	c.bulk(result)
}

// An lcsMatch is where both have the same bytes, one after the other.
type lcsMatch struct{ first, second, length int }

// matches calls yield with each match that is long enough, from the last.
func (l *lcs) matches(least int64, yield func(lcsMatch)) {
	var m lcsMatch
	end := func() {
		if m.length > 0 && int64(m.length) >= least {
			yield(m)
		}
		m.length = 0
	}
	l.walk(func(first, second int) {
		m = lcsMatch{first, second, m.length + 1}
	}, end)
	end()
}

func (l *lcs) replyIndex(c *conn, o lcsOptions) {
	n := 0
	l.matches(o.least, func(lcsMatch) { n++ })
	c.mapOf(2)
	c.bulkString("matches")
	c.array(n)
	l.matches(o.least, func(m lcsMatch) {
		if o.matchLength {
			c.array(3)
		} else {
			c.array(2)
		}
		for _, from := range []int{m.first, m.second} {
			c.array(2)
			c.int(int64(from))
			c.int(int64(from + m.length - 1))
		}
		if o.matchLength {
			c.int(int64(m.length))
		}
	})
	c.bulkString("len")
	c.int(int64(l.length))
}

// A row has places of 16 bits: the shorter value is no longer than the root of what load
// allows.
const _ = uint(math.MaxUint16*math.MaxUint16 - resp.MaxBulk/4)
