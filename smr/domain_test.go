package smr

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/pcpu"
)

func TestNew_Options(t *testing.T) {
	for name, o := range map[string]Options{
		"MaxDelay": {MaxDelay: -1}, "CheckIn": {CheckIn: -2}, "ChunkCalls": {ChunkCalls: -3}, "ChunkBytes": {ChunkBytes: -4},
		"Workers": {Workers: -5}, "SampleSections": {SampleSections: -6},
	} {
		_, err := New(o)
		require.ErrorContains(t, err, "smr: negative Options."+name+": -")
	}
	d := newDomain(t, Options{Name: "named"})
	require.Equal(t, "named", d.Name())
	require.Equal(t, "named", d.Stats().Name)
	anonymous, err := New(Options{})
	require.NoError(t, err)
	require.Regexp(t, `^domain-\d+$`, anonymous.Name())
	require.NoError(t, anonymous.Close(context.Background()))

	for o, checkIn := range map[*Options]time.Duration{
		{}:                      defaultMaxDelay / 4,
		{MaxDelay: time.Second}: time.Second / 4,
		{MaxDelay: time.Second, CheckIn: time.Millisecond}: time.Millisecond,
		{MaxDelay: time.Second, CheckIn: time.Hour}:        time.Second / 2,
	} {
		require.Equal(t, checkIn, newDomain(t, *o).CheckIn())
	}
}

// What Options say of defaults and bounds.
func TestOptions_Normalize(t *testing.T) {
	const procs = 4
	n := pcpu.Count(procs)
	for _, tc := range []struct{ given, want Options }{
		{Options{}, Options{MaxPending: 64 << 20, MaxDelay: 100 * time.Millisecond, CheckIn: 25 * time.Millisecond,
			StallAfter: 10 * time.Second, ChunkCalls: 256, ChunkBytes: min(256<<10, 8<<20/n), Workers: procs}},
		{Options{MaxPending: 32_000, MaxDelay: time.Second, StallAfter: -1, ChunkCalls: math.MaxInt, Workers: math.MaxInt},
			Options{MaxPending: 32_000, MaxDelay: time.Second, CheckIn: time.Second / 4,
				StallAfter: -1, ChunkCalls: 1 << 20, ChunkBytes: 4000 / n, Workers: 4096}},
		{Options{MaxPending: 1, CheckIn: 1, ChunkCalls: 7, Workers: 7},
			Options{MaxPending: 1, MaxDelay: 100 * time.Millisecond, CheckIn: 1,
				StallAfter: 10 * time.Second, ChunkCalls: 7, ChunkBytes: 1, Workers: 7}},
		{Options{MaxPending: 1000, ChunkBytes: 1001}, Options{MaxPending: 1000, MaxDelay: 100 * time.Millisecond,
			CheckIn: 25 * time.Millisecond, StallAfter: 10 * time.Second, ChunkCalls: 256, ChunkBytes: 1000, Workers: procs}},
		{Options{MaxPending: -1, ChunkBytes: math.MaxInt}, Options{MaxPending: -1, MaxDelay: 100 * time.Millisecond,
			CheckIn: 25 * time.Millisecond, StallAfter: 10 * time.Second, ChunkCalls: 256, ChunkBytes: maxSize, Workers: procs}},
	} {
		o := tc.given
		require.NoError(t, o.normalize(procs))
		require.NotNil(t, o.OnStall)
		require.True(t, o.silent)
		o.OnStall, o.Events, o.silent = nil, Events{}, false
		require.Equal(t, tc.want, o)
	}
}

// The largest values mean 'no bound'.
func TestNew_LargestOptions(t *testing.T) {
	d := newDomain(t, Options{
		MaxPending: math.MaxInt64, MaxDelay: math.MaxInt64, CheckIn: math.MaxInt64, StallAfter: math.MaxInt64,
		ChunkCalls: math.MaxInt, ChunkBytes: math.MaxInt, Workers: math.MaxInt,
	})
	s := enterElsewhere(d)
	ran := false
	d.CallFunc(8, func() { ran = true })
	d.CallFunc(maxSize, func() {})
	require.NoError(t, d.Throttle(context.Background()))
	d.Flush()
	s.Leave()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.True(t, ran)
	require.Zero(t, d.Stats().Stalls)
}

func TestDefault_IsOneAndStays(t *testing.T) {
	require.Same(t, Default(), Default())
	require.Equal(t, "default", Default().Name())
	require.Error(t, Default().Close(context.Background()))
	s := Default().Enter()
	s.Leave()
	mine := newDomain(t, Options{Name: "default"})
	require.NoError(t, mine.Close(context.Background()), "another of that name can be closed")
}

