package smr

import (
	"context"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/internal/held"
)

// await diagnoses the domain until ok.
func await(t *testing.T, d *Domain, ok func(Diagnosis) bool) Diagnosis {
	t.Helper()
	ctx := watchdogContext(t)
	for {
		dg := d.Diagnose(16)
		if ok(dg) {
			return dg
		}
		require.NoError(t, ctx.Err(), "%+v", dg)
		runtime.Gosched()
	}
}

type diagnosed struct{ _ [8]byte }

func (*diagnosed) free() {}

// Each stage of a call is told, with what is in it, and the sum is what is pending.
func TestDiagnose_Stages(t *testing.T) {
	d := newDomain(t, Options{Workers: 1, ChunkCalls: 1})
	require.Equal(t, "stopped", d.Diagnose(16).Reclaimer)
	sum := func(dg Diagnosis) {
		t.Helper()
		var calls, bytes int64
		for _, s := range []Stage{dg.Collecting, dg.Waiting, dg.Ready, dg.Running, dg.Held} {
			calls, bytes = calls+s.Calls, bytes+s.Bytes
		}
		require.Equal(t, dg.PendingCalls, calls)
		require.Equal(t, dg.PendingBytes, bytes)
	}

	s := enterElsewhere(d)
	obj := new(diagnosed)
	h := Hold(s, obj)
	Call(d, obj, 1<<30, (*diagnosed).free) // above largeSize
	begin, end := make(chan struct{}), make(chan struct{})
	d.CallFunc(20, func() { close(begin); <-end })
	d.CallFunc(3, func() {})
	dg := await(t, d, func(dg Diagnosis) bool { return dg.Waiting.Calls == 3 && dg.Waiting.For > 0 })
	sum(dg)
	require.EqualValues(t, 1<<30+23, dg.Waiting.Bytes)
	require.GreaterOrEqual(t, dg.Grace, dg.Waiting.For)
	require.Equal(t, 1, dg.Holds)
	require.Empty(t, dg.Parked)

	s.Leave()
	<-begin
	dg = await(t, d, func(dg Diagnosis) bool {
		return dg.Held.Calls == 1 && dg.Ready.Calls == 1 && dg.Ready.For > 0 && dg.Grace == 0
	})
	sum(dg)
	require.Equal(t, amount{1, 20}, amount{dg.Running.Calls, dg.Running.Bytes})
	require.Equal(t, amount{1, 3}, amount{dg.Ready.Calls, dg.Ready.Bytes})
	require.EqualValues(t, 1<<30, dg.Held.Bytes)
	require.NotEmpty(t, dg.Graces)
	require.Len(t, dg.Parked, 1)
	require.Contains(t, dg.Parked[0].Callback, "diagnosed).free")
	require.EqualValues(t, 1, dg.Parked[0].Calls)
	require.EqualValues(t, 1<<30, dg.Parked[0].Bytes)
	require.Equal(t, debugging, len(dg.Parked[0].Stacks) > 0)

	close(end)
	h.Release()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	dg = d.Diagnose(16)
	sum(dg)
	require.Zero(t, dg.PendingCalls)
	require.Empty(t, dg.Parked)
}

// What is parked out of a chunk is not running any more, though the chunk's other callbacks are.
func TestDiagnose_ParkedOutOfAChunk(t *testing.T) {
	d := newDomain(t, Options{Workers: 1})
	o := new(diagnosed)
	s := enterElsewhere(d)
	h := Hold(s, o)
	s.Leave()
	begin, end := make(chan struct{}), make(chan struct{})
	wait := func() { close(begin); <-end }
	r := &d.reclaim
	r.called.Add(2)
	r.calledBytes.Add(50)
	c := &chunk{n: 2, bytes: 50, each: 25, held: held.NewSet([]uintptr{uintptr(unsafe.Pointer(o))})}
	c.entries = []entry{
		{func(unsafe.Pointer) {}, unsafe.Pointer(o)},
		{runFunc, *(*unsafe.Pointer)(unsafe.Pointer(&wait))},
	}
	r.mu.Lock()
	r.outstanding.add(c)
	r.handedOver.Add(50)
	r.ready.push(c)
	d.startWorkersLocked()
	r.mu.Unlock()
	<-begin
	dg := d.Diagnose(16)
	close(end)
	h.Release()
	require.Equal(t, amount{1, 25}, amount{dg.Running.Calls, dg.Running.Bytes})
	require.Equal(t, amount{1, 25}, amount{dg.Held.Calls, dg.Held.Bytes})
	require.NoError(t, d.Barrier(watchdogContext(t)))
}

