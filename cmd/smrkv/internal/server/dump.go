package server

import (
	"bytes"
	"encoding/binary"
	"hash/crc64"
	"math"
	"strconv"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
)

// This file has DUMP and RESTORE. A payload is a value as in an RDB file, the version of that
// format, and a checksum of both:
//
//	00 | length, value | 0a 00 | CRC-64         a string
//	00 | c0..c2, integer | 0a 00 | CRC-64       one that is an integer of 8, 16 or 32 bits
//	00 | c3, length, length, LZF | ...          one that is compressed: RESTORE only
//
// (Of the libraries for RDB files that there are, none that is kept up makes payloads.)

const (
	rdbVersion = 10 // of Redis 7.0
	rdbString  = 0
	rdbEncoded = 0xc0 // and with which of these
	rdbLZF     = 3
	dumpFooter = 2 + 8
	dumpMost   = 1 + 5 + dumpFooter // beside the value
	mostLZF    = 88                 // bytes made of one: three make 264
)

// dumpTable is that of the polynomial of Jones.
var dumpTable = crc64.MakeTable(0x95ac9329ac4bc9b5)

// dumpChecksum begins with 0, and does not invert, other than package crc64.
func dumpChecksum(b []byte) uint64 { return ^crc64.Update(math.MaxUint64, dumpTable, b) }

func cmdDump(c *conn, args [][]byte) {
	var copied scratch
	defer copied.release(c)
	it, _ := c.peek(args[1])
	for size, fits := it.length+dumpMost, false; !fits; {
		if !copied.grow(c, size) {
			return
		}
		found := c.view(args[1], func(v []byte) {
			size = len(v) + dumpMost
			if fits = copied.fits(size); fits {
				copied.buf.B = appendDump(copied.buf.B[:0], v)
			}
		})
		if !found {
			c.null()
			return
		}
	}
	b := binary.LittleEndian.AppendUint16(copied.buf.B, rdbVersion)
	c.bulk(binary.LittleEndian.AppendUint64(b, dumpChecksum(b)))
}

// appendDump appends what comes before the version.
func appendDump(b, v []byte) []byte {
	b = append(b, rdbString)
	if n, isInt := resp.ParseInt(v); isInt && n == int64(int32(n)) {
		return appendDumpInt(b, n)
	}
	switch n := len(v); {
	case n < 1<<6:
		b = append(b, byte(n))
	case n < 1<<14:
		b = append(b, 0x40|byte(n>>8), byte(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, 0x80), uint32(n))
	}
	return append(b, v...)
}

func appendDumpInt(b []byte, n int64) []byte {
	switch {
	case n == int64(int8(n)):
		return append(b, rdbEncoded, byte(n))
	case n == int64(int16(n)):
		return binary.LittleEndian.AppendUint16(append(b, rdbEncoded|1), uint16(n))
	}
	return binary.LittleEndian.AppendUint32(append(b, rdbEncoded|2), uint32(n))
}

// A dumpReader takes a payload apart. What is missing is zero, and bad is set.
type dumpReader struct {
	b   []byte
	bad bool
}

func (r *dumpReader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, n = true, 0
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *dumpReader) number(size uint64) (n uint64) { // big-endian
	for _, b := range r.take(size) {
		n = n<<8 | uint64(b)
	}
	return n
}

// length reads a length, or how a string is encoded otherwise.
func (r *dumpReader) length() (n uint64, encoded bool) {
	switch first := r.number(1); {
	case first < 0x40:
		return first, false
	case first < 0x80:
		return first&0x3f<<8 | r.number(1), false
	case first == 0x80:
		return r.number(4), false
	case first == 0x81:
		return r.number(8), false
	case first >= rdbEncoded:
		return first & 0x3f, true
	}
	r.bad = true
	return 0, false
}

