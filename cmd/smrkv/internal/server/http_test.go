package server

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A web page can't write: what a browser sends ends the connection before the body, in
// whatever form the lines are read, and whatever came before.
func TestHTTP_EndsConnection(t *testing.T) {
	for _, streams := range []bool{false, true} {
		s := start(t, Options{streams: streams})
		const attack = "SET hacked yes\r\nPING\r\n"
		for i, tc := range []struct{ send, want string }{
			{"POST / HTTP/1.1\r\n", ""},
			{"post / HTTP/1.0\r\nContent-Length: 99\r\n\r\n", ""},
			{"PoSt\n", ""},
			{"GET / HTTP/1.1\r\nHost: localhost:6380\r\n\r\n", "-ERR wrong number of arguments for 'get' command\r\n"},
			{"hOsT:\r\n", ""},
			{"\r\nHOST: x\r\n", ""},
			{encode("POST"), ""},
			{encode("post", "SET", "hacked", "yes"), ""},
			{encode("Host:", "x"), ""},
			{encode("POST\x00more"), ""},
			{"PING\r\nPOST /\r\n", "+PONG\r\n"},
			{encode("SET", "before", "v") + encode("GET", "before") + encode("HOST:") + encode("SET", "hacked", "yes"), "+OK\r\n$1\r\nv\r\n"},
			{"MULTI\r\nSET hacked yes\r\nPOST /\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n"},
		} {
			c := s.dial(t)
			c.send(tc.send + attack)
			require.Equal(t, tc.want, c.rest(), "%q", tc.send)
			require.EqualValues(t, i+1, s.Snapshot().HTTP, "%q", tc.send)
		}
		c := s.dial(t)
		require.Equal(t, ":0\r\n", c.do("EXISTS", "hacked"))
		require.Contains(t, c.do("INFO", "stats"), "\r\nhttp_connections_refused:13\r\n")
	}
}

// So does what does not come in one piece, and of a client that has yet to say who it is.
func TestHTTP_InPiecesAndUnauthenticated(t *testing.T) {
	s := start(t, Options{RequirePass: "secret"})
	c := s.dial(t)
	for _, b := range "POST /\r\n" {
		c.send(string(b))
	}
	require.Empty(t, c.rest())
}

// Others are commands that there are not.
func TestHTTP_OthersGoOn(t *testing.T) {
	c := start(t, Options{}).dial(t)
	for _, name := range []string{"POSTS", "POS", "HOST", "Host:x", "PO\x00ST", "", "host :"} {
		require.Contains(t, c.do(name), "-ERR unknown command", name)
	}
}

// The log is told once, however often it happens.
func TestHTTP_LoggedOnce(t *testing.T) {
	var log lockedLog
	s := start(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 5 {
		c := s.dial(t)
		c.send("POST / HTTP/1.1\r\n\r\n")
		require.Empty(t, c.rest())
	}
	require.Equal(t, 1, strings.Count(log.String(), "possible attack"))
	require.EqualValues(t, 5, s.Snapshot().HTTP)
}

type lockedLog struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A client of HTTP, with each method that a page may use.
func TestHTTP_RealClient(t *testing.T) {
	s := start(t, Options{})
	transport := &http.Transport{DisableKeepAlives: true}
	for _, method := range []string{"GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE"} {
		req, err := http.NewRequestWithContext(testContext(t), method, "http://"+s.tcp+"/", strings.NewReader("\r\nSET hacked yes\r\n"))
		require.NoError(t, err)
		resp, err := transport.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		require.Error(t, err, method)
	}
	require.Equal(t, ":0\r\n", s.dial(t).do("EXISTS", "hacked"))
	require.Positive(t, s.Snapshot().HTTP)
}
