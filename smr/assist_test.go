package smr

import (
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/goid"
	"github.com/gosmr/gosmr/internal/self"
)

// assisted returns a domain in which each chunk is of one call, and an Assist is due when one is handed
// over. Nothing is checked in while a test runs.
func assisted(t testing.TB, o Options) *Domain {
	o.MaxPending, o.ChunkCalls = 4, 1
	o.MaxDelay, o.CheckIn = 100*time.Hour, time.Hour
	return newDomain(t, o)
}

// withoutReclaimer has a domain take the test for its reclaimer, until it ends.
func withoutReclaimer(t testing.TB, d *Domain) *Domain {
	d.reclaim.state.Store(awake)
	t.Cleanup(func() {
		d.reclaim.state.Store(stopped)
		d.reclaim.notify(d)
	})
	return d
}

// Assist takes in what was called, polls, and runs it: it needs no goroutine of the domain.
func TestAssist_DoesItAll(t *testing.T) {
	d := withoutReclaimer(t, assisted(t, Options{}))
	me, ran := goid.Get(), 0
	for n := range 100 {
		d.CallFunc(1, func() {
			require.Equal(t, me, goid.Get())
			ran++
		})
		d.Assist()
		require.Equal(t, n+1, ran)
	}
	require.Zero(t, d.Stats().Workers)
	require.False(t, d.inCallback())
}

// Many writers that assist, beside readers and the domain's own goroutines.
func TestAssist_Concurrent(t *testing.T) {
	variants(t, func(t *testing.T, o Options) {
		o.MaxPending = 1 << 10
		d := newDomain(t, o)
		const writers = 4
		n := rounds(50_000)
		var ran atomic.Int64
		done := make(chan struct{}, writers)
		for range writers {
			go func() {
				for range n {
					d.Read(func(Section) {})
					d.CallFunc(16, func() { ran.Add(1) })
					d.Assist()
				}
				done <- struct{}{}
			}()
		}
		for range writers {
			<-done
		}
		require.NoError(t, d.Barrier(watchdogContext(t)))
		require.EqualValues(t, writers*n, ran.Load())
		require.Zero(t, d.reclaim.assists.n.Load())
	})
}

// Little that is pending waits for others: it makes larger batches.
func TestAssist_NotForLittle(t *testing.T) {
	d := withoutReclaimer(t, newDomain(t, Options{MaxPending: 4000, ChunkCalls: 1}))
	ran := 0
	d.CallFunc(999, func() { ran++ })
	d.Assist()
	require.Zero(t, ran)
	d.CallFunc(1, func() { ran++ })
	d.Assist()
	require.Equal(t, 2, ran)
}

// One Assist runs about twice as much as makes it due, and leaves the rest to a worker.
func TestAssist_RunsABoundedShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := withoutReclaimer(t, newDomain(t, Options{MaxPending: 400, ChunkCalls: 1, Workers: 1}))
		const n = chunksPerWorker // more would have a worker run some meanwhile
		me, own, ran := goid.Get(), 0, 0
		for range n {
			d.CallFunc(30, func() {
				if ran++; goid.Get() == me {
					own++
				}
			})
		}
		d.Assist()
		synctest.Wait()
		require.Equal(t, n, ran)
		require.Equal(t, 4, own) // 100 bytes, by whole chunks
	})
}

// What a reader holds back stays. Assist does not wait for it, nor look again before more is called.
func TestAssist_ReaderHoldsBack(t *testing.T) {
	d := withoutReclaimer(t, assisted(t, Options{}))
	s := enterElsewhere(d)
	var ran atomic.Int32 // here, and in workers
	for range 10 {
		d.CallFunc(1, func() { ran.Add(1) })
		d.Assist()
	}
	early, scans := ran.Load(), d.Stats().Scans
	d.Assist()
	again := d.Stats().Scans
	s.Leave()
	require.Zero(t, early)
	require.Equal(t, scans, again)
	d.CallFunc(1, func() { ran.Add(1) })
	d.Assist()
	require.Positive(t, ran.Load())
}

