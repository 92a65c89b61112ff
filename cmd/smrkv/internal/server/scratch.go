package server

import "github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"

// A scratch is memory for a value that is put together, charged as a reply is.
// The zero scratch has none.
type scratch struct{ buf *buffer.Buffer }

func (s *scratch) fits(n int) bool { return s.buf != nil && n <= cap(s.buf.B) }

// extend returns n bytes, which must fit: old, and zeros after it.
func (s *scratch) extend(old []byte, n int) []byte {
	b := s.buf.B[:n]
	clear(b[copy(b, old):])
	return b
}

// grow makes room for n bytes. What was in it is lost. It may write and wait, as
// c.room does, and reports false if the connection must end, or if there is no room,
// which is then the reply.
func (s *scratch) grow(c *conn, n int) bool {
	s.release(c)
	size := buffer.Size(n)
	if size > buffer.Base {
		c.flush() // whoever waits for the budget must hold nothing of it
		if !c.acquire(size) {
			c.error(errReplyRoom)
			return false
		}
	}
	s.buf = c.srv.pool.Get(size)
	return true
}

// bytes returns what is in it.
func (s *scratch) bytes() []byte {
	if s.buf == nil {
		return nil
	}
	return s.buf.B
}

// reply replies with n elements, which are in it, encoded; or that there is no room for them.
func (s *scratch) reply(c *conn, n int) {
	if !c.reserve(smallReply + len(s.bytes())) {
		c.errorReplySize(len(s.bytes()))
		return
	}
	if c.array(n); n > 0 {
		c.raw(s.buf.B)
	}
}

func (s *scratch) release(c *conn) {
	if s.buf == nil {
		return
	}
	if size := cap(s.buf.B); size > buffer.Base {
		c.mem.Replies.Release(size)
	}
	c.srv.pool.Put(s.buf)
	s.buf = nil
}

// more makes room for n bytes more, and keeps what is in it. It doesn't wait, and
// reports false if there is no room.
func (s *scratch) more(c *conn, n int) bool {
	if s.buf == nil && n <= buffer.Base {
		s.buf = c.srv.pool.Get(n)
		return true
	}
	var old scratch
	if s.buf != nil {
		if n <= cap(s.buf.B)-len(s.buf.B) {
			return true
		}
		n = max(len(s.buf.B)+n, 2*cap(s.buf.B))
		old = *s
	}
	size := buffer.Size(n)
	if !c.mem.Replies.TryAhead(size) {
		return false
	}
	s.buf = c.srv.pool.Get(size)
	if old.buf != nil {
		s.buf.B = append(s.buf.B, old.buf.B...)
		old.release(c)
	}
	return true
}
