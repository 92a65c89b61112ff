package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// MEMORY USAGE is what the store grows by.
func TestMemoryUsage(t *testing.T) {
	s := start(t, Options{})
	c := s.dial(t)
	for i, n := range []int{0, 1, 7, 60, 1000, 40_000, 1_000_000} {
		key := fmt.Sprint("key", i)
		before := s.first().Stats().EntryBytes
		require.Equal(t, "+OK\r\n", c.do("SET", key, strings.Repeat("v", n)))
		grown := s.first().Stats().EntryBytes - before
		require.Equal(t, fmt.Sprintf(":%d\r\n", grown), c.do("MEMORY", "USAGE", key, "SAMPLES", "0"), "%d bytes", n)
	}
}

// LCS is refused where Redis refuses it, and gives back what it needed.
func TestLCS_Memory(t *testing.T) {
	s := start(t, Options{})
	c := s.dial(t)
	for n, want := range map[int]string{11_000: ":0\r\n", 12_000: "-" + errLCSRoom + "\r\n"} {
		require.Equal(t, "+OK\r\n", c.do("MSET", "a", strings.Repeat("a", n), "b", strings.Repeat("b", n)))
		require.Equal(t, want, c.do("LCS", "a", "b", "LEN"))
	}
	require.Equal(t, "+OK\r\n", c.do("MSET", "a", strings.Repeat("ab", 2000), "b", strings.Repeat("ba", 2500)))
	require.Equal(t, "$4000\r\n"+strings.Repeat("ab", 2000)+"\r\n", c.do("LCS", "a", "b"))
	c.do("PING") // so that it is done with what came before
	require.Zero(t, s.replyBytes())
}
