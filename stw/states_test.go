package stw

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

// A scene is a world with a domain that is in some situation, and another one, in
// Blocking, that leads stops when it is told to. It is stepped: whatever is begun has gone
// as far as it can when quiet returns.
type scene struct {
	t    *testing.T
	w    *World
	dom  *smr.Domain
	d    *Domain
	tell chan func(*Domain) // what d, running, is to do next
	ask  chan func(*Domain) // what the other one is to do next
	gate chan struct{}      // closed by the end of the situation
	end  []func()           // ends the situation
	hook chan struct{}      // sent to by the external hook
}

func newScene(t *testing.T) *scene {
	sc := &scene{t: t, dom: newDomain(t), gate: make(chan struct{}), tell: make(chan func(*Domain)), ask: make(chan func(*Domain)), hook: make(chan struct{}, 9)}
	sc.w = newWorld(t, Options{StallAfter: -1, SMR: []*smr.Domain{sc.dom}, ExternalInterrupt: func(*Domain) { sc.hook <- struct{}{} }})
	spawn(t, sc.w, func(d *Domain) {
		for do := sc.next(d); do != nil; do = sc.next(d) {
			do(d)
		}
	})
	sc.quiet()
	return sc
}

func (sc *scene) next(d *Domain) (do func(*Domain)) {
	d.Blocking(func() { do = <-sc.ask })
	return do
}

func (sc *scene) spawn() {
	sc.d = spawn(sc.t, sc.w, func(d *Domain) {
		for do := range sc.tell {
			sc.owed(func() { do(d) })
		}
	})
	sc.quiet()
}

// owed runs what may panic with what an interrupt function did.
func (sc *scene) owed(do func()) {
	defer func() {
		if v := recover(); v != nil {
			require.Equal(sc.t, "owed", v.(*Panic).Value)
		}
	}()
	do()
}

func (sc *scene) quiet() { synctest.Wait() }

// do has d do something.
func (sc *scene) do(do func(*Domain)) { sc.tell <- do; sc.quiet() }

// other has the other domain do something.
func (sc *scene) other(do func(*Domain)) { sc.ask <- do; sc.quiet() }

// poll has d poll, if it listens.
func (sc *scene) poll() {
	select {
	case sc.tell <- (*Domain).Poll:
	default:
	}
	sc.quiet()
}

func (sc *scene) suspend() {
	sc.toBeSuspended()
	sc.poll()
}

// toBeSuspended asks d to be suspended, which it is at its next safe point.
func (sc *scene) toBeSuspended() {
	suspended := make(chan error, 1)
	go func() { suspended <- sc.d.Suspend(context.Background()) }()
	sc.quiet()
	sc.end = append(sc.end, func() {
		select {
		case <-sc.gate:
		default:
			close(sc.gate)
		}
		sc.quiet()
		sc.poll()
		require.NoError(sc.t, <-suspended)
		sc.d.Resume()
	})
}

func (sc *scene) wait() { <-sc.gate }

func (sc *scene) block() { sc.do(func(d *Domain) { d.Blocking(sc.wait) }) }

// handled has the other lead a stop whose handler waits for d only.
func (sc *scene) handled(d bool) {
	sc.other(func(o *Domain) {
		sc.w.RunOnAll(o, func(p *Domain, _ *Stop) {
			if (p == sc.d) == d {
				sc.wait()
			}
		}, StopOptions{})
	})
	sc.poll()
}

func (sc *scene) interrupted(fn func(*Domain)) {
	require.NoError(sc.t, sc.d.Interrupt(fn))
	sc.quiet()
	sc.poll()
}

// waitsToLead has d wait to lead behind an asynchronous stop, in which one has yet to take
// part, which it does at the end of the function it returns.
func (sc *scene) waitsToLead() (over func()) {
	poll := make(chan struct{})
	spawn(sc.t, sc.w, func(d *Domain) { <-poll })
	sc.quiet()
	sc.other(func(o *Domain) { sc.w.RunOnAll(o, func(*Domain, *Stop) {}, StopOptions{Async: true}) })
	sc.poll()
	sc.do(func(d *Domain) { sc.w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{}) })
	return func() { close(poll); sc.quiet() }
}

