package smr

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWait_Errors(t *testing.T) {
	d := newDomain(t, Options{Name: "asked"})
	other := newDomain(t, Options{Name: "other"})
	ctx := context.Background()
	for goal, whose := range map[Seq]string{
		0:                   "it is zero",
		other.Advance():     "it is a goal of domain other",
		d.Advance() + 1<<50: "it is ahead of the clock, or from long ago",
		d.Advance() ^ 1:     "it is no goal of another domain that is open",
	} {
		require.False(t, d.Poll(goal))
		err := d.Wait(ctx, goal)
		require.ErrorIs(t, err, ErrSeq)
		require.EqualError(t, err, fmt.Sprintf("smr: Wait of domain asked: goal was never issued by this clock: %#x: %s", uint64(goal), whose))
	}
	s := enterElsewhere(d)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	goal := d.DeferredAdvance()
	require.ErrorIs(t, d.Wait(canceled, goal+0), context.Canceled)
	s.Leave()
	require.True(t, d.Poll(goal), "the grace period goes on")
	require.NoError(t, d.Wait(canceled, goal))
}

func TestWait_DeferredGoalsShareAnAdvance(t *testing.T) {
	d := newDomain(t, Options{})
	before := d.Stats().Advances
	var goals []Seq
	for range 10 {
		goals = append(goals, d.DeferredAdvance())
	}
	require.Equal(t, before, d.Stats().Advances)
	require.False(t, d.Poll(goals[0]))
	d.Commit(goals[3])
	for _, g := range goals {
		require.True(t, d.Poll(g))
	}
	require.Equal(t, before+1, d.Stats().Advances)
}

func TestSynchronize_WaitsForSectionsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{MaxDelay: time.Hour})
		ran := false
		d.CallFunc(8, func() { ran = true })
		s := d.Enter()
		done := make(chan error, 1)
		go func() { done <- d.Synchronize(t.Context()) }()
		synctest.Wait()
		require.Empty(t, done)
		later := d.Enter()
		s.Leave()
		require.NoError(t, <-done, "later sections are not waited for")
		later.Leave()
		synctest.Wait()
		require.False(t, ran, "Synchronize is not Barrier")
		require.NoError(t, d.Barrier(t.Context()))
		require.True(t, ran)
	})
}

// What was called before Barrier, on any processor, has finished after it.
func TestBarrier_Exact(t *testing.T) {
	variants(t, func(t *testing.T, o Options) {
		o.MaxPending = 64 << 10 // so that the backlog does not grow for ever
		d := newDomain(t, o)
		ctx := watchdogContext(t)
		var sent, called, done atomic.Int64
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					sent.Add(1)
					d.CallFunc(8, func() {
						if i%16 == 0 {
							runtime.Gosched() // be slow, sometimes
						}
						done.Add(1)
					})
					called.Add(1) // has returned
					if d.Throttle(ctx) != nil {
						return
					}
				}
			})
		}
		var failed string
		wg.Go(func() {
			for n := range int64(rounds(100)) {
				for called.Load() <= n && ctx.Err() == nil { // else the writers may come after all rounds
					runtime.Gosched()
				}
				before := called.Load()
				if err := d.Barrier(ctx); err != nil {
					failed = err.Error()
					break
				}
				if n := done.Load(); n < before {
					failed = "Barrier returned before earlier callbacks"
					break
				}
			}
			close(stop)
		})
		changeGOMAXPROCS(10)
		wg.Wait()
		require.Empty(t, failed)
		require.NoError(t, d.Barrier(ctx))
		require.Equal(t, sent.Load(), done.Load())
	})
}

func TestBarrier_Concurrent(t *testing.T) {
	d := newDomain(t, Options{ChunkCalls: 8})
	ctx := watchdogContext(t)
	var wg sync.WaitGroup
	var wrong atomic.Int32
	for range 6 {
		wg.Go(func() {
			for range rounds(500) {
				ran := false // plain: Barrier orders it
				d.CallFunc(8, func() { ran = true })
				if d.Barrier(ctx) != nil || !ran {
					wrong.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.Zero(t, wrong.Load())
}

func TestBarrier_NothingPending(t *testing.T) {
	d := newDomain(t, Options{})
	s := enterElsewhere(d)
	require.NoError(t, d.Barrier(context.Background()), "no callbacks, nothing to wait for")
	s.Leave()
}

func TestBarrier_Canceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{})
		s := enterElsewhere(d)
		ran := false
		d.CallFunc(8, func() { ran = true })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, d.Barrier(ctx), context.DeadlineExceeded)
		s.Leave()
		synctest.Wait()
		require.True(t, ran, "the callback still runs")
	})
}