// A callback that assists would run the next one inside itself, and that the one after it.
func TestAssist_NotInACallback(t *testing.T) {
	d := withoutReclaimer(t, assisted(t, Options{Workers: 8}))
	me, depth, deepest := goid.Get(), 0, 0 // of this goroutine; workers run some of them, too
	nested := func(within func()) func() {
		return func() {
			if goid.Get() == me {
				depth++
				deepest = max(deepest, depth)
				within()
				depth--
			}
		}
	}
	d.CallFunc(1, nested(func() {
		d.CallFunc(1, nested(func() {}))
		d.Assist()
	}))
	d.Assist()
	require.Equal(t, 1, deepest)
}

// Waits are refused in a callback that a caller runs, as in others.
func TestAssist_CallbackMustNotWait(t *testing.T) {
	d := withoutReclaimer(t, assisted(t, Options{}))
	var err error
	d.CallFunc(1, func() {
		err = d.Barrier(watchdogContext(t)) //smr:ok it fails, as the test checks
	})
	d.Assist()
	require.ErrorIs(t, err, ErrInCallback)
}

// The panic of a callback is not the caller's, who might recover it: OnPanic has it elsewhere, and the
// other callbacks run.
func TestAssist_PanicIsNotTheCallers(t *testing.T) {
	me := goid.Get()
	var panics, ran, here atomic.Int32
	d := withoutReclaimer(t, assisted(t, Options{OnPanic: func(*CallbackPanic) {
		if panics.Add(1); goid.Get() == me {
			here.Add(1)
		}
	}}))
	const n = 100
	for range n {
		d.CallFunc(1, func() {
			ran.Add(1)
			panic("on purpose") //smr:ok OnPanic is told
		})
		require.NotPanics(t, d.Assist)
	}
	d.reclaim.state.Store(stopped)
	d.reclaim.notify(d)
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.EqualValues(t, n, ran.Load())
	require.EqualValues(t, n, panics.Load())
	require.Zero(t, here.Load())
}

// Without OnPanic it ends the program, whatever the caller recovers.
func TestAssist_PanicEndsTheProgram(t *testing.T) {
	const env = "SMR_TEST_ASSIST_PANIC"
	if os.Getenv(env) != "" {
		d := withoutReclaimer(t, assisted(t, Options{}))
		d.CallFunc(1, func() { panic("on purpose") }) //smr:ok it does, as the test checks
		func() {
			defer func() { recover() }()
			d.Assist()
		}()
		select {} // the panic is on its way
	}
	cmd := self.Command("-test.run", "^"+t.Name()+"$", "-test.timeout", watchdog.String())
	cmd.Env = append(os.Environ(), env+"=1")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "smr: callback in domain "+t.Name()+" panicked")
}

// A callback that ends the caller's goroutine loses no other.
func TestAssist_GoexitRunsTheOthers(t *testing.T) {
	d := newDomain(t, Options{MaxPending: 40, ChunkCalls: 10, Workers: 1})
	const n = 100
	var ran atomic.Int32
	for called := 0; called < n; {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for called < n {
				called++
				d.CallFunc(1, func() {
					ran.Add(1)
					runtime.Goexit()
				})
				d.Assist()
			}
		}()
		<-ended
	}
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.EqualValues(t, n, ran.Load())
}

// Where Events tell of grace periods, callbacks wait until the end of theirs is told.
func TestAssist_LeavesGracePeriodsToEvents(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	var early, ended atomic.Bool
	d := assisted(t, Options{Events: Events{
		GraceBegin: func(GraceInfo) {
			if !ended.Load() {
				close(began)
				<-release
			}
		},
		GraceEnd: func(GraceInfo) { ended.Store(true) },
	}})
	d.CallFunc(1, func() {
		if !ended.Load() {
			early.Store(true)
		}
	})
	<-began
	d.Assist()
	close(release)
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.False(t, early.Load())
}

// At MaxPending a caller yields, however little a reader that was preempted in its section lets it do.
func TestAssist_YieldsAtTheBound(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	d := assisted(t, Options{})
	s := enterElsewhere(d)
	for range 4 {
		d.CallFunc(1, func() {})
	}
	var left atomic.Bool
	go func() {
		s.Leave()
		left.Store(true)
	}()
	for n := 0; !left.Load(); n++ {
		require.Less(t, n, 1000)
		d.CallFunc(1, func() {})
		d.Assist()
	}
}