func TestDomains_ListsOpenOnes(t *testing.T) {
	a, err := New(Options{Name: "a"})
	require.NoError(t, err)
	b, err := New(Options{Name: "b"})
	require.NoError(t, err)
	list := Domains()
	i, j := slices.Index(list, a), slices.Index(list, b)
	require.GreaterOrEqual(t, i, 0)
	require.Greater(t, j, i, "oldest first")
	s := a.Enter()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	closed := make(chan error)
	go func() { closed <- a.Close(ctx) }() // here, it would find this goroutine's own section
	require.Error(t, <-closed)
	require.Contains(t, Domains(), a, "it has a reader")
	s.Leave()
	require.NoError(t, a.Close(context.Background()))
	require.NotContains(t, Domains(), a)
	require.Contains(t, Domains(), b)
	require.NoError(t, b.Close(context.Background()))
}

func TestClose_EverythingAfterItFails(t *testing.T) {
	d := newDomain(t, Options{Name: "gone"})
	r := d.NewReader()
	ctx := context.Background()
	require.NoError(t, d.Close(ctx))
	require.NoError(t, d.Close(ctx), "closing again")
	require.PanicsWithValue(t, "smr: section entered on closed domain gone", func() { d.Enter() })
	require.PanicsWithValue(t, "smr: section entered on closed domain gone", func() { d.Pin() })
	require.PanicsWithValue(t, "smr: Call on closed domain gone", func() { d.CallFunc(1, func() {}) })
	require.PanicsWithValue(t, "smr: Call on closed domain gone", func() { d.CallFunc(Expedite, func() {}) })
	require.PanicsWithValue(t, "smr: NewQuiescent on closed domain gone", func() { d.NewQuiescent(nil) })
	for _, r := range []*Reader{r, d.NewReader()} {
		require.PanicsWithValue(t, "smr: section entered on closed domain gone", func() { r.Enter() })
		_, ok := r.TryEnter()
		require.False(t, ok)
		defer r.Close()
	}
	require.ErrorIs(t, d.Synchronize(ctx), ErrClosed)
	require.ErrorIs(t, d.Barrier(ctx), ErrClosed)
	require.ErrorIs(t, d.Wait(ctx, d.Advance()), ErrClosed)
	require.ErrorIs(t, d.Throttle(ctx), ErrClosed)
	d.Flush()
}

// Teardown with callbacks pending, on all processors, some of which call again.
func TestClose_RunsWhatIsPending(t *testing.T) {
	for range rounds(100) {
		d, err := New(Options{ChunkCalls: 16})
		require.NoError(t, err)
		var ran atomic.Int32
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 50 {
					d.CallFunc(8, func() {
						ran.Add(1)
						d.CallFunc(8, func() { ran.Add(1) }) // also while closing
					})
				}
			})
		}
		wg.Wait()
		require.NoError(t, d.Close(watchdogContext(t)))
		require.EqualValues(t, 4*50*2, ran.Load())
		require.Zero(t, d.Stats().PendingCalls)
	}
}

// Calls that race with Close are either made or panic: none is accepted and
// then forgotten.
func TestClose_RacingCalls(t *testing.T) {
	for n := range int32(rounds(200)) {
		d, err := New(Options{ChunkCalls: 4})
		require.NoError(t, err)
		var accepted, ran atomic.Int32
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				defer func() { recover() }() // "Call on closed domain"
				for range 10_000 {
					d.CallFunc(8, func() { ran.Add(1) })
					accepted.Add(1)
				}
			})
		}
		for accepted.Load() < n { // else Close may come before all calls
			runtime.Gosched()
		}
		ctx := watchdogContext(t)
		require.NoError(t, d.Close(ctx))
		wg.Wait()
		require.NoError(t, d.Close(ctx))
		require.Equal(t, accepted.Load(), ran.Load())
	}
}

func TestClose_WaitsForSections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := New(Options{})
		require.NoError(t, err)
		s := enterElsewhere(d)
		ran := false
		d.CallFunc(8, func() { ran = true })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = d.Close(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "1 call (8 bytes) pending, 1 section open")
		require.True(t, s.Active(), "the section stays open")
		s.Leave()
		synctest.Wait()
		require.True(t, ran, "nothing is lost")
		require.NoError(t, d.Close(t.Context()))
	})
}

