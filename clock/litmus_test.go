package clock

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/relacq"
)

// Litmus tests: two goroutines on two processors execute the two sides of a
// fence's pair against each other, some hundred thousand times, from all
// distances. Without the fence, x86-TSO lets a load pass the store before it,
// and the forbidden outcome shows within some thousand rounds.

// paddedWord keeps words that the two sides write on lines of their own.
type paddedWord struct {
	relacq.Uint64
	_ [120]byte
}

// noise keeps stores in their processor's store buffer: stores leave the buffer
// in order, so one behind some to lines that another processor holds waits for
// those lines to come, while loads go ahead.
type noise [6]paddedWord

func (n *noise) delayStores(v uint64) {
	for i := range n {
		n[i].Store(v)
	}
}

// take brings the lines to the calling processor.
func (n *noise) take() {
	for i := range n {
		n[i].Store(0)
	}
}

// duel runs a and b against each other. Each is called once a round with the
// round's number; after both are done, check is. a's stores are delayed.
func duel(t *testing.T, a, b func(round uint64), check func(round uint64)) {
	t.Helper()
	if runtime.GOMAXPROCS(0) < 2 || runtime.NumCPU() < 2 {
		t.Skip("needs two processors to see a store buffer")
	}
	length := 500 * time.Millisecond
	if testing.Short() || !relacq.Plain {
		length /= 5
	}
	const last = 1 << 20 // rounds at the most
	var noise noise
	var turn, done atomic.Uint64
	go func() {
		for i := uint64(1); ; i++ {
			noise.take()
			await(&turn, i)
			if turn.Load() == last {
				return
			}
			for range i / 64 % 64 {
			}
			b(i)
			done.Store(i)
		}
	}()
	defer turn.Store(last)
	end := time.Now().Add(length)
	for i := uint64(1); i < last && (i%64 != 0 || time.Now().Before(end)); i++ {
		turn.Store(i)
		for range i % 64 { // to meet the other side at all distances
		}
		noise.delayStores(i)
		a(i)
		await(&done, i)
		check(i)
	}
}

// await spins until word is v or more; now and then it lets others run, in case
// the other side has lost its processor.
func await(word *atomic.Uint64, v uint64) {
	for n := 1; word.Load() < v; n++ {
		if n%10000 == 0 {
			runtime.Gosched()
		}
	}
}

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
					var cell, found, polled paddedWord
					held, reached, early := false, false, 0
					duel(t,
						func(round uint64) {
							leave := open()
							found.Store(cell.Load())
							// Stay until the other side has polled. Not for
							// long: this goroutine may be pinned, and the other
							// stopped by the collector.
							held = false
							for n := 0; n < 20000 && !held; n++ {
								held = polled.Load() == round
							}
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
	var cell, entered, found paddedWord
	var goal Seq
	early := 0
	duel(t,
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

// Leaving against parking: either the waiter's second look finds the record
// idle, or the leaving reader finds the waiter.
func TestLeave_FenceOrdersWaiterFlag(t *testing.T) {
	for _, fenced := range []bool{false, true} {
		c := newClock(Options{Fenced: fenced})
		rec := c.NewOwned()
		r, g := rec.Enter()
		armed, lost := false, 0
		duel(t,
			func(uint64) { r.Leave(g) },
			func(uint64) {
				word := rec.seq.Load()
				armed = word != 0 && c.arm(blocker{rec, word})
			},
			func(uint64) {
				select {
				case <-c.wake:
				default:
					if armed {
						lost++
					}
				}
				rec.waiter.Store(0)
				r, g = rec.Enter()
			})
		require.Zero(t, lost, "waiters parked after the reader had looked for them")
	}
}
