package server

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var monitored = regexp.MustCompile(`^\+\d+\.\d{6} \[(\d+) (unix:)?[^]]*\]`)

// Whoever monitors is shown what Redis shows, and is allowed what it allows.
func TestMonitor_AsRedis(t *testing.T) {
	for _, protocol := range []string{"2", "3"} {
		t.Run("RESP"+protocol, func(t *testing.T) {
			both(t, func(t *testing.T, o Options) {
				s, socket := start(t, o), startRedis(t)
				var watch, act [2]*client // ours, theirs
				for i, addr := range []string{s.unix, socket} {
					watch[i], act[i] = dial(t, "unix", addr), dial(t, "unix", addr)
					watch[i].do("HELLO", protocol)
					act[i].do("HELLO", protocol)
					require.Equal(t, "+OK\r\n", watch[i].do("MONITOR"))
				}
				queueing := false
				send := func(who [2]*client, command []string) {
					queueing = command[0] == "MULTI" || queueing && command[0] != "EXEC" && command[0] != "DISCARD"
					var seen [2][]string
					for i := range who {
						who[i].send(encode(command...))
						var frames []string
						if queueing {
							frames = []string{who[i].reply()}
						} else {
							frames = who[i].fence()
						}
						if !queueing || who != watch {
							frames = append(frames, watch[i].fence()...)
						}
						for _, frame := range frames {
							seen[i] = append(seen[i], withoutID(monitored.ReplaceAllString(frame, "+T [$1 $2]")))
						}
					}
					require.Equal(t, seen[1], seen[0], "%q", command)
				}
				for _, line := range []string{
					"GET k", "set k v", "SELECT 3", "ECHO", "AUTH x", "AUTH u x", "HELLO " + protocol + " AUTH default x SETNAME q",
					"CONFIG GET timeout", "CONFIG nonsense", "CLIENT GETNAME", "CLIENT NO-EVICT OFF", "CLIENT nonsense", "NOSUCH", "GET", "FLUSHALL",
					"SLOWLOG RESET", "COMMAND INFO get", "DBSIZE", "OBJECT ENCODING k", "SUBSCRIBE a", "UNSUBSCRIBE a", "PUBLISH a b", "MULTI", "SET a 1",
					"INCR a", "MONITOR", "EXEC", "MULTI", "DISCARD", "MULTI", "GET", "EXEC", "WATCH w", "EXEC", "SET 12 0012", "ACL WHOAMI",
					"LATENCY LATEST", "ROLE", "SWAPDB 0 1", "MSETNX a 1 b", "SELECT 99", "RESET",
				} {
					send(act, strings.Fields(line))
				}
				var all strings.Builder
				for b := range 256 {
					all.WriteByte(byte(b))
				}
				send(act, []string{"set", "k", all.String()})
				send(act, []string{"SET", strings.Repeat("k", 10_000), strings.Repeat("\x00", 30_000), "EX", ""})
				for _, line := range []string{
					"MONITOR", "ECHO x", "GET k", "SET k v", "PUBLISH a b", "SPUBLISH a b", "OBJECT ENCODING k", "OBJECT nonsense", "TTL k", "WATCH k",
					"MULTI", "ECHO x", "EXEC", "MULTI", "GET a", "EXEC", "KEYS *", "SELECT 5", "SUBSCRIBE a", "PUBLISH a b", "UNSUBSCRIBE", "RESET", "GET k",
				} {
					send(watch, strings.Fields(line))
				}
				require.Zero(t, s.timeAll.Load(), "nobody monitors any more")
				for i := range watch {
					require.Equal(t, "+OK\r\n", watch[i].do("MONITOR"))
					watch[i].send(encode("QUIT"))
				}
				require.Equal(t, watch[1].rest(), watch[0].rest())
				s.eventually(t, "its end", func() bool { return s.timeAll.Load() == 0 })
			})
		})
	}
}

// Of each connection a monitor is shown all commands, in order, whatever others do.
func TestMonitor_Order(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		s := start(t, o)
		const clients, commands = 3, 400
		monitor := s.dial(t)
		require.Equal(t, "+OK\r\n", monitor.do("MONITOR"))
		var wg sync.WaitGroup
		for i := range clients {
			c := s.dial(t)
			wg.Go(func() {
				c.pipeline(commands, "+OK\r\n", func(n int) []string {
					return []string{"SET", fmt.Sprint(i), fmt.Sprint(n)}
				})
			})
		}
		var next [clients]int
		for range clients * commands {
			var i, n int
			line := monitor.reply()
			_, words, _ := strings.Cut(strings.ReplaceAll(line, `"`, ""), "] ")
			_, err := fmt.Sscanf(words, "SET %d %d", &i, &n)
			require.NoError(t, err, line)
			require.Equal(t, next[i], n)
			next[i]++
		}
		wg.Wait()
		require.Contains(t, monitor.do("CLIENT", "INFO"), " flags=O ")
	})
}

// One that does not read is disconnected, as a subscriber is; and so is one for which a line is too long.
func TestMonitor_Slow(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		s := start(t, o)
		c := s.dial(t)
		require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0"))
		for ended, payload := range []string{strings.Repeat("x", 50_000), strings.Repeat("\x00", 1<<20)} {
			monitor := s.dial(t)
			require.Equal(t, "+OK\r\n", monitor.do("MONITOR"))
			for i := 0; s.stats.outputLimit.Load() == int64(ended); i++ {
				require.Less(t, i, 2000, "100 MB were kept for one that does not read")
				c.do("ECHO", payload)
			}
			s.eventually(t, "the end of the connection", func() bool { return s.timeAll.Load() == 0 })
		}
	})
}
