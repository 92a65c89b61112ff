package smr

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/fate"
	"github.com/gosmr/gosmr/internal/self"
)

type object struct {
	fate.Shared        // a test may give one to many calls
	word        uint64 // plain: a premature callback is a race
	runs        atomic.Int32
}

func TestCall_Misuse(t *testing.T) {
	d := newDomain(t, Options{})
	free := func(*object) {}
	require.PanicsWithValue(t, "smr: Call with a nil object", func() { Call(d, nil, 1, free) })
	require.PanicsWithValue(t, "smr: Call with a nil function", func() { Call[object](d, &object{}, 1, nil) })
	require.PanicsWithValue(t, "smr: CallFunc with a nil function", func() { d.CallFunc(1, nil) })
	require.PanicsWithValue(t, "smr: Call with a negative size", func() { Call(d, &object{}, -1, free) })
	require.PanicsWithValue(t, "smr: Call with a negative size", func() { d.CallFunc(math.MinInt, func() {}) })
	if math.MaxInt > 1<<47 {
		require.Panics(t, func() { Call(d, &object{}, math.MaxInt-1, free) })
	}
	require.Zero(t, d.Stats().Calls)
}

func TestCall_NotBeforeReadersLeft(t *testing.T) {
	for name, kind := range kinds {
		if name == "Pin" {
			continue // it must not wait
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDomain(t, Options{})
				_, end := kind(d)()
				var o [2]object
				Call(d, &o[0], 8, func(o *object) { o.runs.Add(1) })
				Call(d, &o[1], Expedite, func(o *object) { o.runs.Add(1) })
				time.Sleep(time.Minute)
				require.Zero(t, o[0].runs.Load()+o[1].runs.Load())
				end()
				synctest.Wait()
				require.EqualValues(t, 2, o[0].runs.Load()+o[1].runs.Load(), "they run as soon as the reader leaves")
			})
		})
	}
}

func TestCall_WithinMaxDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{MaxDelay: time.Second})
		began := time.Now()
		var after time.Duration
		d.CallFunc(8, func() { after = time.Since(began) })
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 250*time.Millisecond, after, "at the first check-in")

		d.SetCheckIn(10 * time.Millisecond)
		require.Equal(t, 10*time.Millisecond, d.CheckIn())
		began = time.Now()
		d.CallFunc(8, func() { after = time.Since(began) })
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 10*time.Millisecond, after)

		d.SetCheckIn(time.Hour)
		require.Equal(t, 500*time.Millisecond, d.CheckIn(), "half of MaxDelay at the most")
		d.SetCheckIn(0)
		require.Equal(t, 250*time.Millisecond, d.CheckIn())
	})
}

// A chunk that is handed over late, with an early goal, does not wait for the goals
// of those before it.
func TestReclaimer_WaitsInOrderOfGoals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{})
		handOver := func(goal Seq, fn func()) {
			c := d.newChunk(nil)
			c.entries[0] = entry{runFunc, *(*unsafe.Pointer)(unsafe.Pointer(&fn))}
			c.n, c.goal = 1, goal
			d.reclaim.called.Add(1)
			d.reclaim.inbox.push(c)
		}
		var ran []string
		early := d.Advance()
		s := d.Enter()
		late := d.Advance()
		handOver(late, func() { ran = append(ran, "late") })
		handOver(early, func() { ran = append(ran, "early") })
		handOver(late, func() { ran = append(ran, "later") })
		d.reclaim.wakeUp(d)
		synctest.Wait()
		require.Equal(t, []string{"early"}, ran, "its readers have all left")
		s.Leave()
		synctest.Wait()
		require.ElementsMatch(t, []string{"early", "late", "later"}, ran)
	})
}

func TestCall_ExpediteAndFlushRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{MaxDelay: time.Hour, Workers: 1})
		var ran []string
		d.CallFunc(8, func() { ran = append(ran, "a") })
		d.CallFunc(Expedite, func() { ran = append(ran, "b") })
		began := time.Now()
		synctest.Wait()
		require.ElementsMatch(t, []string{"a", "b"}, ran)
		d.CallFunc(8, func() { ran = append(ran, "c") })
		d.Flush()
		synctest.Wait()
		require.ElementsMatch(t, []string{"a", "b", "c"}, ran)
		require.Zero(t, time.Since(began))
		require.Zero(t, d.Stats().PendingBytes)
	})
}

