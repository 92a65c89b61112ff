package slab

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestBlocks_Classes(t *testing.T) {
	for c := range numClasses {
		require.Equal(t, c, class(classSize(c)))
		require.Zero(t, classSize(c)%blockAlign)
		if c > 0 {
			require.Equal(t, c, class(classSize(c-1)+1))
			require.LessOrEqual(t, classSize(c)*4, classSize(c-1)*5+4*smallStep)
		}
	}
	require.Equal(t, 0, class(0))
	require.Equal(t, maxObject, classSize(numClasses-1))
}

// Blocks of all sizes hold what was written to them, whatever happens to others.
func TestBlocks_Random(t *testing.T) {
	d := newDomain(t)
	b := NewBlocks(d, Options{Budget: NewBudget(0)})
	rnd := rand.New(rand.NewPCG(1, 2))
	var live [][]byte
	check := func(block []byte) {
		for _, x := range block {
			if x != byte(len(block)) {
				t.Fatalf("a block of %d bytes was overwritten", len(block))
			}
		}
	}
	var bytes int64
	for range rounds(20_000) {
		if len(live) < 200 && rnd.IntN(3) > 0 {
			n := rnd.IntN(1 << rnd.IntN(18))
			block, err := b.Get(n)
			require.NoError(t, err)
			require.Len(t, block, n)
			require.Zero(t, uintptr(unsafe.Pointer(unsafe.SliceData(block)))%blockAlign)
			bytes += int64(cap(block))
			block = block[:cap(block)]
			for i := range block {
				block[i] = byte(len(block))
			}
			live = append(live, block)
		} else if len(live) > 0 {
			i := rnd.IntN(len(live))
			block := live[i]
			live[i] = live[len(live)-1]
			live = live[:len(live)-1]
			check(block)
			bytes -= int64(cap(block))
			if rnd.IntN(2) == 0 {
				b.Free(block)
			} else {
				b.Retire(block[:rnd.IntN(len(block)+1)])
			}
		}
		st := b.Stats()
		require.EqualValues(t, len(live), st.InUse)
		require.Equal(t, bytes, st.InUseBytes)
	}
	for _, block := range live {
		check(block)
		b.Retire(block)
	}
	require.NoError(t, b.Close(watchdogContext(t)))
	st := b.Stats()
	require.Zero(t, st.InUse)
	require.Zero(t, st.Pending)
	require.Zero(t, st.ReservedBytes)
	require.Zero(t, b.budget.Used())
}

func TestBlocks_LargeWaitsForReaders(t *testing.T) {
	d := newDomain(t)
	b := NewBlocks(d, Options{})
	block, err := b.Get(1 << 20)
	require.NoError(t, err)
	block[1<<19] = 7
	s := d.Enter()
	b.Retire(block)
	d.Flush()
	require.EqualValues(t, 7, block[1<<19])
	require.EqualValues(t, 1, b.Stats().Pending)
	s.Leave()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.Zero(t, b.Stats().ReservedBytes)
	require.NoError(t, b.Close(watchdogContext(t)))
}

func TestBlocks_Misuse(t *testing.T) {
	d := newDomain(t)
	b := NewBlocks(d, Options{Name: "b", Budget: NewBudget(1 << 20)})
	block, err := b.Get(100)
	require.NoError(t, err)
	require.Contains(t, panicText(t, func() { b.Free(block[:50:60]) }), "not a whole block")
	require.Contains(t, panicText(t, func() { b.Free(make([]byte, 1<<20)) }), "not a block in use")
	require.Contains(t, panicText(t, func() { b.Get(-1) }), "negative size")
	_, err = b.Get(1 << 21)
	require.ErrorIs(t, err, ErrNoMemory)
	_, err = b.Get(maxBlock + 1)
	require.ErrorIs(t, err, ErrNoMemory)
	large, err := b.Get(maxObject + 1)
	require.NoError(t, err)
	require.ErrorContains(t, b.Close(watchdogContext(t)), "1 objects were not given back")
	b.Free(block)
	b.Free(large)
	require.Contains(t, panicText(t, func() { b.Free(large) }), "not a block in use")
	require.NoError(t, b.Close(watchdogContext(t)))
	require.Contains(t, panicText(t, func() { NewBlocks(nil, Options{}) }), "without a domain")
}