// queued spawns a domain that waits to lead behind others, and returns a channel that is closed
// when it has led.
func (sc *scene) queued() (d *Domain, led chan struct{}) {
	led = make(chan struct{})
	d = spawn(sc.t, sc.w, func(d *Domain) {
		sc.w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{})
		close(led)
	})
	sc.quiet()
	return d, led
}

func (sc *scene) stopped() {
	go sc.w.Stop()
	sc.quiet()
	sc.poll()
	sc.end = append(sc.end, sc.w.Start)
}

// What is asked of a domain, or of its world, in each situation. Each returns when it is
// done.
var asks = []struct {
	name string
	ask  func(sc *scene) error
}{
	{"Stop", func(sc *scene) error { sc.w.Stop(); sc.w.Start(); return nil }},
	{"RunOnAll", func(sc *scene) error { return sc.led(StopOptions{}) }},
	{"Async", func(sc *scene) error { return sc.led(StopOptions{Async: true}) }},
	{"ForEach", func(sc *scene) error { sc.w.ForEach(func(*Domain) {}); return nil }},
	{"Interrupt", func(sc *scene) error {
		ran := make(chan struct{})
		if err := sc.d.Interrupt(func(*Domain) { close(ran) }); err != nil {
			return err
		}
		<-ran
		return nil
	}},
	{"External", func(sc *scene) error {
		if err := sc.d.InterruptExternal(); err != nil {
			return err
		}
		<-sc.hook
		return nil
	}},
	{"Suspend", func(sc *scene) error {
		if err := sc.d.Suspend(context.Background()); err != nil {
			return err
		}
		sc.d.Resume()
		return nil
	}},
	{"SuspendOthers", func(sc *scene) error {
		done := make(chan error)
		sc.ask <- func(d *Domain) {
			s, err := d.SuspendOthers(context.Background())
			if err == nil {
				s.Resume()
			}
			done <- err
		}
		return <-done
	}},
	{"Spawn", func(sc *scene) error {
		d, err := sc.w.Spawn(func(*Domain) {})
		if err != nil {
			return err
		}
		return d.Join(context.Background())
	}},
	{"Synchronize", func(sc *scene) error { return sc.dom.Synchronize(context.Background()) }},
}

// led has the other domain lead a stop.
func (sc *scene) led(o StopOptions) error {
	done := make(chan struct{})
	sc.ask <- func(d *Domain) {
		sc.w.RunOnAll(d, func(*Domain, *Stop) {}, o)
		close(done)
	}
	<-done
	return nil
}

