package server

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smrmap"
)

const oomReply = "-" + errOOM + "\r\n"

// With noeviction writes fail when memory is used up; reads and deletes go on,
// and make room.
func TestMemory_NoEviction(t *testing.T) {
	s := start(t, Options{MaxMemory: 4 << 20})
	c := s.dial(t)
	value := strings.Repeat("v", 1000)
	n := 0
	for ; ; n++ {
		reply := c.do("SET", strconv.Itoa(n), value)
		if reply == oomReply {
			break
		}
		require.Equal(t, "+OK\r\n", reply)
		require.Less(t, n, 1<<20)
	}
	require.Greater(t, n, 1000)
	require.LessOrEqual(t, s.memory.Used(), int64(4<<20))
	large := strings.Repeat("v", 1<<20)
	for _, command := range [][]string{
		{"SET", "new", large}, {"SETNX", "new", large}, {"SETEX", "new", "10", large}, {"MSET", "new", large},
		{"GETSET", "0", large}, {"SET", "0", large, "GET"}, {"APPEND", "0", large},
		{"SETRANGE", "0", "500", large}, {"SETRANGE", "new", "1000000", "x"},
	} {
		require.Equal(t, oomReply, c.do(command...), command[0])
	}
	require.Equal(t, oomReply, c.do("INCRBYFLOAT", strings.Repeat("k", 1<<20), "1e4000"))
	require.Equal(t, "$1000\r\n"+value+"\r\n", c.do("GET", "0"), "as it was")
	require.Equal(t, "$-1\r\n", c.do("GET", "new"))
	require.Equal(t, ":1\r\n", c.do("EXPIRE", "0", "100"))
	c.pipeline(n, ":1\r\n", func(i int) []string { return []string{"DEL", strconv.Itoa(i)} })
	require.Equal(t, "+OK\r\n", c.do("SET", "new", large))
	require.Equal(t, "+OK\r\n", c.do("FLUSHALL"))
	require.Equal(t, "+OK\r\n", c.do("SET", "new", large))
}

// With allkeys-clock writes succeed, memory stays within its bound, and what is
// read all the time stays.
func TestMemory_Eviction(t *testing.T) {
	const limit = 8 << 20
	s := start(t, Options{MaxMemory: limit, Policy: AllKeysClock})
	c := s.dial(t)
	require.Equal(t, "+OK\r\n", c.do("SET", "hot", "value"))
	value := strings.Repeat("v", 1000)
	writes := 30_000
	if testing.Short() {
		writes = 12_000
	}
	for i := 0; i < writes; i += 10 {
		c.pipeline(10, "+OK\r\n", func(j int) []string { return []string{"SET", "key:" + strconv.Itoa(i+j), value} })
		require.Equal(t, "$5\r\nvalue\r\n", c.do("GET", "hot"), "after %d keys", i)
		require.LessOrEqual(t, s.memory.Used(), int64(limit*102/100), "chained buckets come all the same")
	}
	snap := s.Snapshot()
	require.Positive(t, snap.Data.Evicted)
	require.Greater(t, snap.Data.Len, 1000, "more was evicted than need be")
	require.Equal(t, oomReply, c.do("SET", "too large", strings.Repeat("v", 2*limit)))
}

// A write that has no room beside the value it changes fails, and evicts nothing in
// vain.
func TestMemory_LargeValueGrows(t *testing.T) {
	const limit = 16 << 20
	s := start(t, Options{MaxMemory: limit, Policy: AllKeysClock})
	c := s.dial(t)
	require.Equal(t, "+OK\r\n", c.do("SET", "large", strings.Repeat("v", limit/32*25)))
	require.Equal(t, "+OK\r\n", c.do("SET", "other", "v"))
	for _, command := range [][]string{{"APPEND", "large", "x"}, {"SETRANGE", "large", "0", "x"}} {
		require.Equal(t, oomReply, c.do(command...), command[0])
		require.Zero(t, s.Snapshot().Data.Evicted, command[0])
	}
}

// The limit and the policy can be changed while it runs.
func TestMemory_ConfigSet(t *testing.T) {
	s := start(t, Options{})
	c := s.dial(t)
	value := strings.Repeat("v", 1<<20)
	for i := range 8 {
		require.Equal(t, "+OK\r\n", c.do("SET", strconv.Itoa(i), value))
	}
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "maxmemory", "4mb"))
	require.Equal(t, oomReply, c.do("SET", "8", value))
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "maxmemory-policy", "allkeys-clock"))
	require.Equal(t, "+OK\r\n", c.do("SET", "8", value))
	require.Equal(t, "$13\r\nallkeys-clock\r\n", lastOf(c.do("CONFIG", "GET", "maxmemory-policy")))
}

// When the limit is lowered, as much is evicted as makes the memory fit, and goes back to
// the system.
func TestMemory_LimitLowered(t *testing.T) {
	const before, after = 16 << 20, 6 << 20
	s := start(t, Options{MaxMemory: before, Policy: AllKeysClock})
	c := s.dial(t)
	written := 0
	for i := 0; s.memory.Used() < before*3/4; i++ {
		n := 10 + i%7*150
		require.Equal(t, "+OK\r\n", c.do("SET", "key:"+strconv.Itoa(i), strings.Repeat("v", n)))
		written += n
	}
	require.Zero(t, s.Snapshot().Data.Evicted)
	large := strings.Repeat("v", 1<<20) // is in no slab
	require.Equal(t, "+OK\r\n", c.do("MSET", "a", large, "b", large, "c", large))
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "maxmemory", strconv.Itoa(after)))
	require.LessOrEqual(t, s.memory.Used(), int64(after))
	data := s.Snapshot().Data
	require.Positive(t, data.Evicted)
	require.Greater(t, data.EntryBytes, int64(after/2), "more was evicted than need be")
}

