//go:build !race

package slab

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gosmr/gosmr/internal/self"
)

// splitMappings makes mappings until the process may have no more.
func splitMappings(t *testing.T) (skip string) {
	text, err := os.ReadFile("/proc/sys/vm/max_map_count")
	require.NoError(t, err)
	var most int
	fmt.Sscan(string(text), &most)
	if most > 1<<18 {
		return fmt.Sprintf("%d mappings are permitted, which takes long", most)
	}
	page := os.Getpagesize()
	mem, err := unix.Mmap(-1, 0, (most+10)*page, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return "no addresses for so many mappings: " + err.Error()
	}
	for i := page; i < len(mem); i += 2 * page {
		if err := unix.Mprotect(mem[i:i+page], unix.PROT_READ); errors.Is(err, unix.ENOMEM) {
			return ""
		}
	}
	return "mappings are not counted here"
}

// Where the system takes no memory back, since the process has as many mappings as it may
// have, giving back does what it always does.
func TestGivingBack_AtMaxMapCount(t *testing.T) {
	if os.Getenv(self.Emulator) != "" {
		t.Skip("an emulator itself needs mappings, and ends when it gets none")
	}
	self.InChild(t, func() string {
		self.Settle()
		d := newDomain(t)
		b := NewBudget(0)
		blocks := NewBlocks(d, Options{Budget: b})
		pool := New[page](d, Options{Budget: b})
		const n, size = 9, 1 << 20
		large := make([][]byte, n)
		for i := range large {
			var err error
			large[i], err = blocks.Get(size)
			require.NoError(t, err)
			clear(large[i])
		}
		pool.Free(get(t, pool))
		objs := getAll(t, pool, 1000)
		before := b.Used()
		if skip := splitMappings(t); skip != "" {
			return skip
		}

		// Each second one lies between two that stay.
		var freed int64
		for i := 1; i < n; i += 2 {
			if i%4 == 1 {
				blocks.Retire(large[i])
			} else {
				blocks.Free(large[i])
			}
			large[i] = nil
			freed += size
		}
		ctx := watchdogContext(t)
		require.NoError(t, d.Barrier(ctx))
		require.Equal(t, before-freed, b.Used())
		require.EqualValues(t, (n-n/2)*size, blocks.Stats().ReservedBytes)

		// New ones are where old ones were: there is no mapping for any beside them. (That
		// of an old one may have gone, and its place been taken by one of the runtime's.)
		for i := 1; i < n; i += 2 {
			block, err := blocks.Get(size)
			if errors.Is(err, ErrNoMemory) {
				continue
			}
			require.NoError(t, err)
			require.True(t, allZero(block), "a large block is zeroed")
			for _, other := range large {
				require.NotSame(t, unsafe.SliceData(block), unsafe.SliceData(other))
			}
			large[i] = block
			freed -= size
		}
		require.Equal(t, before-freed, b.Used())
		for _, block := range large {
			if block != nil {
				blocks.Retire(block)
			}
		}
		freeAll(pool, objs)
		closeEmpty(t, pool)
		require.NoError(t, blocks.Close(ctx))
		require.Zero(t, b.Used())
		require.Zero(t, blocks.Stats().ReservedBytes)
		return ""
	})
}

func allZero(mem []byte) bool {
	for _, x := range mem {
		if x != 0 {
			return false
		}
	}
	return true
}
