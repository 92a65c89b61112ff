package server

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fence returns what comes up to the reply to a PING, frame by frame, without that.
func (c *client) fence() (frames []string) {
	c.t.Helper()
	c.send(encode("PING", "fence"))
	for {
		frame := c.reply()
		if strings.HasSuffix(frame, "$5\r\nfence\r\n") {
			return frames
		}
		frames = append(frames, frame)
	}
}

// Several clients of smrkv and of redis-server see the same, byte by byte, whatever they
// subscribe to and publish. Messages of one command may come in another order: which of its
// patterns a channel is compared with first differs.
func TestPubSub_StreamsAsRedis(t *testing.T) {
	for _, protocol := range []string{"2", "3"} {
		t.Run("RESP"+protocol, func(t *testing.T) {
			both(t, func(t *testing.T, o Options) {
				s, socket := start(t, o), startRedis(t)
				const n = 4
				var ours, theirs [n]*client
				connect := func(i int) {
					ours[i], theirs[i] = s.dial(t), dial(t, "unix", socket)
					require.Equal(t, withoutID(theirs[i].do("HELLO", protocol)), withoutID(ours[i].do("HELLO", protocol)))
				}
				for i := range n {
					connect(i)
				}
				random, steps := rand.New(rand.NewPCG(5, 6)), 300
				if testing.Short() {
					steps = 80
				}
				for step := range steps {
					i, command := random.IntN(n), randomPubSub(random)
					ours[i].send(encode(command...))
					theirs[i].send(encode(command...))
					for j := range n + 1 { // first the one that sent
						k := (i + j) % n
						got, want := ours[k].fence(), theirs[k].fence()
						slices.Sort(got)
						slices.Sort(want)
						require.Equal(t, want, got, "step %d: client %d sent %q; client %d", step, i, command, k)
					}
					if random.IntN(50) == 0 {
						ours[i].Close()
						theirs[i].Close()
						s.eventually(t, "the end of a connection", func() bool { return s.Snapshot().Clients < n })
						for ctx := testContext(t); redisClients(t, socket) != n; { // the one that asks included
							require.NoError(t, ctx.Err())
						}
						connect(i)
					}
				}
			})
		})
	}
}

func redisClients(t *testing.T, socket string) int {
	c := dial(t, "unix", socket)
	defer c.Close()
	return strings.Count(c.do("CLIENT", "LIST"), "id=")
}

func randomPubSub(random *rand.Rand) []string {
	names := []string{"a", "b", "ab", "", "with \r\n"}
	globs := []string{"a*", "*", "?", "[ab]", "nothing"}
	pick := func(list []string) string { return list[random.IntN(len(list))] }
	switch random.IntN(16) {
	case 0, 1:
		return []string{"SUBSCRIBE", pick(names), pick(names)}[:2+random.IntN(2)]
	case 2:
		return []string{"PSUBSCRIBE", pick(globs), pick(globs)}[:2+random.IntN(2)]
	case 3:
		return []string{"SSUBSCRIBE", pick(names)}
	case 4:
		return []string{"UNSUBSCRIBE", pick(names), pick(names)}[:2+random.IntN(2)]
	case 5:
		return []string{"PUNSUBSCRIBE", pick(globs)}
	case 6:
		return []string{"SUNSUBSCRIBE", pick(names)}
	case 7:
		return []string{"RESET"}[:1]
	case 8:
		return []string{"SPUBLISH", pick(names), strconv.Itoa(random.IntN(100))}
	case 9:
		return append([]string{"PUBSUB", "NUMSUB"}, names...)
	case 10:
		return append([]string{"PUBSUB", "SHARDNUMSUB"}, names...)
	case 11:
		return []string{"PUBSUB", "NUMPAT"}
	case 12:
		return []string{"PUBSUB", pick([]string{"CHANNELS", "SHARDCHANNELS"}), pick([]string{"a", "b", "ab"})}
	case 13:
		return []string{"PUBLISH", pick(names), strings.Repeat("large", 5000)}
	}
	return []string{"PUBLISH", pick(names), strconv.Itoa(random.IntN(100))}
}