// restored returns the value in a payload, which may be its, c.digits or in copied. If it fails
// it replies with the error and reports false.
func (c *conn) restored(payload []byte, copied *scratch) (value []byte, ok bool) {
	body := len(payload) - dumpFooter
	if len(payload) > longView {
		c.takesLong()
	}
	if body < 0 || binary.LittleEndian.Uint16(payload[body:]) > rdbVersion ||
		dumpChecksum(payload[:body+2]) != binary.LittleEndian.Uint64(payload[body+2:]) {
		c.error("ERR DUMP payload version or checksum are wrong")
		return nil, false
	}
	r := dumpReader{b: payload} // what is missing Redis takes from the version, too
	r.bad = r.number(1) != rdbString
	n, encoded := r.length()
	var number [4]byte
	switch {
	case !encoded:
		value = r.take(n)
	case n < rdbLZF:
		copy(number[:], r.take(1<<n))
		shift := 32 - 8<<n // for the sign
		value = strconv.AppendInt(c.digits[:0], int64(int32(binary.LittleEndian.Uint32(number[:])<<shift)>>shift), 10)
	case n == rdbLZF:
		packed, _ := r.length()
		size, _ := r.length()
		from := r.take(packed)
		if r.bad || size > mostLZF*uint64(len(from)) {
			r.bad = true
			break
		}
		if size > resp.MaxBulk {
			c.error(errTooLong)
			return nil, false
		}
		if !copied.grow(c, int(size)) {
			return nil, false
		}
		value, ok = unpackLZF(copied.buf.B[:0], from, int(size))
		r.bad = !ok && size > 0 // Redis does not look what it is that makes nothing
	default:
		r.bad = true
	}
	if r.bad {
		c.error("ERR Bad data format")
	}
	return value, !r.bad
}

// unpackLZF appends what from is compressed of, which is to be size bytes, for which to has room.
func unpackLZF(to, from []byte, size int) ([]byte, bool) {
	r := dumpReader{b: from}
	for len(r.b) > 0 && !r.bad {
		first := r.number(1)
		n := first >> 5
		if n == 0 { // as it is
			n = first + 1
			if len(to)+int(n) > size {
				return nil, false
			}
			to = append(to, r.take(n)...)
			continue
		}
		if n == 7 {
			n += r.number(1)
		}
		n += 2
		at := len(to) - int(first&0x1f<<8|r.number(1)) - 1
		if at < 0 || len(to)+int(n) > size {
			return nil, false
		}
		for range n { // what it copies may have just been appended
			to = append(to, to[at])
			at++
		}
	}
	return to, !r.bad && len(to) == size
}

const errBusyKey = "BUSYKEY Target key name already exists."

func cmdRestore(c *conn, args [][]byte) {
	var absolute bool
	var hint []byte
	set := valueOptions{flags: optNX}
	for i := 4; i < len(args); i++ {
		switch {
		case equalFold(args[i], "REPLACE"):
			set.flags = 0
		case equalFold(args[i], "ABSTTL"):
			absolute = true
		case i+1 < len(args) && (equalFold(args[i], "IDLETIME") || equalFold(args[i], "FREQ")) && (hint == nil || bytes.EqualFold(hint, args[i])):
			hint = args[i] // neither is kept, and only one may be given
			i++
		default:
			c.error(errSyntax)
			return
		}
	}
	if _, exists := c.peek(args[1]); exists && set.flags == optNX {
		c.error(errBusyKey)
		return
	}
	expires, ok := c.parseInt(args[2])
	if ok && expires < 0 {
		c.error("ERR Invalid TTL value, must be >= 0")
	}
	if !ok || expires < 0 {
		return
	}
	var copied scratch
	defer copied.release(c)
	value, ok := c.restored(args[3], &copied)
	if !ok {
		return
	}
	if expires != 0 && !absolute {
		expires += c.srv.now() // beyond what there is, it has passed
	}
	if expires != 0 && expires <= c.srv.now() {
		if set.flags == 0 && c.data().Delete(args[1]) {
			c.touch(args[1])
			c.event(eventGeneric, "del", args[1])
		}
		c.ok()
		return
	}
	set.expires = expires
	switch _, stored, ok := c.setIf(args[1], value, set); {
	case !ok:
	case stored:
		c.event(eventGeneric, "restore", args[1])
		c.ok()
	default:
		c.error(errBusyKey)
	}
}
