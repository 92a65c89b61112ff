package server

import (
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A transaction, and MGET, see databases before they are swapped, or after.
func TestSwapDB_NeverTorn(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		o.IOThreads = 2
		s := start(t, o)
		swapper := s.dial(t)
		const keys = 500
		mget := []string{"MGET"}
		for i := range keys {
			mget = append(mget, strconv.Itoa(i))
		}
		for db, side := range []string{"a", "b"} {
			swapper.do("SELECT", strconv.Itoa(db))
			swapper.pipeline(keys, "+OK\r\n", func(i int) []string { return []string{"SET", strconv.Itoa(i), side} })
		}
		swaps := 400
		if testing.Short() {
			swaps = 60
		}
		var ended atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			defer ended.Store(true)
			for range swaps {
				assert.Equal(t, "+OK\r\n", swapper.do("SWAPDB", "0", "1"))
			}
		})
		for range 2 {
			c := s.dial(t)
			wg.Go(func() {
				for !ended.Load() && !t.Failed() {
					all := c.do(mget...)
					assert.Contains(t, []int{0, keys}, strings.Count(all, "a"), "MGET")
					got := c.exec([]string{"SELECT", "0"}, []string{"GET", "1"}, []string{"SELECT", "1"}, []string{"GET", "1"},
						[]string{"SELECT", "0"}, []string{"GET", "1"})
					got = strings.NewReplacer("+OK\r\n", "", "$1\r\n", "", "\r\n", "").Replace(got)
					assert.Contains(t, []string{"*6aba", "*6bab"}, got)
				}
			})
		}
		wg.Wait()
	})
}

// SWAPDB waits for a command that runs, which goes on with the map that it has.
func TestSwapDB_Waits(t *testing.T) {
	c, _ := inMemory(t, encode("SWAPDB", "0", "1"))
	before := c.srv.first()
	c.srv.gate.shards[0].RLock() // as a command does
	done := make(chan struct{})
	go func() {
		c.serve()
		c.finish()
		close(done)
	}()
	for range 20_000 {
		runtime.Gosched()
	}
	within := c.srv.first()
	c.srv.gate.shards[0].RUnlock()
	<-done
	require.Same(t, before, within)
	require.NotSame(t, before, c.srv.first(), "or it shows nothing")
}

// A database that nobody has used yet finds room in a full store for its table.
func TestSelect_FullStore(t *testing.T) {
	s := start(t, Options{MaxMemory: 8 << 20, Policy: AllKeysClock})
	s.fill(t, 300, 0)
	c := s.dial(t)
	rest := max(0, s.memory.Limit()-s.memory.Used())
	s.memory.ReserveAlways(rest)
	require.Equal(t, "+OK\r\n", c.do("SELECT", "1"))
	require.NotNil(t, s.dbs[1].data.Load())
	s.memory.Release(rest)
}

// A database takes the memory it needs from the others, as the policy allows.
func TestDatabases_ShareMemory(t *testing.T) {
	limit := small(32 << 20)
	for _, policy := range []Policy{AllKeysClock, VolatileClock} {
		for _, size := range []int{100, 5000, 100_000} {
			t.Run(policy.String()+"/"+strconv.Itoa(size), func(t *testing.T) {
				s := start(t, Options{MaxMemory: limit, Policy: policy})
				s.fill(t, 300, 1<<60)
				c := s.dial(t)
				require.Equal(t, "+OK\r\n", c.do("SELECT", "1"))
				value := strings.Repeat("v", size)
				n := int(limit) / 2 / size
				some := max(1, n/50)
				for i := 0; i < n; i += some {
					c.pipeline(some, "+OK\r\n", func(j int) []string { return []string{"SET", strconv.Itoa(i + j), value, "EX", "1000000"} })
				}
				require.LessOrEqual(t, s.memory.Used(), limit*105/100)
				mine, others := s.dbs[1].data.Load().Stats(), s.first().Stats()
				require.Greater(t, mine.EntryBytes, limit/16)
				require.Greater(t, others.EntryBytes, limit/8)
				require.Greater(t, mine.EntryBytes+others.EntryBytes, limit/2)
			})
		}
	}
}

