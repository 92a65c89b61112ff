package smr

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// stall makes a call, holds it up with a reader, and lets an hour go by: the
// reclaimer checks in rarely by then. It must be called in a bubble.
func stall(d *Domain) Section {
	s := enterElsewhere(d)
	d.CallFunc(8, func() {})
	time.Sleep(time.Hour)
	synctest.Wait()
	return s
}

// While one section stays open and nothing is called, nothing can change: the
// reclaimer looks ever more rarely, and sleeps for the rest.
func TestReclaimer_StalledDomainIsIdle(t *testing.T) {
	for name, kind := range kinds {
		if name == "Pin" {
			continue // a pinned goroutine must not wait
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDomain(t, Options{})
				_, end := kind(d)()
				defer func() {
					end()
					synctest.Wait()
					require.Zero(t, d.Stats().PendingCalls, "the reader that leaves wakes the reclaimer")
					require.EqualValues(t, stopped, d.reclaim.state.Load())
				}()
				d.CallFunc(8, func() {})
				time.Sleep(time.Second)
				synctest.Wait()
				before := d.Stats().Scans
				time.Sleep(1000 * time.Second)
				synctest.Wait()
				// Two for each doubling of the time, and one for each stall report.
				require.Less(t, d.Stats().Scans-before, uint64(40))
			})
		})
	}
}

// All workers are blocked and chunks are ready: only a worker that finishes changes
// that, and goes on by itself.
func TestReclaimer_BlockedWorkersLeaveItIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var checkIns atomic.Int32
		d := newDomain(t, Options{Workers: 2, before: func(_ *Domain, what string) {
			if what == "check in" {
				checkIns.Add(1)
			}
		}})
		release := make(chan struct{})
		ran := 0
		for range 4 {
			d.CallFunc(Expedite, func() { <-release })
			synctest.Wait()
		}
		d.CallFunc(8, func() { ran++ })
		time.Sleep(time.Second)
		synctest.Wait()
		before := checkIns.Load()
		time.Sleep(1000 * time.Second)
		synctest.Wait()
		require.Less(t, checkIns.Load()-before, int32(20))
		began := time.Now()
		close(release)
		synctest.Wait()
		require.Equal(t, 1, ran)
		require.Zero(t, time.Since(began))
		require.EqualValues(t, stopped, d.reclaim.state.Load(), "it stops when all is done, not at its next check-in")
	})
}

// A reclaimer that has time is told of what a call begins.
func TestReclaimer_PatientKeepsItsPromises(t *testing.T) {
	// within calls fn once the reclaimer is patient; what it called must be covered
	// by a goal after a check-in: a section entered then does not hold it up.
	within := func(t *testing.T, o Options, fn func(d *Domain, free func())) {
		synctest.Test(t, func(t *testing.T) {
			d := newDomain(t, o)
			s := stall(d)
			require.EqualValues(t, patient, d.reclaim.state.Load())
			ran := 0
			fn(d, func() { ran++ })
			time.Sleep(d.CheckIn())
			synctest.Wait()
			later := enterElsewhere(d)
			s.Leave()
			synctest.Wait()
			require.Equal(t, 1, ran)
			later.Leave()
		})
	}
	t.Run("Call", func(t *testing.T) {
		within(t, Options{}, func(d *Domain, free func()) { d.CallFunc(8, free) })
	})
	t.Run("FullChunk", func(t *testing.T) {
		within(t, Options{ChunkCalls: 1}, func(d *Domain, free func()) { d.CallFunc(8, free) })
	})
	t.Run("Expedite", func(t *testing.T) {
		within(t, Options{}, func(d *Domain, free func()) { d.CallFunc(Expedite, free) })
	})
	t.Run("SetCheckIn", func(t *testing.T) {
		within(t, Options{}, func(d *Domain, free func()) {
			d.SetCheckIn(time.Millisecond)
			d.CallFunc(8, free)
		})
	})
}

// Flush, Barrier and Close do not wait for a patient reclaimer's next check-in.
func TestReclaimer_PatientOneIsHurried(t *testing.T) {
	t.Run("Flush", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDomain(t, Options{})
			s := stall(d)
			ran := false
			d.CallFunc(8, func() { ran = true })
			d.Flush()
			synctest.Wait()
			later := enterElsewhere(d)
			s.Leave()
			synctest.Wait()
			require.True(t, ran, "without a check-in")
			later.Leave()
		})
	})
	t.Run("BarrierAndClose", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, err := New(Options{OnStall: func(Stall) {}})
			require.NoError(t, err)
			s := stall(d)
			done := make(chan error, 2)
			go func() { done <- d.Barrier(t.Context()) }()
			synctest.Wait()
			go func() { done <- d.Close(t.Context()) }()
			synctest.Wait()
			require.Empty(t, done)
			began := time.Now()
			s.Leave()
			require.NoError(t, <-done)
			require.NoError(t, <-done)
			require.Zero(t, time.Since(began))
		})
	})
}

// The window itself: a call is made between the reclaimer's look, which finds no
// chunk open, and its waiting.
func TestReclaimer_PatientOneIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var called atomic.Bool
		ran := false
		began := time.Now()
		d := newDomain(t, Options{before: func(d *Domain, what string) {
			if what == "settle" && !called.Load() && time.Since(began) > time.Minute {
				called.Store(true)
				d.CallFunc(8, func() { ran = true })
			}
		}})
		s := enterElsewhere(d)
		d.CallFunc(8, func() {})
		for !called.Load() {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		time.Sleep(d.CheckIn())
		synctest.Wait()
		later := enterElsewhere(d)
		s.Leave()
		synctest.Wait()
		require.True(t, ran, "the call waited for the next of the rare check-ins")
		later.Leave()
	})
}

// A Quiescent whose owner missed a report is asked again.
func TestReclaimer_AsksQuiescentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{})
		var asked atomic.Int32
		q := d.NewQuiescent(func() { asked.Add(1) })
		q.Online()
		d.CallFunc(8, func() {})
		time.Sleep(time.Second)
		synctest.Wait()
		before := asked.Load()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Greater(t, asked.Load(), before+5)
		require.Less(t, asked.Load(), before+50)
		q.Close()
		synctest.Wait()
		require.Zero(t, d.Stats().PendingCalls)
	})
}