// What a publisher sends arrives in order and completely, at each subscriber, by channel and
// by pattern, and PUBLISH counts it.
func TestPubSub_Order(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		s := start(t, o)
		const publishers, messages = 3, 500
		var wg sync.WaitGroup
		for i := range 4 {
			c := s.dial(t)
			c.do("HELLO", strconv.Itoa(2+i%2))
			require.Contains(t, c.do("SUBSCRIBE", "channel"), "subscribe")
			require.Contains(t, c.do("PSUBSCRIBE", "chan*"), "psubscribe")
			wg.Go(func() {
				var next [publishers][2]int
				for range publishers * messages * 2 {
					parts := strings.Split(c.reply(), "\r\n")
					from, n, _ := strings.Cut(parts[len(parts)-2], " ")
					p, _ := strconv.Atoi(from)
					kind := (len(parts) - 8) / 2 // a pattern has a part more
					if want := strconv.Itoa(next[p][kind]); n != want {
						t.Errorf("publisher %d, %q: %s, not %s", p, parts, n, want)
						return
					}
					next[p][kind]++
				}
			})
		}
		for p := range publishers {
			c := s.dial(t)
			wg.Go(func() {
				c.pipeline(messages, ":8\r\n", func(i int) []string {
					return []string{"PUBLISH", "channel", fmt.Sprintf("%d %d", p, i)}
				})
			})
		}
		wg.Wait()
	})
}

// However subscribers come and go, each receives what was counted for it: all of it between
// the replies to SUBSCRIBE and UNSUBSCRIBE, nothing twice, nothing before and nothing after.
func TestPubSub_ExactWhileSubscribersComeAndGo(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		s := start(t, o)
		rounds := 200
		if testing.Short() {
			rounds = 50
		}
		var counted, received atomic.Int64
		var subscribers, publishers sync.WaitGroup
		var stop atomic.Bool
		for range 3 {
			c := s.dial(t)
			publishers.Go(func() {
				for i := 0; !stop.Load(); i++ {
					channel := "c" + strconv.Itoa(i%2)
					n, err := strconv.Atoi(strings.TrimSpace(c.do("PUBLISH", channel, channel)[1:]))
					require.NoError(t, err)
					counted.Add(int64(n))
				}
			})
		}
		for i := range 4 {
			c := s.dial(t)
			c.do("HELLO", strconv.Itoa(2+i%2))
			channel := "c" + strconv.Itoa(i/2)
			subscribers.Go(func() {
				for range rounds {
					c.send(encode("SUBSCRIBE", channel) + encode("PING", "fence"))
					if !strings.Contains(c.reply(), "subscribe") {
						t.Error("a message before the reply to SUBSCRIBE")
					}
					c.countTo("fence", channel, &received)
					c.send(encode("UNSUBSCRIBE") + encode("PING", "fence"))
					c.countTo("unsubscribe", channel, &received)
					if got := c.reply(); !strings.Contains(got, "fence") {
						t.Errorf("after UNSUBSCRIBE: %q", got)
					}
				}
			})
		}
		subscribers.Wait()
		stop.Store(true)
		publishers.Wait()
		require.Equal(t, counted.Load(), received.Load())
		require.Zero(t, s.topics.of[channels].Len())
	})
}

// countTo counts messages up to a reply.
func (c *client) countTo(end, channel string, n *atomic.Int64) {
	for {
		got := c.reply()
		switch {
		case strings.Contains(got, end):
			return
		case !strings.HasSuffix(got, "message\r\n$2\r\n"+channel+"\r\n$2\r\n"+channel+"\r\n"):
			c.t.Errorf("%q", got)
			return
		}
		n.Add(1)
	}
}

// Subscribers, publishers and what ends them, all at once: nothing is used after it was
// freed, nothing hangs, and in the end nothing is left.
func TestPubSub_Hammer(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		o.MaxClientMemory = 4 << 20
		s := start(t, o)
		s.do(t, "CONFIG", "SET", "client-output-buffer-limit", "pubsub 200kb 20kb 0", "notify-keyspace-events", "KEA")
		rounds := 100
		if testing.Short() {
			rounds = 25
		}
		var wg sync.WaitGroup
		for g := range 6 {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(7, uint64(g)))
				for range rounds {
					s.hammer(t, random)
				}
			})
		}
		wg.Wait()
		// Some may be accepted only now.
		s.eventually(t, "the end of all connections and topics", func() bool {
			return s.Snapshot().Clients == 0 && s.topics.of[channels].Len()+s.topics.of[patterns].Len()+s.topics.of[shards].Len() == 0
		})
	})
}