func TestCall_FullChunkRunsAtOnce(t *testing.T) {
	for name, o := range map[string]Options{
		"Count": {ChunkCalls: 4, MaxDelay: time.Hour},
		"Bytes": {ChunkBytes: 32, MaxDelay: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDomain(t, o)
				var ran atomic.Int32
				// Whatever processors they are made on, one chunk fills.
				n := 4 * (runtime.GOMAXPROCS(0)*4 + 1)
				for range n {
					d.CallFunc(8, func() { ran.Add(1) })
				}
				synctest.Wait()
				require.NotZero(t, ran.Load())
				require.NoError(t, d.Barrier(t.Context()))
				require.EqualValues(t, n, ran.Load())
			})
		})
	}
}

// Every call runs exactly once, whatever drains and processors do meanwhile.
func TestCall_ExactlyOnce(t *testing.T) {
	variants(t, func(t *testing.T, o Options) {
		d := newDomain(t, o)
		const goroutines = 4
		n := rounds(100_000)
		objects := make([][]object, goroutines)
		free := func(o *object) { o.runs.Add(1) }
		var wg, drains sync.WaitGroup
		stop := make(chan struct{})
		for range 2 {
			drains.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						d.drain()
						d.reclaim.wakeUp(d)
					}
				}
			})
		}
		for g := range objects {
			objects[g] = make([]object, n)
			wg.Go(func() {
				for i := range objects[g] {
					Call(d, &objects[g][i], 8, free)
					if i%5000 == 0 {
						runtime.Gosched()
					}
				}
			})
		}
		changeGOMAXPROCS(20)
		wg.Wait()
		close(stop)
		drains.Wait()
		require.NoError(t, d.Barrier(watchdogContext(t)))
		lost, twice := 0, 0
		for g := range objects {
			for i := range objects[g] {
				switch objects[g][i].runs.Load() {
				case 0:
					lost++
				case 1:
				default:
					twice++
				}
			}
		}
		require.Zero(t, lost, "calls lost")
		require.Zero(t, twice, "calls run twice")
		st := d.Stats()
		require.Zero(t, st.PendingBytes)
		require.Zero(t, st.PendingCalls)
		require.EqualValues(t, goroutines*n, st.Callbacks)
	})
}

// One call at a time, each right when the reclaimer may be about to stop.
func TestReclaimer_NoLostCall(t *testing.T) {
	d := newDomain(t, Options{MaxDelay: 100 * time.Microsecond})
	ran := make(chan struct{}, 1)
	timeout := time.After(watchdog)
	for i := range rounds(3000) {
		d.CallFunc(Expedite, func() { ran <- struct{}{} })
		select {
		case <-ran:
		case <-timeout:
			t.Fatal("a call was forgotten")
		}
		for range i % 500 * 20 { // meet it stopping
		}
	}

	// The window itself: a call is made between the look that finds nothing and
	// the state that says so.
	synctest.Test(t, func(t *testing.T) {
		var ran, called bool
		d := newDomain(t, Options{before: func(d *Domain, what string) {
			if what == "stop" && !called {
				called = true
				d.CallFunc(8, func() { ran = true })
			}
		}})
		d.CallFunc(8, func() {})
		time.Sleep(time.Second)
		synctest.Wait()
		require.True(t, ran, "a call made while the reclaimer stops was forgotten")
	})
}

func TestCall_InsideSectionsAndCallbacks(t *testing.T) {
	d := newDomain(t, Options{ChunkCalls: 4})
	var n, chained atomic.Int32
	var again func()
	again = func() {
		if chained.Add(1) < 100 {
			d.CallFunc(8, again)
		}
	}
	s := d.Enter()
	d.CallFunc(8, again)
	s.Leave()
	for range 50 {
		p := d.Pin()
		d.CallFunc(8, func() { n.Add(1) })
		d.CallFunc(Expedite, func() { n.Add(1) })
		d.Flush()
		p.Leave()
	}
	ctx := watchdogContext(t)
	for chained.Load() < 100 {
		require.NoError(t, d.Barrier(ctx))
	}
	require.EqualValues(t, 100, n.Load())
}

