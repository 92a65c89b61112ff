package server

import "github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"

// While a command runs alone, its replies are kept, in buffers that are charged to the
// client's replies: nothing may wait for the client, nor for the budget. What has no room
// is answered with an error in its place. Errors, numbers and the like are kept in any
// case, and charged: each is of a command that is charged itself.

// heldOutput is a full buffer.
type heldOutput struct {
	buf     *buffer.Buffer
	charged int
}

const errReplyRoom = "ERR no room in -maxmemory-clients for the reply"

// holdMore makes room for n bytes more than there is. It reports false, and does nothing, if
// the budget has none; unless it must, for smallReply at most.
func (c *conn) holdMore(n int, must bool) bool {
	size := buffer.Size(n)
	charged := 0
	if size > buffer.Base {
		if !c.mem.Replies.TryAhead(size) {
			return false
		}
		charged = size
	}
	if len(c.out.b) > 0 {
		h := heldOutput{buf: c.out.buf}
		if h.charged = cap(h.buf.B); h.charged == buffer.Base && !c.mem.Replies.TryAhead(buffer.Base) {
			if !must {
				c.mem.Replies.Release(charged)
				return false
			}
			c.mem.Replies.TakeAhead(buffer.Base)
		}
		h.buf.B = c.out.b
		c.out.held = append(c.out.held, h)
		c.out.b, c.out.buf = nil, nil
	}
	c.out.release(c)
	c.out.buf = c.srv.pool.Get(size)
	c.out.b = c.out.buf.B
	return true
}

// writeHeld writes what was kept while the command ran alone.
func (c *conn) writeHeld() {
	c.out.holding = false
	for _, h := range c.out.held {
		c.writeNow(h.buf.B)
		c.mem.Replies.Release(h.charged)
		c.srv.pool.Put(h.buf)
	}
	c.out.held = nil
}

// reserve reports whether there is room for a reply of n bytes, which bulk, raw and
// others then append. Where replies are written as they come there always is.
func (c *conn) reserve(n int) bool {
	return !c.out.holding || cap(c.out.b)-len(c.out.b) >= n || c.holdMore(n, false)
}