func (s *testServer) do(t *testing.T, args ...string) string {
	c := s.dial(t)
	defer c.Close()
	return c.do(args...)
}

// hammer is a connection's life. What it sends need not be read, nor answered.
func (s *testServer) hammer(t *testing.T, random *rand.Rand) {
	nc, err := net.Dial("unix", s.unix)
	require.NoError(t, err)
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(time.Minute))
	done := make(chan struct{})
	read := random.IntN(3) > 0
	go func() {
		defer close(done)
		if read {
			io.Copy(io.Discard, nc)
		}
	}()
	var b strings.Builder
	for range 1 + random.IntN(60) {
		command := randomPubSub(random)
		switch random.IntN(30) {
		case 0:
			command = []string{"CLIENT", "KILL", "TYPE", "pubsub"}
		case 1:
			command = []string{"SET", "ab", "v", "PX", "1"}
		case 2:
			command = []string{"PSUBSCRIBE", "__key*"}
		case 3:
			command = []string{"HELLO", "3"}
		case 4:
			b.WriteString(encode("MULTI") + encode(randomPubSub(random)...) + encode(randomPubSub(random)...))
			command = []string{"EXEC"}
		case 5:
			command = []string{"QUIT"}
		}
		b.WriteString(encode(command...))
		if random.IntN(5) == 0 {
			io.WriteString(nc, b.String()) // unless it was closed
			b.Reset()
		}
	}
	io.WriteString(nc, b.String())
	if random.IntN(2) == 0 {
		nc.(*net.UnixConn).CloseWrite()
		if read {
			<-done
		}
	}
	nc.Close()
	<-done
}

// What unsubscribing retires counts as written, so that who comes and goes waits when too much is
// pending.
func TestPubSub_ChurnIsThrottled(t *testing.T) {
	c, _ := inMemory(t, strings.Repeat(encode("SUBSCRIBE", "a")+encode("UNSUBSCRIBE", "a"), 10))
	c.serve()
	require.Equal(t, 10*(topicSize+subscriptionSize), c.written)
	require.True(t, c.finish())
	require.Zero(t, c.written)
}

// A message that is accepted while the connection leaves the channel is among those that come
// before the reply; or it is not accepted.
func TestInbox_LeaveBetweenOpenAndPush(t *testing.T) {
	var b inbox
	b.init(&conn{})
	r := &subscription{box: &b}
	h, ok := b.open(r)
	require.True(t, ok)
	require.Nil(t, b.take(), "the inbox is empty, and was again")
	require.True(t, b.push(h, &delivery{frame: []byte("1"), next: h, bytes: 1}), "nothing has changed")
	b.take()
	h, ok = b.open(r)
	require.True(t, ok)

	r.over.Store(true)
	require.Nil(t, b.leave())
	require.False(t, b.push(h, &delivery{frame: []byte("2"), next: h, bytes: 1}), "pushed after the reply to UNSUBSCRIBE")
	_, ok = b.open(r)
	require.False(t, ok)

	again := &subscription{box: &b}
	h, ok = b.open(again)
	require.True(t, ok)
	b.newest.Store(closedInbox)
	require.False(t, b.push(h, &delivery{frame: []byte("3"), next: h, bytes: 1}))
	_, ok = b.open(again)
	require.False(t, ok)
}

