//go:build invariants

package slab

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/fate"
)

// What became of a sample is forgotten when its quarantine is over: another object may lie there then, also
// of another pool.
func TestInvariants_SampleIsForgotten(t *testing.T) {
	p := New[flat](newDomain(t), Options{Quarantine: Quarantine{OneIn: 1, For: time.Nanosecond}})
	seen := make(map[unsafe.Pointer]bool)
	for range 200 {
		obj := get(t, p)
		seen[unsafe.Pointer(obj)] = true
		p.Free(obj)
	}
	closeEmpty(t, p)
	for at := range seen {
		_, known := fate.BackOf(at)
		require.False(t, known)
	}
}
