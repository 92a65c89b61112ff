package server

import (
	"encoding/binary"

	"github.com/gosmr/gosmr/smrmap"
)

// This file has BITOP. Its destination may be one of the sources, so it is executed alone:
// see gate.

type bitOp int

const (
	bitAnd bitOp = iota
	bitOr
	bitXor
	bitNot
)

var bitOpNames = []string{"AND", "OR", "XOR", "NOT"}

func cmdBitOp(c *conn, args [][]byte) {
	op := bitOp(indexFold(bitOpNames, args[1]))
	to, from := args[2], args[3:]
	switch {
	case op < 0:
		c.error(errSyntax)
		return
	case op == bitNot && len(from) != 1:
		c.error("ERR BITOP NOT must be called with a single source key.")
		return
	}
	var n need
	if length := c.longest(from); length > 0 {
		n.add(len(to) + length)
	}
	if !c.spare(n) {
		c.error(errOOM)
		return
	}
	c.alone(func() { c.bitOp(op, to, from) })
}

// longest returns how long the longest value of keys is.
func (c *conn) longest(keys [][]byte) (length int) {
	for _, key := range keys {
		it, _ := c.peek(key)
		length = max(length, it.length)
	}
	return length
}

func (c *conn) bitOp(op bitOp, to []byte, from [][]byte) {
	length := c.longest(from)
	if length == 0 {
		for _, key := range from {
			c.look(key) // counts
		}
		c.delete(to)
		c.int(0)
		return
	}
	var copied scratch
	defer copied.release(c)
	if !copied.grow(c, length) {
		return
	}
	var value []byte
	for i, key := range from {
		var found bool
		combine := func(v []byte) {
			if i == 0 {
				value = copied.extend(v, length)
			} else {
				op.combine(value, v)
			}
		}
		if found = c.view(key, combine); !found {
			combine(nil)
		}
	}
	if op == bitNot {
		for i := range value {
			value[i] = ^value[i]
		}
	}
	if c.store(to, smrmap.Item{Value: value}) {
		c.int(int64(length))
	}
}

// combine combines to with v, which has zeros beyond its end.
func (op bitOp) combine(to, v []byte) {
	rest := to[len(v):]
	for ; len(v) >= 8; to, v = to[8:], v[8:] {
		a, b := binary.NativeEndian.Uint64(to), binary.NativeEndian.Uint64(v)
		binary.NativeEndian.PutUint64(to, combineWords(op, a, b))
	}
	for i, b := range v {
		to[i] = combineWords(op, to[i], b)
	}
	if op == bitAnd {
		clear(rest)
	}
}

func combineWords[T byte | uint64](op bitOp, a, b T) T {
	switch op {
	case bitAnd:
		return a & b
	case bitOr:
		return a | b
	}
	return a ^ b
}
