package server

import "net"

// loops are the server's event loops.
type loops struct {
	list []*loop
}

// start starts n loops.
func (ls *loops) start(n int) error {
	for range n {
		l, err := newLoop()
		if err != nil {
			ls.end()
			return err
		}
		ls.list = append(ls.list, l)
	}
	return nil
}

func (ls *loops) end() {
	for _, l := range ls.list {
		l.end()
	}
	ls.list = nil
}

// take makes nc the transport of c, in one of the loops, and reports whether it
// can be. It does not start to serve it.
func (ls *loops) take(c *conn, nc net.Conn) bool {
	if len(ls.list) == 0 {
		return false
	}
	t := newFDConn(nc)
	if t == nil {
		return false
	}
	t.c = c
	t.ahead.budget, t.ahead.pool = &c.mem.Queries, c.srv.pool
	t.loop = ls.list[c.id%uint64(len(ls.list))]
	t.writeTimeout = c.srv.opts.WriteTimeout
	c.wire = t
	return true
}

// serve has the loop serve c, if its transport is in one.
func (ls *loops) serve(c *conn) bool {
	t, ok := c.wire.(*fdConn)
	if ok && t.loop.add(t, input) != nil {
		c.end()
	}
	return ok
}
