package server

import (
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// EXEC fails if, and only if, another client has changed a watched key since WATCH.
func TestWatch_SeesOthers(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		s := start(t, o)
		a, b := s.dial(t), s.dial(t)
		for _, tc := range []struct {
			command string
			changes bool
		}{
			{"SET k x", true}, {"SET k x XX", true}, {"SETNX k x", false}, {"SET k x NX", false}, {"SET k x GET", true},
			{"SETEX k 100 x", true}, {"PSETEX k 100000 x", true}, {"GETSET k x", true}, {"APPEND k x", true}, {"SETRANGE k 2 x", true},
			{"INCR k", true}, {"DECR k", true}, {"INCRBY k 0", true}, {"DECRBY k 5", true}, {"INCRBYFLOAT k 1.5", true}, {"INCRBY k x", false},
			{"MSET other 1 k 2", true}, {"MSET other 1 more 2", false}, {"MSETNX k 1 none 2", false}, {"MSETNX gone 1 none 2", true},
			{"DEL other k", true}, {"UNLINK k", true}, {"DEL gone", false}, {"GETDEL k", true}, {"GETDEL gone", false},
			{"EXPIRE k 100", true}, {"EXPIRE k 100 XX", false}, {"EXPIRE k -1", true}, {"PEXPIREAT gone 5", false}, {"GETEX k EX 10", true}, {"GETEX k", false},
			{"PERSIST k", false}, {"PERSIST volatile", true},
			{"RENAME k none", true}, {"RENAME other k", true}, {"RENAME other gone", true}, {"RENAMENX other k", false}, {"RENAMENX other gone", true},
			{"COPY k none", false}, {"COPY other k", false}, {"COPY other k REPLACE", true}, {"COPY other gone", true},
			{"FLUSHALL", true}, {"FLUSHDB ASYNC", true},
			{"GET k", false}, {"MGET k gone", false}, {"TOUCH k", false}, {"STRLEN k", false}, {"KEYS *", false},
		} {
			a.do("FLUSHALL")
			a.do("MSET", "k", "7", "other", "8")
			a.do("SET", "volatile", "9", "EX", "100")
			require.Equal(t, "+OK\r\n", a.do("WATCH", "k", "gone", "volatile"))
			b.do(strings.Fields(tc.command)...)
			want := "*1\r\n+PONG\r\n"
			if tc.changes {
				want = "*-1\r\n"
			}
			require.Equal(t, want, a.exec([]string{"PING"}), tc.command)
			require.Zero(t, s.watches.count.Load())

			// In a transaction of another's it is the same.
			a.do("FLUSHALL")
			a.do("MSET", "k", "7", "other", "8")
			a.do("SET", "volatile", "9", "EX", "100")
			require.Equal(t, "+OK\r\n", a.do("WATCH", "k", "gone", "volatile"))
			b.exec([]string{"PING"}, strings.Fields(tc.command))
			require.Equal(t, want, a.exec([]string{"PING"}), tc.command)
		}
	})
}

// It also fails if a key has expired, been evicted, or gone in some other way that is no
// command.
func TestWatch_SeesWhatGoes(t *testing.T) {
	var ms atomic.Int64
	ms.Store(1_000_000)
	s := start(t, Options{MaxMemory: 8 << 20, Policy: AllKeysClock, Now: func() time.Time { return time.UnixMilli(ms.Load()) }})
	c := s.dial(t)
	ping := []string{"PING"}
	for name, goes := range map[string]func(){
		"expired":         func() { ms.Add(1000) },
		"expired, swept":  func() { ms.Add(1000); s.expire.round() },
		"evicted":         func() { s.first().EvictBytes(1 << 30) },
		"deleted by hand": func() { s.first().Delete([]byte("k")) },
	} {
		require.Equal(t, "+OK\r\n", c.do("SET", "k", "v", "PX", "500"), name)
		require.Equal(t, "+OK\r\n", c.do("WATCH", "k", "none"), name)
		goes()
		require.Equal(t, "*-1\r\n", c.exec(ping), name)
	}
	// One that had expired before, or was not there, can't go.
	require.Equal(t, "+OK\r\n", c.do("SET", "k", "v", "PX", "500"))
	ms.Add(1000)
	require.Equal(t, "+OK\r\n", c.do("WATCH", "k", "none"))
	s.first().EvictBytes(1 << 30)
	require.Equal(t, "*1\r\n+PONG\r\n", c.exec(ping))
}

