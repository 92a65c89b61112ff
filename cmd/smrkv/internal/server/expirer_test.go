package server

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A testClock is moved by hand.
type testClock struct{ ms atomic.Int64 }

func newTestClock() *testClock {
	c := new(testClock)
	c.ms.Store(1_700_000_000_000)
	return c
}

func (c *testClock) now() time.Time          { return time.UnixMilli(c.ms.Load()) }
func (c *testClock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// Entries whose time has come go although nobody asks for them, and then the
// timer stops.
func TestExpirer(t *testing.T) {
	clock := newTestClock()
	s := start(t, Options{Now: clock.now})
	c := s.dial(t)
	require.False(t, s.expire.needed.Load(), "no timer without entries that expire")
	require.Equal(t, "+OK\r\n", c.do("SET", "stays", "v"))
	require.False(t, s.expire.needed.Load())
	const n = 5000
	for i := range n {
		c.send(encode("SET", strconv.Itoa(i), "v", "EX", strconv.Itoa(10+i%2*20)))
	}
	for range n {
		require.Equal(t, "+OK\r\n", c.reply())
	}
	require.True(t, s.expire.needed.Load())
	s.eventually(t, "they are counted", func() bool { return s.Snapshot().Expiring == n })
	require.Contains(t, c.do("INFO", "keyspace"), "db0:keys=5001,expires=5000")
	clock.advance(20 * time.Second)
	s.eventually(t, "half of them have gone", func() bool { return s.first().Len() == n/2+1 })
	require.True(t, s.expire.needed.Load())
	clock.advance(20 * time.Second)
	s.eventually(t, "all have gone", func() bool { return s.first().Len() == 1 })
	s.eventually(t, "the timer has stopped", func() bool { return !s.expire.needed.Load() })
	require.Contains(t, c.do("INFO", "stats"), "expired_keys:5000\r\n")

	require.Equal(t, ":1\r\n", c.do("EXPIRE", "stays", "10"))
	require.True(t, s.expire.needed.Load(), "and starts again")
	clock.advance(10 * time.Second)
	require.Equal(t, "$-1\r\n", c.do("GET", "stays"), "gone at that very moment")
	s.eventually(t, "it has gone", func() bool { return s.first().Len() == 0 })
}

func TestTTL_Clock(t *testing.T) {
	clock := newTestClock()
	s := start(t, Options{Now: clock.now})
	c := s.dial(t)
	require.Equal(t, "+OK\r\n", c.do("SET", "k", "v", "PX", "2600"))
	require.Equal(t, ":3\r\n", c.do("TTL", "k"))
	require.Equal(t, ":2600\r\n", c.do("PTTL", "k"))
	require.Equal(t, ":1700000002600\r\n", c.do("PEXPIRETIME", "k"))
	require.Equal(t, ":1700000003\r\n", c.do("EXPIRETIME", "k"))
	clock.advance(1200 * time.Millisecond)
	require.Equal(t, ":1\r\n", c.do("TTL", "k"))
	require.Equal(t, ":1400\r\n", c.do("PTTL", "k"))
	clock.advance(1399 * time.Millisecond)
	require.Equal(t, ":0\r\n", c.do("TTL", "k"))
	require.Equal(t, "$1\r\nv\r\n", c.do("GET", "k"))
	clock.advance(time.Millisecond)
	require.Equal(t, ":-2\r\n", c.do("TTL", "k"))
}
