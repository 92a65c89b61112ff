package slab

import (
	"math/rand/v2"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func needsSpares(t *testing.T) {
	if !keepsSpares {
		t.Skip("no large block is kept in this build")
	}
}

// withSpares returns Blocks that may keep n bytes of spares, beside 64 MiB that are used.
func withSpares(t *testing.T, n int64) *Blocks {
	needsSpares(t)
	budget := NewBudget(0)
	budget.ReserveAlways(64 << 20)
	budget.SetSpare(n)
	return NewBlocks(newDomain(t), Options{Budget: budget})
}

func getBlock(t *testing.T, b *Blocks, n int) []byte {
	block, err := b.Get(n)
	require.NoError(t, err)
	return block
}

func at(block []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(block))) }

// spareBytes returns how many bytes of spares there are.
func spareBytes(t *testing.T, b *Budget) int64 {
	b.spares.mu.Lock()
	defer b.spares.mu.Unlock()
	sum := int64(0)
	for _, x := range b.spares.list {
		sum += int64(x.size)
	}
	require.Equal(t, sum, b.spares.size.Load())
	return sum
}

// The smallest spare that is large enough is used, and what is left of it stays.
func TestSpares_FitBest(t *testing.T) {
	b := withSpares(t, 4<<20)
	large, middle, small := getBlock(t, b, 2<<20), getBlock(t, b, 1<<20), getBlock(t, b, 128<<10)
	used := b.budget.Used()
	for _, block := range [][]byte{large, middle, small} {
		b.Free(block)
	}
	require.EqualValues(t, 64<<20, b.budget.Used(), "spares are not used")
	require.Equal(t, used-64<<20, spareBytes(t, b.budget))
	first, second, third := getBlock(t, b, 512<<10), getBlock(t, b, 512<<10), getBlock(t, b, 1<<20)
	require.Equal(t, at(middle), at(first))
	require.Equal(t, at(middle)+512<<10, at(second))
	require.Equal(t, at(large), at(third))
	require.Len(t, b.budget.spares.list, 2, "the middle one is used up")
	require.EqualValues(t, 1<<20+128<<10, spareBytes(t, b.budget))
	none := getBlock(t, b, 2<<20)
	require.EqualValues(t, 1<<20+128<<10, spareBytes(t, b.budget), "none is large enough")
	for _, block := range [][]byte{first, second, third, none} {
		b.Free(block)
	}
	require.NoError(t, b.Close(watchdogContext(t)))
	require.Zero(t, spareBytes(t, b.budget))
}

// There are as many as SetSpare says, no more than is used, and the oldest go first.
func TestSpares_AreBounded(t *testing.T) {
	b := withSpares(t, 2<<20)
	block := func() []byte { return getBlock(t, b, 1<<20) }
	one, two, three := block(), block(), block()
	b.Free(one)
	b.Free(two)
	b.Free(three)
	require.EqualValues(t, 2<<20, spareBytes(t, b.budget))
	again := block()
	require.Equal(t, at(two), at(again))
	b.Trim()
	require.Zero(t, spareBytes(t, b.budget))

	b.Free(block())
	other := block()
	b.budget.Release(64 << 20)
	b.Free(other)
	require.EqualValues(t, 1<<20, spareBytes(t, b.budget), "as much as is used")
	b.Free(again)
	require.Zero(t, spareBytes(t, b.budget))

	b.budget.ReserveAlways(64 << 20)
	b.Free(block())
	require.NotZero(t, spareBytes(t, b.budget))
	b.budget.SetSpare(0)
	require.Zero(t, spareBytes(t, b.budget))
	b.Free(block())
	require.Zero(t, spareBytes(t, b.budget))
	require.Contains(t, panicText(t, func() { b.budget.SetSpare(-1) }), "negative")
}

// However blocks come and go, and the bound changes: no two blocks share memory, and no spare is
// forgotten.
func TestSpares_EverythingAtOnce(t *testing.T) {
	b := withSpares(t, 4<<20)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 1))
			var live [][]byte
			for i := range rounds(4000) {
				if len(live) < 4 && rnd.IntN(3) > 0 {
					block, err := b.Get(maxObject + 1 + rnd.IntN(1<<20))
					if err != nil {
						t.Error(err)
						return
					}
					block[0], block[len(block)-1] = byte(g), byte(g)
					live = append(live, block)
				} else if len(live) > 0 {
					block := live[0]
					live = live[1:]
					if block[0] != byte(g) || block[len(block)-1] != byte(g) {
						t.Error("a block is another's, too")
						return
					}
					if i%2 == 0 {
						b.Free(block)
					} else {
						b.Retire(block)
					}
				}
				if i%64 == g {
					b.budget.SetSpare(rnd.Int64N(8 << 20))
				}
			}
			for _, block := range live {
				b.Free(block)
			}
		})
	}
	wg.Wait()
	b.dom.Flush()
	require.NoError(t, b.dom.Barrier(watchdogContext(t)))
	b.budget.SetSpare(0)
	require.Zero(t, spareBytes(t, b.budget))
	require.EqualValues(t, 64<<20, b.budget.Used())
	require.NoError(t, b.Close(watchdogContext(t)))
}

// A spare that comes just after the bound was lowered does not stay.
func TestSpares_NoneStaysBeyondTheBound(t *testing.T) {
	b := withSpares(t, 4<<20)
	block := getBlock(t, b, 128<<10)
	l := b.takeLarge(block, false)
	b.budget.freeLarge(l.p, l.size)
	x, ok := b.budget.spares.oldest(0)
	require.True(t, ok)
	b.budget.SetSpare(0)
	b.budget.spares.put(x.p, x.size) // as if freeLarge had looked before, and now came to this
	b.budget.shrinkSpares()
	require.Zero(t, spareBytes(t, b.budget))
	b.budget.Release(int64(l.size))
}

// There are no more than are used, whatever was given back: slabs of the last pool, too.
func TestSpares_GoWithSlabs(t *testing.T) {
	needsSpares(t)
	budget := NewBudget(0)
	budget.SetSpare(64 << 20)
	d := newDomain(t)
	b := NewBlocks(d, Options{Budget: budget})
	p := New[page](d, Options{Budget: budget})
	all := getAll(t, p, 1000)
	b.Free(getBlock(t, b, 1<<20))
	require.NotZero(t, spareBytes(t, budget))
	freeAll(p, all)
	closeEmpty(t, p)
	require.Zero(t, budget.Used())
	require.Zero(t, spareBytes(t, budget))
}

// Blocks that are dropped leave no spares, whatever else is used.
func TestSpares_GoWithDropped(t *testing.T) {
	skipControlled(t)
	for name, use := range map[string]func(*Blocks){
		"empty":  func(*Blocks) {},
		"in use": func(b *Blocks) { getBlock(t, b, 100) },
	} {
		t.Run(name, func(t *testing.T) {
			budget := withSpares(t, 1<<20).budget
			d := newDomain(t)
			dropped(func() {
				b := NewBlocks(d, Options{Budget: budget, FreeOnDrop: true})
				b.Free(getBlock(t, b, 1<<20))
				use(b)
				require.NotZero(t, spareBytes(t, budget))
			})
			collectUntil(func() bool { return budget.spares.size.Load() == 0 && budget.Used() == 64<<20 })
		})
	}
}
