package server

import (
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lentValue is more than the kernel takes for a client that does not read.
const lentValue = 16 << 20

// A client that is slow to read a large value gets it whole, as it was, whatever happens to it, and
// then its memory comes back. Others go on.
func TestLarge_SlowClientGetsOldValue(t *testing.T) {
	old := strings.Repeat("old!", lentValue/4)
	for name, tc := range map[string]struct {
		do func(s *testServer, other *client, now *atomic.Int64)
	}{
		"replaced": {func(_ *testServer, other *client, _ *atomic.Int64) {
			for range 3 {
				require.Equal(t, "+OK\r\n", other.do("SET", "large", strings.Repeat("new!", lentValue/4)))
			}
			require.Equal(t, "+OK\r\n", other.do("SET", "large", "new"))
		}},
		"deleted": {func(_ *testServer, other *client, _ *atomic.Int64) {
			require.Equal(t, ":1\r\n", other.do("DEL", "large"))
		}},
		"evicted": {func(s *testServer, other *client, _ *atomic.Int64) {
			require.Positive(t, s.first().EvictBytes(lentValue))
			require.Equal(t, ":0\r\n", other.do("EXISTS", "large"))
		}},
		"expired": {func(s *testServer, other *client, now *atomic.Int64) {
			require.Equal(t, ":1\r\n", other.do("PEXPIRE", "large", "10"))
			now.Add(1000)
			require.Equal(t, "$-1\r\n", other.do("GET", "large"))
			require.Equal(t, ":0\r\n", other.do("DEL", "large"))
		}},
		"flushed": {func(_ *testServer, other *client, _ *atomic.Int64) {
			require.Equal(t, "+OK\r\n", other.do("FLUSHALL"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var now atomic.Int64
			now.Store(time.Now().UnixMilli())
			s := start(t, Options{
				WriteTimeout: time.Hour, MaxMemory: 4 * lentValue, Policy: AllKeysClock,
				Now: func() time.Time { return time.UnixMilli(now.Load()) },
			})
			other, slow := s.dial(t), s.dial(t)
			require.Equal(t, "+OK\r\n", other.do("SET", "large", old))
			slow.send(encode("GET", "large"))
			slow.begun()
			require.EqualValues(t, 1, s.SMR().Holds)
			require.GreaterOrEqual(t, s.replyBytes(), int64(lentValue))
			tc.do(s, other, &now)
			reply := slow.reply()
			require.True(t, reply == "$"+strconv.Itoa(len(old))+"\r\n"+old+"\r\n", "it is not whole")
			require.Equal(t, "+PONG\r\n", slow.do("PING"))
			require.Zero(t, s.SMR().Holds)
			require.Zero(t, s.replyBytes())
			require.Equal(t, "+OK\r\n", other.do("FLUSHALL"))
			require.NoError(t, s.dom.Barrier(testContext(t)))
			require.Less(t, s.dataStats().EntryBytes+s.dataStats().PendingBytes, int64(1<<20))
		})
	}
}

// A client that goes away in the middle of a reply lets the value go.
func TestLarge_DisconnectedMidReply(t *testing.T) {
	s := start(t, Options{WriteTimeout: time.Hour})
	other := s.dial(t)
	require.Equal(t, "+OK\r\n", other.do("SET", "large", strings.Repeat("v", lentValue)))
	for range 3 {
		slow := s.dial(t)
		slow.send(encode("GET", "large"))
		slow.begun()
		require.Equal(t, "+OK\r\n", other.do("SET", "large", strings.Repeat("v", lentValue)))
		slow.Close()
		s.eventually(t, "it has gone", func() bool { return s.count.Load() == 1 })
		require.Zero(t, s.SMR().Holds)
		require.Zero(t, s.replyBytes())
	}
}

// One that goes away in the middle of a SET leaves nothing, and what is not finished takes none of
// the store's memory.
func TestLarge_DisconnectedMidSet(t *testing.T) {
	s := start(t, Options{MaxMemory: 64 << 20})
	const size, clients = 1 << 20, 8
	head := "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$" + strconv.Itoa(size) + "\r\n"
	used := s.memory.Used()
	var open []net.Conn
	for range clients {
		c := s.dial(t)
		c.send(head + strings.Repeat("v", size/2))
		open = append(open, c)
	}
	s.eventually(t, "all has arrived", func() bool { return s.Snapshot().NetIn >= clients*size/2 })
	require.EqualValues(t, clients, s.dataStats().Drafts)
	require.GreaterOrEqual(t, s.queryBytes(), int64(clients*size))
	require.Equal(t, used, s.memory.Used())
	for _, c := range open {
		c.Close()
	}
	s.eventually(t, "all have gone", func() bool { return s.count.Load() == 0 })
	require.Zero(t, s.dataStats().Drafts)
	require.Zero(t, s.queryBytes())
	require.Zero(t, s.first().Len())
}

// A SET of a large value does what one of a small value does, with any options, in a pipeline and
// in a transaction; and what follows it is executed.
func TestLarge_EachSet(t *testing.T) {
	s := start(t, Options{})
	c := s.dial(t)
	for i, tc := range []struct {
		command []string // V is the value
		reply   string   // W is the value of the command before
		stored  bool
	}{
		{[]string{"SET", "k", "V"}, "+OK\r\n", true},
		{[]string{"set", "k", "V", "EX", "100"}, "+OK\r\n", true},
		{[]string{"SET", "k", "V", "NX"}, "$-1\r\n", false},
		{[]string{"SET", "k", "V", "XX", "KEEPTTL"}, "+OK\r\n", true},
		{[]string{"SET", "k", "V", "GET"}, "W", true},
		{[]string{"SETEX", "k", "100", "V"}, "+OK\r\n", true},
		{[]string{"PSETEX", "k", "100000", "V"}, "+OK\r\n", true},
		{[]string{"SETEX", "k", "x", "V"}, "-ERR value is not an integer or out of range\r\n", false},
		{[]string{"SET", "k", "V", "EX"}, "-ERR syntax error\r\n", false},
		{[]string{"GETSET", "k", "V"}, "W", true},
		{[]string{"MSET", "k", "V"}, "+OK\r\n", true},
		{[]string{"SET", "k", "V"}, "+OK\r\n", true},
	} {
		for _, size := range []int{defaultLargeValue, 200_001, 1 << 20} {
			before, _ := s.first().Load([]byte("k"), nil)
			value := strings.Repeat(strconv.Itoa(i), size)[:size]
			command := make([]string, len(tc.command))
			for j, word := range tc.command {
				command[j] = word
				if word == "V" {
					command[j] = value
				}
			}
			reply := tc.reply
			if reply == "W" {
				reply = "$" + strconv.Itoa(len(before)) + "\r\n" + string(before) + "\r\n"
			}
			want := string(before)
			if tc.stored {
				want = value
			}
			raw := encode(command...)
			for _, cut := range []int{len(raw), 1000, len(raw) - size/3, len(raw) - 1} {
				c.send(raw[:cut])
				c.send(raw[cut:] + encode("INCR", "n"))
				got := c.reply()
				if tc.reply == "W" && cut != len(raw) {
					reply = "$" + strconv.Itoa(size) + "\r\n" + value + "\r\n"
				}
				require.True(t, got == reply, "%v of %d bytes: %.100q", tc.command, size, got)
				c.reply()
				value, _ := s.first().Load([]byte("k"), nil)
				require.True(t, string(value) == want, "%v of %d bytes", tc.command, size)
				require.Zero(t, s.dataStats().Drafts)
			}
		}
	}
	value := strings.Repeat("q", 1<<20)
	require.Equal(t, "+OK\r\n", c.do("MULTI"))
	require.Equal(t, "+QUEUED\r\n", c.do("SET", "q", value))
	require.Equal(t, "+QUEUED\r\n", c.do("GET", "q"))
	require.True(t, c.do("EXEC") == "*2\r\n+OK\r\n$1048576\r\n"+value+"\r\n")
}

// What clients hold does not keep others from writing, however little may be pending beside it.
func TestLarge_HeldDoesNotThrottle(t *testing.T) {
	s := start(t, Options{WriteTimeout: time.Hour, MaxMemory: 4 * lentValue})
	other, slow := s.dial(t), s.dial(t)
	require.Equal(t, "+OK\r\n", other.do("SET", "large", strings.Repeat("v", lentValue)))
	slow.send(encode("GET", "large"))
	slow.begun()
	require.Equal(t, ":1\r\n", other.do("DEL", "large"))
	require.Less(t, maxPending(4*lentValue), int64(lentValue))
	for range 50 {
		require.Equal(t, "+OK\r\n", other.do("SET", "k", strings.Repeat("k", 1<<20)))
	}
	require.EqualValues(t, 1, s.SMR().Holds)
	require.Len(t, slow.reply(), len("$16777216\r\n\r\n")+lentValue)
}