func TestDomain_NothingAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The bubble's end checks that no goroutine is left; here, that none
		// is left as soon as nothing is pending.
		d := newDomain(t, Options{})
		s := enterElsewhere(d) // or all could be over before anybody looks
		for range 1000 {
			d.CallFunc(8, func() {})
		}
		require.NotEqualValues(t, stopped, d.reclaim.state.Load())
		s.Leave()
		require.NoError(t, d.Barrier(t.Context()))
		synctest.Wait()
		time.Sleep(d.CheckIn())
		synctest.Wait()
		require.EqualValues(t, stopped, d.reclaim.state.Load())
		require.Zero(t, d.reclaim.nWorkers.Load())
	})
}

func TestDomain_ThousandsLeakNothing(t *testing.T) {
	ctx := watchdogContext(t)
	domains := len(Domains())
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	churn := func(n int) {
		for i := range n {
			d, err := New(Options{Name: fmt.Sprint("churn", i)})
			require.NoError(t, err)
			r := d.NewReader()
			s := r.Enter()
			d.CallFunc(8, func() {})
			s.Leave()
			s = d.Enter()
			s.Leave()
			require.NoError(t, d.Close(ctx))
		}
	}
	churn(100)
	before := heap()
	churn(rounds(3000))
	require.Equal(t, domains, len(Domains()))
	// Under -tags invariants each section has a cleanup, which the collector
	// runs in its own time.
	require.Eventually(t, func() bool { return int64(heap())-int64(before) < 1<<20 },
		watchdog, time.Millisecond, "closed domains stay in memory")
}

func TestStall_NamesTheReader(t *testing.T) {
	for name, kind := range kinds {
		if name == "Pin" {
			continue // a pinned goroutine must not wait
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var stalls []Stall
				d := newDomain(t, Options{Name: "slow", StallAfter: time.Second, OnStall: func(s Stall) { stalls = append(stalls, s) }})
				_, end := kind(d)()
				d.CallFunc(4096, func() {})
				time.Sleep(4 * time.Second)
				synctest.Wait()
				require.Len(t, stalls, 2, "after one second and after two")
				st := stalls[0]
				require.Equal(t, "slow", st.Domain)
				require.GreaterOrEqual(t, st.Age, time.Second)
				require.EqualValues(t, 4096, st.PendingBytes)
				require.EqualValues(t, 1, st.PendingCalls)
				require.Len(t, st.Readers, 1)
				want := map[string]string{"Enter": "section", "Reader": "reader", "Quiescent": "quiescent reader"}[name]
				require.Equal(t, want, st.Readers[0].Kind.String())
				require.Equal(t, name == "Enter", st.Readers[0].Processor >= 0)
				require.Contains(t, st.String(), "waits for a "+want)
				require.EqualValues(t, 2, d.Stats().Stalls)
				if debugging && name != "Quiescent" {
					require.Contains(t, st.Readers[0].Stack, "section_test.go")
				}
				end()
				synctest.Wait()
				require.Zero(t, d.Stats().PendingCalls, "reclamation goes on by itself")
			})
		})
	}
}

// A quiescent reader whose owner has described it is named so, while it is its owner's.
func TestStall_NamesTheOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stalls []Stall
		d := newDomain(t, Options{StallAfter: time.Second, OnStall: func(s Stall) { stalls = append(stalls, s) }})
		stalled := func() Stall {
			q := d.NewQuiescent(nil)
			if len(stalls) == 0 {
				state := "idle"
				q.Describe(func() string { return "worker 7, " + state })
				state = "busy"
			}
			q.Online()
			d.CallFunc(0, func() {})
			time.Sleep(1500 * time.Millisecond)
			q.Close()
			synctest.Wait()
			require.NotEmpty(t, stalls)
			return stalls[len(stalls)-1]
		}
		st := stalled()
		require.Equal(t, "worker 7, busy", st.Readers[0].Name)
		require.Contains(t, st.String(), "pending; waits for worker 7, busy, open for at least 1s")
		st = stalled() // the same record, and another owner
		require.Empty(t, st.Readers[0].Name)
		require.Contains(t, st.String(), "pending; waits for a quiescent reader, open")
	})
}

// A report says what of all that is pending waits for holds, and not for the readers.
func TestStall_TellsOfHolds(t *testing.T) {
	st := Stall{Domain: "slow", Goal: 1, Age: time.Second, PendingCalls: 3, PendingBytes: 300,
		HeldCalls: 2, HeldBytes: 200, HeldFor: time.Minute}
	require.Contains(t, st.String(), "3 calls (300 bytes) pending, of which 2 calls (200 bytes) whose object is held, the first for 1m0s")
}

