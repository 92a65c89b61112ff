package server

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
)

// A memoryWire is a transport whose client sends the same again and again.
type memoryWire struct {
	input   string
	wrote   int
	blocked int // calls of mayBlock
}

func (w *memoryWire) read(in *resp.Parser) (int, error) {
	p, err := in.Space()
	return copy(p, w.input), err
}

func (w *memoryWire) write(p []byte) error {
	w.wrote += len(p)
	return nil
}

func (w *memoryWire) writeParts(head, body, tail []byte) error {
	w.wrote += len(head) + len(body) + len(tail)
	return nil
}

func (w *memoryWire) now() int64       { return time.Now().UnixNano() }
func (w *memoryWire) mayBlock()        { w.blocked++ }
func (w *memoryWire) close()           {}
func (w *memoryWire) endInput()        {}
func (w *memoryWire) kill()            {}
func (w *memoryWire) wake()            {}
func (w *memoryWire) local() net.Addr  { return nowhere }
func (w *memoryWire) remote() net.Addr { return nowhere }

var nowhere = &net.UnixAddr{} // SLOWLOG asks, where the machine is busy

func inMemory(tb testing.TB, commands string) (*conn, *memoryWire) {
	s := start(tb, Options{})
	c, w := newConn(s.Server, 1), &memoryWire{input: commands}
	c.wire = w
	tb.Cleanup(c.in.Close)
	return c, w
}

// A command allocates nothing beyond what the map does.
func TestCommands_AllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool drop buffers")
	}
	probe := start(t, Options{})
	if testing.AllocsPerRun(100, func() { probe.dom.Enter().Leave() }) > 0 {
		t.Skip("in this build sections record who entered them")
	}
	small, large := strings.Repeat("v", 64), strings.Repeat("v", 100_000)
	for _, tc := range []struct {
		name     string
		commands string
		replies  string
		stores   int // with the map's allocations
	}{
		{"GET", encode("GET", "small"), "$64\r\n" + small + "\r\n", 0},
		{"get, inline", "get small\r\n", "$64\r\n" + small + "\r\n", 0},
		{"GET missing", encode("GET", "none"), "$-1\r\n", 0},
		{"GET large", encode("GET", "large"), "$100000\r\n" + large + "\r\n", 0},
		{"GET pipelined", strings.Repeat(encode("GET", "small"), 16), strings.Repeat("$64\r\n"+small+"\r\n", 16), 0},
		{"MGET", encode("MGET", "small", "none", "small"), "*3\r\n$64\r\n" + small + "\r\n$-1\r\n$64\r\n" + small + "\r\n", 0},
		{"GET missing, RESP3", encode("GET", "none"), "_\r\n", 0},
		{"MGET, RESP3", encode("MGET", "small", "none"), "*2\r\n$64\r\n" + small + "\r\n_\r\n", 0},
		{"EXISTS", encode("EXISTS", "small", "none"), ":1\r\n", 0},
		{"STRLEN", encode("STRLEN", "small"), ":64\r\n", 0},
		{"TTL", encode("TTL", "small"), ":-1\r\n", 0},
		{"GETRANGE", encode("GETRANGE", "small", "-2", "-1"), "$2\r\nvv\r\n", 0},
		{"PING", "PING\r\n", "+PONG\r\n", 0},
		{"SET", encode("SET", "small", small), "+OK\r\n", 1},
		{"SET pipelined", strings.Repeat(encode("SET", "small", small), 16), strings.Repeat("+OK\r\n", 16), 16},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, w := inMemory(t, tc.commands)
			c.setFlag(flagRESP3, strings.HasSuffix(tc.name, "RESP3"))
			require.NoError(t, c.srv.first().Store([]byte("small"), []byte(small)))
			require.NoError(t, c.srv.first().Store([]byte("large"), []byte(large)))
			key, value := []byte("small"), []byte(small)
			store := testing.AllocsPerRun(2000, func() { c.srv.first().Store(key, value) })
			w.wrote = 0
			got := testing.AllocsPerRun(2000, func() { c.serve(); c.finish() })
			require.Equal(t, 2001*len(tc.replies), w.wrote)
			require.InDelta(t, float64(tc.stores)*store, got, 0.5)
		})
	}
}

func BenchmarkServe(b *testing.B) {
	for _, bc := range []struct{ name, commands string }{
		{"GET", encode("GET", "key")},
		{"16 GET", strings.Repeat(encode("GET", "key"), 16)},
		{"SET", encode("SET", "key", strings.Repeat("v", 64))},
		{"PING", encode("PING")},
	} {
		b.Run(bc.name, func(b *testing.B) {
			c, _ := inMemory(b, bc.commands)
			require.NoError(b, c.srv.first().Store([]byte("key"), make([]byte, 64)))
			b.ReportAllocs()
			for b.Loop() {
				c.serve()
				c.finish()
			}
		})
	}
}
