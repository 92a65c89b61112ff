package smrmap

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math/bits"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
)

var (
	watchdogContext = testkit.Context
	newDomain       = testkit.Domain
	rounds          = testkit.Rounds
	settle          = testkit.Settle
)

// reduced returns how much of something a test does: in full, or under -short.
func reduced(full, short int) int {
	if testing.Short() {
		return short
	}
	return full
}

// equal is require.Equal for what == compares: quick where the values are large.
func equal[T comparable](t testing.TB, want, got T) {
	t.Helper()
	if want != got {
		require.Equal(t, want, got)
	}
}

// newMap returns a map that is closed, empty and without leaks, at the end of the test.
func newMap[K comparable, V any](t testing.TB, o Options) *Map[K, V] {
	if o.Domain == nil {
		o.Domain = newDomain(t)
	}
	m, err := New[K, V](o)
	require.NoError(t, err)
	t.Cleanup(func() { closeMap(t, m.c.check, m.Stats, m.Close) })
	return m
}

func newBytes(t testing.TB, o Options) *Bytes {
	if o.Domain == nil {
		o.Domain = newDomain(t)
	}
	m, err := NewBytes(o)
	require.NoError(t, err)
	t.Cleanup(func() { closeMap(t, m.c.check, m.Stats, m.Close) })
	return m
}

func closeMap(t testing.TB, check func() int, stats func() Stats, end func(context.Context) error) {
	require.Equal(t, check(), stats().Len)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, end(ctx))
	st := stats()
	require.Zero(t, st.Len)
	require.Zero(t, st.EntryBytes)
	require.Zero(t, st.PendingBytes)
	require.Zero(t, st.ReservedBytes)
}

// check verifies the structure of a map at rest and returns how many entries it has.
func (c *core) check() (entries int) {
	c.migrated.Wait()
	t := c.table.Load()
	chained := 0
	for i := range t.n {
		for b := t.at(i); b != nil; b = t.after(b) {
			n := c.checkBucket(t, t.at(i), b)
			entries += n
			if b != t.at(i) {
				chained++
				if n == 0 && t.after(b) == nil {
					panic("a chain ends with an empty bucket")
				}
			}
		}
	}
	spare := 0
	for number := t.spillOf().free; number != 0; number = t.spilledAt(number).ctl.Load() >> freeShift {
		if b := t.spilledAt(number); b.tags.Load() != 0 || b.ctl.Load()&linkMask != 0 {
			panic("a free bucket that is not empty")
		}
		spare++
	}
	if given := int(t.spillOf().last - t.spillOf().last>>16); chained+spare != given || int64(spare) != t.spillOf().spare.Load() {
		panic(fmt.Sprintf("%d buckets were chained, and there are %d in chains, and %d free (%d by count)", given, chained, spare, t.spillOf().spare.Load()))
	}
	return entries
}

// checkBucket returns how many entries are in bucket b of a root's chain.
func (c *core) checkBucket(t *table, root, b *bucket) (entries int) {
	for s := range b.slots {
		e := b.slots[s].Load()
		tagged := b.tags.Load() >> (8 * s) & 0xff
		switch {
		case (e == nil) != (tagged == 0):
			panic("a tag without an entry, or the other way round")
		case e != nil && (t.bucket(c.hashOf(e)) != root || tag(c.hashOf(e)) != tagged):
			panic("an entry in another's bucket")
		case e != nil:
			entries++
		}
	}
	return entries
}

func key(i int) []byte { return binary.BigEndian.AppendUint32([]byte("key"), uint32(i)) }

// within fails the test if fn hangs.
func within(t testing.TB, what string, fn func()) {
	done := make(chan struct{})
	go func() { defer close(done); fn() }()
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		buf := make([]byte, 1<<20)
		t.Fatalf("%s hangs\n%s", what, buf[:runtime.Stack(buf, true)])
	}
}

// inFirstBucket returns n keys that belong to the first bucket of the map's table.
func inFirstBucket(m *Bytes, n int) (keys [][]byte) {
	for i := 0; len(keys) < n; i++ {
		if maphash.Bytes(m.seed, key(i))>>m.c.table.Load().shift == 0 {
			keys = append(keys, key(i))
		}
	}
	return keys
}

// halfway moves the entries of the first half of the roots to a table of twice the size, as
// migrate does, and stops there. What it returns moves the others, the first time, and is
// called when the test ends.
func (c *core) halfway(t testing.TB) (finish func()) {
	c.migrated.Wait()
	c.resizing.Lock()
	old := c.table.Load()
	next, err := newTable(bits.Len(uint(old.n)), c.heap, false, c.budget)
	require.NoError(t, err)
	old.next.Store(next)
	for i := range old.n / 2 {
		c.move(old, next, i, 1)
	}
	finish = sync.OnceFunc(func() {
		for i := old.n / 2; i < old.n; i++ {
			c.move(old, next, i, 1)
		}
		c.table.Store(next)
		old.size.drop()
		c.resizing.Unlock()
	})
	t.Cleanup(finish)
	return finish
}
