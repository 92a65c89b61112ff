package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// Serve accepts connections from l, and closes it in the end. It returns
// ErrClosed after Shutdown, or the error that made l useless. It may be called
// for any number of listeners.
func (s *Server) Serve(l net.Listener) error { return s.ServeTLS(l, nil) }

// ServeTLS is Serve for clients that speak TLS, if config is not nil.
func (s *Server) ServeTLS(l net.Listener, config *tls.Config) error {
	defer l.Close()
	if !s.track(l) {
		return ErrClosed
	}
	defer s.untrack(l)
	var warned time.Time
	for backoff := time.Duration(0); ; {
		nc, err := l.Accept()
		if err == nil {
			backoff /= 2 // when descriptors are few, every other may succeed
			s.admit(nc, config)
			continue
		}
		if s.draining.Load() {
			return ErrClosed
		}
		if !isTemporary(err) {
			return fmt.Errorf("server: accept: %w", err)
		}
		backoff = min(max(2*backoff, 5*time.Millisecond), time.Second)
		if time.Since(warned) >= warnEvery {
			warned = time.Now()
			s.opts.Log.Warn("can't accept a connection", "error", err, "retry in", backoff)
		}
		select {
		case <-time.After(backoff):
		case <-s.ctx.Done():
		}
	}
}

// isTemporary reports whether accepting may succeed later: when there are file
// descriptors or memory again, or since one connection failed by itself, of which
// accept(2) returns whatever error it had. Others say that the listener is of no
// use, and so does what is no error of the system's.
func isTemporary(err error) bool {
	var e syscall.Errno
	if !errors.As(err, &e) {
		return false
	}
	return e != syscall.EBADF && e != syscall.EINVAL && e != syscall.ENOTSOCK
}

// warnEvery is how often, at most, the log is told of such errors.
const warnEvery = 10 * time.Second

func (s *Server) track(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	s.listeners[l] = struct{}{}
	s.running.Add(1)
	return true
}

func (s *Server) untrack(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	s.running.Done()
}

const errMaxClients = "ERR max number of clients reached"

// errProtected begins like Redis's, by which clients know it.
const errProtected = "DENIED smrkv is running in protected mode because no password is set. " +
	"In this mode connections are only accepted from the loopback interface and from unix sockets. " +
	"To connect from other computers, set a password with -requirepass or CONFIG SET requirepass. " +
	"To do without one, use -protected-mode=false or CONFIG SET protected-mode no, " +
	"and make sure that the server can't be reached from the internet."

// admit starts to serve nc, or turns it away.
func (s *Server) admit(nc net.Conn, config *tls.Config) {
	s.stats.connections.Add(1)
	if s.settings.protected.Load() && s.settings.password.Load() == nil && !isLocal(nc.RemoteAddr()) {
		s.refuse(nc, config, errProtected)
		return
	}
	if !s.reserve() {
		s.refuse(nc, config, errMaxClients)
		return
	}
	c := newConn(s, s.lastID.Add(1))
	if config != nil {
		c.wire = newTLSStream(c, nc, config)
	} else if !s.loops.take(c, nc) {
		c.wire = &stream{c: c, nc: nc, socket: nc, writeTimeout: s.opts.WriteTimeout}
	}
	if !s.remember(c) {
		s.count.Add(-1)
		c.wire.close()
		return
	}
	if !s.loops.serve(c) {
		go c.wire.(*stream).serve()
	}
}

// reserve counts a connection, unless there are too many.
func (s *Server) reserve() bool {
	for {
		n := s.count.Load()
		if n >= s.settings.maxClients.Load() {
			return false
		}
		if s.count.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *Server) remember(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	s.conns[c.id] = c
	s.running.Add(1)
	return true
}

func (s *Server) forget(c *conn) {
	defer s.opts.step()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.id)
	s.count.Add(-1)
	s.running.Done()
}

// refuse says why, if the socket takes it at once, and closes. By TLS nothing can be said
// that soon.
func (s *Server) refuse(nc net.Conn, config *tls.Config, why string) {
	s.stats.rejected.Add(1)
	if config == nil {
		nc.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		io.WriteString(nc, "-"+why+"\r\n") // best effort
	}
	nc.Close()
}

// isLocal reports whether a peer is on this host.
func isLocal(a net.Addr) bool {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.IP.IsLoopback()
	}
	return true // a unix socket, a pipe
}

// drainFor is how long a client may go on sending after Shutdown. Others have
// reached the end of what they sent long before.
const drainFor = time.Second

// memoryTimeout bounds the wait for memory when there is no time left for anything
// else. Nobody reads any more, so it takes milliseconds.
const memoryTimeout = 5 * time.Second

// Shutdown ends the server. It stops accepting; lets each connection answer what
// its client has sent, and closes it; then gives the store's memory back, for
// which it waits until nothing is pending. When ctx ends first, connections are
// closed in the middle of what they do, the error wraps ctx.Err(), and the memory
// gets a few seconds more. A second call returns ErrClosed at once.
func (s *Server) Shutdown(ctx context.Context) error {
	if !s.drain() {
		return ErrClosed
	}
	s.expire.stop()
	s.reaper.stop()
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("server: connections closed while busy: %w", ctx.Err())
		s.abort()
		<-done
	}
	ctx, cancel := extend(ctx, memoryTimeout)
	defer cancel()
	s.cancel()
	s.loops.end()
	return errors.Join(err, s.closeData(ctx), s.topics.close(ctx), s.pool.Close(ctx), s.dom.Barrier(ctx), s.dom.Close(ctx))
}

// extend returns a context that ends when d has passed since the end of ctx.
func extend(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}

// drain stops accepting and has the connections end, and reports whether it is
// the first to do so.
func (s *Server) drain() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	s.draining.Store(true)
	for l := range s.listeners {
		l.Close()
	}
	s.drainBy.Store(time.Now().Add(drainFor).UnixNano())
	for _, c := range s.conns {
		c.wire.endInput()
	}
	return true
}

// abort ends all waiting.
func (s *Server) abort() {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.kill()
	}
}

// SMR returns the statistics of the store's domain: after Shutdown nothing is
// pending.
func (s *Server) SMR() smr.Stats { return s.dom.Stats() }

// Domain returns the store's domain.
func (s *Server) Domain() *smr.Domain { return s.dom }
