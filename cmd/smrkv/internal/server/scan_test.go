package server

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smrmap"
)

// matchForLong starts a server and has a client send a command that compares a pattern
// with a key for many seconds, and returns when it has found the key.
func matchForLong(t *testing.T, o Options, command ...string) *testServer {
	t.Helper()
	asked := make(chan struct{}, 1) // for the time, to see whether the key has expired
	o.Now = func() time.Time {
		select {
		case asked <- struct{}{}:
		default:
		}
		return time.UnixMilli(0)
	}
	s := start(t, o)
	require.NoError(t, s.first().StoreItem([]byte(strings.Repeat("a", 400_000)), smrmap.Item{Expires: 1}))
	select { // the store may have asked
	case <-asked:
	default:
	}
	s.dial(t).send(encode(append(command, "*"+strings.Repeat("a", 60_000)+"b")...))
	<-asked
	return s
}

// endSoon ends a server that is busy, and checks that it does not take long.
func endSoon(t *testing.T, s *testServer) {
	t.Helper()
	began := time.Now()
	require.ErrorIs(t, s.Shutdown(expired), context.Canceled)
	require.Less(t, time.Since(began), 2*time.Second)
	s.stop(t)
}

// A pattern that takes long holds back neither the store's memory nor the other
// clients of the loop, and Shutdown ends it.
func TestScan_LongMatch(t *testing.T) {
	for _, command := range [][]string{{"KEYS"}, {"SCAN", "0", "MATCH"}} {
		t.Run(command[0], func(t *testing.T) {
			s := matchForLong(t, Options{MaxMemory: 16 << 20, IOThreads: 1}, command...)
			other := s.dial(t)
			v := strings.Repeat("x", 100_000)
			for range 400 { // more than there is room for, if it were not freed
				require.Equal(t, "+OK\r\n", other.do("SET", "k", v))
			}
			endSoon(t, s)
		})
	}
}

// Keys that do not match need no room in the reply.
func TestKeys_FewOfManyLargeKeys(t *testing.T) {
	s := start(t, Options{MaxClientMemory: 4 << 20})
	for i := range 100 {
		require.NoError(t, s.first().Store([]byte(strings.Repeat("a", 100_000+i)), []byte("v")))
	}
	require.NoError(t, s.first().Store([]byte("b"), []byte("v")))
	c := s.dial(t)
	require.Equal(t, "*1\r\n$1\r\nb\r\n", c.do("KEYS", "b*"))
	require.Equal(t, "*0\r\n", c.do("KEYS", "c*"))
	requireTooLarge(t, "SCAN", c.do("KEYS", "a*"))
	s.setClientMemory(20_000)
	requireTooLarge(t, "a lower COUNT", c.do("SCAN", "0", "COUNT", "200"))
}

func TestPattern_TooLong(t *testing.T) {
	c := start(t, Options{}).dial(t)
	long := strings.Repeat("*", maxPattern+1)
	for _, command := range [][]string{
		{"KEYS"}, {"SCAN", "0", "MATCH"}, {"CONFIG", "GET"}, {"COMMAND", "LIST", "FILTERBY", "PATTERN"},
	} {
		require.Equal(t, "-"+errPattern+"\r\n", c.do(append(command, long)...), command)
		require.Contains(t, c.do(append(command, long[1:])...), "*", command)
	}
}