// Without an OnStall, stalls are in the log.
func TestStall_Logged(t *testing.T) {
	was := slog.Default()
	defer slog.SetDefault(was)
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
		d, err := New(Options{Name: "slow", StallAfter: time.Second})
		require.NoError(t, err)
		s := d.Enter()
		d.CallFunc(0, func() {})
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		s.Leave()
		require.NoError(t, d.Close(t.Context()))
		require.Regexp(t, `level=WARN .*slow.*waits for a section`, log.String())
	})
}

// An OnStall that ends its goroutine, as testing's FailNow does, stops nothing, and
// receives the later reports.
func TestStall_GoexitInOnStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		received := 0
		d := newDomain(t, Options{StallAfter: time.Second, OnStall: func(Stall) { received++; runtime.Goexit() }})
		s := d.Enter()
		ran := false
		d.CallFunc(8, func() { ran = true })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.EqualValues(t, 4, d.Stats().Stalls)
		require.Equal(t, 4, received)
		s.Leave()
		require.NoError(t, d.Barrier(t.Context()))
		require.True(t, ran)
	})
}

// Callbacks may call while the domain closes, also in another domain's pinned
// section, where nothing may block.
func TestClose_PinnedCallsOfCallbacks(t *testing.T) {
	other := newDomain(t, Options{Name: "other"})
	for range rounds(50) {
		d, err := New(Options{ChunkCalls: 2, Workers: 4})
		require.NoError(t, err)
		var ran atomic.Int32
		for range 40 {
			d.CallFunc(8, func() {
				s := other.Pin()
				d.CallFunc(8, func() { ran.Add(1) })
				d.CallFunc(Expedite, func() { ran.Add(1) })
				s.Leave()
			})
		}
		require.NoError(t, d.Close(watchdogContext(t)))
		require.EqualValues(t, 80, ran.Load())
	}
}

func TestReader_EnterAfterCloseOfDomain(t *testing.T) {
	d := newDomain(t, Options{})
	r := d.NewReader()
	s := r.Enter()
	done := make(chan error, 1)
	ctx := watchdogContext(t)
	go func() { done <- d.Close(ctx) }()
	for !d.clk.Sealed() {
		runtime.Gosched()
	}
	s.Leave()
	require.NoError(t, <-done)
	require.Panics(t, func() { r.Enter() }, "a section was open when Close began")
}

func TestStats_Counts(t *testing.T) {
	d := newDomain(t, Options{MaxDelay: time.Hour})
	a, b := d.Enter(), d.Enter()
	d.CallFunc(10, func() {})
	d.CallFunc(20, func() {})
	st := d.Stats()
	require.EqualValues(t, 2, st.Calls)
	require.EqualValues(t, 2, st.PendingCalls)
	require.EqualValues(t, 30, st.PendingBytes)
	require.Equal(t, 2, st.Sections)
	require.GreaterOrEqual(t, st.Records, 2)
	a.Leave()
	b.Leave()
	require.NoError(t, d.Barrier(context.Background()))
	st = d.Stats()
	require.Zero(t, st.PendingCalls)
	require.Zero(t, st.PendingBytes)
	require.Zero(t, st.Sections)
	require.EqualValues(t, 2, st.Callbacks)
	require.NotZero(t, st.Scans)
}

// An OnStall that blocks holds up neither callbacks nor those who wait.
func TestStall_BlockedOnStallHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d := newDomain(t, Options{StallAfter: time.Second, OnStall: func(Stall) { <-release }})
		s := enterElsewhere(d)
		ran := false
		d.CallFunc(8, func() { ran = true })
		waited := make(chan error, 1)
		go func() { waited <- d.Synchronize(t.Context()) }()
		time.Sleep(10 * time.Second)
		s.Leave()
		synctest.Wait()
		require.True(t, ran, "a callback waits for OnStall")
		require.Len(t, waited, 1, "a waiter runs OnStall, or waits for one that does")
		close(release)
	})
}

// OnStall is called one report at a time, what is found meanwhile is kept or counted,
// and Close waits for it.
func TestStall_ReportsComeOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var received []Seq
		release := make(chan struct{})
		d := newDomain(t, Options{OnStall: func(st Stall) { <-release; received = append(received, st.Goal) }})
		for i := range maxReports + 10 {
			d.report(Stall{Goal: Seq(i)})
			synctest.Wait() // the first one is in OnStall
		}
		require.EqualValues(t, maxReports+10, d.Stats().Stalls)
		canceled, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := d.Close(canceled)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "OnStall has not returned")
		close(release)
		require.NoError(t, d.Close(t.Context()))
		require.Len(t, received, 1+maxReports)
		require.IsIncreasing(t, received)
	})
}
