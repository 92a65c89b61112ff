package server

import (
	"math"

	"github.com/gosmr/gosmr/smrmap"
)

// This file has the commands that set and get when a key expires.

func cmdExpire(c *conn, args [][]byte)    { c.expireAt(args, c.srv.now(), 1000) }
func cmdPExpire(c *conn, args [][]byte)   { c.expireAt(args, c.srv.now(), 1) }
func cmdExpireAt(c *conn, args [][]byte)  { c.expireAt(args, 0, 1000) }
func cmdPExpireAt(c *conn, args [][]byte) { c.expireAt(args, 0, 1) }

// expireAt sets when a key expires: base milliseconds plus args[2] times unit,
// which may be in the past.
func (c *conn) expireAt(args [][]byte, base, unit int64) {
	cond, ok := c.parseExpireCondition(args[3:])
	if !ok {
		return
	}
	when, ok := c.parseInt(args[2])
	switch {
	case !ok:
		return
	case when > math.MaxInt64/unit || when < math.MinInt64/unit, when*unit > math.MaxInt64-base:
		c.errorExpireTime()
		return
	}
	when = when*unit + base
	done, event := false, ""
	c.compute(args[1], func(old smrmap.Item, loaded bool) (it smrmap.Item, op smrmap.Op, fits bool) {
		switch done = loaded && cond.allow(old.Expires, when); {
		case !done:
			return it, smrmap.CancelOp, true
		case when <= c.srv.now():
			event = "del"
			return it, smrmap.DeleteOp, true
		}
		event = "expire"
		return smrmap.Item{Expires: when}, smrmap.ExpireOp, true
	})
	if done {
		c.stored(args[1], 0, when)
		c.event(eventGeneric, event, args[1])
	}
	c.bool(done)
}

// An expireCondition is the NX, XX, GT and LT of EXPIRE.
type expireCondition struct{ nx, xx, gt, lt bool }

func (c *conn) parseExpireCondition(args [][]byte) (cond expireCondition, ok bool) {
	for _, arg := range args {
		switch {
		case equalFold(arg, "NX"):
			cond.nx = true
		case equalFold(arg, "XX"):
			cond.xx = true
		case equalFold(arg, "GT"):
			cond.gt = true
		case equalFold(arg, "LT"):
			cond.lt = true
		default:
			c.error("ERR Unsupported option " + string(cString(arg, quotedMost)))
			return cond, false
		}
	}
	switch {
	case cond.nx && (cond.xx || cond.gt || cond.lt):
		c.error("ERR NX and XX, GT or LT options at the same time are not compatible")
		return cond, false
	case cond.gt && cond.lt:
		c.error("ERR GT and LT options at the same time are not compatible")
		return cond, false
	}
	return cond, true
}

// allow reports whether an expiry may become when. That of a key that never
// expires, old 0, counts as later than any.
func (e expireCondition) allow(old, when int64) bool {
	switch {
	case e.nx && old != 0, e.xx && old == 0:
		return false
	case e.gt && (old == 0 || when <= old):
		return false
	case e.lt && old != 0 && when >= old:
		return false
	}
	return true
}

func cmdPersist(c *conn, args [][]byte) {
	done := false
	c.compute(args[1], func(old smrmap.Item, loaded bool) (it smrmap.Item, op smrmap.Op, fits bool) {
		if done = loaded && old.Expires != 0; !done {
			return it, smrmap.CancelOp, true
		}
		return smrmap.Item{}, smrmap.ExpireOp, true
	})
	if done {
		c.touch(args[1])
		c.event(eventGeneric, "persist", args[1])
	}
	c.bool(done)
}

func cmdTTL(c *conn, args [][]byte)         { c.ttl(args[1], true, 1000) }
func cmdPTTL(c *conn, args [][]byte)        { c.ttl(args[1], true, 1) }
func cmdExpireTime(c *conn, args [][]byte)  { c.ttl(args[1], false, 1000) }
func cmdPExpireTime(c *conn, args [][]byte) { c.ttl(args[1], false, 1) }

// ttl replies with when key expires, as the unit of so many milliseconds; rounded,
// as Redis does.
func (c *conn) ttl(key []byte, relative bool, unit int64) {
	it, ok := c.look(key)
	switch {
	case !ok:
		c.int(-2)
		return
	case it.expires == 0:
		c.int(-1)
		return
	}
	t := it.expires
	if relative {
		t = max(t-c.srv.now(), 0)
	}
	if unit > 1 {
		t = t/unit + (t%unit+unit/2)/unit
	}
	c.int(t)
}
