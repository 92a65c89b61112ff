package server

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
)

// This file has the commands on the bits of a value. Bit 0 is the highest of the first
// byte; beyond the end all are 0.

const (
	errBitOffset = "ERR bit offset is not an integer or out of range"
	errBit       = "ERR bit is not an integer or out of range"
)

// parseBitOffset parses the place of a bit, or replies with the error. "#2" is two fields
// of so many bits, if width is not 0.
func (c *conn) parseBitOffset(arg []byte, width int) (int64, bool) {
	unit := int64(1)
	if width > 0 && len(arg) > 0 && arg[0] == '#' {
		unit, arg = int64(width), arg[1:]
	}
	n, ok := resp.ParseInt(arg)
	if !ok || n < 0 || n > math.MaxInt64/unit || n*unit>>3 >= resp.MaxBulk {
		c.error(errBitOffset)
		return 0, false
	}
	return n * unit, true
}

func bitAt(v []byte, at int64) byte {
	if at>>3 >= int64(len(v)) {
		return 0
	}
	return v[at>>3] >> (7 - at&7) & 1
}

func setBit(v []byte, at int64, bit byte) {
	mask := byte(0x80) >> (at & 7)
	if bit != 0 {
		v[at>>3] |= mask
	} else {
		v[at>>3] &^= mask
	}
}

func cmdSetBit(c *conn, args [][]byte) {
	at, ok := c.parseBitOffset(args[2], 0)
	if !ok {
		return
	}
	bit, ok := resp.ParseInt(args[3])
	if !ok || bit&^1 != 0 {
		c.error(errBit)
		return
	}
	var (
		before byte
		length int
	)
	_, ok = c.edit(args[1], edit{
		size: func(l int) int64 {
			length = l
			return max(int64(l), at>>3+1)
		},
		change: func(v []byte) bool {
			before = bitAt(v, at)
			setBit(v, at, byte(bit))
			return len(v) != length || before != byte(bit)
		},
	})
	if ok {
		c.int(int64(before))
	}
}

func cmdGetBit(c *conn, args [][]byte) {
	at, ok := c.parseBitOffset(args[2], 0)
	if !ok {
		return
	}
	var bit byte
	c.view(args[1], func(v []byte) { bit = bitAt(v, at) })
	c.int(int64(bit))
}

// view calls fn with the value of key, if there is one, and counts a hit or a miss. fn
// must not keep the value, nor wait.
func (c *conn) view(key []byte, fn func(v []byte)) (found bool) {
	for {
		data := c.data()
		s := data.Enter()
		it, ok := data.LoadIn(s, key)
		long := len(it.Value) > longView && c.hold == holdShard
		if ok && !long {
			fn(it.Value)
		}
		s.Leave()
		if !long {
			c.asked(key, ok)
			return ok
		}
		c.takesLong() // then the loop goes on without it
	}
}

// longView is how many bytes take about a tenth of a millisecond.
const longView = 1 << 20

// A bitRange is what BITCOUNT and BITPOS are asked about.
type bitRange struct {
	start, end int64 // both included; negative ones count from the end
	inBits     bool
}

// parseUnit parses BIT or BYTE.
func (r *bitRange) parseUnit(arg []byte) (failure string) {
	r.inBits = equalFold(arg, "BIT")
	if !r.inBits && !equalFold(arg, "BYTE") {
		return errSyntax
	}
	return ""
}

// of returns from which bit to before which the range is, of a value of length bytes.
func (r bitRange) of(length int) (from, to int64) {
	total, unit := int64(length), int64(8)
	if r.inBits {
		total, unit = total*8, 1
	}
	if r.start < 0 {
		r.start = max(r.start+total, 0)
	}
	if r.end < 0 {
		r.end = max(r.end+total, 0)
	}
	r.end = min(r.end, total-1)
	if r.start > r.end {
		return 0, 0
	}
	return r.start * unit, (r.end + 1) * unit
}

var wholeValue = bitRange{0, -1, false}

func cmdBitCount(c *conn, args [][]byte) {
	var count int64
	r, failure := parseBitCount(args)
	found := c.view(args[1], func(v []byte) {
		if failure == "" {
			from, to := r.of(len(v))
			count = countBits(v, from, to)
		}
	})
	if found && failure != "" { // nothing is checked of a key that is not there
		c.error(failure)
		return
	}
	c.int(count)
}

func parseBitCount(args [][]byte) (r bitRange, failure string) {
	if len(args) == 2 {
		return wholeValue, ""
	}
	if len(args) == 3 || len(args) > 5 {
		return r, errSyntax
	}
	var ok1, ok2 bool
	r.start, ok1 = resp.ParseInt(args[2])
	r.end, ok2 = resp.ParseInt(args[3])
	switch {
	case !ok1 || !ok2:
		return r, errNotInteger
	case r.start < 0 && r.end < 0 && r.start > r.end: // before the unit is checked
		return bitRange{start: 1}, ""
	case len(args) == 5:
		return r, r.parseUnit(args[4])
	}
	return r, ""
}

// countBits counts the ones of v among the bits from from to before to.
func countBits(v []byte, from, to int64) (n int64) {
	for ; from < to && from&7 != 0; from++ {
		n += int64(bitAt(v, from))
	}
	for ; from < to && to&7 != 0; to-- {
		n += int64(bitAt(v, to-1))
	}
	v = v[from>>3 : max(from, to)>>3]
	for ; len(v) >= 8; v = v[8:] {
		n += int64(bits.OnesCount64(binary.NativeEndian.Uint64(v)))
	}
	for _, b := range v {
		n += int64(bits.OnesCount8(b))
	}
	return n
}

func cmdBitPos(c *conn, args [][]byte) {
	bit, ok := c.parseInt(args[2])
	if !ok {
		return
	}
	if bit != 0 && bit != 1 {
		c.error("ERR The bit argument must be 1 or 0.")
		return
	}
	pos := -bit // of a key that is not there, which is 0 throughout; and nothing else is checked
	r, failure := parseBitPos(args)
	found := c.view(args[1], func(v []byte) {
		if failure != "" {
			return
		}
		from, to := r.of(len(v))
		pos = findBit(v, byte(bit), from, to)
		if pos < 0 && bit == 0 && len(args) < 5 && from < to {
			pos = to // the first after the end
		}
	})
	if found && failure != "" {
		c.error(failure)
		return
	}
	c.int(pos)
}

func parseBitPos(args [][]byte) (r bitRange, failure string) {
	r = wholeValue
	if len(args) > 6 {
		return r, errSyntax
	}
	var ok bool
	if len(args) > 3 {
		if r.start, ok = resp.ParseInt(args[3]); !ok {
			return r, errNotInteger
		}
	}
	if len(args) > 5 {
		if failure = r.parseUnit(args[5]); failure != "" {
			return r, failure
		}
	}
	if len(args) > 4 {
		if r.end, ok = resp.ParseInt(args[4]); !ok {
			return r, errNotInteger
		}
	}
	return r, ""
}

// findBit returns the first bit that is so, from from to before to, or -1.
func findBit(v []byte, bit byte, from, to int64) int64 {
	none := -uint64(1 - bit) // eight bytes without it
	for from < to {
		switch {
		case from&63 == 0 && to-from >= 64 && binary.NativeEndian.Uint64(v[from>>3:]) == none:
			from += 64
		case bitAt(v, from) == bit:
			return from
		default:
			from++
		}
	}
	return -1
}
