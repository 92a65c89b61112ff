package clock

import (
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/litmus"
)

// See package litmus: each of these fails without the fence it is named for.

// Entry against scan: a reader whose entry a scan misses finds unlinked what
// was unlinked before.
func TestEnter_FenceOrdersFirstLoad(t *testing.T) {
	for _, fenced := range []bool{false, true} {
		name := "Membarrier"
		if fenced {
			name = "Fenced"
		}
		t.Run(name, func(t *testing.T) {
			for kind, enter := range map[string]func(c *Clock) func() (leave func()){
				"Enter": func(c *Clock) func() func() {
					return func() func() { r, g := c.Enter(); return func() { r.Leave(g) } }
				},
				"Pin": func(c *Clock) func() func() {
					return func() func() { r, g := c.Pin(); return func() { r.Leave(g) } }
				},
				"Owned": func(c *Clock) func() func() {
					rec := c.NewOwned()
					return func() func() { r, g := rec.Enter(); return func() { r.Leave(g) } }
				},
				"Online": func(c *Clock) func() func() {
					rec := c.NewQuiescent(nil)
					return func() func() { rec.Online(); return rec.Offline }
				},
			} {
				t.Run(kind, func(t *testing.T) {
					c := newClock(Options{Fenced: fenced})
					open := enter(c)
					var cell, found, polled litmus.Word
					held, reached, early := false, false, 0
					litmus.Duel(t,
						func(round uint64) {
							leave := open()
							found.Store(cell.Load())
							held = polled.Glance(round)
							leave()
						},
						func(round uint64) {
							cell.Store(round) // unlinks what was there
							reached = c.Poll(c.Advance())
							polled.Store(round)
						},
						func(round uint64) {
							if held && reached && found.Load() != round {
								early++
							}
						})
					require.Zero(t, early, "grace periods ended while a reader held what they were for")
				})
			}
		})
	}
}

// DeferredAdvance against entry: a reader that enters at the goal, or later,
// does not find what was unlinked before the goal was taken.
func TestDeferredAdvance_FenceOrdersUnlinking(t *testing.T) {
	c := newClock(Options{})
	var cell, entered, found litmus.Word
	var goal Seq
	early := 0
	litmus.Duel(t,
		func(round uint64) {
			cell.Store(round)
			goal = c.DeferredAdvance()
		},
		func(uint64) {
			entered.Store(uint64(c.Advance()))
			found.Store(cell.Load())
		},
		func(round uint64) {
			if !Seq(entered.Load()).Before(goal) && found.Load() != round {
				early++
			}
		})
	require.Zero(t, early, "readers that entered at the goal found what was unlinked before it was taken")
}

// Leaving against arming: either the driver's second load finds the record idle, or
// the leaving reader finds the flag set.
func TestLeave_FenceOrdersWaiterFlag(t *testing.T) {
	for _, fenced := range []bool{false, true} {
		c := newClock(Options{Fenced: fenced})
		rec := c.NewOwned()
		r, g := rec.Enter()
		armed, lost := false, 0
		litmus.Duel(t,
			func(uint64) { r.Leave(g) },
			func(uint64) {
				word := rec.seq.Load()
				armed = word != 0 && c.arm(obstacle{rec: rec, word: word})
			},
			func(uint64) {
				select {
				case <-c.driver.wake:
				default:
					if armed {
						lost++
					}
				}
				rec.waiter.Store(0)
				r, g = rec.Enter()
			})
		require.Zero(t, lost, "the driver slept on a record that was left without a kick")
	}
}

// Entry against sealing: a section that is entered as the clock is sealed is
// either refused, or seen by the scan that Close makes after.
func TestSeal_FenceOrdersEntry(t *testing.T) {
	for _, name := range []string{"Enter", "TryEnter", "Owned"} {
		enter := entries[name]
		t.Run(name, func(t *testing.T) {
			c := newClock(Options{})
			open := enter(c)
			r, g := open() // so that the slots are there
			r.Leave(g)
			// Seal is undone after each round. The slots are what their first word leads to.
			exceptions, slots := c.exceptions.Load(), (*unsafe.Pointer)(unsafe.Pointer(&c.slots))
			unsealed := atomic.LoadPointer(slots)
			entered, missed := false, 0
			reached := false
			var done litmus.Word
			litmus.Duel(t,
				func(round uint64) {
					entered = false
					defer func() {
						if recover() == nil {
							entered = done.Glance(round)
							r.Leave(g)
						}
					}()
					if r, g = open(); r == nil {
						panic("refused")
					}
				},
				func(round uint64) {
					c.Seal()
					reached = c.Poll(c.Advance())
					done.Store(round)
				},
				func(uint64) {
					if entered && reached {
						missed++
					}
					c.exceptions.Store(exceptions)
					atomic.StorePointer(slots, unsealed)
				})
			require.Zero(t, missed, "sections were open after the last grace period of a sealed clock")
		})
	}
}
