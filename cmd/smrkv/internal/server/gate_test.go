package server

import (
	"bytes"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smrmap"
)

// What deletes keys in the background does so before or after a transaction.
func TestGate_BackgroundWaits(t *testing.T) {
	var ms atomic.Int64
	ms.Store(1)
	s := start(t, Options{MaxMemory: 16 << 20, Policy: AllKeysClock, Now: func() time.Time { return time.UnixMilli(ms.Load()) }})
	s.expire.stop() // the test does it
	for name, deletes := range map[string]func(){
		"active expiry": func() {
			s.expire.mu.Lock()
			s.expire.stopped = false
			s.expire.mu.Unlock()
			s.expire.note()
			s.expire.tick()
			s.expire.stop()
		},
		"a lower limit": func() { s.memory.SetLimit(4 << 20); s.shrink() },
		"eviction ahead": func() {
			s.evict.debt.Store(1 << 20)
			for !s.tryBackground(func() { s.evictDebt(s.first(), 1, 1<<30) }) {
				runtime.Gosched()
			}
		},
	} {
		s.first().Clear()
		s.memory.SetLimit(16 << 20)
		for i := range 20_000 {
			require.NoError(t, s.first().StoreItem([]byte(strconv.Itoa(i)), smrmap.Item{Value: make([]byte, 300), Expires: 1000}))
		}
		if name == "active expiry" {
			ms.Store(2000)
		}
		s.gate.lock(func() {}) // as EXEC does
		n := s.first().Len()
		done := make(chan struct{})
		go func() {
			deletes()
			close(done)
		}()
		for range 20_000 {
			runtime.Gosched()
		}
		within := s.first().Len()
		s.gate.unlock()
		<-done
		require.Equal(t, n, within, name)
		require.Less(t, s.first().Len(), n, name+": or it shows nothing")
		ms.Store(1)
	}
}

// A write that waits for memory, and evicts, keeps transactions waiting, but not its loop;
// and within a transaction nothing is evicted.
func TestGate_WriteWithoutMemory(t *testing.T) {
	c, _ := inMemory(t, "")
	c.srv.settings.policy.Store(int32(AllKeysClock))
	require.NoError(t, c.srv.first().Store([]byte("k"), []byte("v")))
	fn := func(smrmap.Item, bool) (smrmap.Item, smrmap.Op) {
		return smrmap.Item{Value: []byte("v")}, smrmap.UpdateOp
	}
	c.alone(func() {
		require.ErrorIs(t, c.underPressure([]byte("l"), 100, fn), slab.ErrNoMemory)
		require.Equal(t, holdAll, c.hold)
	})
	require.Equal(t, 1, c.srv.first().Len())
	c.begin()
	require.NoError(t, c.underPressure([]byte("l"), 100, fn))
	require.Equal(t, holdSlow, c.hold)
	require.Equal(t, 2, c.srv.first().Len())
	c.done()
	require.Equal(t, holdNone, c.hold)
}

// A pause in a command gives back what it holds, and resume takes the same again.
func TestGate_Pause(t *testing.T) {
	c, _ := inMemory(t, "")
	c.pause()
	c.resume()
	require.Equal(t, holdNone, c.hold)
	for _, h := range []hold{holdShard, holdSlow} {
		c.begin()
		if h == holdSlow {
			c.takesLong()
		}
		require.Equal(t, h, c.hold)
		c.pause()
		c.pause()
		c.srv.gate.lock(func() {}) // nobody has it
		c.srv.gate.unlock()
		c.resume()
		c.resume()
		require.Equal(t, h, c.hold)
		c.alone(func() {
			c.pause()
			c.resume()
			c.takesLong()
			require.Equal(t, holdAll, c.hold)
			c.alone(func() {})
		})
		require.Equal(t, h, c.hold)
		c.done()
	}
}

// A loop serves its clients while EXEC, or WATCH, waits for a long command: the one that
// EXEC came by, and those whose writes would evict ahead of need.
func TestGate_LoopsGoOnWhileExecWaits(t *testing.T) {
	s := start(t, Options{MaxMemory: 8 << 20, Policy: AllKeysClock, IOThreads: 1})
	other := s.dial(t)
	s.fill(t, 100, 0)
	for _, waiting := range []string{encode("MULTI") + encode("INCR", "n") + encode("EXEC"), encode("WATCH", "k")} {
		s.gate.slow.RLock() // as by a long command
		c := s.dial(t)
		c.send(waiting)
		for list := ""; !strings.Contains(list, "cmd=exec") && !strings.Contains(list, "cmd=watch"); {
			list = other.do("CLIENT", "LIST")
		}
		for range 1000 {
			runtime.Gosched()
		}
		value := strings.Repeat("v", 100)
		for i := range 100 {
			require.Equal(t, "+OK\r\n", other.do("SET", strconv.Itoa(i), value)) // of keys that there are
			s.evict.debt.Store(1 << 30)
		}
		require.Equal(t, "+PONG\r\n", other.do("PING"))
		s.gate.slow.RUnlock()
		require.Equal(t, "+OK\r\n", c.reply())
	}
}

