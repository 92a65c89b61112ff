package server

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"
)

// resident returns how many bytes of the process are resident, 0 if that is not known.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	n, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return n * int64(os.Getpagesize())
}

var (
	unfinishedHead = []byte("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n")
	unfinishedPart = bytes.Repeat([]byte("x"), 64<<10)
)

// sendUnfinished sends size bytes of a command that is longer. It allocates nothing.
func sendUnfinished(c io.Writer, size int) error {
	_, err := c.Write(unfinishedHead)
	for ; size > 0 && err == nil; size -= len(unfinishedPart) {
		_, err = c.Write(unfinishedPart[:min(size, len(unfinishedPart))])
	}
	return err
}

// unfinished makes a client that has sent size bytes of a command that is longer.
func (s *testServer) unfinished(t *testing.T, size int) (c *client, err error) {
	c = s.dial(t)
	return c, sendUnfinished(c, size)
}

// What a flood of clients made the server take goes back to the system when they go, without
// a collection: of commands of any size that never end.
func TestClientMemory_GoesBackAfterAFlood(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // nothing of it is the collector's work
	arguments := []byte("*1001\r\n" + strings.Repeat("$1\r\na\r\n", 1000))
	for name, tc := range map[string]struct {
		clients, size int
		send          func(io.Writer, int) error
	}{
		"few large":  {8, 24 << 20, sendUnfinished},
		"middle":     {100, 1 << 20, sendUnfinished},
		"many small": {1000, 8 << 10, sendUnfinished},
		"arguments": {1000, len(arguments), func(c io.Writer, _ int) error {
			_, err := c.Write(arguments)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Options{MaxClientMemory: 1 << 30})
			s.alive(t)
			runtime.GC()
			debug.FreeOSMemory()
			before := resident()
			var flood []net.Conn
			for range tc.clients {
				c, err := net.Dial("tcp", s.tcp)
				require.NoError(t, err)
				defer c.Close()
				require.NoError(t, tc.send(c, tc.size))
				flood = append(flood, c)
			}
			sent := int64(tc.clients * tc.size)
			s.eventually(t, "all has arrived", func() bool { return s.Snapshot().NetIn >= sent })
			require.GreaterOrEqual(t, s.queryBytes(), sent)
			during := resident()
			for _, c := range flood {
				c.Close()
			}
			s.eventually(t, "all have gone", func() bool { return s.count.Load() == 0 })
			require.Zero(t, s.queryBytes())
			for tries := 0; s.pool.Bytes() > 16<<20; tries++ { // small ones go a few grace periods later
				require.Less(t, tries, 100, "%d bytes stay", s.pool.Bytes())
				require.NoError(t, s.dom.Barrier(testContext(t)))
			}
			if before > 0 && !raceEnabled && during-before > 64<<20 {
				require.Less(t, resident()-before, (during-before)/4)
			}
		})
	}
}

// Beyond the bound the largest clients are disconnected; small ones, and one that is
// protected, are not.
func TestClientMemory_LargestIsDisconnected(t *testing.T) {
	const limit = 32 << 20
	s := start(t, Options{MaxClientMemory: limit})
	small, err := s.unfinished(t, 100_000)
	require.NoError(t, err)
	protected := s.dial(t)
	require.Equal(t, "+OK\r\n", protected.do("CLIENT", "NO-EVICT", "on"))
	protected.send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$6000000\r\n" + strings.Repeat("x", 5_000_000))
	large, _ := s.unfinished(t, 7<<20)
	for range 8 { // until it is gone
		s.unfinished(t, 3<<20)
	}
	large.rest()
	require.Positive(t, s.Snapshot().EvictedClients)
	s.eventually(t, "within the bound", func() bool { return s.queryBytes() <= limit })
	small.send(strings.Repeat("x", 1000))
	s.alive(t)
	protected.send(strings.Repeat("x", 1_000_000) + "\r\n")
	require.Equal(t, "+OK\r\n", protected.reply())
	require.Contains(t, protected.do("INFO", "stats"), "\r\nevicted_clients:")
}

// Many clients that each hold little are within the bound, too.
func TestClientMemory_SmallOnesCount(t *testing.T) {
	const limit = 100 * buffer.Base
	s := start(t, Options{MaxClientMemory: limit})
	for range 300 {
		s.unfinished(t, 100)
	}
	s.eventually(t, "within the bound", func() bool {
		return s.Snapshot().EvictedClients >= 200 && s.count.Load() <= 100 && s.queryBytes() <= limit
	})
	s.alive(t)
}

// Clients that do not read, each in the middle of a reply.
func TestClientMemory_SlowReaders(t *testing.T) {
	needsLoops(t)
	const limit, clients = 8 << 20, 64
	s := start(t, Options{MaxClientMemory: limit})
	require.Equal(t, "+OK\r\n", s.dial(t).do("SET", "k", strings.Repeat("v", 1000)))
	pipeline := strings.Repeat(encode("GET", "k"), 100_000)
	for range clients {
		c := s.dial(t)
		go io.WriteString(c, pipeline)
		c.begun()
		queries, replies := s.buffers.Used()
		require.LessOrEqual(t, queries+replies, int64(limit)+int64(s.Snapshot().EvictedClients)*limit/2)
	}
	s.alive(t)
	s.eventually(t, "within the bound", func() bool { return s.queryBytes() <= limit })
}

