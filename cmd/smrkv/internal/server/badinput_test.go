package server

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
)

// heap returns the bytes of the Go heap and of stacks that are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // pools let go at the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// alive checks that the server still serves others.
func (s *testServer) alive(t *testing.T) {
	t.Helper()
	nc, err := net.Dial("tcp", s.tcp)
	require.NoError(t, err)
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(time.Minute))
	_, err = io.WriteString(nc, "PING\r\n")
	require.NoError(t, err)
	var reply [7]byte
	_, err = io.ReadFull(nc, reply[:])
	require.NoError(t, err)
	require.Equal(t, "+PONG\r\n", string(reply[:]))
}

func TestBadInput_AnnouncedButNotSent(t *testing.T) {
	s := start(t, Options{})
	before := heap()
	const clients = 100
	const half = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nabc"
	var open []*client
	for range clients {
		c := s.dial(t)
		c.send(half)
		open = append(open, c)
	}
	s.eventually(t, "all were read", func() bool { return s.Snapshot().NetIn == clients*int64(len(half)) })
	// 16 KiB each, and what the test has for its own.
	require.Less(t, heap()-before+s.pool.Bytes(), int64(clients*200<<10))
	require.LessOrEqual(t, s.queryBytes(), int64(clients*buffer.Base))
	for _, c := range open {
		c.Close()
	}
	s.alive(t)
}

func TestBadInput_HalfCommands(t *testing.T) {
	s := start(t, Options{})
	whole := encode("SET", "half", "value")
	for i := range len(whole) {
		c := s.dial(t)
		c.send(whole[:i])
		c.Close()
	}
	s.eventually(t, "all are gone", func() bool { return s.count.Load() == 0 })
	require.Equal(t, ":0\r\n", s.dial(t).do("EXISTS", "half"))
}

func TestBadInput_BytesOneByOne(t *testing.T) {
	s := start(t, Options{})
	c := s.dial(t)
	for _, b := range encode("SET", "slow", "value") + "GET slow\r\n" {
		c.send(string(b))
	}
	require.Equal(t, "+OK\r\n", c.reply())
	require.Equal(t, "$5\r\nvalue\r\n", c.reply())
}

// Of clients that together send more than there is room for the largest are disconnected,
// and others are not.
func TestBadInput_QueryBuffersAreBounded(t *testing.T) {
	const limit = 8 << 20
	s := start(t, Options{MaxClientMemory: limit})
	before := heap()
	const clients = 32
	half := "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n" + strings.Repeat("x", 1<<20)
	var open []*client
	for range clients {
		c := s.dial(t)
		// It may be cut off before all is sent.
		if _, err := io.WriteString(c, half); err == nil {
			open = append(open, c)
		}
	}
	s.eventually(t, "some were disconnected", func() bool { return s.Snapshot().EvictedClients > 0 && s.queryBytes() <= limit })
	require.Less(t, s.pool.Bytes(), int64(4*limit+clients<<17))
	if !raceEnabled { // or the heap has what the detector makes of it
		require.Less(t, heap()-before+s.pool.Bytes(), int64(4*limit+clients<<17))
	}
	s.alive(t)
	for _, c := range open {
		c.Close()
	}
	s.eventually(t, "all was given back", func() bool { return s.queryBytes() == 0 })
}

// One that is alone is disconnected by itself, and counted as well.
func TestBadInput_QueryBufferOfOneIsBounded(t *testing.T) {
	s := start(t, Options{MaxClientMemory: 1 << 20})
	c := s.dial(t)
	io.WriteString(c, "*1\r\n$536870912\r\n"+strings.Repeat("x", 2<<20)) // it may be cut off before all is sent
	s.eventually(t, "it was disconnected", func() bool { return s.Snapshot().EvictedClients == 1 && s.queryBytes() == 0 })
}

// A client that does not read makes the server hold one reply, and is closed.
func TestBadInput_ClientThatDoesNotRead(t *testing.T) {
	const limit = 4 << 20
	s := start(t, Options{WriteTimeout: 200 * time.Millisecond, MaxClientMemory: limit})
	c := s.dial(t)
	require.Equal(t, "+OK\r\n", c.do("SET", "large", strings.Repeat("v", 1<<20)))
	require.Equal(t, "+OK\r\n", c.do("SET", "small", "v"))
	before := heap()
	const clients = 16
	for range clients {
		c = s.dial(t)
		go io.WriteString(c, strings.Repeat(encode("GET", "large")+encode("MGET", "small", "large", "large"), 100))
	}
	c.begun()
	for s.count.Load() > 1 {
		require.LessOrEqual(t, s.replyBytes(), int64(limit))
		require.Less(t, s.pool.Bytes(), int64(8*limit))
		if !raceEnabled { // or the heap has what the detector makes of it
			require.Less(t, heap()-before+s.pool.Bytes(), int64(8*limit))
		}
		s.alive(t)
	}
	require.Zero(t, s.replyBytes())
}

