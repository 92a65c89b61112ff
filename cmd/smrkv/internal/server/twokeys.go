package server

import (
	"errors"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smrmap"
)

// This file has the commands that write to a key because of what another is. They are
// executed alone: see gate.

func cmdMSetNX(c *conn, args [][]byte) {
	if len(args)%2 == 0 {
		c.errorArity("msetnx")
		return
	}
	var n need
	for i := 1; i < len(args); i += 2 {
		n.add(len(args[i]) + len(args[i+1]))
	}
	if !c.spare(n) {
		c.error(errOOM)
		return
	}
	c.alone(func() {
		for i := 1; i < len(args); i += 2 {
			if c.db.has(string(args[i])) {
				c.int(0)
				return
			}
		}
		if c.storeAll(args[1:]) {
			c.int(1)
		}
	})
}

// storeAll stores keys that don't exist, with their values, or replies with why it can't
// and stores none. Of none is told before all are stored.
func (c *conn) storeAll(pairs [][]byte) bool {
	fresh := make([]bool, len(pairs)) // a key may be there twice
	for i := 0; i < len(pairs); i += 2 {
		if !c.compute(pairs[i], func(smrmap.Item, bool) (smrmap.Item, smrmap.Op, bool) {
			return smrmap.Item{Value: pairs[i+1]}, smrmap.UpdateOp, true
		}) {
			for j := 0; j < i; j += 2 {
				c.data().Delete(pairs[j])
			}
			return false
		}
		fresh[i] = c.fresh
	}
	for i := 0; i < len(pairs); i += 2 {
		c.fresh = fresh[i]
		c.stored(pairs[i], len(pairs[i])+len(pairs[i+1]), 0)
	}
	return true
}

func cmdRename(c *conn, args [][]byte)   { c.rename(args, true) }
func cmdRenameNX(c *conn, args [][]byte) { c.rename(args, false) }

func (c *conn) rename(args [][]byte, replace bool) {
	c.copyKey(args[1], args[2], copyOptions{move: true, replace: replace, to: c.db}, func(copied, found bool) {
		switch {
		case !found:
			c.error("ERR no such key")
		case replace:
			c.ok()
		default:
			c.bool(copied)
		}
	})
}

func cmdCopy(c *conn, args [][]byte) {
	o := copyOptions{to: c.db}
	for i := 3; i < len(args); i++ {
		switch {
		case equalFold(args[i], "REPLACE"):
			o.replace = true
		case equalFold(args[i], "DB") && i+1 < len(args):
			i++
			if o.to = c.database(args[i]); o.to == nil {
				return
			}
		default:
			c.error(errSyntax)
			return
		}
	}
	if o.to == c.db && string(args[1]) == string(args[2]) {
		c.error(errSameObject)
		return
	}
	c.copyKey(args[1], args[2], o, func(copied, found bool) {
		c.asked(args[1], found)
		c.bool(copied)
	})
}

const errSameObject = "ERR source and destination objects are the same"

type copyOptions struct {
	to      *database
	move    bool // delete the source
	replace bool // whatever the destination is
}

// copyKey stores what from has, with when it expires, as to. It calls reply with whether
// it did, or would have were they not the same, and whether there is a from; or replies
// with why it could not.
func (c *conn) copyKey(from, to []byte, o copyOptions, reply func(copied, found bool)) {
	if it, ok := c.peek(from); ok {
		n := need{beside: int64(slab.BlockSize(len(from) + it.length + entryOverhead))}
		if n.add(len(to) + it.length); !c.spare(n) {
			c.error(errOOM)
			return
		}
	}
	c.alone(func() {
		it, found := c.peek(from)
		same := o.to == c.db && string(from) == string(to)
		if !found || same || !o.replace && o.to.has(string(to)) {
			reply(found && same && o.replace, found)
			return
		}
		if err := c.storeCopy(from, to, o.to.data.Load()); err != nil {
			c.errorStore(err)
			return
		}
		c.fresh = true // as Redis has it, also where another was replaced
		c.storedIn(o.to, to, len(to)+it.length, it.expires)
		if o.move {
			c.data().Delete(from)
			c.touch(from)
			verb := "rename"
			if o.to != c.db {
				verb = "move"
			}
			c.event(eventGeneric, verb+"_from", from)
			c.eventIn(o.to, eventGeneric, verb+"_to", to)
		} else {
			c.eventIn(o.to, eventGeneric, "copy_to", to)
		}
		reply(true, true)
	})
}

// storeCopy stores as to, in dest, what from has. Time stands still, and from exists.
func (c *conn) storeCopy(from, to []byte, dest *smrmap.Bytes) error {
	try := func() error {
		data := c.data()
		s := data.Enter()
		defer s.Leave()
		it, _ := data.LoadIn(s, from)
		return dest.StoreItem(to, it)
	}
	err := try()
	if errors.Is(err, slab.ErrNoMemory) && c.srv.pendingMayDo() {
		err = try()
	}
	return err
}

// peek looks at an entry, which is not counted as a hit or a miss.
func (c *conn) peek(key []byte) (glance, bool) {
	data := c.data()
	s := data.Enter()
	defer s.Leave()
	it, ok := data.LoadIn(s, key)
	return glance{len(it.Value), it.Expires}, ok
}
