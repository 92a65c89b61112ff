package server

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"
)

// All that is kept for a client within EXEC is charged to it, if it has no room as well;
// nobody is disconnected for that, and it is given back when it is written.
func TestHeld_IsCharged(t *testing.T) {
	c, w := inMemory(t, "")
	c.srv.setClientMemory(4 * buffer.Base)
	text := strings.Repeat("x", 100)
	c.begin()
	c.alone(func() {
		for range 10 * buffer.Base / 100 {
			c.simple(text)
		}
		require.GreaterOrEqual(t, c.srv.replyBytes(), int64(9*buffer.Base))
		require.False(t, c.reserve(2*buffer.Base), "there is no room for what can be refused")
		require.Zero(t, w.wrote)
	})
	require.Zero(t, c.srv.replyBytes())
	require.Zero(t, c.srv.buffers.Evicted())
	c.done()
	c.flush()
	require.Equal(t, 10*buffer.Base/100*(len(text)+3), w.wrote)
	c.out.release(c)
}
