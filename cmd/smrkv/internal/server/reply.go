package server

import (
	"errors"
	"fmt"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"
	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smrmap"
)

// The texts of errors that more than one command replies with, as Redis's.
const (
	errSyntax     = "ERR syntax error"
	errNotInteger = "ERR value is not an integer or out of range"
	errTooLong    = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
	errOOM        = "OOM command not allowed when used memory > 'maxmemory'."
)

// smallReply is what there is always room for when a command begins.
const smallReply = 1 << 10

// bulkOverhead is what a bulk string takes beside its bytes.
const bulkOverhead = resp.HeaderSize + 2

// room makes sure that n bytes can be appended to the output. It may write, and
// wait: not to be called in a section, nor in a function of Compute.
func (c *conn) room(n int) {
	switch {
	case cap(c.out.b)-len(c.out.b) >= n:
	case c.out.holding:
		c.holdMore(n, true)
	default:
		c.makeRoom(n)
	}
}

// makeRoom is room for when there is none. It reports false if there can't be: within
// EXEC, where it does not write or wait.
func (c *conn) makeRoom(n int) bool {
	if c.out.holding {
		return c.holdMore(n, false)
	}
	c.flush()
	if cap(c.out.b) >= n {
		return true
	}
	c.out.release(c)
	size := buffer.Size(n)
	if size > buffer.Base && !c.acquire(size) {
		size = buffer.Base
	}
	c.out.buf = c.srv.pool.Get(size)
	c.out.b = c.out.buf.B
	return true
}

// acquire takes size bytes for replies, for which it may wait. If it reports false, the
// server ends, or the client was disconnected; or there are none within EXEC, where it does
// not wait.
func (c *conn) acquire(size int) bool {
	if c.hold == holdAll {
		return c.mem.Replies.TryAhead(size)
	}
	if c.mem.Replies.Try(size) {
		return true
	}
	c.wire.mayBlock()
	c.pause()
	defer c.resume()
	if c.mem.Replies.Acquire(c.srv.ctx, size) != nil {
		c.broken = true
		return false
	}
	return true
}

// flush writes the output. Buffers that had to be larger are given back.
func (c *conn) flush() {
	if c.out.holding {
		return
	}
	if len(c.out.b) > 0 {
		c.writeNow(c.out.b)
		c.out.b = c.out.b[:0]
	}
	if cap(c.out.b) > buffer.Base {
		c.out.release(c)
	}
}

// writeNow writes b. Everything before it must be flushed.
func (c *conn) writeNow(b []byte) {
	if !c.broken && !c.out.silent {
		c.wrote(len(b), c.wire.write(b))
	}
}

// wrote is told what has become of n bytes.
func (c *conn) wrote(n int, err error) {
	c.tally.netOut += int64(n)
	if err != nil {
		c.broken = true
	}
	c.resume() // where it had to wait
}

func (c *conn) ok() { c.simple("OK") }

func (c *conn) simple(s string) {
	c.room(len(s) + 3)
	c.out.b = resp.AppendSimple(c.out.b, s)
}

func (c *conn) error(s string) {
	if len(s)+3 > smallReply && !c.reserve(len(s)+3) { // it quotes what the client sent
		s = errReplyRoom
	}
	c.room(len(s) + 3)
	c.countError(s)
	c.out.b = resp.AppendError(c.out.b, s)
}

// shorter says how to ask for less than what some commands would reply with.
var shorter = map[string]string{
	"client":  "CLIENT LIST ID",
	"keys":    "SCAN",
	"pubsub":  "a pattern that fewer channels match",
	"scan":    "a lower COUNT",
	"slowlog": "SLOWLOG GET with a lower count",
}

// errorReplySize replies that there is no room for more than size bytes of a list.
func (c *conn) errorReplySize(size int) {
	c.error(fmt.Sprintf("ERR the reply has more than %d bytes, for which -maxmemory-clients, %d, has no room: use %s",
		size, c.srv.buffers.Limit(), shorter[c.tally.command.name]))
}

func (c *conn) countError(s string) {
	c.tally.errors++
	c.srv.stats.errorsOf.count(s)
	if cmd := c.tally.command; cmd != nil {
		c.srv.stats.commandsOf[cmd.id].failed.Add(1)
	}
}

func (c *conn) int(n int64) {
	c.room(resp.HeaderSize)
	c.out.b = resp.AppendInt(c.out.b, n)
}

