package stw

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/smr"
)

// A grace period waits for a domain that runs, and asks it: so it ends with the
// next poll, and not before.
func TestSMR_GracePeriodEndsWithThePoll(t *testing.T) {
	dom, other := newDomain(t), newDomain(t)
	w := newWorld(t, Options{SMR: []*smr.Domain{dom, other}})
	for range rounds(500) {
		reads, synced, poll := make(chan struct{}), make(chan struct{}), make(chan struct{})
		d := spawn(t, w, func(d *Domain) {
			close(reads)
			<-poll
			d.Poll()
			<-synced // without this it would end
		})
		<-reads
		var done atomic.Bool
		go func() {
			require.NoError(t, dom.Synchronize(context.Background()))
			done.Store(true)
			close(synced)
		}()
		waitFor(t, func() bool { return d.pending.Load() != 0 }) // it was asked
		require.False(t, done.Load())
		close(poll)
		within(t, func() { <-synced })
		join(t, d)
	}
}

// The order of clearing and stating: a grace period that asks just while a domain
// polls is not forgotten.
func TestSMR_RequestDuringPoll(t *testing.T) {
	dom, err := smr.New(smr.Options{StallAfter: -1}) // a stall would ask again
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dom.Close(watchdogContext(t))) })
	w := newWorld(t, Options{SMR: []*smr.Domain{dom}})
	c := new(crowd)
	c.domains = append(c.domains, spawn(t, w, func(d *Domain) {
		for !c.quit.Load() {
			d.Poll()
			if !parallel() {
				runtime.Gosched()
			}
		}
	}))
	c.running(t)
	within(t, func() {
		for range rounds(3000) {
			require.NoError(t, dom.Synchronize(context.Background()))
		}
	})
	c.end(t)
}

// A domain that yields at a safe point, since a grace period asked for one, holds no other back: it
// may get its next time slice long after.
func TestSMR_YieldingHoldsNothingBack(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	dom := newDomain(t)
	w := newWorld(t, Options{SMR: []*smr.Domain{dom}})
	var quit atomic.Bool
	var begun, ended atomic.Int64 // polls; written by the domain
	d := spawn(t, w, func(d *Domain) {
		for !quit.Load() {
			if d.pending.Load() != 0 {
				begun.Add(1)
				d.Poll()
				ended.Add(1)
			}
			runtime.Gosched()
		}
	})
	waitState(t, d, Running)
	held := 0
	for range rounds(1000) {
		goal, before := dom.Advance(), begun.Load()
		d.pending.Or(quiescent) // as a grace period does
		waitFor(t, func() bool { return begun.Load() != before })
		if !dom.Poll(goal) || !dom.Poll(dom.Advance()) {
			held++ // it was preempted before it yielded, or this goroutine was until it had come back
		}
		waitFor(t, func() bool { return ended.Load() == begun.Load() })
	}
	quit.Store(true)
	join(t, d)
	require.Less(t, held, rounds(1000)/2)
}

func parallel() bool { return runtime.GOMAXPROCS(0) > 1 }

// What is blocked, suspended or stopped holds nothing back.
func TestSMR_OfflineHoldsNothingBack(t *testing.T) {
	dom := newDomain(t)
	w := newWorld(t, Options{SMR: []*smr.Domain{dom}})
	ctx := watchdogContext(t)
	blocked, release := startBlocked(t, w)
	require.NoError(t, dom.Synchronize(ctx))
	served := make(chan struct{})
	require.NoError(t, blocked.Interrupt(func(*Domain) { close(served) }))
	<-served
	require.NoError(t, dom.Synchronize(ctx))
	w.ForEach(func(*Domain) {})
	require.NoError(t, dom.Synchronize(ctx))
	c := startCrowd(t, w, 1)
	require.NoError(t, c.domains[0].Suspend(ctx))
	require.NoError(t, dom.Synchronize(ctx))
	c.domains[0].Resume()
	w.Stop()
	require.NoError(t, dom.Synchronize(ctx))
	w.Start()
	asDomain(t, w, func(d *Domain) {
		goal := dom.Advance()
		w.RunOnAll(d, func(p *Domain, s *Stop) {
			s.Barrier(func() {
				require.True(t, dom.Poll(goal), "a stop ends the grace periods that waited for who takes part")
				require.NoError(t, dom.Synchronize(ctx))
			})
			require.Panics(t, func() { p.Section() })
		}, StopOptions{})
		// And they are readers again.
		goal = dom.Advance()
		require.False(t, dom.Poll(goal))
		d.Poll()
	})
	close(release)
	join(t, blocked)
	c.end(t)
	require.NoError(t, dom.Synchronize(ctx), "those that have ended hold nothing back")
	require.Zero(t, dom.Stats().Sections)
}

func TestSMR_Section(t *testing.T) {
	dom, other := newDomain(t), newDomain(t)
	w := newWorld(t, Options{SMR: []*smr.Domain{dom, other}})
	var p, q smr.Pointer[int]
	p.Init(new(int))
	q.Init(new(int))
	asDomain(t, w, func(d *Domain) {
		s := d.Section()
		require.NotNil(t, p.Load(s))
		require.NotNil(t, q.Load(d.SectionOf(other)))
		require.NotNil(t, p.Load(d.SectionOf(dom)))
		s.Leave() // does nothing
		require.True(t, s.Active())
		if invariants.Enabled {
			d.Poll()
			require.False(t, s.Active())
			require.Panics(t, func() { p.Load(s) }, "valid until the next poll, whether that had to do anything or not")
		}
		s = d.Section()
		d.Blocking(func() { require.Panics(t, func() { d.Section() }) })
		require.False(t, s.Active())

		// Functions that are run for it are at a safe point, online.
		d.Interrupt(func(d *Domain) { require.NotNil(t, p.Load(d.Section())) })
		d.Poll()
		d.EnterBlocking()
		d.Interrupt(func(d *Domain) { require.NotNil(t, p.Load(d.Section())) })
		d.LeaveBlocking()
		d.ForEach(func(d *Domain) { require.NotNil(t, p.Load(d.Section())) })

		require.Panics(t, func() { d.SectionOf(smr.Default()) })
	})
	none := newWorld(t, Options{})
	asDomain(t, none, func(d *Domain) {
		require.Panics(t, func() { d.Section() })
		require.NoError(t, d.Synchronize(context.Background()))
	})
}