// What one database has deleted, another can use, though nothing is evicted; and what does not
// fit is refused.
func TestDatabases_FreedMemory(t *testing.T) {
	limit := small(32 << 20)
	s := start(t, Options{MaxMemory: limit})
	c, value := s.dial(t), strings.Repeat("v", 1000)
	fill := func() (keys int) {
		for c.do("SET", strconv.Itoa(keys), value) == "+OK\r\n" {
			keys++
		}
		return keys
	}
	first := fill()
	require.Equal(t, "+OK\r\n", c.do("SELECT", "1"))
	require.Less(t, fill(), first/10)
	require.Equal(t, "+OK\r\n", c.do("FLUSHDB"))
	c.do("SELECT", "0")
	for i := range first / 2 {
		require.Equal(t, ":1\r\n", c.do("DEL", strconv.Itoa(2*i)))
	}
	c.do("SELECT", "1")
	require.Greater(t, fill(), first/4)
	require.Equal(t, first-first/2, s.first().Len())
}

// A lower limit takes memory back, wherever it is.
func TestDatabases_Shrink(t *testing.T) {
	limit := small(32 << 20)
	s := start(t, Options{MaxMemory: limit, Policy: AllKeysLRU})
	c, value := s.dial(t), strings.Repeat("v", 1000)
	for db := range 4 {
		c.do("SELECT", strconv.Itoa(db))
		c.pipeline(int(limit)/5/1000, "+OK\r\n", func(i int) []string { return []string{"SET", strconv.Itoa(i), value} })
	}
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "maxmemory", strconv.FormatInt(limit/4, 10)))
	require.LessOrEqual(t, s.memory.Used(), limit/4)
	for db := range 4 {
		require.Positive(t, s.dbs[db].data.Load().Len())
	}
}

// Keys expire in each database, also after it was swapped.
func TestDatabases_Expiry(t *testing.T) {
	var ms atomic.Int64
	ms.Store(1)
	s := start(t, Options{Now: func() time.Time { return time.UnixMilli(ms.Load()) }})
	c := s.dial(t)
	for _, db := range []string{"3", "7", "0"} {
		c.do("SELECT", db)
		c.do("SET", "k", "v", "PX", "1000")
		c.do("SET", "stays", "v", "PX", "1000000")
	}
	s.eventually(t, "a walk", func() bool { return s.expiring() == 6 })
	require.Contains(t, c.do("INFO", "keyspace"), "# Keyspace\r\ndb0:keys=2,expires=2,avg_ttl=0\r\ndb3:keys=2,expires=2,avg_ttl=0\r\ndb7:keys=2,")
	require.Equal(t, "+OK\r\n", c.do("SWAPDB", "3", "8"))
	ms.Store(2000)
	s.eventually(t, "half have gone", func() bool { return s.dataStats().Len == 3 })
	require.Equal(t, ":1\r\n", c.do("DBSIZE"))
}

// CLIENT LIST and INFO tell of databases.
func TestDatabases_Told(t *testing.T) {
	s := start(t, Options{Databases: 4})
	c := s.dial(t)
	require.Equal(t, "+OK\r\n", c.do("SELECT", "3"))
	require.Contains(t, c.do("CLIENT", "INFO"), " db=3 ")
	require.Equal(t, "-ERR DB index is out of range\r\n", c.do("SELECT", "4"))
	require.Equal(t, "*2\r\n$9\r\ndatabases\r\n$1\r\n4\r\n", c.do("CONFIG", "GET", "databases"))
	c.do("RESET")
	require.Contains(t, c.do("CLIENT", "INFO"), " db=0 ")
	_, err := New(Options{Databases: mostDatabases + 1})
	require.ErrorContains(t, err, "Databases")
	// One that there is no memory for is not there.
	c.do("CONFIG", "SET", "maxmemory", "1")
	require.Equal(t, oomReply, c.do("SELECT", "1"))
	require.Contains(t, c.do("CLIENT", "INFO"), " db=0 ")
}