// Money is neither made nor lost by those who watch both accounts.
func TestWatch_TransfersKeepTheSum(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		const accounts, each = 4, 1000
		s := start(t, o)
		setup := s.dial(t)
		for i := range accounts {
			setup.do("SET", "account"+strconv.Itoa(i), strconv.Itoa(each))
		}
		transfers := 400
		if testing.Short() {
			transfers = 100
		}
		var retries atomic.Int64
		var wg sync.WaitGroup
		for w := range 4 {
			c := s.dial(t)
			wg.Go(func() {
				for i := range transfers {
					from, to := "account"+strconv.Itoa((w+i)%accounts), "account"+strconv.Itoa((w+i*3+1)%accounts)
					if from == to {
						continue
					}
					for {
						c.send(encode("WATCH", from, to))
						c.reply()
						f := strings.Split(c.do("MGET", from, to), "\r\n")
						a, _ := strconv.Atoi(f[2])
						b, _ := strconv.Atoi(f[4])
						if c.exec([]string{"SET", from, strconv.Itoa(a - 1)}, []string{"SET", to, strconv.Itoa(b + 1)}) != "*-1\r\n" {
							break
						}
						retries.Add(1)
					}
				}
			})
		}
		wg.Wait()
		sum := 0
		for i := range accounts {
			n, err := strconv.Atoi(strings.Split(setup.do("GET", "account"+strconv.Itoa(i)), "\r\n")[1])
			require.NoError(t, err)
			sum += n
		}
		require.Equal(t, accounts*each, sum)
		require.Positive(t, retries.Load(), "or it shows nothing")
	})
}

// An optimistic counter loses no increment of those who just INCR.
func TestWatch_AgainstPlainWriters(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		s := start(t, o)
		rounds := 500
		if testing.Short() {
			rounds = 150
		}
		var wg sync.WaitGroup
		for w := range 4 {
			c := s.dial(t)
			wg.Go(func() {
				for range rounds {
					if w < 2 {
						c.do("INCR", "n")
						continue
					}
					for {
						c.do("WATCH", "n")
						f := strings.Split(c.do("GET", "n"), "\r\n")
						n := 0
						if len(f) > 2 {
							n, _ = strconv.Atoi(f[1])
						}
						if c.exec([]string{"SET", "n", strconv.Itoa(n + 1)}) != "*-1\r\n" {
							break
						}
					}
				}
			})
		}
		wg.Wait()
		require.Equal(t, "$4\r\n"+strconv.Itoa(4*rounds)+"\r\n", strings.Replace(s.dial(t).do("GET", "n"), "$3", "$4", 1))
	})
}

// WATCH returns only when commands have ended that may have found nothing watched.
func TestWatch_WaitsForWriters(t *testing.T) {
	s := start(t, Options{IOThreads: 4})
	for range 20 {
		for _, lock := range []*sync.RWMutex{&s.gate.shards[0].RWMutex, &s.gate.shards[3].RWMutex, &s.gate.slow} {
			lock.RLock() // a command runs that has found nothing watched
			var ended atomic.Bool
			done := make(chan bool)
			c := s.dial(t)
			go func() {
				c.send(encode("WATCH", "k"))
				c.reply()
				done <- ended.Load()
			}()
			for s.watches.count.Load() == 0 {
				runtime.Gosched()
			}
			for range 1000 {
				runtime.Gosched()
			}
			ended.Store(true)
			lock.RUnlock()
			require.True(t, <-done, "WATCH has returned before")
			c.do("UNWATCH")
			c.Close()
		}
	}
}

// What can't be watched for want of memory lets EXEC fail.
func TestWatch_NoRoom(t *testing.T) {
	s := start(t, Options{MaxClientMemory: 1 << 20})
	c := s.dial(t)
	refused := false
	for i := range 10_000 {
		reply := c.do("WATCH", "key"+strconv.Itoa(i))
		if refused = reply != "+OK\r\n"; refused {
			require.Equal(t, "-"+errWatchRoom+"\r\n", reply)
			break
		}
	}
	require.True(t, refused)
	require.Equal(t, "*-1\r\n", c.exec([]string{"PING"}))
	require.Zero(t, s.queryBytes())
	require.Zero(t, s.watches.count.Load())
	require.Equal(t, "*1\r\n+PONG\r\n", c.exec([]string{"PING"}))
}
