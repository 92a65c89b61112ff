package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A text that is larger than a buffer, and one in a transaction, are announced as they are.
func TestText_Large(t *testing.T) {
	s := start(t, Options{})
	for i := range 30 {
		require.Equal(t, "+OK\r\n", s.dial(t).do("CLIENT", "SETNAME", strings.Repeat("n", maxName-2)+fmt.Sprint(i%10)))
	}
	c := s.dial(t)
	for protocol, kind := range map[string]string{"2": "$%d\r\n", "3": "=%d\r\ntxt:"} {
		c.do("HELLO", protocol)
		requireText := func(reply string) {
			t.Helper()
			n := 0
			_, err := fmt.Sscanf(reply, kind, &n)
			require.NoError(t, err, "%.20q", reply)
			require.True(t, strings.HasPrefix(reply, fmt.Sprintf(kind, n)), "%.20q", reply)
			require.Len(t, reply, len(fmt.Sprintf("$%d\r\n", n))+n+len("\r\n"))
			require.Greater(t, n, 30*maxName)
		}
		requireText(c.do("CLIENT", "LIST"))
		require.Equal(t, "+OK\r\n", c.do("MULTI"))
		require.Equal(t, "+QUEUED\r\n", c.do("CLIENT", "LIST"))
		text, ok := strings.CutPrefix(c.do("EXEC"), "*1\r\n")
		require.True(t, ok)
		requireText(text)
	}
}

// The protocol is a connection's own, and there again after RESET as it was at first.
func TestHello_OfOneConnection(t *testing.T) {
	s := start(t, Options{RequirePass: "secret"})
	a, b := s.dial(t), s.dial(t)
	require.Contains(t, a.do("HELLO", "3"), "-NOAUTH ")
	require.Contains(t, a.do("HELLO", "3", "AUTH", "default", "wrong"), "-WRONGPASS ")
	require.Equal(t, "+OK\r\n", a.do("AUTH", "secret"))
	require.Equal(t, "$-1\r\n", a.do("GET", "none"), "what failed has changed nothing")
	require.Contains(t, a.do("HELLO", "3", "SETNAME", "a"), "%7\r\n")
	require.Equal(t, "+OK\r\n", b.do("AUTH", "secret"))
	require.Equal(t, "_\r\n", a.do("GET", "none"))
	require.Equal(t, "$-1\r\n", b.do("GET", "none"))
	list := b.do("CLIENT", "LIST")
	require.Regexp(t, `id=1 .* name=a .* resp=3 `, list)
	require.Regexp(t, `id=2 .* name= .* resp=2 `, list)
	require.Equal(t, "+RESET\r\n", a.do("RESET"))
	require.Equal(t, "+OK\r\n", a.do("AUTH", "secret"))
	require.Equal(t, "$-1\r\n", a.do("GET", "none"))
	require.Regexp(t, `id=1 .* name= .* resp=2 `, b.do("CLIENT", "LIST"))
}
