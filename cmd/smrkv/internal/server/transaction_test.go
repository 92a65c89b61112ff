package server

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Most replies of transactions are compared with those of Redis by TestDifferential.

// both runs a test with event loops, some of them, and with a goroutine for each
// connection.
func both(t *testing.T, test func(t *testing.T, o Options)) {
	for _, o := range []Options{{IOThreads: 3}, {streams: true, IOThreads: 3}} {
		t.Run(map[bool]string{false: "loops", true: "streams"}[o.streams], func(t *testing.T) { test(t, o) })
	}
}

// exec sends a transaction in one piece and returns what EXEC replied.
func (c *client) exec(commands ...[]string) string {
	c.t.Helper()
	var all strings.Builder
	all.WriteString(encode("MULTI"))
	for _, args := range commands {
		all.WriteString(encode(args...))
	}
	c.send(all.String() + encode("EXEC"))
	require.Equal(c.t, "+OK\r\n", c.reply())
	for _, args := range commands {
		require.Equal(c.t, "+QUEUED\r\n", c.reply(), args)
	}
	return c.reply()
}

// Whatever others read, in whatever way, is from before a transaction or from after it.
func TestExec_NeverTorn(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		s := start(t, o)
		setup := s.dial(t)
		setup.do("MSET", "a", "0", "b", "0", "left", "x")
		rounds := 3000
		if testing.Short() {
			rounds = 500
		}
		var stop atomic.Bool
		var writers, readers sync.WaitGroup
		write := func(commands ...[]string) {
			c := s.dial(t)
			writers.Go(func() {
				for i := range rounds {
					n := strconv.Itoa(i)
					for _, args := range commands {
						for j := range args {
							if args[j] == "?" {
								args = append(args[:j:j], append([]string{n}, args[j+1:]...)...)
							}
						}
						c.send(encode(args...))
					}
					for range commands {
						c.reply()
					}
				}
			})
		}
		multi, exec := []string{"MULTI"}, []string{"EXEC"}
		write(multi, []string{"SET", "a", "?"}, []string{"SET", "b", "?"}, exec)
		write(multi, []string{"SET", "b", "x?"}, []string{"GET", "a"}, []string{"SET", "a", "x?"}, exec) // "x?" as it is
		// There is always one of left and right, and one of up and down.
		write([]string{"RENAME", "left", "right"}, []string{"RENAME", "right", "left"})
		setup.do("SET", "up", "x")
		write(multi, []string{"DEL", "up"}, []string{"SET", "down", "?"}, exec, multi, []string{"SET", "up", "?"}, []string{"DEL", "down"}, exec)
		read := func(check func(reply string) bool, args ...string) {
			c := s.dial(t)
			inMulti := args[0] == "MULTI"
			readers.Go(func() {
				for !stop.Load() {
					var reply string
					if inMulti {
						reply = c.exec([]string{"GET", "a"}, []string{"PING"}, []string{"GET", "b"})
					} else {
						reply = c.do(args...)
					}
					if !check(reply) {
						t.Errorf("%.30q: torn: %.100q", args[0], reply)
						return
					}
				}
			})
		}
		same := func(reply string) bool {
			f := strings.Split(reply, "\r\n")
			return len(f) > 5 && f[2] == f[len(f)-2]
		}
		is := func(want string) func(string) bool { return func(reply string) bool { return reply == want } }
		mget := []string{"MGET", "a"}
		for i := range 300 { // which takes a while
			mget = append(mget, "none"+strconv.Itoa(i))
		}
		read(same, append(mget, "b")...)
		read(same, "MULTI")
		read(is(":1\r\n"), "EXISTS", "left", "right")
		read(is(":1\r\n"), "TOUCH", "up", "down")
		read(is(":4\r\n"), "DBSIZE")
		one := func(reply string) bool {
			return strings.Count(reply, "up")+strings.Count(reply, "down") == 1 && strings.Count(reply, "left")+strings.Count(reply, "right") == 1
		}
		read(one, "KEYS", "*")
		read(one, "SCAN", "0", "COUNT", "100")
		writers.Wait()
		stop.Store(true)
		readers.Wait()
	})
}