// The bound follows maxmemory unless it is given, and is changed while the server runs.
func TestClientMemory_ConfigSet(t *testing.T) {
	s := start(t, Options{MaxMemory: 256 << 20})
	c := s.dial(t)
	get := func() string { return lastOf(c.do("CONFIG", "GET", "maxmemory-clients")) }
	set := func(name, value string) string { return c.do("CONFIG", "SET", name, value) }
	require.Equal(t, "$9\r\n268435456\r\n", get())
	require.Equal(t, "+OK\r\n", set("maxmemory", "200mb"))
	require.EqualValues(t, 200<<20, s.buffers.Limit())
	require.Equal(t, "+OK\r\n", set("maxmemory", "1mb"))
	require.EqualValues(t, leastClientMemory, s.buffers.Limit())
	require.Equal(t, "+OK\r\n", set("maxmemory-clients", "50%"))
	require.Equal(t, "$3\r\n50%\r\n", get())
	require.Equal(t, "+OK\r\n", set("maxmemory", "100mb"))
	require.InDelta(t, 50<<20, s.buffers.Limit(), 100)
	for _, bad := range []string{"", "-1", "0%", "101%", "x%", "5%%", "mb"} {
		require.Contains(t, set("maxmemory-clients", bad), "argument must be", bad)
	}
	large, err := s.unfinished(t, 4<<20)
	require.NoError(t, err)
	s.eventually(t, "it has arrived", func() bool { return s.queryBytes() >= 4<<20 })
	require.Equal(t, "+OK\r\n", set("maxmemory-clients", "3mb"))
	large.rest()
	s.eventually(t, "gone", func() bool { return s.queryBytes() == 0 })
	require.Equal(t, "+OK\r\n", set("maxmemory-clients", "0"))
	require.EqualValues(t, leastClientMemory, s.buffers.Limit())
}

// A client that waits for room for its reply, and is disconnected, does not wait on.
func TestClientMemory_DisconnectedWhileItWaits(t *testing.T) {
	const limit = 8 << 20
	s := start(t, Options{MaxClientMemory: limit})
	require.Equal(t, "+OK\r\n", s.dial(t).do("SET", "large", strings.Repeat("v", 3<<20)))
	for range 2 {
		holder := s.dial(t)
		holder.send(strings.Repeat(encode("GET", "large"), 5))
		holder.begun() // and it does not read on
	}
	waiting := s.dial(t)
	waiting.send(encode("SETRANGE", "large", "1", strings.Repeat("x", 1<<20)))
	other := s.dial(t)
	for !strings.Contains(other.do("CLIENT", "LIST"), "cmd=setrange") {
	}
	require.Equal(t, "+OK\r\n", other.do("CONFIG", "SET", "maxmemory-clients", "100kb"))
	waiting.rest()
	s.eventually(t, "all have gone", func() bool { return s.queryBytes()+s.replyBytes() <= 100<<10 })
	s.alive(t)
}

// What a command puts together for its reply is charged, however small the command is, and
// is given back.
func TestClientMemory_ListIsCharged(t *testing.T) {
	s := start(t, Options{MaxClientMemory: 128 << 10})
	c := s.dial(t)
	name := strings.Repeat("n", maxName)
	for range 40 {
		require.Equal(t, "+OK\r\n", s.dial(t).do("CLIENT", "SETNAME", name))
	}
	require.Contains(t, c.do("CLIENT", "LIST"), name)
	for range 60 {
		require.Equal(t, "+OK\r\n", s.dial(t).do("CLIENT", "SETNAME", name))
	}
	requireTooLarge(t, "CLIENT LIST ID", c.do("CLIENT", "LIST"))
	require.Equal(t, 2, strings.Count(c.do("CLIENT", "LIST", "ID", "1", "7", "7", "1000000"), "id="))
	c.do("PING") // so that it is done with what came before
	require.Zero(t, s.replyBytes())
}

// What stays with a client is charged as what Go takes for it, whatever its size.
func TestClientMemory_KeptIsCharged(t *testing.T) {
	if raceEnabled {
		t.Skip("the heap has what the detector makes of it")
	}
	allocated := func() int64 {
		runtime.GC()
		runtime.GC() // pools let go at the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for kind, command := range map[string][]string{
		"queued": {"GET"}, "queued with many arguments": slices.Repeat([]string{"DEL"}, 90), "watched": {"WATCH"}, "subscribed": {"SUBSCRIBE"},
	} {
		for _, size := range []int{4, 1100, 4100, 33_000} {
			t.Run(fmt.Sprint(kind, " ", size), func(t *testing.T) {
				s := start(t, Options{MaxClientMemory: 1 << 30})
				c := s.dial(t)
				c.do("PING")
				if strings.HasPrefix(kind, "queued") {
					require.Equal(t, "+OK\r\n", c.do("MULTI"))
				}
				before := allocated()
				for i := range min(1000, 8<<20/size) {
					c.do(append(command, fmt.Sprintf("%0*d", size, i))...)
				}
				took := allocated() - before
				require.LessOrEqual(t, took, s.queryBytes())
				require.LessOrEqual(t, s.queryBytes()-took, took/2+1000*topicOverhead)
			})
		}
	}
}

// An error does not quote what is long.
func TestClientMemory_ErrorsQuoteLittle(t *testing.T) {
	c := start(t, Options{}).dial(t)
	long := strings.Repeat("x", 100_000)
	require.Equal(t, "+OK\r\n", c.do("SET", "k", "v"))
	for _, command := range [][]string{
		{long}, {"NONE", long}, {"CLIENT", long}, {"CLIENT", "SETINFO", long, "v"}, {"CLIENT", "LIST", "TYPE", long},
		{"CLIENT", "KILL", long}, {"CLIENT", "KILL", "USER", long}, {"EXPIRE", "k", "1", long}, {"HELLO", "2", long},
		{"CONFIG", "SET", long, "v"}, {"CONFIG", "SET", "maxmemory", long}, {"SET", "k", "v", long},
	} {
		reply := c.do(command...)
		require.Equal(t, byte('-'), reply[0])
		require.Less(t, len(reply), 1000, "%.40q", command)
	}
}
