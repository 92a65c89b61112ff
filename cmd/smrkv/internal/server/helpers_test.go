package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gosmr/gosmr/smrmap"
)

func TestMain(m *testing.M) {
	if socket := os.Getenv(idleSocket); socket != "" {
		clients, _ := strconv.Atoi(os.Getenv(idleClients)) // by TestIdleConnections
		beIdle(socket, clients)
		return
	}
	goleak.VerifyTestMain(m)
}

// testContext ends when a test hangs.
func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// A testServer is a server that listens on a TCP address of this host and on a
// unix socket. At the test's end it is shut down, and nothing may be left.
type testServer struct {
	*Server
	tcp, unix string
	steps     chan struct{} // has one when the server did something since it was looked at
}

func start(t testing.TB, o Options) *testServer {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	ts := &testServer{unix: filepath.Join(t.TempDir(), "s"), steps: make(chan struct{}, 1)}
	o.step = func() {
		select {
		case ts.steps <- struct{}{}:
		default:
		}
	}
	s, err := New(o)
	require.NoError(t, err)
	ts.Server = s
	served := make(chan error, 2)
	for _, network := range []string{"tcp", "unix"} {
		addr := "127.0.0.1:0"
		if network == "unix" {
			addr = ts.unix
		}
		l, err := net.Listen(network, addr)
		require.NoError(t, err)
		if network == "tcp" {
			ts.tcp = l.Addr().String()
		}
		go func() { served <- s.Serve(l) }()
	}
	t.Cleanup(func() {
		ts.stop(t)
		for range 2 {
			require.ErrorIs(t, <-served, ErrClosed)
		}
	})
	return ts
}

// stop shuts the server down, unless the test has.
func (s *testServer) stop(t testing.TB) {
	t.Helper()
	if err := s.Shutdown(testContext(t)); err != ErrClosed {
		require.NoError(t, err)
	}
	st := s.SMR()
	require.Zero(t, st.PendingBytes)
	require.Zero(t, st.PendingCalls)
	require.Zero(t, st.Sections)
	require.Zero(t, s.queryBytes(), "query buffers not given back")
	require.Zero(t, s.replyBytes(), "reply buffers not given back")
}

// queryBytes and replyBytes return what clients hold.
func (s *Server) queryBytes() int64 {
	queries, _ := s.buffers.Used()
	return queries
}

func (s *Server) replyBytes() int64 {
	_, replies := s.buffers.Used()
	return replies
}

// A client speaks the protocol by hand.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func (s *testServer) dial(t testing.TB) *client {
	t.Helper()
	return dial(t, "tcp", s.tcp)
}

func dial(t testing.TB, network, addr string) *client {
	t.Helper()
	nc, err := net.DialTimeout(network, addr, 2*time.Minute)
	require.NoError(t, err)
	return newClient(t, nc)
}

func newClient(t testing.TB, nc net.Conn) *client {
	t.Cleanup(func() { nc.Close() })
	return &client{t, nc, bufio.NewReaderSize(nc, 64<<10)}
}

func (c *client) send(raw string) {
	c.t.Helper()
	c.SetDeadline(time.Now().Add(time.Minute)) // against a hang
	_, err := io.WriteString(c, raw)
	require.NoError(c.t, err)
}

// do sends a command of words and returns the reply, as it came.
func (c *client) do(args ...string) string {
	c.t.Helper()
	c.send(encode(args...))
	return c.reply()
}

// pipeline sends the n commands together, and requires the same reply to each.
func (c *client) pipeline(n int, reply string, command func(i int) []string) {
	c.t.Helper()
	var b strings.Builder
	for i := range n {
		b.WriteString(encode(command(i)...))
	}
	c.send(b.String())
	for i := range n {
		require.Equal(c.t, reply, c.reply(), "the %d-th", i)
	}
}

// small returns a limit of memory: an eighth of it for short tests.
func small(limit int64) int64 {
	if testing.Short() {
		return limit / 8
	}
	return limit
}

func encode(args ...string) string {
	var b strings.Builder
	b.WriteString("*" + strconv.Itoa(len(args)) + "\r\n")
	for _, a := range args {
		b.WriteString("$" + strconv.Itoa(len(a)) + "\r\n" + a + "\r\n")
	}
	return b.String()
}

// reply reads one reply.
func (c *client) reply() string {
	c.t.Helper()
	reply, err := readReply(c.r)
	require.NoError(c.t, err)
	return reply
}

// readReply reads one reply, whatever is nested in it, as it came.
func readReply(r *bufio.Reader) (string, error) {
	var b bytes.Buffer
	for left := 1; left > 0; left-- {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			return b.String(), err
		}
		n, _ := strconv.Atoi(strings.TrimRight(line[1:], "\r\n")) // if it is a number
		switch line[0] {
		case '*', '~', '>':
			left += max(n, 0)
		case '%':
			left += 2 * n
		case '$', '=':
			if n >= 0 {
				if _, err := io.CopyN(&b, r, int64(n+2)); err != nil {
					return b.String(), err
				}
			}
		}
	}
	return b.String(), nil
}

// requireTooLarge requires a reply to say that another was too large, for what, and what to use.
func requireTooLarge(t *testing.T, use, reply string) {
	t.Helper()
	require.Regexp(t, `^-ERR the reply has more than [0-9]+ bytes, for which -maxmemory-clients, [1-9][0-9]*, has no room: use `+use+"\r\n$", reply)
}

// rest reads until the server closes the connection.
func (c *client) rest() string {
	c.t.Helper()
	b, err := io.ReadAll(c.r)
	if err != nil { // a reset is a close as well, of a connection that was sent more
		require.NotErrorIs(c.t, err, context.DeadlineExceeded)
		var timeout net.Error
		if ok := errors.As(err, &timeout); ok {
			require.False(c.t, timeout.Timeout(), "not closed")
		}
	}
	return string(b)
}

// eventually waits for a condition that a step of the server makes true.
func (s *testServer) eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	ctx := testContext(t)
	for !cond() {
		select {
		case <-s.steps:
		case <-ctx.Done():
			t.Fatal(what + ": never")
		}
	}
}

// begun waits for the beginning of a reply, which is to be larger than what the
// kernel takes for a client that does not read on.
func (c *client) begun() {
	c.t.Helper()
	_, err := c.r.Peek(1)
	require.NoError(c.t, err)
}

// first returns the map of database 0.
func (s *Server) first() *smrmap.Bytes { return s.dbs[0].data.Load() }
