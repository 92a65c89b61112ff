package server

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
)

// An fdConn is a transport in an event loop. While its client is silent it is a
// file descriptor and no more: neither a goroutine nor a buffer.
type fdConn struct {
	c            *conn
	loop         *loop
	fd           int
	writeTimeout time.Duration
	addrs        [2]net.Addr // local, remote

	// inLoop: the goroutine that serves it holds the loop's role. Belongs to that
	// goroutine.
	inLoop bool

	due bool // among those ready or served, by wait; belongs to the holder of the loop's role

	ahead ahead // belongs to who serves it

	// ready is closed by the loop when the client has read, or written; nil: nobody
	// waits for that. Guarded by loop.mu.
	ready chan struct{}

	// lent: it is in the loop for waitForClient only, and still the goroutine's that waits. Guarded
	// by loop.mu.
	lent bool

	mu     sync.Mutex
	closed bool // then fd may be another's
}

// newFDConn takes nc over, which must not be used any more, or returns nil. The
// descriptor is duplicated, since nc's is registered with the runtime's poller,
// which would wake up for every input as well.
func newFDConn(nc net.Conn) *fdConn {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	fd := -1
	err = raw.Control(func(original uintptr) {
		fd, _ = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err != nil || fd < 0 {
		return nil
	}
	t := &fdConn{fd: fd, addrs: [2]net.Addr{nc.LocalAddr(), nc.RemoteAddr()}}
	nc.Close()
	return t
}

// serve and finish do what those of conn do, in the goroutine that holds the
// loop's role. They report false if it does not hold it any more; then all is
// done.
func (t *fdConn) serve() (inLoop bool) {
	t.inLoop, t.due = true, false
	t.c.serve()
	if !t.inLoop {
		t.comeBack(t.c.finish())
		return false
	}
	t.loop.served.push(t)
	return true
}

func (t *fdConn) finish() (inLoop bool) {
	t.due = false
	goOn := t.c.finish()
	if !goOn {
		t.c.leavesMany()
	}
	if !t.inLoop {
		t.comeBack(goOn)
		return false
	}
	t.inLoop = false
	if !goOn {
		t.loop.remove(t)
		t.c.end()
	}
	return true
}

// comeBack ends what a goroutine of its own has done.
func (t *fdConn) comeBack(goOn bool) {
	for goOn && !t.ahead.empty() {
		t.c.serve()
		goOn = t.c.finish()
	}
	if !goOn || t.loop.add(t, input) != nil {
		t.c.end()
	}
}

func (t *fdConn) now() int64 {
	if t.inLoop {
		return t.loop.now
	}
	return time.Now().UnixNano()
}

func (t *fdConn) mayBlock() {
	if t.inLoop {
		t.inLoop = false
		t.loop.remove(t)
		t.loop.handOver()
	}
}

func (t *fdConn) read(in *resp.Parser) (int, error) {
	p, err := in.Space()
	if err != nil {
		return 0, err
	}
	if !t.ahead.empty() {
		return t.ahead.take(p), nil
	}
	return t.readTo(p, in.Tail())
}

// readTo reads to p, and then to tail, which may be nil.
func (t *fdConn) readTo(p, tail []byte) (n int, err error) {
	for {
		switch {
		case len(p) <= maxShort:
			n, err = shortRead(t.fd, p)
		case tail == nil:
			n, err = unix.Read(t.fd, p)
		default:
			n, err = unix.Readv(t.fd, [][]byte{p, tail})
		}
		switch {
		case n > 0:
			return n, nil
		case err == nil:
			return 0, io.EOF
		case errors.Is(err, unix.EAGAIN):
			return 0, errNothing
		case !errors.Is(err, unix.EINTR):
			return 0, err
		}
	}
}

func (t *fdConn) write(p []byte) (err error) {
	var n int
	if len(p) <= maxShort {
		n, err = shortWrite(t.fd, p)
	} else {
		n, err = unix.Write(t.fd, p)
	}
	if n == len(p) {
		return nil
	}
	return t.writeRest([][]byte{p}, n, err)
}

func (t *fdConn) writeParts(head, body, tail []byte) error {
	parts := [][]byte{head, body, tail}
	n, err := unix.Writev(t.fd, parts)
	return t.writeRest(parts, n, err)
}

// writeRest writes what a write has left, of which n and err are the results.
func (t *fdConn) writeRest(parts [][]byte, n int, err error) error {
	var deadline time.Time // for the client to read something; zero: it just has
	for {
		switch {
		case n > 0:
			if parts = unwritten(parts, n); len(parts) == 0 {
				return nil
			}
			deadline = time.Time{}
		case errors.Is(err, unix.EAGAIN):
			if deadline.IsZero() {
				deadline = time.Now().Add(t.writeTimeout)
			}
			if err := t.waitForClient(deadline); err != nil {
				return err
			}
		case !errors.Is(err, unix.EINTR):
			return err
		}
		n, err = unix.Writev(t.fd, parts)
	}
}

// unwritten returns what is left of parts, which it changes, after their first n bytes.
func unwritten(parts [][]byte, n int) [][]byte {
	for len(parts) > 0 && n >= len(parts[0]) {
		n -= len(parts[0])
		parts = parts[1:]
	}
	if n > 0 {
		parts[0] = parts[0][n:]
	}
	return parts
}

// waitForClient waits until the client has read something, or written.
func (t *fdConn) waitForClient(deadline time.Time) error {
	t.mayBlock()
	t.c.pause()
	size := blockedSize + t.c.in.Uncharged()
	t.c.mem.Queries.Take(size)
	defer t.c.mem.Queries.Release(size)
	events := uint32(unix.EPOLLOUT | unix.EPOLLONESHOT)
	if t.readAhead() {
		events |= unix.EPOLLIN
	}
	ready := make(chan struct{})
	t.loop.mu.Lock()
	t.ready, t.lent = ready, true
	t.loop.mu.Unlock()
	if err := t.loop.add(t, events); err != nil {
		return err
	}
	defer t.loop.remove(t)
	timeout := time.NewTimer(time.Until(deadline))
	defer timeout.Stop()
	select {
	case <-ready:
		return nil
	case <-timeout.C:
		return os.ErrDeadlineExceeded
	}
}

// readAhead reads what the client has written, and reports whether it may write more,
// and there is room for that. Nobody keeps anything for a client that has yet to say
// who it is.
func (t *fdConn) readAhead() bool {
	for !t.c.mustAuthenticate() {
		p := t.ahead.space()
		if p == nil {
			return false
		}
		n, err := t.readTo(p, nil)
		t.ahead.filled(n)
		if err != nil {
			return errors.Is(err, errNothing)
		}
	}
	return false
}

func (t *fdConn) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	unix.Close(t.fd)
	t.ahead.release()
}

func (t *fdConn) endInput() { t.shutdown(unix.SHUT_RD) }
func (t *fdConn) kill()     { t.shutdown(unix.SHUT_RDWR) }
func (t *fdConn) wake()     { t.loop.wake(t) }

func (t *fdConn) shutdown(how int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		unix.Shutdown(t.fd, how) // fails if the client has gone: all the same
	}
}

func (t *fdConn) local() net.Addr  { return t.addrs[0] }
func (t *fdConn) remote() net.Addr { return t.addrs[1] }