func (c *conn) bool(b bool) {
	if b {
		c.int(1)
	} else {
		c.int(0)
	}
}

func (c *conn) null() {
	c.room(resp.HeaderSize)
	c.out.b = c.protocol().AppendNull(c.out.b)
}

func (c *conn) nullArray() {
	c.room(resp.HeaderSize)
	c.out.b = c.protocol().AppendNullArray(c.out.b)
}

func (c *conn) array(n int) {
	c.room(resp.HeaderSize)
	c.out.b = resp.AppendArray(c.out.b, n)
}

// mapOf begins a map of n keys, each of which its value follows.
func (c *conn) mapOf(n int) {
	c.room(resp.HeaderSize)
	c.out.b = c.protocol().AppendMap(c.out.b, n)
}

func (c *conn) setOf(n int) {
	c.room(resp.HeaderSize)
	c.out.b = c.protocol().AppendSet(c.out.b, n)
}

func (c *conn) setOfStrings(list []string) {
	c.setOf(len(list))
	for _, s := range list {
		c.bulkString(s)
	}
}

// A list and a dict are replies that have others in them: see conn.reply.
type (
	list []any
	dict []any // names and values by turns
)

// reply replies with a string, an integer, a list, a dict, or what replies itself.
func (c *conn) reply(v any) {
	switch v := v.(type) {
	case string:
		c.bulkString(v)
	case int:
		c.int(int64(v))
	case int64:
		c.int(v)
	case list:
		c.array(len(v))
		c.replyAll(v)
	case dict:
		c.mapOf(len(v) / 2)
		c.replyAll(v)
	case []string:
		c.array(len(v))
		for _, s := range v {
			c.bulkString(s)
		}
	case func():
		v()
	}
}

func (c *conn) replyAll(values []any) {
	for _, v := range values {
		c.reply(v)
	}
}

func (c *conn) bulkString(s string) {
	if !c.reserve(len(s) + bulkOverhead) {
		c.error(errReplyRoom)
		return
	}
	c.room(len(s) + bulkOverhead)
	c.out.b = resp.AppendBulk(c.out.b, s)
}

// bulk replies with b, which stays as it is until the command is done: if it is
// large it is not copied.
func (c *conn) bulk(b []byte) { c.headed(b, resp.AppendBulkHeader) }

// text replies as bulk does, with lines for people to read.
func (c *conn) text(b []byte) { c.headed(b, c.protocol().AppendTextHeader) }

func (c *conn) headed(b []byte, header func(dst []byte, n int) []byte) {
	const overhead = resp.TextHeaderSize + len("\r\n")
	if !c.reserve(len(b) + overhead) {
		c.error(errReplyRoom)
		return
	}
	if c.out.holding || len(b) <= buffer.Base-overhead {
		c.room(len(b) + overhead)
		c.out.b = append(append(header(c.out.b, len(b)), b...), '\r', '\n')
		return
	}
	c.room(resp.TextHeaderSize)
	c.out.b = header(c.out.b, len(b))
	if !c.broken && !c.out.silent {
		c.wrote(len(c.out.b)+len(b)+2, c.wire.writeParts(c.out.b, b, crlf))
	}
	c.out.b = c.out.b[:0]
}

var crlf = []byte("\r\n")

// raw writes b, which is encoded already, and has room if replies are held.
func (c *conn) raw(b []byte) {
	if c.out.holding {
		c.out.b = append(c.out.b, b...)
		return
	}
	c.flush()
	c.writeNow(b)
	c.room(smallReply)
}

// copyBulk copies b, which is borrowed from the map, to the output. If there is
// not enough room it does nothing and reports false: the caller gives b back,
// calls makeRoom(c.want), and tries again.
func (c *conn) copyBulk(b []byte) bool {
	if c.broken {
		return true // nobody will see
	}
	if c.want = len(b) + bulkOverhead; cap(c.out.b)-len(c.out.b) < c.want {
		return false
	}
	c.out.b = resp.AppendBulk(c.out.b, b)
	return true
}

// errorStore replies with why the store failed.
func (c *conn) errorStore(err error) {
	switch {
	case errors.Is(err, slab.ErrNoMemory):
		c.error(errOOM)
	case errors.Is(err, smrmap.ErrTooLarge):
		c.error(errTooLong)
	default:
		c.error("ERR " + err.Error())
	}
}
