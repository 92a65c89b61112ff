package server

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"
)

func needsLoops(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only event loops read ahead, and there are none on this system")
	}
}

// Large values, and what is then asked for: replies and commands that are each more than
// the kernel keeps for a client that does not read.
const (
	aheadValue = 1 << 20
	aheadMany  = 16
)

// A client that writes all of a pipeline before it reads anything is served.
func TestAhead_WholePipelineIsWrittenFirst(t *testing.T) {
	needsLoops(t)
	s := start(t, Options{WriteTimeout: time.Hour})
	c := s.dial(t)
	large := strings.Repeat("v", aheadValue)
	require.Equal(t, "+OK\r\n", c.do("SET", "large", large))
	other := s.dial(t)
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	for round := range rounds {
		var pipeline strings.Builder
		for i := range aheadMany {
			pipeline.WriteString(encode("GET", "large"))
			pipeline.WriteString(encode("SET", "other", strings.Repeat(strconv.Itoa(i%10), aheadValue)))
			pipeline.WriteString(encode("INCR", "count"))
		}
		c.send(pipeline.String()) // it would hang here
		require.Equal(t, "+PONG\r\n", other.do("PING"), "others go on")
		for i := range aheadMany {
			require.Equal(t, "$"+strconv.Itoa(aheadValue)+"\r\n"+large+"\r\n", c.reply())
			require.Equal(t, "+OK\r\n", c.reply())
			require.Equal(t, ":"+strconv.Itoa(round*aheadMany+i+1)+"\r\n", c.reply())
		}
	}
	require.Equal(t, "+PONG\r\n", c.do("PING"), "nothing is left")
}

// It has room for no more than is allowed, and then the client is cut off in time, which
// gives the room back.
func TestAhead_NoRoom(t *testing.T) {
	needsLoops(t)
	s := start(t, Options{WriteTimeout: 50 * time.Millisecond, MaxClientMemory: 4 << 20})
	c := s.dial(t)
	large := strings.Repeat("v", aheadValue)
	require.Equal(t, "+OK\r\n", c.do("SET", "large", large))
	go func() {
		for range 1000 {
			if _, err := c.Write([]byte(encode("GET", "large") + encode("SET", "other", large))); err != nil {
				return
			}
		}
	}()
	s.eventually(t, "cut off", func() bool { return s.count.Load() == 0 })
	require.Zero(t, s.queryBytes())
}

// Nothing is kept for a client that has not said who it is.
func TestAhead_Unauthenticated(t *testing.T) {
	needsLoops(t)
	s := start(t, Options{WriteTimeout: 50 * time.Millisecond, RequirePass: "secret"})
	c := s.dial(t)
	require.Contains(t, c.do("PING"), "NOAUTH")
	go func() {
		pings := bytes.Repeat([]byte("PING\r\n"), 1<<16)
		for range 1000 {
			if _, err := c.Write(pings); err != nil {
				return
			}
			if s.queryBytes() > blockedSize+2*buffer.Base {
				t.Error("input is kept")
			}
		}
	}()
	s.eventually(t, "cut off", func() bool { return s.count.Load() == 0 })
}

// All that is kept for a client that does not read is charged to it: also the goroutine that waits
// for it, and what the command's arguments take.
func TestAhead_BlockedIsCharged(t *testing.T) {
	needsLoops(t)
	if raceEnabled {
		t.Skip("the heap has what the detector makes of it")
	}
	const clients = 100
	for name, pipeline := range map[string]string{ // within one buffer, and with replies that no socket takes
		"few arguments":  strings.Repeat(encode("GET", "k"), 400),
		"many arguments": strings.Repeat(encode(slices.Concat([]string{"MGET"}, slices.Repeat([]string{"k"}, 30), slices.Repeat([]string{"-"}, 970))...), 2),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Options{MaxClientMemory: 1 << 30, WriteTimeout: time.Hour})
			require.Equal(t, "+OK\r\n", s.dial(t).do("SET", "k", strings.Repeat("v", 10_000)))
			var blocked []*client
			for range clients {
				c := dial(t, "unix", s.unix)
				require.Equal(t, "+PONG\r\n", c.do("PING"))
				blocked = append(blocked, c)
			}
			before := heap() + s.pool.Bytes()
			for _, c := range blocked {
				c.send(pipeline)
			}
			other := s.dial(t)
			for s.queryBytes() < clients*blockedSize {
				other.do("PING")
			}
			took := heap() + s.pool.Bytes() - before
			runtime.KeepAlive(blocked) // with the readers that the test has for them
			charged := s.queryBytes() + s.replyBytes()
			t.Logf("%d bytes for each client, %d charged", took/clients, charged/clients)
			require.LessOrEqual(t, took, charged)
		})
	}
}

// Bytes come out as they went in, however they are cut, and the room is given back.
func TestAhead_Order(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	budget := buffer.NewBudget(6 * aheadSize) // of which it takes half
	var client buffer.Client
	client.Init(budget, func() {})
	a := ahead{budget: &client.Queries}
	var in, out byte // they count up
	held := 0
	for range 20_000 {
		if rnd.IntN(2) == 0 {
			p := a.space()
			if p == nil {
				require.Greater(t, held, 2*aheadSize-1)
				continue
			}
			n := rnd.IntN(min(len(p), 9000) + 1)
			for i := range n {
				p[i] = in
				in++
			}
			a.filled(n)
			held += n
		} else {
			p := make([]byte, rnd.IntN(9000))
			n := a.take(p)
			require.Equal(t, min(len(p), held), n)
			for _, x := range p[:n] {
				if x != out {
					t.Fatal("not as they went in")
				}
				out++
			}
			held -= n
		}
		require.Equal(t, held == 0, a.empty())
	}
	a.release()
	queries, replies := budget.Used()
	require.Zero(t, queries+replies)
}