// A subscriber that does not read is disconnected: at the hard limit, when it has been over
// the soft one for too long, or as the largest client. Publishers do not wait for it.
func TestPubSub_SlowSubscriber(t *testing.T) {
	for name, config := range map[string][]string{
		"hard":              {"client-output-buffer-limit", "pubsub 1mb 0 0"},
		"soft":              {"client-output-buffer-limit", "pubsub 0 1mb 0"},
		"maxmemory-clients": {"client-output-buffer-limit", "pubsub 0 0 0", "maxmemory-clients", "2mb"},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, o Options) {
				s := start(t, o)
				slow, fast, publisher := s.dial(t), s.dial(t), s.dial(t)
				require.Equal(t, "+OK\r\n", publisher.do(append([]string{"CONFIG", "SET"}, config...)...))
				slow.do("SUBSCRIBE", "channel")
				fast.do("SUBSCRIBE", "channel")
				payload := strings.Repeat("x", 50_000)
				last := ""
				for i := 0; last != ":1\r\n"; i++ {
					require.Less(t, i, 2000, "100 MB were kept for one that does not read")
					last = publisher.do("PUBLISH", "channel", payload)
					require.Contains(t, fast.reply(), payload)
				}
				s.eventually(t, "the end of the connection", func() bool { return s.Snapshot().Clients == 2 })
				limited, evicted := 1, 0
				if name == "maxmemory-clients" {
					limited, evicted = 0, 1
				}
				info := publisher.do("INFO", "stats")
				require.Contains(t, info, fmt.Sprintf("client_output_buffer_limit_disconnections:%d\r\n", limited))
				require.Contains(t, info, fmt.Sprintf("evicted_clients:%d\r\n", evicted))
				require.Empty(t, fast.fence())
			})
		})
	}
}

// One that is over the soft limit is disconnected although nothing more is published; one that
// reads in time is not. Nobody looks at them after that.
func TestPubSub_SlowSubscriberIsWatched(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		s := start(t, o)
		slow, publisher := s.dial(t), s.dial(t)
		watched := func() bool {
			s.reaper.mu.Lock()
			defer s.reaper.mu.Unlock()
			return s.reaper.timer != nil
		}
		payload := strings.Repeat("x", 50_000)
		publish := func() { require.Equal(t, ":1\r\n", publisher.do("PUBLISH", "channel", payload)) }
		slow.do("SUBSCRIBE", "channel")
		require.False(t, watched(), "no timer at rest")
		require.Equal(t, "+OK\r\n", publisher.do("CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 1mb 60"))
		n := 0
		for ; !watched(); n++ {
			require.Less(t, n, 2000, "100 MB, and nobody looks")
			publish()
		}
		for range n {
			require.Contains(t, slow.reply(), payload)
		}
		s.eventually(t, "the end of the timer", func() bool { return !watched() })
		require.Empty(t, slow.fence())

		for range 800 { // far more than the kernel takes
			publish()
		}
		require.Equal(t, "+OK\r\n", publisher.do("CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 1mb 0"))
		s.eventually(t, "the end of the connection", func() bool { return s.Snapshot().Clients == 1 })
		s.eventually(t, "the end of the timer", func() bool { return !watched() })
		require.Contains(t, publisher.do("INFO", "stats"), "client_output_buffer_limit_disconnections:1\r\n")
	})
}

// A message that is accepted while the subscriber's connection waits for its client, out of
// the loop, is delivered when it has come back.
func TestPubSub_WokenWhileItWaits(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		s := start(t, o)
		subscriber, publisher := s.dial(t), s.dial(t)
		value := strings.Repeat("v", 16<<20)
		require.Equal(t, "+OK\r\n", publisher.do("SET", "large", value))
		subscriber.do("HELLO", "3")
		subscriber.do("SUBSCRIBE", "channel")
		for i := range 3 {
			subscriber.send(encode("GET", "large"))
			subscriber.begun()
			for range i {
				require.Equal(t, ":1\r\n", publisher.do("PUBLISH", "channel", "message"))
			}
			require.Len(t, subscriber.reply(), len(value)+len("$16777216\r\n\r\n"))
			for range i {
				require.Contains(t, subscriber.reply(), "$7\r\nmessage\r\n$7\r\nchannel\r\n$7\r\nmessage\r\n")
			}
		}
	})
}

