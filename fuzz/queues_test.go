package fuzz

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit/queuetest"
	"github.com/gosmr/gosmr/smr"
)

// Programs of all operations, legal and not, on all four kinds of queue, on the Go heap and off it,
// give what a slice would.
func FuzzQueues(f *testing.F) {
	d, err := smr.New(smr.Options{Name: "FuzzQueues"})
	require.NoError(f, err)
	f.Cleanup(func() { d.Close(context.Background()) })

	f.Fuzz(func(t *testing.T, kind byte, offHeap bool, program []byte) {
		if len(program) > 2000 {
			t.Skip("a longer program shows nothing more")
		}
		elems := queuetest.OnHeap(queuetest.Elems)
		if offHeap {
			off, free, err := queuetest.OffHeap(queuetest.Elems)
			if err != nil {
				t.Skip("no elements off the Go heap: ", err)
			}
			defer free()
			elems = off
		}
		k := queuetest.Kinds[int(kind)%len(queuetest.Kinds)]
		require.NoError(t, queuetest.Run(k, elems, d, program))
	})
}
