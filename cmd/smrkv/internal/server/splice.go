package server

import (
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
		it, _ := c.look(args[1])
		c.int(int64(it.length))
	default:
		c.splice(args[1], args[3], func(int) int64 { return offset })
	}
}

// splice writes piece over the value of key, from where at says, which is told
// the value's length. It replies with the length afterwards.
func (c *conn) splice(key, piece []byte, at func(length int) int64) {
	var whole scratch
	defer whole.release(c)
	for {
		var (
			total   int
			expires int64
			tooLong bool
			fits    bool
		)
		ok := c.compute(key, func(old smrmap.Item, loaded bool) (it smrmap.Item, op smrmap.Op, _ bool) {
			offset := at(len(old.Value))
			if tooLong = offset > int64(resp.MaxBulk-len(piece)); tooLong {
				return it, smrmap.CancelOp, true
			}
			total, expires = max(len(old.Value), int(offset)+len(piece)), old.Expires
			alone := total == len(piece) // nothing of the old value is left
			if fits = alone || whole.fits(total); !fits {
				return it, smrmap.CancelOp, true
			}
			it = smrmap.Item{Value: piece, Expires: expires}
			if !alone {
				it.Value = whole.splice(old.Value, piece, int(offset), total)
			}
			return it, smrmap.UpdateOp, true
		})
		switch {
		case !ok:
			return
		case tooLong:
			c.error(errTooLong)
			return
		case !fits:
			if !whole.grow(c, total) {
				return
			}
			continue
		}
		c.stored(key, len(key)+total, expires)
		c.int(int64(total))
		return
	}
}