func TestCallback_WaitsReturnErrInCallback(t *testing.T) {
	d := newDomain(t, Options{})
	other := newDomain(t, Options{Name: "other"})
	ctx := watchdogContext(t)
	goal := d.Advance()
	errs := make(map[string]error)
	d.CallFunc(Expedite, func() {
		errs["Synchronize"] = d.Synchronize(ctx) //smr:ok it fails, as the test checks
		errs["Barrier"] = d.Barrier(ctx)         //smr:ok it fails, as the test checks
		errs["Wait"] = d.Wait(ctx, goal)         //smr:ok it fails, as the test checks
		errs["Close"] = d.Close(ctx)             //smr:ok it fails, as the test checks
		errs["other"] = other.Synchronize(ctx)
	})
	require.NoError(t, d.Barrier(ctx))
	require.NoError(t, errs["other"], "another domain may be waited for")
	delete(errs, "other")
	require.Len(t, errs, 4)
	for name, err := range errs {
		require.ErrorIs(t, err, ErrInCallback, name)
	}
	require.NoError(t, d.Synchronize(ctx))
}

func TestCallback_PanicRunsTheOthers(t *testing.T) {
	var got []*CallbackPanic
	d := newDomain(t, Options{OnPanic: func(p *CallbackPanic) { got = append(got, p) }, Workers: 1})
	cause := errors.New("cause")
	ran := 0
	for i := range 10 {
		d.CallFunc(8, func() {
			ran++
			if i%3 == 0 {
				panic(cause)
			}
		})
	}
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.Equal(t, 10, ran)
	require.Len(t, got, 4)
	require.ErrorIs(t, got[0], cause)
	require.Equal(t, t.Name(), got[0].Domain)
	require.Contains(t, string(got[0].Stack), "TestCallback_PanicRunsTheOthers")
	require.ErrorContains(t, got[0], "cause")
}

// OnPanic, or a function deferred by a callback, may end the goroutine too.
func TestCallback_GoexitAroundPanics(t *testing.T) {
	for name, bad := range map[string]func(){
		"GoexitThenPanic": func() {
			defer func() { panic("x") }()
			runtime.Goexit()
		},
		"PanicThenGoexit": func() {
			defer runtime.Goexit()
			panic("x")
		},
		"Panic": func() { panic("x") },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDomain(t, Options{Workers: 1, OnPanic: func(*CallbackPanic) { runtime.Goexit() }})
			ran := 0
			for i := range 20 {
				d.CallFunc(8, func() {
					ran++
					if i%5 == 0 {
						bad()
					}
				})
			}
			require.NoError(t, d.Barrier(watchdogContext(t)))
			require.Equal(t, 20, ran)
		})
	}
}

// Without OnPanic, the panic ends the program, after the other callbacks.
func TestCallback_PanicEndsTheProgram(t *testing.T) {
	const env = "SMR_TEST_PANIC"
	if os.Getenv(env) != "" {
		d := newDomain(t, Options{Workers: 1})
		for i := range 3 {
			d.CallFunc(8, func() {
				fmt.Println("callback", i)
				if i == 0 {
					panic("on purpose")
				}
			})
		}
		d.Barrier(context.Background())
		select {} // the panic is on its way
	}
	cmd := self.Command("-test.run", "^"+t.Name()+"$", "-test.timeout", watchdog.String())
	cmd.Env = append(os.Environ(), env+"=1")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	for _, want := range []string{"callback 1", "callback 2", "on purpose", "smr: callback in domain " + t.Name() + " panicked"} {
		require.Contains(t, string(out), want)
	}
}

func TestCallback_GoexitRunsTheOthers(t *testing.T) {
	d := newDomain(t, Options{Workers: 1})
	ran := 0
	for i := range 10 {
		d.CallFunc(8, func() {
			ran++
			if i%3 == 0 {
				runtime.Goexit()
			}
		})
	}
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.Equal(t, 10, ran)
}

// A callback that blocks holds up neither grace periods nor other chunks.
func TestCallback_SlowOneHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{Workers: 2})
		release := make(chan struct{})
		d.CallFunc(Expedite, func() { <-release })
		synctest.Wait()
		var ran atomic.Bool
		d.CallFunc(8, func() { ran.Store(true) })
		require.NoError(t, d.Synchronize(t.Context()))
		time.Sleep(time.Second)
		synctest.Wait()
		require.True(t, ran.Load())
		close(release)
	})
}

func TestCall_NoAllocation(t *testing.T) {
	if instrumented || debugging {
		t.Skip("the instrumented code allocates")
	}
	d := newDomain(t, Options{})
	o := &object{}
	free := func(o *object) { o.word++ }
	run := func(n int) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for i := range n {
			Call(d, o, 8, free)
			if i%256 == 0 {
				runtime.Gosched()
			}
		}
		if err := d.Barrier(context.Background()); err != nil {
			t.Error(err)
		}
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs
	}
	run(10_000)
	const n = 200_000
	require.Less(t, run(n), uint64(n/20), "Call allocates")
}