// The situations that a domain can be in, as far as others can tell them apart: see State
// for the combinations that they are made of. givenUp is for TestStates_GivenUpInEach. want has a
// letter for each of asks:
//
//	   Stop, RunOnAll, asynchronous RunOnAll, ForEach, Interrupt, InterruptExternal,
//	   Suspend, SuspendOthers, Spawn, Synchronize
//
//	.  done at once
//	p  done when the domain has polled
//	w  done when the situation has ended
//	D  refused: ErrDead
var situations = []struct {
	name    string
	arrange func(sc *scene)
	state   State
	want    string
	givenUp string
}{
	{"runs", func(sc *scene) {}, Running, "pp.ppppp.p", "cccccccc"},
	{"blocked", (*scene).block, Blocked, "..........", "........"},
	{"runs and is to be suspended", (*scene).toBeSuspended, Running, "pp.pwwpp.p", "cccccccc"},
	{"suspended", (*scene).suspend, Suspended, "....ww....", "........"},
	{"blocked and suspended", func(sc *scene) { sc.block(); sc.suspend() }, Blocked, "....ww....", "........"},
	{"suspended by another, with all others", func(sc *scene) {
		sc.other(func(o *Domain) {
			s, err := o.SuspendOthers(context.Background())
			require.NoError(sc.t, err)
			o.Blocking(sc.wait)
			s.Resume()
		})
		sc.poll()
	}, Suspended, ".ww.ww.ww.", ".ww.w..w"},
	{"back from Blocking and suspended", func(sc *scene) {
		sc.block()
		sc.suspend()
		close(sc.gate)
		sc.quiet()
	}, Suspended, "....ww....", "........"},
	{"suspended and interrupted", func(sc *scene) {
		sc.suspend()
		sc.interrupted(func(*Domain) {})
	}, Suspended, "....ww....", "........"},
	{"blocked, suspended and interrupted", func(sc *scene) {
		sc.block()
		sc.suspend()
		sc.interrupted(func(*Domain) {})
	}, Blocked, "....ww....", "........"},
	{"waits to lead", func(sc *scene) {
		over := sc.waitsToLead()
		sc.end = append(sc.end, over)
	}, Blocked, "wwww...www", "cc.cc.cc"},
	{"waits to lead, suspended before its turn", func(sc *scene) {
		over := sc.waitsToLead()
		sc.suspend()
		over()
	}, Blocked, "....ww....", "........"},
	{"waits to lead, suspended with its turn", func(sc *scene) {
		over := sc.waitsToLead()
		sc.interrupted(sc.waits) // keeps it from coming back
		over()
		sc.suspend()
		close(sc.gate)
		sc.quiet()
	}, Suspended, "....ww....", "........"},
	{"leads", func(sc *scene) {
		sc.do(func(d *Domain) {
			sc.w.RunOnAll(d, func(p *Domain, _ *Stop) {
				if p == d {
					sc.wait()
				}
			}, StopOptions{})
		})
	}, Running, "wwwwwwwww.", "cc.ccccc"},
	{"leads and is to be suspended", func(sc *scene) {
		sc.do(func(d *Domain) {
			sc.w.RunOnAll(d, func(p *Domain, _ *Stop) {
				if p == d {
					sc.wait()
				}
			}, StopOptions{})
		})
		sc.toBeSuspended()
	}, Running, "wwwwwwwww.", "cc.ccccc"},
	{"in a stop", func(sc *scene) { sc.handled(true) }, Running, "wwwwwwwww.", "cwwcwccw"},
	{"through a stop", func(sc *scene) { sc.handled(false) }, Running, "wwwwpppwwp", "cwwcwccw"},
	{"blocked and in a stop", func(sc *scene) { sc.blockBehind(); sc.handled(true) }, Blocked, "wwwwwwwww.", "cwwcwccw"},
	{"blocked, in a stop, and wants to come back", func(sc *scene) {
		back := sc.blockBehind()
		sc.handled(true)
		back()
	}, Blocked, "wwwwwwwww.", "cwwcwccw"},
	{"suspended and in a stop", func(sc *scene) { sc.suspend(); sc.handled(true) }, Running, "wwwwww.ww.", "cwwcw.cw"},
	{"blocked, suspended and in a stop", func(sc *scene) { sc.blockBehind(); sc.suspend(); sc.handled(true) }, Blocked, "wwwwww.ww.", "cwwcw.cw"},
	{"in an interrupt", func(sc *scene) { sc.interrupted(sc.waits) }, Running, "ww.wwwww.w", "cccccccc"},
	{"blocked and in an interrupt", func(sc *scene) { sc.blockBehind(); sc.interrupted(sc.waits) }, Blocked, "ww.wwwww.w", "cccccccc"},
	{"blocked, in an interrupt, and wants to come back", func(sc *scene) {
		back := sc.blockBehind()
		sc.interrupted(sc.waits)
		back()
	}, Blocked, "ww.wwwww.w", "cccccccc"},
	{"blocked and owes a panic", func(sc *scene) {
		sc.block()
		sc.interrupted(func(*Domain) { panic("owed") })
	}, Blocked, "..........", "........"},
	{"stopped", (*scene).stopped, Running, "wwwwwwwww.", "cwwcwccw"},
	{"suspended and stopped", func(sc *scene) { sc.suspend(); sc.stopped() }, Running, "wwwwww.ww.", "cwwcw.cw"},
	{"blocked and stopped", func(sc *scene) { sc.block(); sc.stopped() }, Blocked, "wwwwwwwww.", "cwwcwccw"},
	{"ends in an interrupt", func(sc *scene) {
		require.NoError(sc.t, sc.d.Interrupt(sc.waits))
		sc.ends()
	}, Blocked, "ww.wDDDw.w", "cccccDcc"},
	{"ends and is suspended", func(sc *scene) {
		sc.toBeSuspended()
		sc.ends()
	}, Blocked, "....DDD...", ".....D.."},
	{"ends, interrupted and suspended", func(sc *scene) {
		sc.toBeSuspended()
		require.NoError(sc.t, sc.d.Interrupt(func(*Domain) {}))
		sc.ends()
	}, Blocked, "....DDD...", ".....D.."},
	{"ends during a stop", func(sc *scene) { sc.handled(false); sc.ends() }, Blocked, "wwwwDDDww.", "cwwcwDcw"},
	{"ends and is stopped", func(sc *scene) {
		go sc.w.Stop()
		sc.quiet()
		sc.ends()
		sc.end = append(sc.end, sc.w.Start)
	}, Blocked, "wwwwDDDww.", "cwwcwDcw"},
	{"starts", nil, Starting, "wwwwwwwww.", "cwwcwccw"},
	{"starts and is suspended", func(sc *scene) { sc.suspend() }, Starting, "wwwwwwwww.", "cwwcwccw"},
	{"dead", func(sc *scene) { sc.ends() }, Dead, "....DDD...", ".....D.."},
}

