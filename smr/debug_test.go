//go:build invariants

package smr

import (
	"context"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/goid"
	"github.com/gosmr/gosmr/internal/leave"
)

// panicText returns what fn panics with, as a string.
func panicText(t *testing.T, fn func()) (text string) {
	t.Helper()
	defer func() {
		p := recover()
		require.NotNil(t, p, "no panic")
		text, _ = p.(string)
	}()
	fn()
	return ""
}

func TestInvariants_LoadOutsideSection(t *testing.T) {
	d := newDomain(t, Options{})
	var p Pointer[int]
	require.Contains(t, panicText(t, func() { p.Load(Section{}) }), "outside a section")
	for name, kind := range kinds {
		s, end := kind(d)()
		p.Load(s)
		end()
		require.Contains(t, panicText(t, func() { p.Load(s) }), "has been left", name)
	}

	q := d.NewQuiescent(nil)
	q.Online()
	s := q.Section()
	p.Load(s)
	q.Quiesce()
	require.Contains(t, panicText(t, func() { p.Load(s) }), "has been left", "valid until the next quiescent state")
	q.Close()
}

// What is found as a section ends is told when it has ended, so that nothing waits for it.
func TestInvariants_EndsBeforeItPanics(t *testing.T) {
	for name, kind := range kinds {
		d := newDomain(t, Options{})
		s, end := kind(d)()
		leave.At(s, func() string { return "smr: a borrowed value changed" })
		require.Contains(t, panicText(t, end), "a borrowed value changed", name)
		require.False(t, s.Active(), name)
		require.True(t, d.Poll(d.Advance()), name)
	}

	d := newDomain(t, Options{})
	q := d.NewQuiescent(nil)
	q.Online()
	leave.At(q.Section(), func() string { return "smr: a borrowed value changed" })
	goal := d.Advance()
	require.Contains(t, panicText(t, q.Quiesce), "a borrowed value changed")
	require.True(t, d.Poll(goal))
	q.Close()
}

func TestInvariants_WaitInsideSection(t *testing.T) {
	d := newDomain(t, Options{})
	ctx := context.Background()
	for name, kind := range kinds {
		if name == "Pin" {
			continue
		}
		_, end := kind(d)()
		for what, wait := range map[string]func(){
			"Synchronize": func() { d.Synchronize(ctx) },
			"Barrier":     func() { d.Barrier(ctx) },
			"Wait":        func() { d.Wait(ctx, d.Advance()) },
			"Close":       func() { d.Close(ctx) },
			"Throttle":    func() { d.Throttle(ctx) }, // though nothing is pending
			"Assist":      d.Assist,
		} {
			text := panicText(t, wait)
			if name == "Quiescent" {
				containsAll(t, text, what+" of domain "+d.Name()+" by goroutine ", "in its own section, of a Quiescent: it would wait for itself", "Go Offline first")
				continue
			}
			containsAll(t, text, "smr: "+what+" inside a section of domain "+d.Name()+", for which it may wait: Leave first", "section_test.go")
		}
		end()
	}
	require.NoError(t, d.Synchronize(ctx))

	// A section that has passed to another goroutine is that one's.
	s := d.Enter()
	var p Pointer[int]
	used, leave, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		p.Load(s)
		close(used)
		<-leave
		s.Leave()
		close(left)
	}()
	<-used
	goal := d.Advance()
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, d.Wait(canceled, goal), context.Canceled)
	close(leave)
	<-left

	// So is a Quiescent that has passed to another goroutine, which has ended the section.
	q := d.NewQuiescent(nil)
	q.Online()
	q.Section()
	var other sync.WaitGroup
	other.Go(q.Quiesce)
	other.Wait()
	require.ErrorIs(t, d.Wait(canceled, d.Advance()), context.Canceled)
	q.Close()
}

// Of two goroutines that leave a section at the same time, one panics, and the record's
// next section stays open.
func TestInvariants_ConcurrentLeavePanics(t *testing.T) {
	d := newDomain(t, Options{})
	s := d.Enter()
	s.leaving() // the other goroutine is this far
	text := panicText(t, func() { s.Leave() })
	require.Contains(t, text, "another goroutine is leaving")
	require.Contains(t, text, "TestInvariants_ConcurrentLeavePanics")
	s.in.Rec.Leave(s.in.Gen)
	require.Contains(t, panicText(t, func() { s.Leave() }), "left before")

	var panics atomic.Int32
	for range rounds(2000) {
		s := d.Enter()
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				defer func() {
					if recover() != nil {
						panics.Add(1)
					}
				}()
				s.Leave()
			})
		}
		both.Wait()
	}
	require.EqualValues(t, rounds(2000), panics.Load())
	require.Zero(t, d.Stats().Sections)
}

//go:noinline
func leakSection(d *Domain) { d.Enter() }