// The largest client is disconnected while it waits at the gate: what it holds does not count
// any more, and nothing of its transaction is executed.
func TestGate_LargestIsDisconnectedWhileItWaits(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		o.MaxClientMemory = 8 << 20
		s := start(t, o)
		admin := s.dial(t)
		s.gate.slow.RLock() // as by a long command
		c := s.dial(t)
		c.send(encode("MULTI") + encode("SET", "k", strings.Repeat("v", 3<<20)) + encode("EXEC"))
		for !strings.Contains(admin.do("CLIENT", "LIST"), "multi=1 cmd=exec") {
		}
		// As much as has room only without it: commands that are not complete, whose buffers take
		// twice as much while they grow.
		for range 2 {
			_, err := s.unfinished(t, 1500<<10)
			require.NoError(t, err)
		}
		s.eventually(t, "it was disconnected", func() bool { return s.Snapshot().EvictedClients > 0 })
		s.gate.slow.RUnlock()
		require.NotContains(t, c.rest(), "*1")
		require.Equal(t, ":0\r\n", admin.do("EXISTS", "k"))
		require.EqualValues(t, 1, s.Snapshot().EvictedClients)
	})
}

// A command of very many words lets its loop go on; also where it is queued, and then executed.
func TestGate_ManyWords(t *testing.T) {
	c, w := inMemory(t, "")
	for _, command := range []string{"INFO", "CONFIG GET", "PUBSUB NUMSUB", "MGET", "DEL"} {
		for words, want := range map[int]hold{10: holdShard, manyWords: holdSlow} {
			args := bytes.Fields([]byte(command + strings.Repeat(" x", words)))
			c.begin()
			c.execute(args)
			require.Equal(t, want, c.hold, "%s, %d words", command, words)
			c.done()
			c.out.b = c.out.b[:0]
			for _, args := range [][][]byte{{[]byte("MULTI")}, args, {[]byte("EXEC")}} {
				c.begin()
				w.blocked = 0
				c.execute(args)
				if len(args) > 1 {
					require.Equal(t, want, c.hold)
				}
				c.done()
			}
			require.Equal(t, words == manyWords, w.blocked > 0, "%s, %d words", command, words)
			c.flush()
		}
	}
	c.out.release(c)
}

// Nor does a loop wait for a connection that leaves very many topics, or keys, at once.
func TestGate_LeavesMany(t *testing.T) {
	needsLoops(t)
	const n = manyWords + 100
	var names []string
	for i := range n {
		names = append(names, strconv.Itoa(i))
	}
	for name, leave := range map[string]func(c *client){
		"unsubscribe": func(c *client) { c.send(encode("UNSUBSCRIBE")) },
		"reset":       func(c *client) { c.send(encode("RESET")) },
		"close":       func(c *client) { c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Options{IOThreads: 1})
			c, other := dial(t, "unix", s.unix), dial(t, "unix", s.unix)
			c.send(encode(append([]string{"SUBSCRIBE"}, names...)...))
			for range n {
				c.reply()
			}
			locked, end := make(chan struct{}), make(chan struct{})
			var holder sync.WaitGroup
			t.Cleanup(func() {
				close(end)
				holder.Wait()
			})
			holder.Go(func() { // nobody leaves this topic
				s.topics.of[channels].Compute("500", func(at *topic, _ bool) (*topic, smrmap.Op) {
					close(locked)
					<-end
					return at, smrmap.CancelOp
				})
			})
			<-locked
			leave(c)
			for name != "close" && !strings.Contains(other.do("CLIENT", "LIST"), "cmd="+name) {
			}
			for name == "close" && s.publish(channels, []byte("500"), nil, nil) > 0 {
				other.do("PING")
			}
			require.Equal(t, "+PONG\r\n", other.do("PING"))
		})
	}
	for _, name := range []string{"unwatch", "discard"} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Options{IOThreads: 1})
			c, other := dial(t, "unix", s.unix), dial(t, "unix", s.unix)
			require.Equal(t, "+OK\r\n", c.do(append([]string{"WATCH"}, names...)...))
			if name == "discard" {
				require.Equal(t, "+OK\r\n", c.do("MULTI"))
			}
			for i := range s.watches.shards {
				s.watches.shards[i].mu.Lock()
			}
			unlock := sync.OnceFunc(func() {
				for i := range s.watches.shards {
					s.watches.shards[i].mu.Unlock()
				}
			})
			t.Cleanup(unlock)
			c.send(encode(name))
			for !strings.Contains(other.do("CLIENT", "LIST"), "cmd="+name) {
			}
			require.Equal(t, "+PONG\r\n", other.do("PING"))
			unlock()
			require.Equal(t, "+OK\r\n", c.reply())
		})
	}
}
