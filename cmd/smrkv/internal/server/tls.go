package server

import (
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// A client by TLS is a stream: crypto/tls waits where it reads. Its handshake must end within
// Options.WriteTimeout.

const (
	// tlsSize is charged to each such client: its goroutine, and the buffers to read to.
	// They may have half of the clients' memory.
	tlsSize = 48 << 10

	// handshakeMost bounds what a client may send until its handshake has ended, which is
	// kept: a chain of certificates is smaller.
	handshakeMost = 24 << 10
)

var errHandshakeSize = errors.New("server: the handshake is too large")

func newTLSStream(c *conn, nc net.Conn, config *tls.Config) *stream {
	return &stream{c: c, nc: tls.Server(&handshakeConn{nc, handshakeMost}, config), socket: nc, writeTimeout: c.srv.opts.WriteTimeout}
}

// A handshakeConn bounds how much is read until the handshake has ended.
type handshakeConn struct {
	net.Conn
	left int // belongs to who reads; negative: it has ended
}

func (h *handshakeConn) Read(p []byte) (int, error) {
	if h.left < 0 {
		return h.Conn.Read(p)
	}
	if h.left == 0 {
		return 0, errHandshakeSize
	}
	n, err := h.Conn.Read(p[:min(len(p), h.left)])
	h.left -= n
	return n, err
}

// handshake reports whether commands can be read.
func (t *stream) handshake() bool {
	nc, ok := t.nc.(*tls.Conn)
	if !ok {
		return true
	}
	if !t.c.mem.Queries.TrySpare(tlsSize) { // nobody is disconnected for one who is not known yet
		t.c.srv.stats.rejected.Add(1)
		t.warn("no memory for another client by TLS", nil)
		return false
	}
	t.charged = tlsSize
	nc.SetDeadline(time.Now().Add(t.writeTimeout))
	if err := nc.Handshake(); err != nil {
		t.c.srv.stats.protocolErrors.Add(1)
		t.warn("TLS handshake failed", err)
		return false
	}
	nc.NetConn().(*handshakeConn).left = -1
	nc.SetDeadline(time.Time{})
	return true
}

func (t *stream) warn(what string, err error) {
	if t.c.srv.tlsWarned.due(time.Now()) {
		t.c.srv.opts.Log.Warn(what, "client", t.remote(), "error", err)
	}
}