func TestInvariants_LeakedSectionIsReported(t *testing.T) {
	var mu sync.Mutex
	var stalls []Stall
	d, err := New(Options{Name: "forgetful", OnStall: func(s Stall) { mu.Lock(); stalls = append(stalls, s); mu.Unlock() }})
	require.NoError(t, err)
	var elsewhere sync.WaitGroup
	elsewhere.Go(func() { leakSection(d) })
	elsewhere.Wait()
	leaked := func() bool {
		runtime.GC()
		mu.Lock()
		defer mu.Unlock()
		return len(stalls) > 0
	}
	require.Eventually(t, leaked, watchdog, time.Millisecond)
	require.Len(t, stalls[0].Readers, 1)
	require.True(t, stalls[0].Readers[0].Leaked)
	require.Contains(t, stalls[0].Readers[0].Stack, "leakSection")
	require.Regexp(t, `^smr: domain forgetful: a section was dropped without Leave, and no later grace period ends: `+
		`0 calls \(0 bytes\) pending; it is a section, entered at:\n\t.*leakSection\n`, stalls[0].String())

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = d.Close(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, strings.Contains(err.Error(), "leakSection"), "Close names what is open: %v", err)
}

// Sections in and around pinned ones: the bookkeeping must not block there.
// A section that is being left while the collector runs is not taken for one that was dropped.
func TestInvariants_LeaveIsNoLeak(t *testing.T) {
	reports := make(chan Stall, 100)
	d := newDomain(t, Options{OnStall: func(s Stall) { reports <- s }})
	var done atomic.Bool
	var collector, readers sync.WaitGroup
	collector.Go(func() {
		for !done.Load() {
			runtime.GC()
		}
	})
	for range 64 {
		readers.Go(func() {
			for range rounds(2000) {
				s := d.Pin()
				s.Leave()
			}
		})
	}
	readers.Wait()
	done.Store(true)
	collector.Wait()
	runtime.GC()
	require.Empty(t, reports)
}

func TestInvariants_InsidePinnedSections(t *testing.T) {
	d := newDomain(t, Options{})
	var p Pointer[int]
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r := d.NewReader()
			defer r.Close()
			for range rounds(2000) {
				pinned := d.Pin()
				s, s2 := d.Enter(), r.Enter()
				p.Load(pinned)
				p.Load(s)
				p.Load(s2)
				s.Leave()
				s2.Leave()
				pinned.Leave()
			}
		})
	}
	wg.Wait()
	require.Empty(t, d.debug.sections())
}

// The collector runs the cleanups of all packages on one goroutine: a report of a leak
// neither ends it nor holds it up.
func TestInvariants_LeakReportLeavesCleanupsAlone(t *testing.T) {
	release := make(chan struct{})
	for name, onStall := range map[string]func(Stall){
		"Blocks": func(Stall) { <-release },
		"Goexit": func(Stall) { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			d, err := New(Options{OnStall: onStall})
			require.NoError(t, err)
			var elsewhere sync.WaitGroup
			elsewhere.Go(func() {
				for range 20 { // so that all the cleanup goroutines there are get one
					leakSection(d)
				}
			})
			elsewhere.Wait()
			require.Eventually(t, func() bool { runtime.GC(); return d.Stats().Stalls == 20 },
				watchdog, time.Millisecond, "a report ended the goroutine that is to make the next")
			cleaned := make(chan struct{}, 1)
			for range 20 {
				runtime.AddCleanup(new([64]byte), func(struct{}) {
					select {
					case cleaned <- struct{}{}:
					default:
					}
				}, struct{}{})
			}
			require.Eventually(t, func() bool {
				runtime.GC()
				select {
				case <-cleaned:
					return true
				default:
					return false
				}
			}, watchdog, time.Millisecond, "the others' cleanups do not run")
		})
	}
	close(release)
}

// Whether the calling goroutine is in a section of the domain, of each kind.
func TestInvariants_CheckEntered(t *testing.T) {
	d, other := newDomain(t, Options{Name: "asked"}), newDomain(t, Options{Name: "other"})
	require.Contains(t, panicText(t, d.CheckEntered), "is in no section of domain asked")
	for name, kind := range kinds {
		_, end := kind(d)()
		d.CheckEntered()
		end()
		require.Contains(t, panicText(t, d.CheckEntered), "is in no section of domain asked", name)
	}

	s := other.Enter()
	text := panicText(t, d.CheckEntered)
	require.Contains(t, text, "; it is in a section of domain other, entered at:")
	require.Contains(t, text, "TestInvariants_CheckEntered")

	// Another goroutine's section is not this one's, until it is used here.
	elsewhere := func(fn func()) {
		var wg sync.WaitGroup
		wg.Go(fn)
		wg.Wait()
	}
	elsewhere(func() { require.Contains(t, panicText(t, other.CheckEntered), "is in no section of domain other") })
	elsewhere(func() { s.Active(); other.CheckEntered() })
	s.Leave()

	q := d.NewQuiescent(nil)
	q.Online()
	q.Section()
	q.Quiesce()
	d.CheckEntered()
	elsewhere(func() { require.Contains(t, panicText(t, d.CheckEntered), "is in no section of domain asked") })
	elsewhere(func() { q.Section(); d.CheckEntered() })
	q.Close()
	require.Empty(t, d.debug.quiescents)
}

