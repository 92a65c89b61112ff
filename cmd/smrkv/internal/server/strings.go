package server

import (
	"errors"
	"strconv"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smrmap"
)

// This file has the commands that read and write values.

func cmdGet(c *conn, args [][]byte) { c.get(args[1]) }

// get replies with the value of key, or with null.
func (c *conn) get(key []byte) {
	for {
		data := c.data()
		s := data.Enter()
		it, ok := data.LoadIn(s, key)
		copied := ok && c.copyBulk(it.Value)
		s.Leave()
		switch {
		case !ok:
			c.miss(key)
			c.null()
			return
		case copied:
			c.tally.hits++
			return
		}
		if size := c.want - bulkOverhead; size >= c.srv.opts.largeValue && !c.out.holding {
			if c.getLarge(key, size) {
				return
			}
			continue
		}
		if !c.makeRoom(c.want) {
			c.error(errReplyRoom)
			return
		}
	}
}

// cmdMGet replies with values that are there at one moment, as far as EXEC goes: they are
// copied without a pause. Only what is larger than all clients' replies may be together is
// copied one value at a time.
func cmdMGet(c *conn, args [][]byte) {
	for !c.copyValues(args[1:]) {
		if int64(c.want) > c.srv.buffers.Limit() && !c.out.holding {
			c.array(len(args) - 1)
			for _, key := range args[1:] {
				c.get(key)
			}
			return
		}
		if !c.makeRoom(c.want) {
			c.error(errReplyRoom)
			return
		}
	}
}

// copyValues replies with the values of keys. If there is not enough room it does nothing
// and reports false, as copyBulk does.
func (c *conn) copyValues(keys [][]byte) bool {
	if c.broken {
		return true // nobody will see
	}
	room := cap(c.out.b) - len(c.out.b)
	out, hits := c.out.b, int64(0)
	var missed [][]byte
	c.want = resp.HeaderSize
	if c.want <= room {
		out = resp.AppendArray(out, len(keys))
	}
	for _, key := range keys {
		data := c.data()
		s := data.Enter()
		it, ok := data.LoadIn(s, key)
		c.want += len(it.Value) + bulkOverhead
		switch {
		case c.want > room:
		case ok:
			out = resp.AppendBulk(out, it.Value)
		default:
			out = c.protocol().AppendNull(out)
		}
		s.Leave()
		if ok {
			hits++
		} else if c.wants(eventMiss) {
			missed = append(missed, key)
		}
	}
	if c.want > room {
		return false
	}
	c.out.b = out
	c.tally.hits += hits
	c.tally.misses += int64(len(keys)) - hits
	for _, key := range missed {
		c.event(eventMiss, "keymiss", key)
	}
	return true
}

func cmdStrLen(c *conn, args [][]byte) {
	it, _ := c.look(args[1])
	c.int(int64(it.length))
}

// A glance is what can be told of an entry without its value.
type glance struct {
	length  int
	expires int64
}

// look looks at an entry and counts a hit or a miss.
func (c *conn) look(key []byte) (glance, bool) {
	g, ok := c.peek(key)
	c.asked(key, ok)
	return g, ok
}

func cmdGetRange(c *conn, args [][]byte) {
	start, ok1 := resp.ParseInt(args[2])
	end, ok2 := resp.ParseInt(args[3])
	if !ok1 || !ok2 {
		c.error(errNotInteger)
		return
	}
	for {
		data := c.data()
		s := data.Enter()
		it, ok := data.LoadIn(s, args[1])
		copied := c.copyBulk(part(it.Value, start, end))
		s.Leave()
		if copied {
			c.asked(args[1], ok)
			return
		}
		if !c.makeRoom(c.want) {
			c.error(errReplyRoom)
			return
		}
	}
}

// part returns v from start to end, both included; negative ones count from the
// end of v.
func part(v []byte, start, end int64) []byte {
	if start < 0 && end < 0 && start > end {
		return nil
	}
	from, to := bitRange{start: start, end: end}.of(len(v))
	return v[from/8 : to/8]
}

func cmdSet(c *conn, args [][]byte) {
	var o valueOptions
	if len(args) > 3 && (!o.parse(c, args[3:], forSet) || !o.resolve(c)) {
		return
	}
	if o.flags&(optNX|optXX|optGet|optKeepTTL) == 0 {
		if c.store(args[1], smrmap.Item{Value: args[2], Expires: o.expires}) {
			c.ok()
		}
		return
	}
	found, stored, ok := c.setIf(args[1], args[2], o)
	switch {
	case !ok:
	case o.flags&optGet != 0:
		if !found {
			c.null()
		}
	case stored:
		c.ok()
	default:
		c.null()
	}
}

