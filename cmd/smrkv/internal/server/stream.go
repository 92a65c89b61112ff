package server

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
)

// A stream is a transport on any net.Conn, with a goroutine that waits for input
// and holds a buffer meanwhile. It serves what an event loop can't: connections
// without a file descriptor, and systems without epoll.
type stream struct {
	c            *conn
	nc           net.Conn
	socket       net.Conn // nc, or what is below TLS
	writeTimeout time.Duration
	charged      int         // as queries, for TLS
	ended        atomic.Bool // by endInput, by the deadline: that is not one of wake
}

func (t *stream) read(in *resp.Parser) (int, error) {
	p, err := in.Space()
	if err != nil {
		return 0, err
	}
	n, err := t.nc.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) && !t.ended.Load() {
		t.socket.SetReadDeadline(time.Time{}) // before messages are taken
		if !t.ended.Load() {                  // again: endInput may have set the deadline before that
			err = errNothing
		}
	}
	return n, err
}

// wake ends a read.
func (t *stream) wake() { t.socket.SetReadDeadline(time.Unix(1, 0)) }

// writeChunk is what a client must read within Options.WriteTimeout.
const writeChunk = 256 << 10

func (t *stream) write(p []byte) error {
	t.c.pause()
	return writeInTime(t.nc, p, t.writeTimeout)
}

func (t *stream) writeParts(head, body, tail []byte) error {
	for _, p := range [][]byte{head, body, tail} {
		if err := t.write(p); err != nil {
			return err
		}
	}
	return nil
}

func writeInTime(nc net.Conn, p []byte, timeout time.Duration) error {
	for len(p) > 0 {
		nc.SetWriteDeadline(time.Now().Add(timeout))
		n, err := nc.Write(p[:min(len(p), writeChunk)])
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

func (t *stream) now() int64 { return time.Now().UnixNano() }

func (t *stream) mayBlock() {}

func (t *stream) close() {
	t.nc.Close()
	t.c.mem.Queries.Release(t.charged)
}

func (t *stream) endInput() {
	if c, ok := t.socket.(interface{ CloseRead() error }); ok && c.CloseRead() == nil {
		return
	}
	t.ended.Store(true)
	t.socket.SetReadDeadline(time.Unix(1, 0))
}

func (t *stream) kill()            { t.socket.Close() }
func (t *stream) local() net.Addr  { return t.nc.LocalAddr() }
func (t *stream) remote() net.Addr { return t.nc.RemoteAddr() }

// serve serves the connection to its end.
func (t *stream) serve() {
	if t.handshake() {
		t.c.serveAll()
	}
	t.c.end()
}

// serveAll serves what a transport that blocks receives, to its end.
func (c *conn) serveAll() {
	for goOn := true; goOn; goOn = c.finish() {
		c.serve()
	}
}
