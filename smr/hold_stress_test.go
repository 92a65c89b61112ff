package smr

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A keeper holds, clones and releases what it finds, and counts what was freed while held.
type keeper struct {
	kept  []Held[object]
	early *atomic.Int64
}

func (k *keeper) step(d *Domain, p *Pointer[object], i int) {
	s := d.Enter()
	k.kept = append(k.kept, Hold(s, p.Load(s)))
	s.Leave()
	if i%3 == 0 {
		k.kept = append(k.kept, k.kept[len(k.kept)-1].Clone())
	}
	k.releaseTo(i * 7 % 23)
}

func (k *keeper) releaseTo(n int) {
	for len(k.kept) > n {
		last := len(k.kept) - 1
		j := n * 5 % len(k.kept)
		if k.kept[j].Get().runs.Load() != 0 {
			k.early.Add(1)
		}
		k.kept[j].Release()
		k.kept[j] = k.kept[last]
		k.kept = k.kept[:last]
	}
}

// briefly waits until a context ends.
func briefly(t *testing.T, wait func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	return wait(ctx)
}

// Callbacks panic and end their goroutines while others of their chunks are held, OnPanic ends its
// goroutine too, and waits give up: each callback runs once, after the Releases, and the counts of what is
// pending come back to zero.
func TestHold_StressWithFailingCallbacks(t *testing.T) {
	var panics, early, calls, runs, twice atomic.Int64
	d, err := New(Options{ChunkCalls: 5, Workers: 3, MaxPending: 2000, MaxDelay: time.Millisecond, OnPanic: func(*CallbackPanic) {
		if panics.Add(1)%7 == 0 {
			runtime.Goexit()
		}
	}})
	require.NoError(t, err)
	free := func(o *object) {
		runs.Add(1)
		if o.runs.Add(1) != 1 {
			twice.Add(1)
		}
		switch o.word % 11 {
		case 3:
			panic("callback")
		case 5:
			runtime.Goexit()
		}
	}
	var current [8]Pointer[object]
	for i := range current {
		current[i].Init(new(object))
	}
	var stop atomic.Bool
	var readers, writers sync.WaitGroup
	for r := range 4 {
		readers.Go(func() {
			k := keeper{early: &early}
			for i := 0; !stop.Load(); i++ {
				k.step(d, &current[(i+r)%len(current)], i)
			}
			k.releaseTo(0)
		})
	}
	for w := range 2 {
		writers.Go(func() {
			for i := range rounds(20_000) {
				p := &current[i%4*2+w]
				old := p.LoadSerialized()
				p.Store(&object{word: uint64(i)})
				calls.Add(1)
				Call(d, old, 10+i%3, free)
				switch i % 50 {
				case 0:
					_ = briefly(t, d.Throttle)
				case 1:
					d.Flush()
				case 2:
					_ = briefly(t, d.Barrier)
				}
			}
		})
	}
	changeGOMAXPROCS(10)
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	require.NoError(t, d.Close(watchdogContext(t)))
	require.Equal(t, calls.Load(), runs.Load())
	require.Zero(t, early.Load(), "freed while it was held")
	require.Zero(t, twice.Load())
	st := d.Stats()
	require.Zero(t, st.PendingBytes)
	require.Zero(t, st.HeldCalls)
	require.Zero(t, st.HeldBytes)
	require.Zero(t, st.HeldFor)
	require.Zero(t, d.reclaim.handedOver.Load())
	require.Zero(t, d.reclaim.outstanding.n)
	require.Zero(t, d.reclaim.outParked.n)
	require.Empty(t, d.reclaim.parked)
	require.Nil(t, d.reclaim.byAge.newest)
}
