package server

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is executed alone makes room before, also for values of another size than all that
// there is, and evicts little for it.
func TestSpare_LargeAmongSmall(t *testing.T) {
	limit := int64(16 << 20)
	if raceEnabled {
		limit /= 2
	}
	large := strings.Repeat("v", 300_000)
	for _, tc := range []struct {
		setup, command []string
	}{
		{nil, []string{"MSETNX", "new1", large, "new2", large}},
		{[]string{"SET", "k", large}, []string{"RENAME", "k", "l"}},
		{[]string{"SET", "k", large}, []string{"RENAMENX", "k", "new"}},
		{[]string{"SET", "k", large}, []string{"COPY", "k", "l", "REPLACE"}},
		{nil, []string{"SET", "k", large}},
	} {
		s := start(t, Options{MaxMemory: limit, Policy: AllKeysClock})
		c := s.dial(t)
		if tc.setup != nil {
			require.Equal(t, "+OK\r\n", c.do(tc.setup...))
		}
		s.fill(t, smallValue, 0)
		c.do("GET", "k") // it is not the next to be evicted
		before := s.Snapshot().Data
		var reply string
		if tc.command[0] == "SET" {
			reply = c.exec(tc.command, tc.command, []string{"SET", "l", large})
		} else {
			reply = c.do(tc.command...)
		}
		require.NotContains(t, reply, "OOM", "%.20q", tc.command)
		require.NotContains(t, reply, "ERR", "%.20q", tc.command)
		after := s.Snapshot().Data
		bytes := int64(after.Evicted-before.Evicted) * before.EntryBytes / int64(before.Len)
		require.Less(t, bytes, limit/2, "%.20q", tc.command)
		require.LessOrEqual(t, s.memory.Used(), limit*105/100)
	}
}

// What can't be held evicts nothing, and is refused before anything is executed.
func TestSpare_TooLargeEvictsNothing(t *testing.T) {
	const limit = 8 << 20
	s := start(t, Options{MaxMemory: limit, Policy: AllKeysClock})
	c := s.dial(t)
	s.fill(t, 100, 0)
	require.Equal(t, "+OK\r\n", c.do("SET", "k", strings.Repeat("v", 4<<20)))
	require.Equal(t, "+PONG\r\n", c.do("PING")) // when SET's batch has evicted ahead
	keys := s.first().Len()
	evicted := s.Snapshot().Data.Evicted
	var commands [][]string
	for i := range 9 {
		commands = append(commands, []string{"SET", "large" + strconv.Itoa(i), strings.Repeat("v", 1<<20)})
	}
	require.Equal(t, "-EXECABORT Transaction discarded because of: "+errOOM+"\r\n", c.exec(commands...))
	require.Equal(t, oomReply, c.do("COPY", "k", "l"))
	require.Equal(t, evicted, s.Snapshot().Data.Evicted)
	require.Equal(t, keys, s.first().Len())
}
