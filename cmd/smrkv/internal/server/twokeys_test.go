package server

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// MSETNX sets all keys or none, also where memory ends in the middle of them.
func TestMSetNX_AllOrNoneWithoutMemory(t *testing.T) {
	s := start(t, Options{MaxMemory: 4 << 20})
	c := s.dial(t)
	args, keys := []string{"MSETNX"}, []string{"EXISTS"}
	for i := range 10 {
		args = append(args, strconv.Itoa(i), strings.Repeat("v", 1<<20))
		keys = append(keys, strconv.Itoa(i))
	}
	require.Equal(t, oomReply, c.do(args...))
	require.Equal(t, ":0\r\n", c.do(keys...))
	require.Equal(t, ":1\r\n", c.do("MSETNX", "0", "x", "1", "y"))
	require.Equal(t, ":0\r\n", c.do("MSETNX", "1", "x", "2", "y"))
	require.Equal(t, ":2\r\n", c.do("DEL", "0", "1"))

	// So it is within EXEC, where this was not to be foreseen; and what was not stored is told to
	// nobody.
	watcher, subscriber := s.dial(t), s.dial(t)
	require.Equal(t, "+OK\r\n", watcher.do("WATCH", "0", "1"))
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "notify-keyspace-events", "EAn"))
	subscriber.do("PSUBSCRIBE", "*")
	reply := c.exec([]string{"SETRANGE", "k", "2500000", "x"}, args[:5], []string{"EXISTS", "k", "0", "1"})
	require.Equal(t, "*3\r\n:2500001\r\n"+oomReply+":1\r\n", reply)
	events := subscriber.fence()
	require.Len(t, events, 2)
	require.Contains(t, events[0], "new\r\n$1\r\nk\r\n")
	require.Contains(t, events[1], "setrange\r\n$1\r\nk\r\n")
	require.Equal(t, "*1\r\n+PONG\r\n", watcher.exec([]string{"PING"}))
}

// Of some that want the same keys one gets them all.
func TestMSetNX_OneWins(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		s := start(t, o)
		setup := s.dial(t)
		rounds := 300
		if testing.Short() {
			rounds = 100
		}
		clients := make([]*client, 4)
		for i := range clients {
			clients[i] = s.dial(t)
		}
		for round := range rounds {
			var won atomic.Int64
			var wg sync.WaitGroup
			for i, c := range clients {
				wg.Go(func() {
					me := strconv.Itoa(i)
					args := []string{"MSETNX", "a", me, "b", me, "c", me}
					if i%2 == 1 {
						args = []string{"MSETNX", "c", me, "b", me, "a", me}
					}
					if c.do(args...) == ":1\r\n" {
						won.Add(1)
					}
				})
			}
			wg.Wait()
			require.EqualValues(t, 1, won.Load(), round)
			f := strings.Split(setup.do("MGET", "a", "b", "c"), "\r\n")
			require.True(t, f[2] == f[4] && f[4] == f[6], "%q", f)
			require.Equal(t, ":3\r\n", setup.do("DEL", "a", "b", "c"))
		}
	})
}

// A value of any size is renamed and copied, with when it expires; and if there is no room
// for it, nothing has happened.
func TestRename_AnySize(t *testing.T) {
	s := start(t, Options{MaxMemory: 16 << 20})
	c := s.dial(t)
	for _, n := range []int{0, 1, 1000, 100_000, 3 << 20} {
		value := strings.Repeat("v", n)
		require.Equal(t, "+OK\r\n", c.do("SET", "k", value, "EXAT", "4102444800"))
		require.Equal(t, "+OK\r\n", c.do("RENAME", "k", "l"))
		require.Equal(t, ":1\r\n", c.do("COPY", "l", "m", "REPLACE"))
		require.Equal(t, ":0\r\n", c.do("EXISTS", "k"))
		for _, key := range []string{"l", "m"} {
			require.True(t, c.do("GET", key) == "$"+strconv.Itoa(n)+"\r\n"+value+"\r\n", n)
			require.Equal(t, ":4102444800\r\n", c.do("EXPIRETIME", key))
		}
	}
	require.Equal(t, "+OK\r\n", c.do("FLUSHALL"))
	require.Equal(t, "+OK\r\n", c.do("SET", "k", strings.Repeat("v", 10<<20)))
	require.Equal(t, oomReply, c.do("COPY", "k", "l"))
	require.Equal(t, oomReply, c.do("RENAME", "k", "l"))
	require.Equal(t, ":1\r\n", c.do("EXISTS", "k", "l"))
	require.Equal(t, ":10485760\r\n", c.do("STRLEN", "k"))
}
