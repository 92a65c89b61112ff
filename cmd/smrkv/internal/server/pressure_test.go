package server

import (
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smrmap"
)

// fill uses memory up with keys that have values of size bytes, and returns how many there
// are. It samples the memory that is used all the while. Short tests have fewer and larger ones.
func (s *testServer) fill(t *testing.T, size int, expires int64) (keys int) {
	t.Helper()
	if testing.Short() {
		size = max(size, 100)
	}
	limit := s.memory.Limit()
	most := int64(0)
	value := []byte(strings.Repeat("v", size))
	ctx := testContext(t)
	for i := 0; i%1024 != 0 || s.first().Stats().Evicted == 0; i++ {
		err := s.first().StoreEvicting(ctx, []byte(strconv.Itoa(i)), smrmap.Item{Value: value, Expires: expires})
		require.NoError(t, err)
		most = max(most, s.memory.Used())
	}
	require.LessOrEqual(t, most, limit*105/100, "chained buckets come all the same")
	return s.first().Len()
}

// A value of another size than all others evicts what it needs, and little more.
func TestMemory_OneValueOfAnotherSize(t *testing.T) {
	limit := int64(32 << 20)
	if raceEnabled {
		limit /= 2
	}
	later := int64(1) << 60
	for name, tc := range map[string]struct {
		policy  Policy
		expires int64
	}{"allkeys": {AllKeysClock, 0}, "volatile": {VolatileClock, later}} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Options{MaxMemory: limit, Policy: tc.policy})
			c := s.dial(t)
			keys := s.fill(t, smallValue, tc.expires)
			for _, size := range []int{1000, 64 << 10, 1 << 20} {
				before := s.Snapshot().Data
				require.Equal(t, "+OK\r\n", c.do("SET", "another", strings.Repeat("v", size)))
				evicted := int(s.Snapshot().Data.Evicted - before.Evicted)
				if size == 1000 {
					require.Less(t, evicted, keys/100)
				}
				// A slab or its own size, twice, since chained buckets may exceed the limit; four bytes a
				// key for what is noted of keys; and the headroom for what comes next.
				notes := 4 * int64(before.Len)
				bytes := int64(evicted) * before.EntryBytes / int64(before.Len)
				require.Less(t, bytes, int64(2*(size+64<<10))+notes+limit/headroomPart, "%d bytes", size)
			}
			require.Equal(t, oomReply, c.do("SET", "larger than all memory", strings.Repeat("v", int(limit+1))))
			evicted := s.Snapshot().Data.Evicted
			require.Equal(t, oomReply, c.do("SET", "another", strings.Repeat("v", int(limit*9/10))))
			require.Equal(t, evicted, s.Snapshot().Data.Evicted)
		})
	}
}

// Many clients at once, each with values of a size of its own.
func TestMemory_ManyOfOtherSizes(t *testing.T) {
	const limit, clients = 16 << 20, 16
	s := start(t, Options{MaxMemory: limit, Policy: AllKeysClock, IOThreads: 4})
	keys := s.fill(t, smallValue, 0)
	before := s.Snapshot().Data
	var wg sync.WaitGroup
	for i := range clients {
		c := s.dial(t)
		wg.Go(func() {
			for j := range 10 {
				if reply := c.do("SET", "k"+strconv.Itoa(i)+":"+strconv.Itoa(j), strings.Repeat("v", 100<<(i%9))); reply != "+OK\r\n" {
					t.Error(reply)
				}
			}
		})
	}
	wg.Wait()
	// Of each of nine sizes a slab or two, of 512 KiB where they are largest.
	require.Less(t, int(s.Snapshot().Data.Evicted-before.Evicted), keys*2/5)
	require.Equal(t, keys-int(s.Snapshot().Data.Evicted-before.Evicted)+10*clients, s.first().Len())
}