// A stall report has the labels of its readers' goroutines, where Go tells them.
func TestInvariants_StallHasLabels(t *testing.T) {
	t.Setenv("GODEBUG", "tracebacklabels=1")
	stalls := make(chan Stall, 16)
	d := newDomain(t, Options{StallAfter: time.Millisecond, OnStall: func(s Stall) {
		select {
		case stalls <- s:
		default:
		}
	}})
	leave, left := make(chan struct{}), make(chan struct{})
	entered := make(chan struct{})
	told := "" // what Go tells
	go pprof.Do(context.Background(), pprof.Labels("route", "/get"), func(context.Context) {
		defer close(left)
		_, told = goid.Labeled()
		defer d.Enter().Leave()
		close(entered)
		<-leave
	})
	<-entered
	ctx, cancel := context.WithCancel(context.Background())
	go d.Wait(ctx, d.Advance())
	s := <-stalls
	require.Len(t, s.Readers, 1)
	require.Equal(t, told, s.Readers[0].Labels)
	if told != "" { // before Go 1.26 it never is
		require.Equal(t, `{"route": "/get"}`, told)
		require.Contains(t, s.String(), `, labels {"route": "/get"}, entered at:`)
	}
	cancel()
	close(leave)
	<-left
}

// Mistakes are told to Events before they panic, with the same text, and leaks with that of their report.
func TestInvariants_MisuseIsTold(t *testing.T) {
	told := make(chan Misuse, 100)
	d := newDomain(t, Options{Name: "told", Events: Events{Misuse: func(m Misuse) { told <- m }}})
	other := newDomain(t, Options{})
	for what, err := range map[string]func(){
		"wait":         func() { s := d.Enter(); defer s.Leave(); d.Synchronize(t.Context()) }, //smr:ok a mistake on purpose
		"other domain": func() { s := other.Enter(); defer s.Leave(); d.CheckSection(s) },
		"left":         func() { s := d.Enter(); s.Leave(); new(Pointer[int]).Load(s) }, //smr:ok a mistake on purpose
		"outside":      func() { d.CheckEntered() },
		"pinned":       func() { s := d.Pin(); defer s.Leave(); d.Wait(t.Context(), d.Advance()) }, //smr:ok a mistake on purpose
		"released":     releasedTwice(d),
		"called":       calledTwice(d),
	} {
		text := func() (text any) {
			defer func() { text = recover() }()
			err()
			return nil
		}()
		require.NotNil(t, text, what)
		require.NotEmpty(t, told, what)
		require.Equal(t, Misuse{"told", text.(string)}, <-told, what)
	}
	require.NoError(t, d.Barrier(watchdogContext(t)))

	forgetful, err := New(Options{OnStall: func(Stall) {}, Events: Events{Misuse: func(m Misuse) { told <- m }}})
	require.NoError(t, err)
	var elsewhere sync.WaitGroup
	elsewhere.Go(func() { leakSection(forgetful) })
	elsewhere.Wait()
	for ctx := watchdogContext(t); len(told) == 0; runtime.Gosched() {
		require.NoError(t, ctx.Err())
		runtime.GC()
	}
	require.Contains(t, (<-told).Text, "a section was dropped without Leave")
}

func releasedTwice(d *Domain) func() {
	s := d.Enter()
	h := Hold(s, new(diagnosed))
	s.Leave()
	h.Release()
	return func() { h.Release() }
}

func calledTwice(d *Domain) func() {
	return func() {
		s := d.Enter()
		defer s.Leave()
		o := new(diagnosed)
		Call(d, o, 8, (*diagnosed).free)
		Call(d, o, 8, (*diagnosed).free) //smr:ok a mistake on purpose
	}
}

// A callback would run in its caller's section.
func TestInvariants_AssistInSection(t *testing.T) {
	d := newDomain(t, Options{Name: "mine"})
	other := newDomain(t, Options{})
	s := d.Enter()
	containsAll(t, panicText(t, d.Assist), "smr: Assist inside a section of domain mine", "TestInvariants_AssistInSection")
	require.NotPanics(t, other.Assist)
	s.Leave()
	d.Assist()
	s = other.Pin()
	text := panicText(t, d.Assist)
	s.Leave()
	containsAll(t, text, "smr: Assist of domain mine")
}