func cmdSetNX(c *conn, args [][]byte) {
	_, stored, ok := c.setIf(args[1], args[2], valueOptions{flags: optNX})
	if ok {
		c.bool(stored)
	}
}

func cmdSetEx(c *conn, args [][]byte)  { c.setEx(args, optEX) }
func cmdPSetEx(c *conn, args [][]byte) { c.setEx(args, optPX) }

func (c *conn) setEx(args [][]byte, unit int) {
	o := valueOptions{flags: unit, time: args[2]}
	if o.resolve(c) && c.store(args[1], smrmap.Item{Value: args[3], Expires: o.expires}) {
		c.ok()
	}
}

func cmdGetSet(c *conn, args [][]byte) {
	found, _, ok := c.setIf(args[1], args[2], valueOptions{flags: optGet})
	if ok && !found {
		c.null()
	}
}

func cmdMSet(c *conn, args [][]byte) {
	if len(args)%2 == 0 {
		c.errorArity("mset")
		return
	}
	for i := 1; i < len(args); i += 2 {
		if !c.store(args[i], smrmap.Item{Value: args[i+1]}) {
			return
		}
	}
	c.ok()
}

// store stores an item, whatever was there. If it can't it replies with the
// error and reports false.
func (c *conn) store(key []byte, it smrmap.Item) bool {
	size := len(key) + len(it.Value)
	var err error
	if c.fresh = false; c.wants(eventNew) {
		_, err = c.data().Compute(key, c.overwrite(it))
	} else {
		err = c.storeItem(key, it)
	}
	if errors.Is(err, slab.ErrNoMemory) {
		err = c.underPressure(key, size, c.overwrite(it))
	}
	if err != nil {
		c.errorStore(err)
		return false
	}
	c.stored(key, size, it.Expires)
	if it.Expires != 0 {
		c.event(eventGeneric, "expire", key)
	}
	return true
}

// overwrite returns what stores an item, for smrmap.Bytes.Compute.
func (c *conn) overwrite(it smrmap.Item) func(smrmap.Item, bool) (smrmap.Item, smrmap.Op) {
	return func(_ smrmap.Item, loaded bool) (smrmap.Item, smrmap.Op) {
		c.fresh = !loaded
		return it, smrmap.UpdateOp
	}
}

// stored is to be called after each write of a value or of when it expires, without a
// pause.
func (c *conn) stored(key []byte, size int, expires int64) { c.storedIn(c.db, key, size, expires) }

func (c *conn) storedIn(d *database, key []byte, size int, expires int64) {
	c.touchIn(d, key)
	c.written += size
	if expires != 0 {
		c.srv.expire.note()
	}
	if c.srv.settings.events.Load() != 0 {
		c.storedEvent(d, key)
	}
}

// setIf does what SET with options does. With optGet the reply is the old value
// if one was found. If it fails it replies with the error and ok is false.
func (c *conn) setIf(key, value []byte, o valueOptions) (found, stored, ok bool) {
	expires := o.expires
	ok = c.compute(key, func(old smrmap.Item, loaded bool) (it smrmap.Item, op smrmap.Op, fits bool) {
		found, stored = loaded, false
		if loaded && o.flags&optGet != 0 && !c.copyBulk(old.Value) {
			return it, smrmap.CancelOp, false
		}
		if loaded && o.flags&optNX != 0 || !loaded && o.flags&optXX != 0 {
			return it, smrmap.CancelOp, true
		}
		if o.flags&optKeepTTL != 0 {
			expires = old.Expires
		}
		stored = true
		return smrmap.Item{Value: value, Expires: expires}, smrmap.UpdateOp, true
	})
	if o.flags&optGet != 0 {
		c.asked(key, found)
	}
	if ok && stored {
		c.stored(key, len(key)+len(value), expires)
		if o.expires != 0 && c.tally.command.event != "" { // not RESTORE
			c.event(eventGeneric, "expire", key)
		}
	}
	return found, stored, ok
}

