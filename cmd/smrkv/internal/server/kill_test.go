package server

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smrmap"
)

// A walk over the keys ends soon after its connection was killed, and no command that
// came behind it is begun.
func TestKill_EndsWalk(t *testing.T) {
	const keys, seen = 10_000, 100
	for _, command := range [][]string{
		{"KEYS", "*"}, {"KEYS", "k*"}, {"KEYS", "none"},
		{"SCAN", "0", "COUNT", strconv.Itoa(keys)}, {"SCAN", "0", "TYPE", "list", "COUNT", strconv.Itoa(keys)},
	} {
		t.Run(strings.Join(command, " "), func(t *testing.T) {
			var c *conn
			asked := 0 // for the time, by the walk: once for each key, since all expire
			w := &memoryWire{input: encode(command...) + encode("SET", "after", "v")}
			s := start(t, Options{Now: func() time.Time {
				if asked++; asked == seen && c != nil {
					c.kill()
				}
				return time.UnixMilli(0)
			}})
			for i := range keys {
				require.NoError(t, s.first().StoreItem([]byte("k"+strconv.Itoa(i)), smrmap.Item{Expires: 1}))
				runtime.Gosched() // let the table grow: a step takes whole buckets
			}
			c, asked = newConn(s.Server, 1), 0
			c.wire = w
			defer c.in.Close()
			c.serve()
			require.False(t, c.finish(), "the connection has ended")
			require.Less(t, asked, keys/2)
			require.Zero(t, w.wrote)
			require.Equal(t, keys, s.first().Len())
			c = nil // for the end of the server
		})
	}
}

// A killingWire kills its connection when a command computes for long.
type killingWire struct {
	memoryWire
	c *conn
}

func (w *killingWire) mayBlock() {
	if w.blocked++; w.blocked == 2 { // the first is before the walk
		w.c.kill()
	}
}

// So does the comparison of a pattern with a long key.
func TestKill_EndsMatch(t *testing.T) {
	s := start(t, Options{})
	require.NoError(t, s.first().Store([]byte(strings.Repeat("a", 10_000)), []byte("v")))
	w := &killingWire{c: newConn(s.Server, 1)}
	w.input = encode("KEYS", "*"+strings.Repeat("a", 5_000)+"b") // hundreds of calls
	w.c.wire = w
	defer w.c.in.Close()
	w.c.serve()
	require.False(t, w.c.finish(), "the connection has ended")
	require.Equal(t, 2, w.blocked)
	require.Zero(t, w.wrote)
}

// What has arrived on a connection that was killed is not executed.
func TestKill_BeginsNoCommand(t *testing.T) {
	c, w := inMemory(t, encode("SET", "k", "v"))
	c.kill()
	c.serve()
	require.False(t, c.finish())
	require.Zero(t, w.wrote)
	require.Zero(t, c.srv.first().Len())
}
