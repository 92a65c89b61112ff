package server

import (
	"iter"
	"strconv"
	"time"

	"github.com/gosmr/gosmr/smrmap"
)

// This file has the commands on keys, but for expiry and listing.

func cmdDel(c *conn, args [][]byte) {
	n := 0
	for _, key := range args[1:] {
		if c.delete(key) {
			n++
		}
	}
	c.int(int64(n))
}

// delete deletes a key, and reports whether there was one.
func (c *conn) delete(key []byte) bool {
	ok := c.data().Delete(key)
	if ok {
		c.touch(key)
		c.event(eventGeneric, "del", key)
	}
	return ok
}

func cmdExists(c *conn, args [][]byte) {
	n := 0
	for _, key := range args[1:] {
		if _, ok := c.look(key); ok {
			n++
		}
	}
	c.int(int64(n))
}

func cmdType(c *conn, args [][]byte) {
	if _, ok := c.look(args[1]); ok {
		c.simple("string")
	} else {
		c.simple("none")
	}
}

func cmdDBSize(c *conn, _ [][]byte) { c.int(int64(c.data().Len())) }

func cmdFlushAll(c *conn, args [][]byte) { c.flushKeys(args, c.srv.databases) }

func cmdFlushDB(c *conn, args [][]byte) {
	c.flushKeys(args, func(yield func(*database, *smrmap.Bytes) bool) { yield(c.db, c.data()) })
}

func (c *conn) flushKeys(args [][]byte, databases iter.Seq2[*database, *smrmap.Bytes]) {
	// SYNC and ASYNC are the same: entries are unlinked now, and freed a grace
	// period later.
	if len(args) > 2 || len(args) == 2 && !equalFold(args[1], "SYNC") && !equalFold(args[1], "ASYNC") {
		c.error(errSyntax)
		return
	}
	c.takesLong()
	for _, m := range databases {
		m.Clear()
	}
	c.ok()
}

func cmdTime(c *conn, _ [][]byte) {
	now := c.srv.clock()
	c.reply([]string{strconv.FormatInt(now.Unix(), 10), strconv.Itoa(now.Nanosecond() / int(time.Microsecond))})
}
