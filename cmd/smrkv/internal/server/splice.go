package server

import (
	"math"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
	"github.com/gosmr/gosmr/smrmap"
)

// This file has the commands that change a part of a value. The map's entries do
// not change, so the value is put together anew.

func cmdAppend(c *conn, args [][]byte) {
	c.splice(args[1], args[2], func(length int) int64 { return int64(length) })
}

func cmdSetRange(c *conn, args [][]byte) {
	offset, ok := c.parseInt(args[2])
	switch {
	case !ok:
	case offset < 0:
		c.error("ERR offset is out of range")
	case len(args[3]) == 0: // and no key is made
		it, _ := c.peek(args[1])
		c.int(int64(it.length))
	default:
		c.splice(args[1], args[3], func(int) int64 { return offset })
	}
}

// splice writes piece over the value of key, from where at says, which is told
// the value's length. It replies with the length afterwards.
func (c *conn) splice(key, piece []byte, at func(length int) int64) {
	var offset int64
	total, ok := c.edit(key, edit{
		size: func(length int) int64 {
			offset = at(length)
			return max(int64(length), min(offset, math.MaxInt64-int64(len(piece)))+int64(len(piece)))
		},
		whole: piece,
		change: func(v []byte) bool {
			copy(v[offset:], piece)
			return true
		},
	})
	if ok {
		c.int(int64(total))
	}
}

// An edit changes a part of a value. Its functions are called again when there was no
// memory, in turn, for a value that may be another by then.
type edit struct {
	// size returns how long the value will be, no shorter than it is.
	size func(length int) int64

	// change changes v, which is the value with zeros up to its new size, and reports
	// whether it is to be stored.
	change func(v []byte) bool

	// whole is stored as it is if it is as long as the new value: change would overwrite
	// all. It may be nil.
	whole []byte
}

// edit applies e to the value of key, and returns the length afterwards. If it fails it
// replies with the error and reports false.
func (c *conn) edit(key []byte, e edit) (total int, ok bool) {
	var copied scratch
	defer copied.release(c)
	for {
		var (
			size          int64
			expires       int64
			stored, short bool
		)
		ok := c.compute(key, func(old smrmap.Item, loaded bool) (it smrmap.Item, op smrmap.Op, _ bool) {
			stored, short = false, false
			if size = e.size(len(old.Value)); size > resp.MaxBulk {
				return it, smrmap.CancelOp, true
			}
			it = smrmap.Item{Value: e.whole, Expires: old.Expires}
			if len(e.whole) != int(size) {
				if short = !copied.fits(int(size)); short {
					return it, smrmap.CancelOp, true
				}
				it.Value = copied.extend(old.Value, int(size))
				if !e.change(it.Value) {
					return it, smrmap.CancelOp, true
				}
			}
			stored, expires = true, it.Expires
			return it, smrmap.UpdateOp, true
		})
		switch {
		case !ok:
			return 0, false
		case size > resp.MaxBulk:
			c.error(errTooLong)
			return 0, false
		case short:
			if !copied.grow(c, int(size)) {
				return 0, false
			}
			continue
		case stored:
			c.stored(key, len(key)+int(size), expires)
		}
		return int(size), true
	}
}
