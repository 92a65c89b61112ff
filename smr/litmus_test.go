package smr

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/litmus"
	"github.com/gosmr/gosmr/pcpu"
)

// An append against a drain: either the appender finds its chunk gone, or drain
// finds it busy and waits. It must not return while the appender, which found
// the chunk, still writes to it.
func TestDrain_WaitsForAppend(t *testing.T) {
	for name, fenced := range map[string]bool{"Membarrier": false, "Fenced": true} {
		t.Run(name, func(t *testing.T) {
			d := newDomain(t, Options{fenced: fenced})
			// A slot that nobody else uses: no calls are made on this domain.
			sl := d.calls.Grow(0)
			c := d.newChunk(nil)
			sl.Value.Store(c)
			var drained litmus.Word
			broken := 0
			litmus.Duel(t,
				func(round uint64) {
					if !sl.TryLock(d.fence) {
						panic("somebody uses the slot")
					}
					if sl.Value.Load() != nil && drained.Glance(round) {
						broken++
					}
					sl.Unlock()
				},
				func(round uint64) {
					d.drain()
					drained.Store(round)
				},
				func(uint64) {
					d.reclaim.inbox.takeAll()
					sl.Value.Store(c)
				})
			sl.Value.Store(nil)
			require.Zero(t, broken, "drains returned while the chunk they took was being written")
		})
	}
}

// A drain that takes the chunk between an append and the handing over keeps it.
func TestHandOver_DrainTookTheChunk(t *testing.T) {
	d := newDomain(t, Options{})
	sl := d.calls.Grow(0)
	sl.Value.Store(d.newChunk(nil))
	require.True(t, sl.TryLock(d.fence))
	c := sl.Value.Load()
	require.Same(t, c, sl.Value.Swap(nil)) // as drain does, which now waits for busy
	d.handOverOpen(sl, c)
	sl.Unlock()
	require.True(t, d.reclaim.inbox.empty(), "the chunk would be in the inbox twice")
}

// While its processor's slot is locked a call goes to no other processor's, whose owner would write
// beside it; where owners lock by compare-and-swap it does.
func TestLockSlot_LocksNoOtherProcessors(t *testing.T) {
	if pcpu.Exclusive && runtime.GOMAXPROCS(0) < 2 {
		t.Skip("needs a slot of another processor")
	}
	d := newDomain(t, Options{})
	d.calls.Grow(0)
	id := pcpu.Pin()
	defer pcpu.Unpin()
	own := d.lockSlot(id)
	other := d.lockSlot(id)
	if other != nil {
		other.Unlock()
	}
	own.Unlock()
	if pcpu.Exclusive == (other != nil) {
		t.Errorf("another slot was locked: %v", other != nil)
	}
}
