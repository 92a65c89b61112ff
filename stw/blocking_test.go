package stw

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// Property 9: a blocked domain's handler runs on its behalf, beside the others, and
// it can't come back in the middle.
func TestBlocking_ServedUntilTheEnd(t *testing.T) {
	w := newWorld(t, Options{})
	for range rounds(500) {
		release, inside := make(chan struct{}), make(chan struct{})
		touched := 0 // by the handler, and by the domain when it is back
		blocked := spawn(t, w, func(d *Domain) {
			d.Blocking(func() { <-release })
			touched++
		})
		waitState(t, blocked, Blocked)
		asDomain(t, w, func(d *Domain) {
			w.RunOnAll(d, func(p *Domain, s *Stop) {
				s.Barrier(nil) // both are in: the handlers run beside each other
				if p == blocked {
					close(inside)
					for range 20 {
						touched++
						if p.State() != Blocked {
							t.Error("it is back")
						}
						runtime.Gosched()
					}
					return
				}
				<-inside
				close(release)
			}, StopOptions{})
		})
		join(t, blocked)
		require.Equal(t, 21, touched)
	}
}

// Property 9: what is asked while nobody acts for a blocked domain, and what is
// asked while somebody does, is done; interrupts in order.
func TestBlocking_AllIsServed(t *testing.T) {
	w := newWorld(t, Options{})
	blocked, release := startBlocked(t, w)
	var got []int
	done := make(chan struct{})
	n := rounds(2000)
	for i := range n {
		require.NoError(t, blocked.Interrupt(func(d *Domain) {
			require.Same(t, blocked, d)
			got = append(got, i)
			if i == n-1 {
				close(done)
			}
		}))
		if i%100 == 0 {
			runtime.Gosched()
		}
	}
	within(t, func() { <-done })
	for i := range got {
		require.Equal(t, i, got[i])
	}
	close(release)
	join(t, blocked)
}

func TestBlocking_Misuse(t *testing.T) {
	w := newWorld(t, Options{})
	asDomain(t, w, func(d *Domain) {
		require.PanicsWithValue(t, "stw: LeaveBlocking of a domain that is running", d.LeaveBlocking)
		d.EnterBlocking()
		require.PanicsWithValue(t, "stw: EnterBlocking of a domain that is blocked", d.EnterBlocking)
		d.LeaveBlocking()
	})
}

// A panic in Blocking leaves it; the domain goes on if somebody recovers, and ends
// in order if its goroutine ends.
func TestPanic_InBlocking(t *testing.T) {
	w := newWorld(t, Options{})
	c := startCrowd(t, w, 2)
	asDomain(t, w, func(d *Domain) {
		require.PanicsWithValue(t, "blocked", func() { d.Blocking(func() { panic("blocked") }) })
		require.Equal(t, Running, d.State())
		w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{})
	})
	for _, exit := range []func(*Domain){
		func(d *Domain) { d.Blocking(runtime.Goexit) },
		func(d *Domain) { d.EnterBlocking(); runtime.Goexit() },
		func(*Domain) { runtime.Goexit() },
	} {
		asDomain(t, w, exit)
	}
	c.end(t)
}

func TestInterrupt_FIFO(t *testing.T) {
	w := newWorld(t, Options{})
	ready, asked := make(chan struct{}), make(chan struct{})
	var got []int
	d := spawn(t, w, func(d *Domain) {
		close(ready)
		<-asked
		require.Empty(t, got)
		d.Poll()
		require.Equal(t, []int{0, 1, 2, 3}, got, "what they ask for is for the next poll")
		d.Poll()
		require.Equal(t, []int{0, 1, 2, 3, 10}, got)
	})
	<-ready
	for i := range 4 {
		require.NoError(t, d.Interrupt(func(d *Domain) {
			got = append(got, i)
			d.Poll() // does nothing here
			if i == 0 {
				require.NoError(t, d.Interrupt(func(*Domain) { got = append(got, 10) }))
			}
		}))
	}
	close(asked)
	join(t, d)
	require.ErrorIs(t, d.Interrupt(func(*Domain) { t.Error("run for a dead domain") }), ErrDead)
}

// Property 3: no interrupt is forgotten, whenever it comes.
func TestInterrupt_NoneIsLost(t *testing.T) {
	w := newWorld(t, Options{})
	c := startCrowd(t, w, 1)
	for range rounds(50000) {
		var ran atomic.Bool
		require.NoError(t, c.domains[0].Interrupt(func(*Domain) { ran.Store(true) }))
		waitFor(t, ran.Load)
	}
	c.end(t)
}

// Property 7: what was accepted is run, if need be while the domain ends.
func TestInterrupt_AcceptedIsRun(t *testing.T) {
	w := newWorld(t, Options{})
	for range rounds(2000) {
		var accepted, ran atomic.Int32
		asked := make(chan struct{})
		d := spawn(t, w, func(d *Domain) { <-asked })
		go func() {
			for i := 0; ; i++ {
				if i == 3 {
					close(asked)
				}
				if d.Interrupt(func(*Domain) { ran.Add(1) }) != nil {
					break
				}
				accepted.Add(1)
				runtime.Gosched()
			}
		}()
		join(t, d)
		require.GreaterOrEqual(t, ran.Load(), int32(3))
		waitFor(t, func() bool { return accepted.Load() == ran.Load() })
	}
}

func TestPanic_InInterrupt(t *testing.T) {
	w := newWorld(t, Options{})
	asDomain(t, w, func(d *Domain) {
		ran := 0
		for i := range 4 {
			d.Interrupt(func(*Domain) {
				ran++
				if i%2 == 0 {
					panic(i)
				}
			})
		}
		// All are run, and each panic is passed on.
		require.Equal(t, 0, panicOf(t, d.Poll).Value)
		require.Equal(t, 4, ran)
		require.Equal(t, 2, panicOf(t, d.Poll).Value)
		d.Poll()

		// While it is blocked, the panic waits until it is back.
		d.EnterBlocking()
		d.Interrupt(func(*Domain) { panic("blocked") })
		d.Interrupt(func(*Domain) { runtime.Goexit() })
		last := make(chan struct{})
		d.Interrupt(func(*Domain) { ran++; close(last) })
		<-last
		p := panicOf(t, d.LeaveBlocking)
		require.Equal(t, "blocked", p.Value)
		require.Equal(t, 5, ran)
		require.Equal(t, Running, d.State())
		w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{})
	})
}

func TestInterruptExternal(t *testing.T) {
	calls := 0
	w := newWorld(t, Options{ExternalInterrupt: func(*Domain) { calls++ }})
	asDomain(t, w, func(d *Domain) {
		for range 3 {
			require.NoError(t, d.InterruptExternal())
		}
		d.Poll()
		require.Equal(t, 1, calls, "they coalesce")
		d.InterruptExternal()
	})
	require.Equal(t, 2, calls, "also while the domain ends")
	other := newWorld(t, Options{})
	asDomain(t, other, func(d *Domain) { require.Panics(t, func() { d.InterruptExternal() }) })
}

// A hook that asks for itself again is called by the next poll, not by this one.
func TestInterruptExternal_FromItsHook(t *testing.T) {
	calls := 0
	w := newWorld(t, Options{ExternalInterrupt: func(d *Domain) {
		if calls++; calls < 3 {
			d.InterruptExternal()
		}
	}})
	asDomain(t, w, func(d *Domain) {
		d.InterruptExternal()
		for i := range 3 {
			d.Poll()
			require.Equal(t, i+1, calls)
		}
	})
}