// A client that doesn't read holds up no transaction of others: neither in the middle of a
// command nor after one of its own.
func TestExec_SlowReaderHoldsUpNobody(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		o.WriteTimeout = time.Hour
		s := start(t, o)
		c := s.dial(t)
		require.Equal(t, "+OK\r\n", c.do("SET", "large", strings.Repeat("v", 1<<20)))
		large := make([]string, 0, 40)
		for range 40 {
			large = append(large, "large")
		}
		var slow []*client
		for _, pipeline := range []string{
			strings.Repeat(encode("GET", "large"), 40),
			encode(append([]string{"MGET"}, large...)...) + encode("PING"),
			encode("MULTI") + strings.Repeat(encode("GET", "large"), 40) + encode("EXEC") + encode("PING"),
			encode("ECHO", strings.Repeat("e", 40<<20)),
		} {
			other := s.dial(t)
			go io.WriteString(other, pipeline)
			other.begun()
			slow = append(slow, other)
		}
		for i := range 20 {
			require.Equal(t, fmt.Sprintf("*2\r\n:%d\r\n+PONG\r\n", i+1), c.exec([]string{"INCR", "n"}, []string{"PING"}))
			require.Equal(t, ":1\r\n", s.dial(t).do("MSETNX", "x"+strconv.Itoa(i), "1", "y"+strconv.Itoa(i), "2"))
		}
		for _, other := range slow {
			other.Close()
		}
	})
}

// Values that have no room are answered with errors, and stay; the rest is executed.
func TestExec_RepliesWithoutRoom(t *testing.T) {
	const limit = 4 << 20
	s := start(t, Options{MaxClientMemory: limit})
	c := s.dial(t)
	value := strings.Repeat("v", 1<<20)
	require.Equal(t, "+OK\r\n", c.do("SET", "large", value))
	var commands [][]string
	for range 10 {
		commands = append(commands, []string{"GET", "large"}, []string{"ECHO", strings.Repeat("e", 1000)}, []string{"INCR", "n"})
	}
	commands = append(commands, []string{"MGET", "large", "large"}, []string{"GETDEL", "large"}, []string{"SET", "large", "x", "GET"},
		[]string{"GETRANGE", "large", "1", "-1"}, []string{"APPEND", "large", "x"}, []string{"STRLEN", "large"}, []string{"GET", "n"})
	reply := c.exec(commands...)
	require.True(t, strings.HasPrefix(reply, "*37\r\n$1048576\r\n"))
	require.True(t, strings.HasSuffix(reply, strings.Repeat("-"+errReplyRoom+"\r\n", 5)+":1048576\r\n$2\r\n10\r\n"), "%q", reply[len(reply)-300:])
	require.Equal(t, 10, strings.Count(reply, strings.Repeat("e", 1000)))
	require.Less(t, len(reply), limit)
	c.do("PING") // so that it is done with what came before
	require.Zero(t, s.replyBytes())
	require.Equal(t, "$1048576\r\n"+value+"\r\n", c.do("GET", "large"))
}

// Replies that are many and small are all there, in order.
func TestExec_ManyReplies(t *testing.T) {
	s := start(t, Options{})
	c := s.dial(t)
	var commands [][]string
	var want strings.Builder
	want.WriteString("*20000\r\n")
	for i := range 10_000 {
		commands = append(commands, []string{"INCR", "n"}, []string{"ECHO", "hello"})
		fmt.Fprintf(&want, ":%d\r\n$5\r\nhello\r\n", i+1)
	}
	require.True(t, want.String() == c.exec(commands...))
	c.do("PING") // so that it is done with what came before
	require.Zero(t, s.replyBytes())
}

