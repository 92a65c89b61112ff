package server

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMaxClients(t *testing.T) {
	s := start(t, Options{MaxClients: 2})
	a, b := s.dial(t), s.dial(t)
	require.Equal(t, "+PONG\r\n", a.do("PING"))
	require.Equal(t, "+PONG\r\n", b.do("PING"))
	require.Equal(t, "-ERR max number of clients reached\r\n", s.dial(t).rest())
	require.EqualValues(t, 1, s.Snapshot().Rejected)
	b.Close()
	s.eventually(t, "it has gone", func() bool { return s.count.Load() == 1 })
	s.alive(t)
	require.Equal(t, "+OK\r\n", a.do("CONFIG", "SET", "maxclients", "1"))
	s.eventually(t, "it has gone", func() bool { return s.count.Load() == 1 })
	require.Equal(t, "-ERR max number of clients reached\r\n", s.dial(t).rest())
}

func TestTimeout(t *testing.T) {
	s := start(t, Options{Timeout: 50 * time.Millisecond})
	require.Empty(t, s.dial(t).rest(), "closed without a word")

	s = start(t, Options{})
	c, idle := s.dial(t), s.dial(t)
	require.Equal(t, "+PONG\r\n", idle.do("PING"))
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "timeout", "1"))
	require.Empty(t, idle.rest(), "one that was idle before as well")
}

func TestClientKill(t *testing.T) {
	s := start(t, Options{})
	a, b := s.dial(t), s.dial(t)
	id := strings.Trim(b.do("CLIENT", "ID"), ":\r\n")
	require.Equal(t, ":1\r\n", a.do("CLIENT", "KILL", "ID", id))
	require.Empty(t, b.rest())
	b = s.dial(t)
	require.Equal(t, "+PONG\r\n", b.do("PING"))
	require.Equal(t, "+OK\r\n", a.do("CLIENT", "KILL", b.LocalAddr().String()))
	require.Empty(t, b.rest())
	s.eventually(t, "it has gone", func() bool { return s.count.Load() == 1 })
	require.Equal(t, ":1\r\n", a.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no", "LADDR", s.tcp))
	require.Empty(t, a.rest(), "itself, after the reply")
}

func TestClientList(t *testing.T) {
	s := start(t, Options{})
	c := dial(t, "unix", s.unix)
	require.Equal(t, "+OK\r\n", c.do("CLIENT", "SETNAME", "lister"))
	line := c.do("CLIENT", "LIST")
	require.Contains(t, line, " addr="+s.unix+":0 laddr="+s.unix+":0 name=lister age=0 idle=0 flags=N db=0 ")
	require.Contains(t, line, " cmd=client user=default ")
}

// A pipeListener hands out connections that have no file descriptor and say that
// they come from anywhere.
type pipeListener struct {
	from  net.Addr
	conns chan net.Conn
	close func()
}

func newPipeListener(from net.Addr) *pipeListener {
	l := &pipeListener{from: from, conns: make(chan net.Conn)}
	l.close = sync.OnceFunc(func() { close(l.conns) })
	return l
}

func (l *pipeListener) Accept() (net.Conn, error) {
	if nc, ok := <-l.conns; ok {
		return nc, nil
	}
	return nil, net.ErrClosed
}

func (l *pipeListener) Close() error {
	l.close()
	return nil
}

func (l *pipeListener) Addr() net.Addr { return l.from }

func (l *pipeListener) dial(t *testing.T) *client {
	ours, theirs := net.Pipe()
	l.conns <- pipeConn{theirs, l.from}
	return newClient(t, ours)
}

// denied requires that a client is told so. A pipe takes what the server says only when the client
// reads in time, which a busy machine may not let it.
func (l *pipeListener) denied(t *testing.T) {
	for said := ""; said == ""; {
		if said = l.dial(t).rest(); said != "" {
			require.Contains(t, said, "-DENIED smrkv is running in protected mode")
		}
	}
}

type pipeConn struct {
	net.Conn
	from net.Addr
}

func (c pipeConn) RemoteAddr() net.Addr { return c.from }

func serveOn(t *testing.T, s *testServer, l net.Listener) {
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.stop(t)
		require.ErrorIs(t, <-served, ErrClosed)
	})
}

func TestProtectedMode(t *testing.T) {
	s := start(t, Options{})
	l := newPipeListener(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1234})
	serveOn(t, s, l)
	l.denied(t)
	local := s.dial(t)
	require.Equal(t, "+PONG\r\n", local.do("PING"))
	require.Equal(t, "+OK\r\n", local.do("CONFIG", "SET", "requirepass", "secret"))
	c := l.dial(t)
	require.Equal(t, "-NOAUTH Authentication required.\r\n", c.do("PING"))
	require.Equal(t, "+OK\r\n", c.do("AUTH", "secret"))
	require.Equal(t, "+PONG\r\n", c.do("PING"))
	require.Equal(t, "+OK\r\n", local.do("CONFIG", "SET", "requirepass", ""))
	l.denied(t)
	require.Equal(t, "+OK\r\n", local.do("CONFIG", "SET", "protected-mode", "no"))
	require.Equal(t, "+PONG\r\n", l.dial(t).do("PING"))
}

