//go:build !race && !invariants && !smr_sched && !asan && !msan

package docs

import (
	"context"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/stw"
)

// A thing is one of those that the table speaks of: what keeps it, and what it has off the Go heap.
type thing struct {
	keep    any
	offHeap func() int64 // nil: nothing
	close   func(context.Context) error
}

// things makes what the rows of the table speak of.
var things = map[string]func(t *testing.T, d *smr.Domain) thing{
	"domain": func(t *testing.T, _ *smr.Domain) thing {
		d, err := smr.New(smr.Options{})
		require.NoError(t, err)
		return thing{d, nil, d.Close}
	},
	"domain that was in use: a section, a call": func(t *testing.T, _ *smr.Domain) thing {
		d, err := smr.New(smr.Options{})
		require.NoError(t, err)
		s := testkit.Enter(d)
		s.Leave()
		d.CallFunc(0, func() {})
		require.NoError(t, d.Barrier(testkit.Context(t)))
		return thing{d, nil, d.Close}
	},
	"`Pool`": func(_ *testing.T, d *smr.Domain) thing {
		p := slab.New[[40]byte](d, slab.Options{})
		return thing{p, nil, p.Close}
	},
	"`Pool` with an object": func(t *testing.T, d *smr.Domain) thing {
		p := slab.New[[40]byte](d, slab.Options{})
		obj, err := p.Get()
		require.NoError(t, err)
		p.Free(obj)
		return thing{p, func() int64 { return p.Stats().ReservedBytes }, p.Close}
	},
	"`Blocks`": func(_ *testing.T, d *smr.Domain) thing {
		b := slab.NewBlocks(d, slab.Options{})
		return thing{b, nil, b.Close}
	},
	"`World`": func(t *testing.T, _ *smr.Domain) thing {
		w, err := stw.NewWorld(stw.Options{})
		require.NoError(t, err)
		return thing{w, nil, w.Close}
	},
	"`Map`":                    mapOf(0),
	"`Map` of 10 entries":      mapOf(10),
	"`Map` of 100 entries":     mapOf(100),
	"`Map` of 1,000 entries":   mapOf(1000),
	"`Bytes`":                  bytesOf(0),
	"`Bytes` of 1,000 entries": bytesOf(1000),
}

// mapOf returns a function that makes a map of n entries of 40 bytes. It has room for them from the first, as a
// table that is being replaced would count twice.
func mapOf(n int) func(t *testing.T, d *smr.Domain) thing {
	type value [4]uint64
	return func(t *testing.T, d *smr.Domain) thing {
		m, err := smrmap.New[uint64, value](smrmap.Options{Domain: d, Capacity: n})
		require.NoError(t, err)
		for k := range uint64(n) {
			require.NoError(t, m.Store(k, value{k}))
		}
		return thing{m, func() int64 { return offHeap(m.Stats()) }, m.Close}
	}
}

// bytesOf returns a function that makes a map of n entries of 8 and 32 bytes.
func bytesOf(n int) func(t *testing.T, d *smr.Domain) thing {
	return func(t *testing.T, d *smr.Domain) thing {
		m, err := smrmap.NewBytes(smrmap.Options{Domain: d, Capacity: n})
		require.NoError(t, err)
		value := make([]byte, 32)
		for k := range n {
			require.NoError(t, m.Store([]byte(strconv.Itoa(k+10_000_000)), value))
		}
		return thing{m, func() int64 { return offHeap(m.Stats()) }, m.Close}
	}
}

// offHeap returns the bytes of a map but for its table, which is in the Go heap's count.
func offHeap(st smrmap.Stats) int64 { return st.ReservedBytes - int64(st.Buckets)*64 }

// What is idle takes no more memory than performance.md says: on average, as what the Go heap counts for
// other goroutines and for its own lists is spread over many.
func TestPerformance_MemoryOfWhatIsIdle(t *testing.T) {
	if os.Getpagesize() != 4096 {
		t.Skip("the table is of pages of 4 KiB")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	page, err := os.ReadFile("performance.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(page), "\n| idle | bytes, at most |\n|---|---|\n")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n\n")
	row := regexp.MustCompile(`(?m)^\| (?:an? )?(.+) \| ([0-9,]+)(?: = .*)? \|$`)
	rows := row.FindAllStringSubmatch(table, -1)
	require.Len(t, rows, len(things))
	d, err := smr.New(smr.Options{})
	require.NoError(t, err)
	ctx := context.Background()
	for _, row := range rows {
		most, err := strconv.ParseInt(strings.ReplaceAll(row[2], ",", ""), 10, 64)
		require.NoError(t, err)
		make := things[row[1]]
		require.NotNil(t, make, row[1])
		require.NoError(t, make(t, d).close(ctx)) // what the first one makes for all
		const n = 100
		var all [n]thing
		before := heapBytes(t, d)
		for i := range all {
			all[i] = make(t, d)
		}
		bytes := heapBytes(t, d) - before
		for _, x := range all {
			if x.offHeap != nil {
				bytes += x.offHeap()
			}
		}
		t.Logf("%s: %d bytes", row[1], bytes/n)
		assert.LessOrEqual(t, bytes/n, most, row[1])
		for _, x := range all {
			require.NoError(t, x.close(ctx))
		}
	}
	require.NoError(t, d.Close(ctx))
}

// heapBytes returns what is in use on the Go heap, once nothing waits for readers of d.
func heapBytes(t *testing.T, d *smr.Domain) int64 {
	require.NoError(t, d.Barrier(testkit.Context(t)))
	var st runtime.MemStats
	runtime.GC()
	runtime.GC() // what has cleanups
	runtime.ReadMemStats(&st)
	return int64(st.HeapAlloc)
}