// Values of one size, of any: what is evicted makes room for the next.
func TestMemory_OneSize(t *testing.T) {
	limit := small(32 << 20)
	for _, size := range []int{smallValue, 3000, 40_000, 60_000, 100_000, 1 << 20} {
		s := start(t, Options{MaxMemory: limit, Policy: AllKeysClock})
		c := s.dial(t)
		value := strings.Repeat("v", size)
		some := int(min(100, max(10, limit/10/int64(size))))
		for i := 0; s.Snapshot().Data.Evicted == 0; i += some {
			c.pipeline(some, "+OK\r\n", func(j int) []string { return []string{"SET", strconv.Itoa(i + j), value} })
		}
		require.Greater(t, s.first().Stats().EntryBytes, limit/2, "%d bytes", size)
	}
}

// When values are of another size than before, as much is evicted as the new ones need,
// and little more.
func TestMemory_SizesChange(t *testing.T) {
	limit := small(32 << 20)
	s := start(t, Options{MaxMemory: limit, Policy: AllKeysClock})
	c := s.dial(t)
	old, value := strings.Repeat("v", 80), strings.Repeat("v", 1000)
	for i := 0; s.Snapshot().Data.Evicted == 0; i += 100 {
		c.pipeline(100, "+OK\r\n", func(j int) []string { return []string{"SET", "old:" + strconv.Itoa(i+j), old} })
	}
	least := limit
	n := int(limit / 8 / 1000)
	for i := 0; i < n; i += 10 {
		c.pipeline(10, "+OK\r\n", func(j int) []string { return []string{"SET", "new:" + strconv.Itoa(i+j), value} })
		least = min(least, s.first().Stats().EntryBytes)
	}
	require.Greater(t, least, limit/2)
	missing := 0
	for i := range n {
		if c.do("GET", "new:"+strconv.Itoa(i)) == "$-1\r\n" {
			missing++
		}
	}
	require.Less(t, missing, n/2)
	require.Equal(t, "+OK\r\n", c.do("SET", "large", strings.Repeat("v", int(limit/8))))
	require.Greater(t, s.first().Stats().EntryBytes, limit/2)
}

func lastOf(reply string) string { return reply[strings.LastIndexByte(reply, '$'):] }

// Many clients at once, with everything that moves memory: each value that is
// read is whole, and one that was written to its key.
func TestMemory_ReadersSeeWholeValues(t *testing.T) {
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	s := start(t, Options{MaxMemory: 4 << 20, Policy: AllKeysClock, IOThreads: 4})
	var wg sync.WaitGroup
	for worker := range 8 {
		c := s.dial(t)
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for range rounds {
				id := random.IntN(200)
				key := "key:" + strconv.Itoa(id)
				switch random.IntN(12) {
				case 0, 1, 2:
					c.do("SET", key, strings.Repeat(key+";", 1+random.IntN(2000)))
				case 3:
					c.do("DEL", key)
				case 4:
					c.do("PEXPIRE", key, "1")
				case 5:
					checkWhole(t, key, c.do("GETDEL", key))
				case 6:
					checkWhole(t, key, c.do("SET", key, key+";", "GET"))
				case 7:
					c.do("APPEND", key, key+";")
					c.do("SETRANGE", key, "0", key+";")
				case 8:
					c.do("SCAN", "0", "COUNT", "50")
					if random.IntN(50) == 0 {
						c.do("FLUSHALL")
						c.do("KEYS", "*")
					}
				default:
					checkWhole(t, key, c.do("GET", key))
				}
			}
		})
	}
	wg.Wait()
}

func checkWhole(t *testing.T, key, reply string) {
	_, value, _ := strings.Cut(strings.TrimSuffix(reply, "\r\n"), "\r\n")
	if rest := strings.ReplaceAll(value, key+";", ""); rest != "" {
		t.Errorf("%s: %.100q", key, rest)
	}
}

// The names of Redis's policies evict what these evict: any key, or such that expire.
func TestPolicy_Names(t *testing.T) {
	for name, want := range map[string]smrmap.Evictable{
		"noeviction": smrmap.EvictNone, "allkeys-clock": smrmap.EvictAll, "volatile-clock": smrmap.EvictExpiring,
		"allkeys-lru": smrmap.EvictAll, "allkeys-lfu": smrmap.EvictAll, "allkeys-random": smrmap.EvictAll,
		"volatile-lru": smrmap.EvictExpiring, "volatile-lfu": smrmap.EvictExpiring,
		"volatile-random": smrmap.EvictExpiring, "Volatile-TTL": smrmap.EvictExpiring,
	} {
		p, err := ParsePolicy(name)
		require.NoError(t, err)
		require.True(t, strings.EqualFold(name, p.String()))
		require.Equal(t, want, p.evictable(), name)
	}
	_, err := New(Options{Policy: VolatileTTL + 1})
	require.ErrorContains(t, err, "no such Options.Policy")
}