// A domain does not wait for itself.
func TestSMR_Synchronize(t *testing.T) {
	dom, other := newDomain(t), newDomain(t)
	w := newWorld(t, Options{SMR: []*smr.Domain{dom, other}})
	asDomain(t, w, func(d *Domain) {
		require.NoError(t, d.Synchronize(watchdogContext(t)))
		for _, held := range []*smr.Domain{dom, other} { // one suffices
			entered := make(chan smr.Section)
			go func() { entered <- held.Enter() }()
			s := <-entered
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			err := d.Synchronize(ctx)
			cancel()
			s.Leave()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, Running, d.State())
		}
	})
}

// What a domain gave to Call is freed after its end.
func TestSMR_CallsOfDyingDomain(t *testing.T) {
	dom := newDomain(t)
	w := newWorld(t, Options{SMR: []*smr.Domain{dom}})
	var freed atomic.Int32
	for range 100 {
		asDomain(t, w, func(d *Domain) { dom.CallFunc(1, func() { freed.Add(1) }) })
	}
	require.NoError(t, dom.Barrier(watchdogContext(t)))
	require.EqualValues(t, 100, freed.Load())
}

// Readers in sections of domains, an object that is replaced and poisoned: under
// -race a premature free is a race.
func TestSMR_Reclaim(t *testing.T) {
	dom := newDomain(t)
	w := newWorld(t, Options{SMR: []*smr.Domain{dom}})
	type object struct{ alive bool }
	var p smr.Pointer[object]
	p.Init(&object{true})
	var bad atomic.Int32
	c := new(crowd)
	for i := range 3 {
		c.domains = append(c.domains, spawn(t, w, func(d *Domain) {
			for n := 0; !c.quit.Load(); n++ {
				if o := p.Load(d.Section()); !o.alive {
					bad.Add(1)
				}
				switch {
				case n%64 == 0 && i == 1:
					d.Blocking(runtime.Gosched)
				case n%64 == 0:
					d.Relax()
				default:
					d.Poll()
				}
			}
		}))
	}
	c.running(t)
	for n := range rounds(20000) {
		old := p.LoadSerialized()
		p.Store(&object{true})
		smr.Call(dom, old, 1, func(o *object) { o.alive = false })
		if n%16 == 0 {
			require.NoError(t, dom.Synchronize(context.Background()))
		}
	}
	c.end(t)
	require.Zero(t, bad.Load())
}

// A world keeps its own list of smr domains.
func TestNewWorld_CopiesItsOptions(t *testing.T) {
	mine, other := newDomain(t), newDomain(t)
	all := []*smr.Domain{mine}
	w := newWorld(t, Options{SMR: all})
	all[0] = other
	asDomain(t, w, func(d *Domain) {
		require.True(t, d.SectionOf(mine).Active())
	})
}

// What a poll serves is in a new section: it holds back no grace period that began before.
func TestSMR_PollAnswersBeforeItServes(t *testing.T) {
	dom := newDomain(t)
	w := newWorld(t, Options{SMR: []*smr.Domain{dom}})
	asDomain(t, w, func(d *Domain) {
		require.Equal(t, fmt.Sprintf("stw domain %d, running", d.ID()), d.describe())
		goal := dom.Advance()
		require.False(t, dom.Poll(goal))
		var reached, later bool
		require.NoError(t, d.Interrupt(func(*Domain) { reached, later = dom.Poll(goal), dom.Poll(dom.Advance()) }))
		d.Poll()
		require.True(t, reached)
		require.False(t, later)
	})
}

// A grace period that waits for a domain names it in its stall report, and says what it does.
func TestSMR_StallNamesTheDomain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reports := make(chan smr.Stall, 10)
		dom, err := smr.New(smr.Options{StallAfter: time.Second, OnStall: func(s smr.Stall) { reports <- s }})
		require.NoError(t, err)
		w := newWorld(t, Options{SMR: []*smr.Domain{dom}})
		late, poll := silent(t, w)
		go dom.Synchronize(context.Background())
		time.Sleep(time.Second)
		synctest.Wait()
		s := <-reports
		require.Equal(t, "stw domain 1, running, no poll since it was asked", s.Readers[0].Name)
		require.NotContains(t, s.String(), "quiescent reader")

		release := make(chan struct{})
		require.NoError(t, late.Interrupt(func(*Domain) { <-release })) // online
		poll <- struct{}{}
		synctest.Wait()
		go dom.Synchronize(context.Background())
		time.Sleep(time.Second)
		synctest.Wait()
		for s = range reports {
			if len(reports) == 0 {
				break
			}
		}
		require.Equal(t, "stw domain 1, running, in an interrupt function, no poll since it was asked", s.Readers[0].Name)
		close(release)
		close(poll)
		join(t, late)
		require.NoError(t, dom.Close(context.Background()))
	})
}