// What is queued is charged to the clients' memory, and refused when there is no room;
// then nothing is executed.
func TestMulti_QueueIsCharged(t *testing.T) {
	s := start(t, Options{MaxClientMemory: 1 << 20})
	c := s.dial(t)
	c.do("MULTI")
	require.Equal(t, "+QUEUED\r\n", c.do("SET", "k", strings.Repeat("v", 10_000)))
	require.Greater(t, s.queryBytes(), int64(10_000))
	require.Equal(t, "+OK\r\n", c.do("DISCARD"))
	require.Zero(t, s.queryBytes())
	c.do("MULTI")
	refused := false
	for range 200 {
		reply := c.do("SET", "k", strings.Repeat("v", 10_000))
		if refused = reply != "+QUEUED\r\n"; refused {
			require.Equal(t, "-"+errQueueRoom+"\r\n", reply)
			break
		}
	}
	require.True(t, refused)
	require.Zero(t, s.queryBytes(), "and what was queued goes at once")
	require.Equal(t, "+QUEUED\r\n", c.do("SET", "k", "v"))
	require.Zero(t, s.queryBytes())
	require.Equal(t, "-"+errExecAbort+"\r\n", c.do("EXEC"))
	require.Equal(t, ":0\r\n", c.do("EXISTS", "k"))
}

// Whatever ends a transaction or its connection, nothing is executed and nothing kept.
func TestMulti_StateEndsWith(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		s := start(t, o)
		admin := s.dial(t)
		for name, end := range map[string]func(c *client){
			"DISCARD": func(c *client) { c.do("DISCARD") },
			"RESET":   func(c *client) { c.do("RESET") },
			"QUIT":    func(c *client) { c.do("QUIT") },
			"close":   func(c *client) { c.Close() },
			"kill": func(c *client) {
				require.Equal(t, "+OK\r\n", admin.do("CLIENT", "KILL", c.LocalAddr().String()))
			},
			"HTTP":           func(c *client) { c.send("POST /\r\n") },
			"protocol error": func(c *client) { c.send("*x\r\n") },
		} {
			c := s.dial(t)
			require.Equal(t, "+OK\r\n", c.do("WATCH", "k", "l"))
			require.Equal(t, "+OK\r\n", c.do("MULTI"))
			require.Equal(t, "+QUEUED\r\n", c.do("SET", "k", "v"))
			require.Contains(t, admin.do("CLIENT", "LIST"), "flags=x db=0 sub=0 psub=0 ssub=0 multi=1 ")
			require.Positive(t, s.queryBytes())
			require.EqualValues(t, 2, s.watches.count.Load())
			end(c)
			s.eventually(t, name+": it has ended", func() bool { return s.watches.count.Load() == 0 && s.queryBytes() == 0 })
			c.Close()
			s.eventually(t, name+": the connection has gone", func() bool { return s.count.Load() == 1 })
		}
		require.Equal(t, ":0\r\n", admin.do("EXISTS", "k"))
	})
}

// Within EXEC no key expires.
func TestExec_TimeStandsStill(t *testing.T) {
	var ms atomic.Int64
	s := start(t, Options{Now: func() time.Time { return time.UnixMilli(1_000_000 + ms.Add(1)) }})
	c := s.dial(t)
	commands := [][]string{{"SET", "k", "v", "PX", "3"}, {"PTTL", "k"}}
	for range 20 {
		commands = append(commands, []string{"EXISTS", "k"})
	}
	commands = append(commands, []string{"DBSIZE"}, []string{"PTTL", "k"})
	require.Equal(t, "*24\r\n+OK\r\n:3\r\n"+strings.Repeat(":1\r\n", 21)+":3\r\n", c.exec(commands...))
	for range 5 {
		s.clock()
	}
	require.Equal(t, ":0\r\n", c.do("EXISTS", "k"), "and then time goes on")
}