// One that reads slowly gets all of it, though the loop serves others meanwhile.
func TestBadInput_ClientThatReadsSlowly(t *testing.T) {
	s := start(t, Options{})
	value := strings.Repeat("0123456789", 100_000)
	c := s.dial(t)
	require.Equal(t, "+OK\r\n", c.do("SET", "k", value))
	const n = 30
	go io.WriteString(c, strings.Repeat(encode("GET", "k"), n))
	c.begun()
	s.alive(t)
	for range n {
		require.True(t, "$1000000\r\n"+value+"\r\n" == c.reply())
	}
	require.Equal(t, "+PONG\r\n", c.do("PING"))
}

func TestBadInput_ClosedInTheMiddleOfAReply(t *testing.T) {
	s := start(t, Options{})
	require.Equal(t, "+OK\r\n", s.dial(t).do("SET", "k", strings.Repeat("v", 4<<20)))
	for i := range 20 {
		c := s.dial(t)
		c.send(strings.Repeat(encode("GET", "k"), 10))
		if _, err := io.CopyN(io.Discard, c, int64(i*100_000)); err != nil {
			t.Fatal(err)
		}
		c.Conn.(*net.TCPConn).SetLinger(0) // a reset
		c.Close()
	}
	s.eventually(t, "all are gone", func() bool { return s.count.Load() <= 1 })
	s.alive(t)
}

func TestBadInput_SizesOfValues(t *testing.T) {
	s := start(t, Options{})
	c := s.dial(t)
	for _, n := range []int{0, 1, 16 << 10, 16<<10 - bulkOverhead, 16<<10 - bulkOverhead + 1, 1 << 20, 1<<20 + 1, 5 << 20} {
		value := strings.Repeat("v", n)
		require.Equal(t, "+OK\r\n", c.do("SET", "k", value))
		require.True(t, fmt.Sprintf("$%d\r\n%s\r\n", n, value) == c.do("GET", "k"), "%d bytes", n)
		require.True(t, fmt.Sprintf("$%d\r\n%s\r\n", n, value) == c.do("ECHO", value), "%d bytes", n)
		require.Equal(t, fmt.Sprintf(":%d\r\n", n), c.do("STRLEN", "k"))
		require.True(t, fmt.Sprintf("$%d\r\n%s\r\n", n, value) == c.do("SET", "k", "x", "GET"), "%d bytes", n)
	}
	c.send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870913\r\n")
	require.Equal(t, "-ERR Protocol error: invalid bulk length\r\n", c.rest())
}

func TestBadInput_LargestValue(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than 2 GiB of memory")
	}
	s := start(t, Options{})
	c := s.dial(t)
	c.SetDeadline(time.Now().Add(5 * time.Minute))
	chunk := strings.Repeat("v", 1<<20)
	c.send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n")
	for range resp.MaxBulk / len(chunk) {
		c.send(chunk)
	}
	c.send("\r\n")
	require.Equal(t, "+OK\r\n", c.reply())
	require.Equal(t, ":536870912\r\n", c.do("STRLEN", "k"))
	require.Equal(t, "-"+errTooLong+"\r\n", c.do("APPEND", "k", "x"))
	require.Equal(t, "-"+errTooLong+"\r\n", c.do("SETRANGE", "k", "536870912", "x"))
	require.Equal(t, "$3\r\nvvv\r\n", c.do("GETRANGE", "k", "536870909", "-1"))
	c.send(encode("GETDEL", "k"))
	head := make([]byte, len("$536870912\r\n"))
	_, err := io.ReadFull(c.r, head)
	require.NoError(t, err)
	require.Equal(t, "$536870912\r\n", string(head))
	_, err = io.CopyN(io.Discard, c.r, resp.MaxBulk+2)
	require.NoError(t, err)
	require.Equal(t, ":0\r\n", c.do("EXISTS", "k"))
}
