package server

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/testcert"
)

// A tlsServer listens for clients by TLS as well.
type tlsServer struct {
	*testServer
	addr   string
	client *tls.Config // of a client that the server trusts
}

func startTLS(t *testing.T, o Options) *tlsServer {
	a := testcert.New(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &tlsServer{start(t, o), l.Addr().String(),
		&tls.Config{RootCAs: a.Pool(), Certificates: []tls.Certificate{a.Certificate()}, ServerName: "127.0.0.1"}}
	served := make(chan error, 1)
	config := &tls.Config{Certificates: []tls.Certificate{a.Certificate()}, ClientCAs: a.Pool(), ClientAuth: tls.RequireAndVerifyClientCert}
	go func() { served <- s.ServeTLS(l, config) }()
	t.Cleanup(func() {
		s.stop(t)
		require.ErrorIs(t, <-served, ErrClosed)
	})
	return s
}

func (s *tlsServer) dialTLS(t *testing.T) *client {
	nc, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	return newClient(t, tls.Client(nc, s.client))
}

func TestTLS_GoRedis(t *testing.T) {
	s := startTLS(t, Options{})
	rdb := redis.NewClient(&redis.Options{Addr: s.addr, TLSConfig: s.client})
	defer rdb.Close()
	for _, test := range goRedisTests {
		t.Run(test.name, func(t *testing.T) {
			require.NoError(t, rdb.FlushAll(testContext(t)).Err())
			test.run(t, rdb)
		})
	}
}

// What is no TLS, or not by a client that is trusted, is not answered, and harms nobody.
func TestTLS_Refused(t *testing.T) {
	s := startTLS(t, Options{})
	good := s.dialTLS(t)
	require.Equal(t, "+OK\r\n", good.do("SET", "k", "v"))
	for _, text := range []string{"PING\r\n", "*1\r\n$4\r\nPING\r\n", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01", strings.Repeat("\x00", 100_000),
		"\x16\x03\x01\x40\x00\x01\x00\xff\xff" + strings.Repeat("\x01", 100_000)} {
		c := dial(t, "tcp", s.addr)
		c.SetDeadline(time.Now().Add(time.Minute))
		io.WriteString(c, text) // it may be closed before the end
		c.Conn.(*net.TCPConn).CloseWrite()
		require.NotContains(t, c.rest(), "PONG")
	}
	other := testcert.New(t)
	for name, config := range map[string]*tls.Config{
		"no certificate": {RootCAs: s.client.RootCAs},
		"another's":      {RootCAs: s.client.RootCAs, Certificates: []tls.Certificate{other.Certificate()}},
		"old protocol":   {RootCAs: s.client.RootCAs, Certificates: s.client.Certificates, MaxVersion: tls.VersionTLS11},
	} {
		nc, err := tls.Dial("tcp", s.addr, config)
		if err == nil { // by TLS 1.3 the client's certificate is the last
			nc.SetDeadline(time.Now().Add(time.Minute))
			io.WriteString(nc, "PING\r\n")
			_, err = nc.Read(make([]byte, 1))
			nc.Close()
		}
		require.ErrorContains(t, err, "tls: ", name)
	}
	_, err := tls.Dial("tcp", s.addr, &tls.Config{RootCAs: other.Pool()})
	require.ErrorContains(t, err, "unknown authority")
	require.Equal(t, "$1\r\nv\r\n", good.do("GET", "k"))
	s.eventually(t, "all others have ended", func() bool { return s.count.Load() == 1 })
}

// A client that does not finish its handshake is disconnected.
func TestTLS_StalledHandshake(t *testing.T) {
	s := startTLS(t, Options{WriteTimeout: 100 * time.Millisecond})
	for _, text := range []string{"", "\x16", "\x16\x03\x01\x20\x00\x01\x00\x1f\xff" + strings.Repeat("x", 1000)} {
		c := dial(t, "tcp", s.addr)
		c.send(text)
		c.rest()
	}
	s.eventually(t, "memory given back", func() bool { return s.queryBytes() == 0 })
}

// Handshakes are charged to the clients' memory: beyond it clients are turned away, and
// those that it has room for are served.
func TestTLS_ManyHandshakes(t *testing.T) {
	const room = 20
	s := startTLS(t, Options{MaxClientMemory: 2 * room * tlsSize})
	good := s.dialTLS(t)
	require.Equal(t, "+OK\r\n", good.do("SET", "k", "v"))
	var open, closed sync.WaitGroup
	stalled := make(chan *client, 100)
	closed.Add(100 - (room - 1))
	for range cap(stalled) {
		c := dial(t, "tcp", s.addr)
		stalled <- c
		open.Go(func() {
			c.SetDeadline(time.Now().Add(2 * time.Minute))
			c.Read(make([]byte, 1))
			closed.Done()
		})
	}
	closed.Wait() // all but those for which there is room
	require.LessOrEqual(t, s.queryBytes(), int64(room*tlsSize))
	require.Equal(t, "$1\r\nv\r\n", good.do("GET", "k"))
	closed.Add(room - 1)
	for range cap(stalled) {
		(<-stalled).Close()
	}
	open.Wait()
	s.eventually(t, "memory given back", func() bool { return s.queryBytes() == tlsSize })
}

// A server that ends answers what clients by TLS have sent.
func TestTLS_Shutdown(t *testing.T) {
	s := startTLS(t, Options{})
	c := s.dialTLS(t)
	require.Equal(t, "+OK\r\n", c.do("SET", "k", "v"))
	idle, stalled := s.dialTLS(t), dial(t, "tcp", s.addr)
	require.Equal(t, "+PONG\r\n", idle.do("PING"))
	large := strings.Repeat("x", 1<<20)
	c.send(encode("SET", "k", large) + strings.Repeat(encode("GET", "k"), 20))
	require.Equal(t, "+OK\r\n", c.reply()) // it is being served
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(testContext(t)) }()
	for range 20 {
		require.Len(t, c.reply(), len("$1048576\r\n\r\n")+len(large))
	}
	require.NoError(t, <-ended)
	stalled.rest()
}

// CLIENT KILL does not wait for one that does not read.
func TestTLS_Kill(t *testing.T) {
	s := startTLS(t, Options{})
	good, slow := s.dialTLS(t), s.dialTLS(t)
	require.Equal(t, "+OK\r\n", good.do("SET", "k", strings.Repeat("x", 1<<20)))
	id := slow.do("CLIENT", "ID")
	go io.WriteString(slow, strings.Repeat(encode("GET", "k"), 100))
	slow.begun()
	require.Equal(t, ":1\r\n", good.do("CLIENT", "KILL", "ID", strings.Trim(id, ":\r\n")))
	s.eventually(t, "it has ended", func() bool { return s.count.Load() == 1 })
}