// Each command that writes makes room, and evicts little for it.
func TestMemory_EachWriteMakesRoom(t *testing.T) {
	const limit = 16 << 20
	large := strings.Repeat("v", 300_000) // more than the headroom
	s := start(t, Options{MaxMemory: limit, Policy: AllKeysClock})
	c := s.dial(t)
	for i := range 10 {
		require.Equal(t, "+OK\r\n", c.do("SET", "k"+strconv.Itoa(i), "value"))
	}
	s.fill(t, smallValue, 0)
	for _, command := range [][]string{
		{"SET", "k0", large}, {"SET", "k1", large, "GET"}, {"SET", "k2", large, "EX", "100"}, {"SETNX", "new1", large},
		{"SETEX", "k3", "100", large}, {"PSETEX", "k4", "100000", large}, {"MSET", "k5", large, "new2", large},
		{"GETSET", "k6", large}, {"APPEND", "k7", large}, {"APPEND", "new3", large}, {"SETRANGE", "k8", "1", large},
		{"SETRANGE", "new4", "300000", "v"}, {"INCR", large}, {"DECRBY", large + "2", "7"}, {"INCRBYFLOAT", large + "3", "1.5"},
	} {
		before := s.Snapshot().Data
		reply := c.do(command...)
		require.NotEqual(t, byte('-'), reply[0], "%.20q: %.100s", command, reply)
		after := s.Snapshot().Data
		bytes := int64(after.Evicted-before.Evicted) * before.EntryBytes / int64(before.Len)
		require.Less(t, bytes, int64(4*(len(large)+64<<10)+limit/headroomPart), "%.20q", command)
	}
}

// What a command has found before it found no memory is in the reply once. Only the other keys
// expire, so that the policy, which evicts ahead of need as well, spares this one.
func TestMemory_ReplyIsWholeAfterPressure(t *testing.T) {
	const limit = 8 << 20
	s := start(t, Options{MaxMemory: limit, Policy: VolatileClock})
	c := s.dial(t)
	s.fill(t, 100, 1<<60)
	old := "old"
	require.Equal(t, "+OK\r\n", c.do("SET", "k", old))
	for _, size := range []int{1000, 10_000, 100_000, 1 << 20} {
		value := strings.Repeat("v", size)
		reply := c.do("SET", "k", value, "GET")
		if reply != "$"+strconv.Itoa(len(old))+"\r\n"+old+"\r\n" {
			t.Fatalf("instead of a value of %d bytes: %.100q", len(old), reply)
		}
		old = value
	}
}

// With noeviction too, memory that is free among keys of other sizes is moved together.
func TestMemory_NoEvictionCompacts(t *testing.T) {
	const limit = 8 << 20
	s := start(t, Options{MaxMemory: limit})
	c := s.dial(t)
	n := 0
	for ; s.first().Store([]byte(strconv.Itoa(n)), make([]byte, 100)) == nil; n++ {
	}
	large := strings.Repeat("v", 1<<20)
	require.Equal(t, oomReply, c.do("SET", "large", large))
	deleted := 0
	for i := 0; i < n; i += 3 {
		require.Equal(t, ":1\r\n", c.do("DEL", strconv.Itoa(i)))
		deleted++
	}
	require.Equal(t, "+OK\r\n", c.do("SET", "large", large))
	require.Equal(t, n-deleted+1, s.first().Len())
	require.Zero(t, s.Snapshot().Data.Evicted)
}

// When large values have queued for memory, as much is evicted ahead for the next ones, once and within
// bounds, whatever is free in slabs.
func TestMemory_RoomForLargeAhead(t *testing.T) {
	const limit, size = 32 << 20, 1 << 20
	s := start(t, Options{MaxMemory: limit, Policy: AllKeysClock})
	c := s.dial(t)
	s.fill(t, 1000, 0)
	for range 20 {
		s.queuedFor(size)
	}
	require.EqualValues(t, limit/queuedPart, s.evict.queued.Load())
	before := s.dataStats().EntryBytes
	require.Equal(t, "+OK\r\n", c.do("SET", "large", strings.Repeat("v", size)))
	evicted := func() int64 { return before + size - s.dataStats().EntryBytes }
	s.eventually(t, "it is evicted", func() bool { return evicted() > limit/queuedPart/2 })
	require.Zero(t, s.evict.queued.Load())
	require.Less(t, evicted(), int64(limit/queuedPart+3*size))
}