func (sc *scene) waits(*Domain) { sc.wait() }

// ends has d end.
func (sc *scene) ends() {
	close(sc.tell)
	sc.tell = nil
	sc.quiet()
}

// blockBehind has d block until the situation has ended, or it is told to come back.
func (sc *scene) blockBehind() (back func()) {
	release := make(chan struct{})
	sc.do(func(d *Domain) {
		d.Blocking(func() {
			select {
			case <-release:
			case <-sc.gate:
			}
		})
	})
	return func() { close(release); sc.quiet() }
}

// arrange brings d into the situation.
func (sc *scene) arrange(arrange func(*scene), state State) {
	if state != Starting {
		sc.spawn()
		arrange(sc)
		return
	}
	sc.w.Stop()
	sc.end = append(sc.end, sc.w.Start)
	sc.spawn()
	if arrange != nil {
		arrange(sc)
	}
}

// over ends the situation, and lets d go on.
func (sc *scene) over() {
	for _, end := range sc.end {
		end()
		sc.quiet()
		sc.poll()
	}
	sc.end = nil
	select {
	case <-sc.gate:
	default:
		close(sc.gate)
	}
	sc.quiet()
	for range 3 {
		sc.poll()
	}
}

// cell asks for something in a situation, and says how it came about.
func (sc *scene) cell(ask func(*scene) error) byte {
	result := make(chan error, 1)
	go func() { result <- ask(sc) }()
	verdict := func(done byte) byte {
		sc.quiet()
		select {
		case err := <-result:
			if err == ErrDead {
				return 'D'
			}
			require.NoError(sc.t, err)
			return done
		default:
			return 0
		}
	}
	if v := verdict('.'); v != 0 {
		return v
	}
	sc.poll()
	if v := verdict('p'); v != 0 {
		return v
	}
	sc.over()
	if v := verdict('w'); v != 0 {
		return v
	}
	return '!'
}

// Each thing that is asked of a domain, or of its world, is done in every situation as
// soon as it should be; and whatever the situation was, all end.
func TestStates_EachAgainstEach(t *testing.T) {
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			got := make([]byte, len(asks))
			for i, a := range asks {
				synctest.Test(t, func(t *testing.T) {
					sc := newScene(t)
					sc.arrange(s.arrange, s.state)
					require.Equal(t, s.state, sc.d.State())
					got[i] = sc.cell(a.ask)
					sc.over()
					if sc.tell != nil {
						sc.ends()
					}
					close(sc.ask)
					join(t, sc.d)
				})
			}
			require.Equal(t, s.want, string(got))
		})
	}
}