// Within EXEC no key is evicted, and none deleted by active expiry.
func TestExec_NothingIsEvictedWithin(t *testing.T) {
	s := start(t, Options{MaxMemory: 4 << 20, Policy: AllKeysClock, IOThreads: 3})
	for i := range 20_000 {
		require.NoError(t, s.first().Store([]byte(fmt.Sprint("0 ", i)), make([]byte, 100)))
	}
	var stop atomic.Bool
	var writers sync.WaitGroup
	for w := range 2 {
		c := s.dial(t)
		writers.Go(func() {
			for i := 0; !stop.Load(); i++ {
				c.do("SET", fmt.Sprint(w, i%100_000), strings.Repeat("v", 100+i%400))
			}
		})
	}
	c := s.dial(t)
	const looks = 1000 // long enough for others to evict meanwhile, if they could
	rounds := 200
	if testing.Short() {
		rounds = 60
	}
	for i := range rounds {
		var commands [][]string
		for range looks {
			commands = append(commands, []string{"EXISTS", fmt.Sprint(0, i*7%100_000), fmt.Sprint(1, i*11%100_000)}, []string{"DBSIZE"})
		}
		replies := strings.SplitAfter(c.exec(commands...), "\r\n")[1:]
		require.True(t, strings.Repeat(replies[0]+replies[1], looks) == strings.Join(replies, ""), "%d: %q, and then others", i, replies[:2])
	}
	stop.Store(true)
	writers.Wait()
	require.Positive(t, s.Snapshot().Data.Evicted, "or it shows nothing")
}

// A transaction whose writes have no room is refused as a whole.
func TestExec_NoMemory(t *testing.T) {
	s := start(t, Options{MaxMemory: 4 << 20})
	c := s.dial(t)
	large := strings.Repeat("v", 1<<20)
	oom := "-EXECABORT Transaction discarded because of: " + errOOM + "\r\n"
	require.Equal(t, oom, c.exec([]string{"SET", "a", large}, []string{"SET", "b", large}, []string{"SET", "c", large}, []string{"SET", "d", large}))
	require.Equal(t, ":0\r\n", c.do("EXISTS", "a", "b", "c", "d"))
	require.Equal(t, "-EXEC without MULTI\r\n", strings.Replace(c.do("EXEC"), "ERR ", "", 1))
	require.Equal(t, "*2\r\n+OK\r\n:1\r\n", c.exec([]string{"SET", "a", large}, []string{"EXISTS", "a"}))

	// With less memory than is used, which nothing can give back, it is said at once.
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "maxmemory", "1"))
	require.Equal(t, "+OK\r\n", c.do("MULTI"))
	require.Equal(t, "-"+errOOM+"\r\n", c.do("SET", "b", "v"))
	require.Equal(t, "+QUEUED\r\n", c.do("GET", "a"))
	require.Equal(t, "-"+errExecAbort+"\r\n", c.do("EXEC"))
}

// With a policy that evicts, what a transaction needs is evicted before it begins.
func TestExec_EvictsBefore(t *testing.T) {
	const limit = 8 << 20
	s := start(t, Options{MaxMemory: limit, Policy: AllKeysClock})
	c := s.dial(t)
	for i := range 10_000 {
		require.Equal(t, "+OK\r\n", c.do("SET", strconv.Itoa(i), strings.Repeat("v", 1000)))
	}
	for i := range 200 {
		var commands [][]string
		for j := range 50 {
			commands = append(commands, []string{"SET", fmt.Sprint(i, "-", j), strings.Repeat("w", 1000)})
		}
		require.Equal(t, "*50\r\n"+strings.Repeat("+OK\r\n", 50), c.exec(commands...), i)
	}
	require.LessOrEqual(t, s.memory.Used(), int64(limit))
}

// CONFIG SET in a transaction gives memory back after it.
func TestExec_LowersLimit(t *testing.T) {
	s := start(t, Options{MaxMemory: 16 << 20, Policy: AllKeysClock})
	c := s.dial(t)
	for i := range 10_000 {
		require.Equal(t, "+OK\r\n", c.do("SET", strconv.Itoa(i), strings.Repeat("v", 1000)))
	}
	reply := c.exec([]string{"DBSIZE"}, []string{"CONFIG", "SET", "maxmemory", "8mb"}, []string{"DBSIZE"})
	f := strings.Split(reply, "\r\n")
	require.Equal(t, []string{"*3", f[1], "+OK", f[1], ""}, f)
	require.LessOrEqual(t, s.memory.Used(), int64(8<<20))
}
