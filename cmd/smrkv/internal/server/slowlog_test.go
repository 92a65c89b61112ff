package server

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// slowMetric are an entry's numbers, and a unix socket's address.
var slowMetric = regexp.MustCompile(`\*6\r\n:\d+\r\n:\d+\r\n:\d+\r\n|\$\d+\r\n/[^\r]*:0\r\n`)

// The entries are those of Redis, with as much of a command, and no passwords.
func TestSlowLog_Differential(t *testing.T) {
	theirs, ours := dial(t, "unix", startRedis(t)), dial(t, "unix", start(t, Options{}).unix)
	both := func(args ...string) (string, string) { return theirs.do(args...), ours.do(args...) }
	many := append([]string{"MGET"}, strings.Fields(strings.Repeat("k ", 31))...)
	for _, args := range [][]string{
		{"CONFIG", "SET", "slowlog-log-slower-than", "0"}, {"SLOWLOG", "RESET"},
		{"GET", "a"}, {"SET", strings.Repeat("k", 128), strings.Repeat("v", 129)}, many, append(many, "32nd"), append(many, "32nd", "33rd"),
		{"CLIENT", "SETNAME", "me"}, {"AUTH", "default", "secret"}, {"HELLO", "2", "AUTH", "default", "secret", "SETNAME", "you"},
		{"CONFIG", "SET", "timeout", "0", "RequirePass", ""}, {"CONFIG", "GET", "requirepass"},
		{"MULTI"}, {"GET", "a"}, {"INCR", "a"}, {"EXEC"}, {"GET"}, {"nonsense"}, {"SLOWLOG", "GET", "-1"}, {"AUTH", "a"},
	} {
		want, got := both(args...)
		if args[0] == "HELLO" {
			want, got = withoutID(want), withoutID(got)
		}
		if args[0] == "SLOWLOG" {
			want, got = slowMetric.ReplaceAllString(want, "N"), slowMetric.ReplaceAllString(got, "N")
		}
		require.Equal(t, want, got, "%.50q", args)
	}
	for _, n := range []string{"", "1", "100"} {
		want, got := both(strings.Fields("SLOWLOG GET " + n)...)
		require.Equal(t, slowMetric.ReplaceAllString(want, "N"), slowMetric.ReplaceAllString(got, "N"))
	}
}

// Of the fast commands some are seen, with the default threshold's order of magnitude; with a
// low one all.
func TestSlowLog_Sees(t *testing.T) {
	slow := time.Now()
	s := start(t, Options{Now: func() time.Time { return slow }})
	c := s.dial(t)
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "slowlog-log-slower-than", "999", "slowlog-max-len", "1000"))
	require.True(t, s.timeAll.Load())
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "slowlog-log-slower-than", "1000"))
	require.False(t, s.timeAll.Load())
	s.slow.threshold.Store(0) // of what is timed
	c.do("SLOWLOG", "RESET")
	c.pipeline(2*timeEvery, "+PONG\r\n", func(int) []string { return []string{"PING"} })
	require.Equal(t, ":3\r\n", c.do("SLOWLOG", "LEN")) // with RESET
	c.do("CONFIG", "SET", "slowlog-log-slower-than", "0")
	c.do("SLOWLOG", "RESET")
	c.pipeline(500, "+PONG\r\n", func(int) []string { return []string{"PING"} })
	require.Equal(t, ":501\r\n", c.do("SLOWLOG", "LEN"))
	c.pipeline(5000, "+PONG\r\n", func(int) []string { return []string{"PING"} })
	require.Equal(t, ":1000\r\n", c.do("SLOWLOG", "LEN"))
	require.Contains(t, c.do("SLOWLOG", "GET", "1"), "*1\r\n*6\r\n:"+strconv.Itoa(int(s.slow.next-2)))
	c.do("CONFIG", "SET", "slowlog-log-slower-than", "-1")
	c.do("SLOWLOG", "RESET")
	c.do("KEYS", "*")
	require.Equal(t, ":0\r\n", c.do("SLOWLOG", "LEN"))
}
