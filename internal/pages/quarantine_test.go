//go:build invariants && unix && !race

package pages

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// freshQuarantine gives the test a quarantine of its own.
func freshQuarantine(t *testing.T) {
	freshHeap(t)
	old := quarantined.blocks
	quarantined.blocks = nil
	t.Cleanup(func() { quarantined.blocks = old })
}

// A block that can't be protected is free at once.
func TestQuarantine_NotProtected(t *testing.T) {
	freshQuarantine(t)
	refuse(t, &refusing{mprotect: func(_ block, prot int) bool { return prot == unix.PROT_NONE }})
	p := alloc(t, MinBlock)
	written(t, p, MinBlock)
	Free(p, MinBlock)
	require.Empty(t, quarantined.blocks)
	require.Equal(t, p, alloc(t, MinBlock))
	written(t, p, MinBlock)
}

// A block that can't be opened again stays in quarantine, others come out in its place,
// and it does so later.
func TestQuarantine_NotOpened(t *testing.T) {
	freshQuarantine(t)
	const n = 2*maxQuarantined + 10
	all := allocMany(t, MinBlock, n)
	r := &refusing{}
	refuse(t, r)
	freeAll := func(all ...unsafe.Pointer) {
		for _, p := range all {
			Free(p, MinBlock)
		}
	}
	r.mprotect = func(b block, prot int) bool { return prot == protection && b.p == all[0] }
	freeAll(all[:maxQuarantined+5]...)
	require.Len(t, quarantined.blocks, maxQuarantined)
	require.Equal(t, all[0], quarantined.blocks[0].p)
	require.Equal(t, all[1], alloc(t, MinBlock), "the next one came out")

	r.mprotect = func(_ block, prot int) bool { return prot == protection }
	freeAll(all[maxQuarantined+5 : n-1]...)
	require.Greater(t, len(quarantined.blocks), maxQuarantined)

	r.mprotect = nil
	freeAll(all[n-1])
	require.Len(t, quarantined.blocks, maxQuarantined)
	require.Equal(t, all[0], alloc(t, MinBlock))
	written(t, all[0], MinBlock)
	var opened, free uintptr
	for _, r := range heap.regions {
		opened += r.opened
		for order, n := range r.has {
			free += uintptr(n) << (order + minShift)
		}
	}
	require.EqualValues(t, maxQuarantined+2, (opened-free)/MinBlock, "not all that came out is free")
}