// A reader holds back what was called before it left, and what is waiting for an older one only is
// not its.
func TestDiagnose_WhatReadersHoldBack(t *testing.T) {
	d := newDomain(t, Options{ChunkCalls: 1, SampleSections: 1})
	older := enterElsewhere(d)
	d.CallFunc(100, func() {})
	await(t, d, func(dg Diagnosis) bool { return dg.Waiting.Calls == 1 })
	newer := enterElsewhere(d)
	d.CallFunc(7, func() {})
	await(t, d, func(dg Diagnosis) bool { return dg.Waiting.Calls == 2 })

	dg := d.Diagnose(1)
	require.Len(t, dg.Readers, 1)
	dg = d.Diagnose(16)
	require.Len(t, dg.Readers, 2)
	require.EqualValues(t, 107, dg.Readers[0].HeldBack.Bytes)
	require.True(t, dg.Readers[0].Blocks)
	require.Positive(t, dg.Readers[0].Age)
	require.EqualValues(t, 7, dg.Readers[1].HeldBack.Bytes)
	require.False(t, dg.Readers[1].Blocks)
	for _, r := range dg.Readers {
		require.Equal(t, clock.Tracker, r.Kind)
		require.Contains(t, r.Stack, "enterElsewhere")
		require.NotEmpty(t, r.Callers())
	}
	older.Leave()
	await(t, d, func(dg Diagnosis) bool {
		return dg.PendingBytes == 7 && len(dg.Readers) == 1 && dg.Readers[0].Blocks
	})
	newer.Leave()
	require.NoError(t, d.Barrier(watchdogContext(t)))
}

// A parked wait without calls waits for a reader as well.
func TestDiagnose_ParkedWait(t *testing.T) {
	d := newDomain(t, Options{})
	s := enterElsewhere(d)
	require.False(t, d.Diagnose(16).Readers[0].Blocks)
	done := make(chan error)
	go func() { done <- d.Synchronize(watchdogContext(t)) }()
	dg := await(t, d, func(dg Diagnosis) bool { return dg.Grace > 0 })
	require.True(t, dg.Readers[0].Blocks)
	require.Zero(t, dg.PendingCalls)
	s.Leave()
	require.NoError(t, <-done)
	dg = d.Diagnose(16)
	require.Zero(t, dg.Grace)
	require.Empty(t, dg.Readers)
}

// Owners that do not say what they are cost a bounded number of goroutines, however often Diagnose
// asks.
func TestDiagnose_OwnersThatDoNotAnswer(t *testing.T) {
	d := newDomain(t, Options{})
	q := d.NewQuiescent(nil)
	answer := make(chan struct{})
	asked := make(chan struct{}, 100)
	q.Describe(func() string { asked <- struct{}{}; <-answer; return "the loop" })
	q.Online()
	d.CallFunc(1, func() {})
	await(t, d, func(dg Diagnosis) bool { return dg.Waiting.Calls == 1 })
	for range 3 * maxNamed {
		dg := d.Diagnose(16)
		require.Len(t, dg.Readers, 1)
		require.Empty(t, dg.Readers[0].Name)
	}
	require.LessOrEqual(t, len(asked), maxNamed)
	close(answer)
	await(t, d, func(dg Diagnosis) bool { return len(dg.Readers) == 1 && dg.Readers[0].Name == "the loop" })
	q.Close()
	require.NoError(t, d.Barrier(watchdogContext(t)))
}

// How late the reclaimer ran is what it was due for, and one that has stopped is not late.
func TestPunctuality(t *testing.T) {
	var p punctuality
	p.runs(5) // not expected
	require.Zero(t, p.lateness(10))
	p.expect(100)
	require.Zero(t, p.lateness(100).Now)
	require.EqualValues(t, 7, p.lateness(107).Now)
	p.runs(109)
	p.expect(200)
	require.Equal(t, Lateness{Last: 9, Worst: 9, WorstAgo: 41}, p.lateness(150))
	p.runs(150)
	p.expect(0)
	require.Equal(t, Lateness{Worst: 9, WorstAgo: 891}, p.lateness(1000))

	d := newDomain(t, Options{CheckIn: minCheckIn})
	d.CallFunc(1, func() {})
	require.NoError(t, d.Barrier(watchdogContext(t)))
	await(t, d, func(dg Diagnosis) bool { return dg.Reclaimer == "stopped" })
	for since := time.Now(); time.Since(since) < 10*minCheckIn; { // its next check-in would be due by now
		runtime.Gosched()
	}
	require.Zero(t, d.Diagnose(16).Late.Now)
}

func TestRecentGraces_KeepsTheLast(t *testing.T) {
	var g recentGraces
	require.Empty(t, g.all())
	n := len(g.last)
	for i := range n + 3 {
		g.add(int64(i))
	}
	all := g.all()
	require.Len(t, all, n)
	require.EqualValues(t, 3, all[0])
	require.EqualValues(t, n+2, all[n-1])
}

// The goroutines that run callbacks have the domain's label, whatever those have that call.
func TestLabels_OfTheDomain(t *testing.T) {
	d := newDomain(t, Options{Name: "labeled"})
	var profile strings.Builder
	pprof.Do(context.Background(), pprof.Labels("request", "unlucky"), func(context.Context) {
		d.CallFunc(Expedite, func() {
			pprof.Lookup("goroutine").WriteTo(&profile, 1)
		})
		require.NoError(t, d.Barrier(watchdogContext(t)))
	})
	worker := ""
	for block := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(block, ".work") && strings.Contains(block, "TestLabels") {
			worker = block
		}
	}
	require.Contains(t, worker, `"smr_domain":"labeled"`)
	require.NotContains(t, worker, "unlucky")
}