// What is deleted since its time has come, or to make room, is told of.
func TestEvents_ExpiredAndEvicted(t *testing.T) {
	s := start(t, Options{MaxMemory: 8 << 20, Policy: AllKeysClock, Events: eventAll | eventKeyevent})
	writer, subscriber := s.dial(t), s.dial(t)
	subscriber.do("SUBSCRIBE", "__keyevent@0__:expired")
	require.Equal(t, "+OK\r\n", writer.do("SET", "soon", "v", "PX", "1"))
	require.Contains(t, subscriber.reply(), "$22\r\n__keyevent@0__:expired\r\n$4\r\nsoon\r\n")
	subscriber.do("UNSUBSCRIBE")
	subscriber.do("SUBSCRIBE", "__keyevent@0__:evicted")
	value := strings.Repeat("v", 10_000)
	for i := 0; s.Snapshot().Data.Evicted == 0; i++ {
		require.Equal(t, "+OK\r\n", writer.do("SET", strconv.Itoa(i), value))
	}
	require.Contains(t, subscriber.reply(), "$22\r\n__keyevent@0__:evicted\r\n")
}

// Commands tell of the same events as Redis's, in the same order.
func TestEvents_AsRedis(t *testing.T) {
	script, err := os.ReadFile("testdata/events.txt")
	require.NoError(t, err)
	socket := startRedis(t)
	both(t, func(t *testing.T, o Options) {
		s := start(t, o)
		ours, theirs := s.dial(t), dial(t, "unix", socket)
		watchOurs, watchTheirs := s.dial(t), dial(t, "unix", socket)
		watchOurs.do("PSUBSCRIBE", "__key*")
		watchTheirs.do("PSUBSCRIBE", "__key*")
		for line := range strings.Lines(string(script)) {
			args := splitWords(t, strings.TrimSpace(line))
			require.Equal(t, theirs.do(args...), ours.do(args...), line)
			require.Equal(t, watchTheirs.fence(), watchOurs.fence(), line)
		}
	})
}

// The classes are told as Redis tells them.
func TestEvents_Classes(t *testing.T) {
	theirs, ours := dial(t, "unix", startRedis(t)), start(t, Options{}).dial(t)
	random := rand.New(rand.NewPCG(8, 9))
	for range 500 {
		classes := make([]byte, random.IntN(6))
		for i := range classes {
			classes[i] = "Ag$lshzxeKEtmdnq"[random.IntN(16)]
		}
		for _, command := range [][]string{
			{"CONFIG", "SET", "notify-keyspace-events", string(classes)}, {"CONFIG", "GET", "notify-keyspace-events"},
		} {
			require.Equal(t, theirs.do(command...), ours.do(command...), "%q", command)
		}
	}
}

// A subscriber is not silent for too long: it is waiting, and so is who monitors. RESET makes it silent.
func TestPubSub_NoIdleTimeout(t *testing.T) {
	s := start(t, Options{})
	subscriber, monitor := s.dial(t), s.dial(t)
	require.Contains(t, subscriber.do("SUBSCRIBE", "channel"), "subscribe")
	require.Equal(t, "+OK\r\n", monitor.do("MONITOR"))
	s.setTimeout(20 * time.Millisecond)
	other := s.dial(t)
	require.Empty(t, other.rest(), "closed, and so were they if they are to be")
	s.eventually(t, "the end of the other", func() bool { return s.Snapshot().Clients == 2 })
	for _, c := range []*client{subscriber, monitor} {
		c.send(encode("RESET"))
		require.True(t, strings.HasSuffix(c.rest(), "+RESET\r\n"))
	}
}

// A publisher that has found a topic meets nobody who subscribed to another one, though the
// topic's last subscriber leaves meanwhile.
func TestTopic_NotUsedAgainWhilePublishing(t *testing.T) {
	s := start(t, Options{})
	var a, b inbox
	a.init(nil)
	b.init(nil)
	for range 100 {
		first, err := s.topics.join(channels, "first", &a)
		require.NoError(t, err)
		section := s.dom.Enter()
		at, ok := s.topics.of[channels].LoadIn(section, "first")
		require.True(t, ok)
		first.over.Store(true)
		s.topics.leave(channels, "first", first)
		var others []*subscription
		for i := range 8 { // sync.Pool drops some with the race detector
			r, err := s.topics.join(channels, strconv.Itoa(i), &b)
			require.NoError(t, err)
			others = append(others, r)
		}
		met := false
		for r := range (*at).subscribers.All(section) {
			met = met || r.box == &b
		}
		section.Leave()
		require.False(t, met)
		for i, r := range others {
			s.topics.leave(channels, strconv.Itoa(i), r)
		}
	}
}