// Connections without a file descriptor are served by a goroutine each.
func TestStream(t *testing.T) {
	s := start(t, Options{})
	l := newPipeListener(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
	serveOn(t, s, l)
	c := l.dial(t)
	large := strings.Repeat("v", 1<<20)
	go c.send(encode("SET", "k", large))
	require.Equal(t, "+OK\r\n", c.reply())
	require.True(t, "$1048576\r\n"+large+"\r\n" == c.do("GET", "k"))
	require.Equal(t, "*0\r\n", c.do("KEYS", "none"))
	killed := l.dial(t)
	id := strings.Trim(killed.do("CLIENT", "ID"), ":\r\n")
	require.Equal(t, ":1\r\n", c.do("CLIENT", "KILL", "ID", id))
	require.Empty(t, killed.rest())
	s.stop(t)
	require.Empty(t, c.rest())
}

func TestStream_ClientThatDoesNotRead(t *testing.T) {
	s := start(t, Options{WriteTimeout: time.Millisecond})
	l := newPipeListener(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
	serveOn(t, s, l)
	l.dial(t).send(encode("PING"))
	s.eventually(t, "it was closed", func() bool { return s.count.Load() == 0 })
}

// A listener that fails for good ends Serve; one that fails for a while does not,
// and the log is not told each time.
func TestServe_AcceptErrors(t *testing.T) {
	var log bytes.Buffer
	s := start(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	broken := errors.New("broken")
	l := &failingListener{errs: []error{
		syscall.EMFILE, syscall.ECONNABORTED, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EPERM, broken,
	}}
	require.ErrorIs(t, s.Serve(l), broken)
	require.Empty(t, l.errs)
	require.Equal(t, 1, strings.Count(log.String(), "can't accept"))
	for _, e := range []syscall.Errno{syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK} {
		require.ErrorIs(t, s.Serve(&failingListener{errs: []error{e}}), e)
	}
}

type failingListener struct{ errs []error }

func (l *failingListener) Accept() (net.Conn, error) {
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: err}
}

func (l *failingListener) Close() error   { return nil }
func (l *failingListener) Addr() net.Addr { return &net.TCPAddr{} }

func TestKeys_TooManyForTheReplyBuffers(t *testing.T) {
	s := start(t, Options{MaxClientMemory: 64 << 10})
	c := s.dial(t)
	for i := range 100 {
		require.Equal(t, "+OK\r\n", c.do("SET", strings.Repeat("k", 1000)+strconv.Itoa(i), "v"))
	}
	requireTooLarge(t, "SCAN", c.do("KEYS", "*"))
	require.Equal(t, "*0\r\n", c.do("KEYS", "none"))
	c.do("PING") // so that it is done with what came before
	require.Zero(t, s.replyBytes())
}

// What a connection keeps while it is idle is short.
func TestClient_LongNames(t *testing.T) {
	c := start(t, Options{}).dial(t)
	name := strings.Repeat("n", maxName+1)
	const tooLong = " cannot be longer than 1024 bytes.\r\n"
	require.Equal(t, "-ERR Client names"+tooLong, c.do("CLIENT", "SETNAME", name))
	require.Equal(t, "-ERR Client names"+tooLong, c.do("HELLO", "2", "SETNAME", name))
	require.Equal(t, "-ERR lib-name"+tooLong, c.do("CLIENT", "SETINFO", "LIB-NAME", name))
	require.Equal(t, "-ERR lib-ver"+tooLong, c.do("CLIENT", "SETINFO", "lib-ver", name))
	require.Equal(t, "$-1\r\n", c.do("CLIENT", "GETNAME"))
	require.Equal(t, "+OK\r\n", c.do("CLIENT", "SETNAME", name[1:]))
	require.Equal(t, "$1024\r\n"+name[1:]+"\r\n", c.do("CLIENT", "GETNAME"))
}

// A tick that was due when the timeout was taken away closes nobody.
func TestReaper_TimeoutTakenAway(t *testing.T) {
	s := start(t, Options{Timeout: time.Hour})
	c := s.dial(t)
	require.Equal(t, "+PONG\r\n", c.do("PING"))
	s.setTimeout(0)
	s.reaper.tick()
	require.Equal(t, "+PONG\r\n", c.do("PING"))
}

// Clients that had not authenticated need not when there is no password any more.
func TestPassword_TakenAway(t *testing.T) {
	s := start(t, Options{RequirePass: "secret"})
	a, b := s.dial(t), s.dial(t)
	require.Equal(t, "-NOAUTH Authentication required.\r\n", b.do("PING"))
	require.Equal(t, "+OK\r\n", a.do("AUTH", "secret"))
	require.Equal(t, "+OK\r\n", a.do("CONFIG", "SET", "requirepass", ""))
	require.Equal(t, "+PONG\r\n", b.do("PING"))
	require.Contains(t, b.do("HELLO", "2"), "proto")
	require.Equal(t, ":0\r\n", b.do("EXISTS", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"), "more arguments than before AUTH")
	require.Equal(t, "+OK\r\n", a.do("CONFIG", "SET", "requirepass", "other"))
	require.Equal(t, "-NOAUTH Authentication required.\r\n", b.do("PING"))
	require.Equal(t, "+PONG\r\n", a.do("PING"))
}

// Connections that come at once to several listeners are not more than there may be.
func TestMaxClients_Reserve(t *testing.T) {
	const most = 100
	s := start(t, Options{MaxClients: most})
	var got atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range most {
				if s.reserve() {
					got.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, most, got.Load())
	s.count.Add(-most)
}
