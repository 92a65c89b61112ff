package server

import (
	"sync/atomic"
	"time"
)

// A web page can have its reader's browser send a request to any address that this can
// reach, this server's too: the lines of the request are no commands, but those of its
// body may be. Every request of that kind has POST or a header Host before its body, and
// so these end the connection, as with Redis.

// isHTTP reports whether a command that there is not is a line of an HTTP request.
func isHTTP(name []byte) bool {
	name = cString(name, len(name))
	return equalFold(name, "POST") || equalFold(name, "HOST:")
}

// refuseHTTP ends the connection. What came before is answered; what comes after is not
// executed.
func (c *conn) refuseHTTP() {
	c.closing = true
	c.srv.stats.http.Add(1)
	if c.srv.httpWarned.due(time.Now()) {
		c.srv.opts.Log.Warn("possible attack: a client that sends HTTP was cut off; a web page may be trying to send commands",
			"client", c.wire.remote(), "server", c.wire.local())
	}
}

// A warnTimer says when to log again what a client can bring about as often as it likes.
type warnTimer struct{ last atomic.Int64 } // Unix nanoseconds; changed by CompareAndSwap

const warnClientEvery = time.Minute

func (w *warnTimer) due(now time.Time) bool {
	last := w.last.Load()
	return (last == 0 || now.UnixNano()-last >= int64(warnClientEvery)) && w.last.CompareAndSwap(last, now.UnixNano())
}
