package server

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// RANDOMKEY replies with each of the keys that have not expired, and with no other,
// however large they are.
func TestRandomKey(t *testing.T) {
	clock := newTestClock()
	s := start(t, Options{Now: clock.now})
	c := s.dial(t)
	require.Equal(t, "$-1\r\n", c.do("RANDOMKEY"))
	require.Equal(t, "+OK\r\n", c.do("SET", "expired", "v", "PX", "1"))
	clock.advance(time.Millisecond)
	require.Equal(t, "$-1\r\n", c.do("RANDOMKEY"))
	want := map[string]bool{}
	for i := range 25 {
		key := strings.Repeat("k", 1+i*2000)
		require.Equal(t, "+OK\r\n", c.do("SET", key, "v"))
		want[strings.TrimPrefix(encode(key), "*1\r\n")] = true
		got := map[string]bool{}
		for len(got) < len(want) { // each has a fair chance
			reply := c.do("RANDOMKEY")
			require.True(t, want[reply], "%.50q", reply)
			got[reply] = true
		}
	}
	require.Equal(t, "+OK\r\n", c.do("FLUSHALL"))
	require.Equal(t, "$-1\r\n", c.do("RANDOMKEY"))
}
