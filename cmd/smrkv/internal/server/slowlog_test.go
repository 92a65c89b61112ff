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
	require.NotZero(t, s.timeAll.Load())
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "slowlog-log-slower-than", "1000"))
	require.Zero(t, s.timeAll.Load())
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
	s.slow.mu.Lock()
	newest := int(s.slow.next - 1)
	s.slow.mu.Unlock()
	require.Contains(t, c.do("SLOWLOG", "GET", "1"), "*1\r\n*6\r\n:"+strconv.Itoa(newest))
	c.do("CONFIG", "SET", "slowlog-log-slower-than", "-1")
	c.do("SLOWLOG", "RESET")
	c.do("KEYS", "*")
	require.Equal(t, ":0\r\n", c.do("SLOWLOG", "LEN"))
}

// A large value is shown as it was sent, though it is freed before the command's end is noted.
func TestSlowLog_LargeValue(t *testing.T) {
	s := start(t, Options{})
	c := s.dial(t)
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "slowlog-log-slower-than", "0"))
	value := strings.Repeat("v", 5<<20)
	require.Equal(t, "+OK\r\n", c.do("SET", "k", value))
	shown := value[:slowArgBytes] + "... (" + strconv.Itoa(len(value)-slowArgBytes) + " more bytes)"
	require.Contains(t, c.do("SLOWLOG", "GET", "1"), encode("SET", "k", shown))
}

// What SLOWLOG and MONITOR tell of a value that is stored without a copy is taken before it is stored.
func TestSlowLog_StoredValueIsNotRead(t *testing.T) {
	s := start(t, Options{streams: true})
	c := newConn(s.Server, 1)
	c.wire = &fuzzWire{}
	data := c.data()
	draft, err := data.Draft([]byte("k"), 1<<20)
	require.NoError(t, err)
	c.draft, c.draftOf = draft, data
	s.setSlow(0)
	other := newConn(s.Server, 2)
	other.wire = &fuzzWire{}
	var monitor inbox
	monitor.init(other)
	defer monitor.close()
	r, err := s.topics.join(monitors, "", &monitor)
	require.NoError(t, err)
	s.timeAll.Add(eachMonitor)
	set := *s.commands.lookup([]byte("set"))
	run := set.run
	set.run = func(c *conn, args [][]byte) {
		run(c, args)
		clear(args[2]) // as if it was freed, and is another's
	}
	value := draft.Value()
	for i := range value {
		value[i] = 'v'
	}
	c.begin()
	c.timeIt(&set, [][]byte{[]byte("SET"), []byte("k"), value}, 1)
	c.done()
	c.dropDraft()
	c.out.release(c)
	require.Contains(t, string(s.slow.entries[0].rest), "\r\n"+strings.Repeat("v", slowArgBytes)+"...")
	require.True(t, strings.HasSuffix(string(monitor.take().frame), ` [0 127.0.0.1:1] "SET" "k" "`+strings.Repeat("v", 1<<20)+"\"\r\n"))
	r.over.Store(true)
	s.topics.leave(monitors, "", r)
}

// The entries that SLOWLOG GET replies with are charged until the client has read them: the log may
// have dropped them.
func TestSlowLog_GetIsCharged(t *testing.T) {
	s := start(t, Options{MaxClientMemory: 64 << 20})
	c, reader := s.dial(t), dial(t, "unix", s.unix)
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "2000"))
	args := []string{"EXISTS"}
	for range slowArgs - 1 {
		args = append(args, strings.Repeat("k", slowArgBytes))
	}
	const n = 1000
	c.pipeline(n, ":0\r\n", func(int) []string { return args })
	reader.send(encode("SLOWLOG", "GET", "-1"))
	reader.begun() // and it does not read on
	require.GreaterOrEqual(t, s.replyBytes(), int64(n*(slowArgs-1)*slowArgBytes))
	require.Equal(t, n, strings.Count(reader.reply(), encode(args...)))
	require.Contains(t, reader.exec([]string{"SLOWLOG", "GET", "5"}), "*5\r\n*6\r\n")
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "maxmemory-clients", "4mb"))
	requireTooLarge(t, "SLOWLOG GET with a lower count", reader.do("SLOWLOG", "GET", "-1"))
	reader.do("PING") // so that it is done with what came before
	require.Zero(t, s.replyBytes())
	c.do("SLOWLOG", "RESET")
	require.Contains(t, reader.do("SLOWLOG", "GET"), "*1\r\n*6\r\n")
}