// The names that PUBSUB replies with are charged until the client has read them, as keys are.
func TestPubSub_ListIsCharged(t *testing.T) {
	s := start(t, Options{MaxClientMemory: 64 << 20})
	subscriber, c := s.dial(t), dial(t, "unix", s.unix)
	const n, size = 200, 50_000
	for i := range n {
		subscriber.do("SUBSCRIBE", strconv.Itoa(i)+strings.Repeat("n", size))
	}
	c.send(encode("PUBSUB", "CHANNELS"))
	c.begun() // and it does not read on
	require.GreaterOrEqual(t, s.replyBytes(), int64(n*size))
	require.Greater(t, len(c.reply()), n*size)
	require.Contains(t, c.do("PUBSUB", "CHANNELS", "7n*"), "*1\r\n$50001\r\n7n")
	require.Equal(t, "*0\r\n", c.do("PUBSUB", "CHANNELS", "m*"))
	require.Equal(t, "*0\r\n", c.do("PUBSUB", "SHARDCHANNELS"))
	require.Contains(t, c.exec([]string{"PUBSUB", "CHANNELS", "*7n*"}), "*20\r\n")
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "maxmemory-clients", "12mb"))
	requireTooLarge(t, "a pattern that fewer channels match", c.do("PUBSUB", "CHANNELS"))
	c.do("PING") // so that it is done with what came before
	require.Zero(t, s.replyBytes())
}

// A subscriber's map takes no more than what is in it needs, which is charged, however many
// subscriptions there were; and UNSUBSCRIBE without names ends each.
func TestSubscriptions_RoomGoesBack(t *testing.T) {
	const n = 1000
	c, w := inMemory(t, encode("SUBSCRIBE", strings.Repeat("n", n))+encode("UNSUBSCRIBE"))
	for i := range n {
		require.Empty(t, c.joinOne(channels, []byte(strconv.Itoa(i))))
	}
	to := func() map[string]*subscription { return c.sub.to[channels] }
	peak := reflect.ValueOf(to()).Pointer()
	for i := range n - 10 {
		c.forget(channels, strconv.Itoa(i), to()[strconv.Itoa(i)])
		require.LessOrEqual(t, c.sub.peak[channels], 4*len(to())+3)
	}
	require.NotEqual(t, peak, reflect.ValueOf(to()).Pointer())
	require.Equal(t, 10, len(to()))
	c.serve()
	require.Equal(t, 0, len(to()))
	require.True(t, c.finish())
	require.Greater(t, w.wrote, 2*n)
	require.Zero(t, c.srv.queryBytes())
	require.Zero(t, c.srv.topics.of[channels].Len())
}

// A long name, of a channel or of a key that events are about, is not copied where nobody receives
// it, though others subscribe; and nobody can subscribe to it.
func TestPublish_LongNameIsNotCopied(t *testing.T) {
	s := start(t, Options{Events: eventAll | eventKeyspace | eventKeyevent})
	c := s.dial(t)
	require.Contains(t, c.do("SUBSCRIBE", "channel"), "subscribe")
	require.Contains(t, c.do("SUBSCRIBE", strings.Repeat("n", maxTopic)), ":2\r\n")
	require.Contains(t, c.do("SSUBSCRIBE", "shard"), ":1\r\n")
	require.Equal(t, "-"+errTopicLong+"\r\n", c.do("SUBSCRIBE", strings.Repeat("n", maxTopic+1)))
	require.Equal(t, "-"+errTopicLong+"\r\n", c.do("SSUBSCRIBE", strings.Repeat("n", maxTopic+1)))
	require.Equal(t, "-"+errPatternLong+"\r\n", c.do("PSUBSCRIBE", strings.Repeat("n", maxTopicPattern+1)))
	name := bytes.Repeat([]byte("n"), 8<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.Zero(t, s.publish(channels, name, nil, nil))
	require.Zero(t, s.publish(shards, name, nil, nil))
	require.Zero(t, s.publish(channels, []byte("none"), name, nil))
	require.Zero(t, s.topics.subscribers(channels, name))
	s.event(&s.dbs[0], eventString, "set", name)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(len(name)/2))
	require.Equal(t, 1, s.publish(channels, name[:maxTopic], nil, nil))
	require.Contains(t, c.reply(), "message")
}
