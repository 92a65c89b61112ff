package server

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func pushes(keys ...string) string {
	var b strings.Builder
	for _, key := range keys {
		b.WriteString(">2\r\n$10\r\ninvalidate\r\n" + encode(key))
	}
	return b.String()
}

// What a client tracks it is told to forget, after the reply that had it.
func TestTracking(t *testing.T) {
	s := start(t, Options{})
	c := s.dial(t)
	c.do("HELLO", "3")
	require.Equal(t, "+OK\r\n", c.do("MSET", "a", "1", "b", "2"))

	// after returns what comes between the reply to a command and that to PING.
	after := func(reply string, args ...string) string {
		t.Helper()
		require.Equal(t, reply, c.do(args...))
		c.send(encode("PING"))
		var b strings.Builder
		for {
			next := c.reply()
			if next == "+PONG\r\n" {
				return b.String()
			}
			b.WriteString(next)
		}
	}
	const ok = "+OK\r\n"
	require.Empty(t, after("$1\r\n1\r\n", "GET", "a"))
	require.Empty(t, after(ok, "CLIENT", "TRACKING", "ON"))
	require.Equal(t, pushes("a"), after("$1\r\n1\r\n", "GET", "a"))
	require.Equal(t, pushes("a", "none", "b"), after("*3\r\n$1\r\n1\r\n_\r\n$1\r\n2\r\n", "MGET", "a", "none", "b"))
	require.Empty(t, after(ok, "SET", "a", "3"))
	require.Empty(t, after("*2\r\n$1\r\n0\r\n*0\r\n", "SCAN", "0", "MATCH", "none"))
	long := strings.Repeat("k", 100_000)
	require.Equal(t, pushes(long), after("_\r\n", "GET", long))
	require.Contains(t, c.do("CLIENT", "INFO"), " flags=t ")

	require.Equal(t, ok, c.do("MULTI"))
	require.Equal(t, "+QUEUED\r\n", c.do("GET", "a"))
	require.Equal(t, "+QUEUED\r\n", c.do("SET", "b", "3"))
	require.Equal(t, pushes("a"), after("*2\r\n$1\r\n3\r\n+OK\r\n", "EXEC"))

	require.Empty(t, after(ok, "CLIENT", "TRACKING", "ON", "OPTIN"))
	require.Empty(t, after("$1\r\n3\r\n", "GET", "a"))
	require.Equal(t, ok, c.do("CLIENT", "CACHING", "YES"))
	require.Equal(t, pushes("a"), after("$1\r\n3\r\n", "GET", "a"))
	require.Empty(t, after("$1\r\n3\r\n", "GET", "a"), "CACHING is for one command")
	require.Equal(t, ok, c.do("CLIENT", "CACHING", "YES"))
	require.Equal(t, ok, c.do("MULTI"))
	require.Equal(t, "+QUEUED\r\n", c.do("PTTL", "a"))
	require.Equal(t, pushes("a"), after("*1\r\n:-1\r\n", "EXEC"), "or for one transaction")
	require.Empty(t, after("$1\r\n3\r\n", "GET", "a"))

	require.Empty(t, after(ok, "CLIENT", "TRACKING", "ON"))
	c.do("HELLO", "2")
	require.Empty(t, after("$1\r\n3\r\n", "GET", "a"), "RESP2 has no pushes")
	c.do("HELLO", "3")
	require.Empty(t, after(ok, "CLIENT", "TRACKING", "OFF"))
	require.Empty(t, after("$1\r\n3\r\n", "GET", "a"))
	for _, mode := range [][]string{{"BCAST"}, {"BCAST", "PREFIX", "a"}, {"REDIRECT", "1"}} {
		require.Equal(t, "-"+errTrackingMode+"\r\n", c.do(append([]string{"CLIENT", "TRACKING", "ON"}, mode...)...))
	}
}