// Writers that call Throttle before each Call never have more pending than
// MaxPending and what they hold in flight.
func TestThrottle_Bound(t *testing.T) {
	for name, o := range map[string]Options{
		"Default":     {MaxPending: 1 << 20},
		"Small":       {MaxPending: 4096},
		"SmallChunks": {MaxPending: 10_000, ChunkCalls: 5},
		"OneChunk":    {MaxPending: 10_000, ChunkBytes: 1 << 20},
		"HugeChunk":   {MaxPending: 10_000, ChunkBytes: math.MaxInt},
	} {
		t.Run(name, func(t *testing.T) {
			const writers, size = 4, 100
			d := newDomain(t, o)
			ctx := watchdogContext(t)
			var failed atomic.Int32
			var wg sync.WaitGroup
			var pending, most atomic.Int64 // as the writers see it
			free := func() { pending.Add(-size) }
			for range writers {
				wg.Go(func() {
					for range rounds(50_000) {
						if d.Throttle(ctx) != nil {
							failed.Add(1)
							return
						}
						n := pending.Add(size)
						d.CallFunc(size, free)
						for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
						}
					}
				})
			}
			stop := make(chan struct{})
			var reader sync.WaitGroup
			reader.Go(func() { // holds up grace periods now and then
				for {
					select {
					case <-stop:
						return
					default:
						s := d.Enter()
						runtime.Gosched()
						s.Leave()
					}
				}
			})
			wg.Wait()
			close(stop)
			reader.Wait()
			require.Zero(t, failed.Load(), "a throttled writer was not woken")
			require.LessOrEqual(t, most.Load(), o.MaxPending+writers*size)
			require.NoError(t, d.Barrier(ctx))
			require.Zero(t, pending.Load())
		})
	}
}

// The bytes that Throttle may miss, in chunks of any size, are counted in 64 bits also where an
// int has 32.
func TestThrottle_LargeChunks(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	d := newDomain(t, Options{
		MaxPending: 3 << 29, ChunkBytes: 1 << 30, // so that it may miss 1<<32
		MaxDelay: time.Hour, CheckIn: time.Hour,
	})
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	s := enterElsewhere(d)
	defer s.Leave()
	for d.Stats().PendingBytes < 3<<29 {
		require.NoError(t, d.Throttle(canceled))
		d.CallFunc(largeSize-1, func() {})
	}
	require.ErrorIs(t, d.Throttle(canceled), context.Canceled)
}

// A callback may call Throttle as long as that does not wait.
func TestThrottle_InCallback(t *testing.T) {
	d := newDomain(t, Options{MaxPending: 1000, ChunkCalls: 1, Workers: 1})
	var errs [2]error
	d.CallFunc(0, func() {
		for i := range errs {
			d.CallFunc(900, func() {})
			errs[i] = d.Throttle(t.Context()) //smr:ok the second fails, as the test checks
		}
	})
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], ErrInCallback)
}

func TestThrottle_WaitsForReaderAndCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{MaxPending: 100})
		s := enterElsewhere(d)
		require.NoError(t, d.Throttle(t.Context()))
		d.CallFunc(100, func() {})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, d.Throttle(ctx), context.DeadlineExceeded)
		require.Empty(t, d.reclaim.throttled, "a writer that gave up is not in the list")
		done := make(chan error, 1)
		go func() { done <- d.Throttle(t.Context()) }()
		synctest.Wait()
		require.Empty(t, done)
		s.Leave()
		require.NoError(t, <-done)

		unbounded := newDomain(t, Options{MaxPending: -1, Name: "unbounded"})
		s = enterElsewhere(unbounded)
		unbounded.CallFunc(1<<20, func() {})
		require.NoError(t, unbounded.Throttle(t.Context()))
		s.Leave()
	})
}

// Close ends every wait in Throttle as it begins, also while a call that is being
// refused counts as pending.
func TestThrottle_CloseWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := New(Options{MaxPending: 100})
		require.NoError(t, err)
		s := enterElsewhere(d)
		d.CallFunc(100, func() {})
		throttled := make(chan error, 2)
		for range 2 {
			go func() { throttled <- d.Throttle(context.Background()) }()
		}
		synctest.Wait()
		require.Empty(t, throttled)
		refused := &d.reclaim.calledBytes // a caller has found the domain sealed,
		closed := make(chan error, 1)
		go func() { closed <- d.Close(t.Context()) }()
		synctest.Wait()
		refused.Add(100)
		s.Leave()
		require.NoError(t, <-closed)
		refused.Add(^uint64(99)) // and takes back what it counted
		synctest.Wait()
		require.Len(t, throttled, 2, "writers sleep on a closed domain")
		for range 2 {
			require.ErrorIs(t, <-throttled, ErrClosed)
		}
	})
}