// compute is smrmap.Bytes.Compute, tried again when there was no memory for what
// fn wants stored, and, with more room, when fn reports that copyBulk found none.
// If it fails it replies with the error, and with nothing that fn copied, and
// reports false.
func (c *conn) compute(key []byte, fn func(old smrmap.Item, loaded bool) (it smrmap.Item, op smrmap.Op, fits bool)) bool {
	for {
		mark, fits, size := len(c.out.b), true, 0
		try := func(old smrmap.Item, loaded bool) (it smrmap.Item, op smrmap.Op) {
			c.out.b = c.out.b[:mark] // without what the last try copied
			it, op, fits = fn(old, loaded)
			c.fresh = !loaded
			size = len(key) + len(it.Value)
			return it, op
		}
		_, err := c.data().Compute(key, try)
		if errors.Is(err, slab.ErrNoMemory) {
			err = c.underPressure(key, size, try)
		}
		switch {
		case err != nil:
			c.out.b = c.out.b[:mark]
			c.errorStore(err)
			return false
		case fits:
			return true
		case !c.makeRoom(c.want):
			c.error(errReplyRoom)
			return false
		}
	}
}

func cmdGetDel(c *conn, args [][]byte) {
	var found bool
	ok := c.compute(args[1], func(old smrmap.Item, loaded bool) (it smrmap.Item, op smrmap.Op, fits bool) {
		if found = loaded; loaded && !c.copyBulk(old.Value) {
			return it, smrmap.CancelOp, false
		}
		return it, smrmap.DeleteOp, true
	})
	if !ok {
		return
	}
	if found {
		c.touch(args[1])
		c.event(eventGeneric, "del", args[1])
	}
	if c.asked(args[1], found); !found {
		c.null()
	}
}

func cmdGetEx(c *conn, args [][]byte) {
	var o valueOptions
	if !o.parse(c, args[2:], forGetEx) {
		return
	}
	if o.flags == 0 {
		c.get(args[1])
		return
	}
	// Only a key that exists makes the time matter.
	if _, ok := c.look(args[1]); !ok {
		c.null()
		return
	}
	if !o.resolve(c) {
		return
	}
	found, event := false, ""
	ok := c.compute(args[1], func(old smrmap.Item, loaded bool) (it smrmap.Item, op smrmap.Op, fits bool) {
		if found = loaded; !loaded {
			return it, smrmap.CancelOp, true
		}
		if !c.copyBulk(old.Value) {
			return it, smrmap.CancelOp, false
		}
		switch event = "expire"; {
		case o.expires == 0 && old.Expires == 0:
			event = ""
		case o.expires == 0:
			event = "persist"
		case o.expires <= c.srv.now():
			event = "del"
			return it, smrmap.DeleteOp, true
		}
		return smrmap.Item{Expires: o.expires}, smrmap.ExpireOp, true // 0 for PERSIST
	})
	switch {
	case !ok:
	case !found:
		c.null()
	default:
		c.stored(args[1], 0, o.expires)
		if event != "" {
			c.event(eventGeneric, event, args[1])
		}
	}
}

func cmdIncr(c *conn, args [][]byte) { c.incr(args[1], 1) }
func cmdDecr(c *conn, args [][]byte) { c.incr(args[1], -1) }

func cmdIncrBy(c *conn, args [][]byte) {
	if by, ok := c.parseInt(args[2]); ok {
		c.incr(args[1], by)
	}
}

func cmdDecrBy(c *conn, args [][]byte) {
	by, ok := c.parseInt(args[2])
	switch {
	case !ok:
	case by == -by && by != 0:
		c.error("ERR decrement would overflow")
	default:
		c.incr(args[1], -by)
	}
}

// parseInt parses an argument, or replies with the error.
func (c *conn) parseInt(arg []byte) (int64, bool) {
	n, ok := resp.ParseInt(arg)
	if !ok {
		c.error(errNotInteger)
	}
	return n, ok
}

func (c *conn) incr(key []byte, by int64) {
	n, expires, failure := int64(0), int64(0), ""
	ok := c.compute(key, func(old smrmap.Item, loaded bool) (it smrmap.Item, op smrmap.Op, fits bool) {
		n, failure = 0, ""
		if loaded {
			if n, loaded = resp.ParseInt(old.Value); !loaded {
				failure = errNotInteger
				return it, smrmap.CancelOp, true
			}
		}
		if sum := n + by; (sum > n) != (by > 0) && by != 0 {
			failure = "ERR increment or decrement would overflow"
			return it, smrmap.CancelOp, true
		}
		n += by
		expires = old.Expires
		return smrmap.Item{Value: strconv.AppendInt(c.digits[:0], n, 10), Expires: expires}, smrmap.UpdateOp, true
	})
	switch {
	case !ok:
	case failure != "":
		c.error(failure)
	default:
		c.stored(key, len(key)+len(c.digits), expires)
		c.int(n)
	}
}
