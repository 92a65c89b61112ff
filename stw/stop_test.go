package stw

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// Property 1: the loser of a try serves the winner, and its own handler does not
// run.
func TestTryRunOnAll_LoserServesWinner(t *testing.T) {
	w := newWorld(t, Options{})
	leading, tried := make(chan struct{}), make(chan struct{})
	var won, lost atomic.Int32
	loser := spawn(t, w, func(d *Domain) {
		d.Blocking(func() { <-leading })
		// The winner is in Setup: it leads and has told nobody.
		require.False(t, w.TryRunOnAll(d, func(*Domain, *Stop) { lost.Add(1) }, StopOptions{}))
		require.Zero(t, won.Load())
		close(tried)
		for won.Load() == 0 {
			require.False(t, w.TryRunOnAll(d, func(*Domain, *Stop) { lost.Add(1) }, StopOptions{}))
		}
	})
	waitState(t, loser, Blocked)
	asDomain(t, w, func(d *Domain) {
		require.True(t, w.TryRunOnAll(d, func(_ *Domain, s *Stop) {
			require.Same(t, d, s.Leader())
			won.Add(1)
			s.Barrier(nil)
		}, StopOptions{Setup: func(*Stop) { close(leading); <-tried }}))
	})
	join(t, loser)
	require.EqualValues(t, 2, won.Load())
	require.Zero(t, lost.Load())
}

// Properties 1 and 2: one stop at a time, each of them runs for every domain
// exactly once, and while it does nobody runs code of the user's. The plain words
// are for the race detector.
func TestRunOnAll_OneAtATime(t *testing.T) {
	w := newWorld(t, Options{})
	const n = 6
	type counters struct {
		steps int // the domain's own
		_     [64]byte
	}
	var own [n]counters
	inStop, stops := 0, 0
	var domains []*Domain
	for i := range n {
		domains = append(domains, spawn(t, w, func(d *Domain) {
			for k := range rounds(300) {
				own[i].steps++
				d.Poll()
				if k%3 != 0 {
					continue
				}
				ran := make(map[*Domain]int)
				var mu sync.Mutex
				w.RunOnAll(d, func(p *Domain, s *Stop) {
					s.Barrier(func() {
						inStop++
						for j := range own {
							own[j].steps++ // of domains that are stopped
						}
					})
					mu.Lock()
					ran[p]++
					mu.Unlock()
					s.Barrier(func() {
						require.Equal(t, 1, inStop)
						require.Len(t, ran, len(s.Participants()))
						for _, p := range s.Participants() {
							require.Equal(t, 1, ran[p])
						}
						inStop--
						stops++
					})
				}, StopOptions{})
			}
		}))
	}
	join(t, domains...)
	require.Equal(t, n*((rounds(300)+2)/3), stops)
	for i := range own {
		require.Equal(t, rounds(300)+stops, own[i].steps)
	}
}

// Property 2: all fields are set before anybody is asked, the only participant
// waits for nobody.
func TestRunOnAll_SoleParticipant(t *testing.T) {
	w := newWorld(t, Options{})
	asDomain(t, w, func(d *Domain) {
		order := []string{}
		require.True(t, w.TryRunOnAll(d, func(p *Domain, s *Stop) {
			require.Same(t, d, p)
			require.Equal(t, []*Domain{d}, s.Participants())
			s.Barrier(func() { order = append(order, "last") })
			order = append(order, "handler")
		}, StopOptions{Setup: func(s *Stop) {
			require.Equal(t, []*Domain{d}, s.Participants())
			order = append(order, "setup")
		}}))
		require.Equal(t, []string{"setup", "last", "handler"}, order)
	})
}

// Property 2: an asynchronous stop keeps others from leading until all its handlers
// have ended, and its leader goes on.
func TestRunOnAll_Async(t *testing.T) {
	w := newWorld(t, Options{})
	letPoll, ended := make(chan struct{}), make(chan struct{})
	other := spawn(t, w, func(d *Domain) {
		<-letPoll // running, and not polling
		d.Poll()
		<-ended
	})
	waitState(t, other, Running)
	var ran atomic.Int32
	asDomain(t, w, func(d *Domain) {
		require.True(t, w.TryRunOnAll(d, func(*Domain, *Stop) { ran.Add(1) }, StopOptions{Async: true}))
		require.EqualValues(t, 1, ran.Load(), "its own")
		require.False(t, w.TryRunOnAll(d, func(*Domain, *Stop) {}, StopOptions{}))
		close(letPoll)
		for !w.TryRunOnAll(d, func(*Domain, *Stop) {}, StopOptions{Async: true}) {
			d.Relax()
		}
		require.EqualValues(t, 2, ran.Load())
		close(ended)
	})
	join(t, other)
}

// Property 5: the last one out ends the section, whoever that is; those who have
// left run on meanwhile, and can't begin another.
func TestRunOnAll_LastOneOutEnds(t *testing.T) {
	w := newWorld(t, Options{})
	release, out := make(chan struct{}), make(chan struct{})
	var slowIn, earlyIn atomic.Bool // their handlers were run
	slow := spawn(t, w, func(d *Domain) {
		for !slowIn.Load() {
			d.Relax()
		}
	})
	early := spawn(t, w, func(d *Domain) {
		for !earlyIn.Load() {
			d.Relax()
		}
		close(out)
		for range 100 { // the leader leaves soon
			require.False(t, w.TryRunOnAll(d, func(*Domain, *Stop) {}, StopOptions{}))
			d.Relax()
		}
		close(release)
	})
	waitState(t, slow, Running)
	waitState(t, early, Running)
	ended := false
	asDomain(t, w, func(d *Domain) {
		within(t, func() {
			w.RunOnAll(d, func(p *Domain, s *Stop) {
				s.Barrier(nil)
				switch p {
				case slow:
					slowIn.Store(true)
					<-release
					ended = true
				case early:
					earlyIn.Store(true)
				}
			}, StopOptions{})
		})
		require.True(t, ended, "the leader waits for all handlers")
	})
	<-out
	join(t, slow, early)
}

// No handler runs before all participants have come in.
func TestRunOnAll_WaitsForAll(t *testing.T) {
	w := newWorld(t, Options{})
	poll := make(chan struct{})
	late := spawn(t, w, func(d *Domain) {
		<-poll
		d.Poll()
	})
	waitState(t, late, Running)
	c := startCrowd(t, w, 2)
	blocked, release := startBlocked(t, w)
	var ran atomic.Int32
	leader := spawn(t, w, func(d *Domain) {
		w.RunOnAll(d, func(*Domain, *Stop) { ran.Add(1) }, StopOptions{})
	})
	waitFor(t, func() bool { s := w.stop.Load(); return s != nil && s.entry.Load() == 1 })
	for range 100 {
		runtime.Gosched()
	}
	require.Zero(t, ran.Load())
	close(poll)
	join(t, leader, late)
	require.EqualValues(t, 5, ran.Load())
	close(release)
	join(t, blocked)
	c.end(t)
}

// Property 4: work while waiting to come in is optional and bounded.
func TestRunOnAll_EnterWork(t *testing.T) {
	w := newWorld(t, Options{})
	enough := make(chan struct{})
	late := spawn(t, w, func(d *Domain) {
		<-enough
		d.Poll()
	})
	waitState(t, late, Running)
	asDomain(t, w, func(d *Domain) {
		worked := 0
		w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{EnterWork: func(p *Domain, _ *Stop) bool {
			if p == d {
				if worked++; worked == 10 {
					close(enough)
				}
			}
			return worked < 10
		}})
		require.Equal(t, 10, worked)
	})
	join(t, late)

	// It may panic like a handler, which is run all the same.
	enough = make(chan struct{})
	var ran atomic.Int32
	late = spawn(t, w, func(d *Domain) {
		<-enough
		d.Poll()
	})
	waitState(t, late, Running)
	asDomain(t, w, func(d *Domain) {
		p := panicOf(t, func() {
			w.RunOnAll(d, func(_ *Domain, s *Stop) { s.Barrier(nil); ran.Add(1) }, StopOptions{
				EnterWork: func(*Domain, *Stop) bool { close(enough); panic("work") },
			})
		})
		require.Equal(t, []any{"work", "EnterWork"}, []any{p.Value, p.What})
		require.EqualValues(t, 2, ran.Load())
	})
	join(t, late)
}

func TestRunOnAll_InsideHandlerPanics(t *testing.T) {
	w := newWorld(t, Options{})
	other := newWorld(t, Options{})
	asDomain(t, w, func(d *Domain) {
		for _, misuse := range []func(){
			func() { w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{}) },
			func() { w.TryRunOnAll(d, func(*Domain, *Stop) {}, StopOptions{}) },
			func() { d.ForEach(func(*Domain) {}) },
			func() { d.Blocking(func() {}) },
			func() { d.Deregister() },
		} {
			w.RunOnAll(d, func(*Domain, *Stop) { require.Panics(t, misuse) }, StopOptions{})
			require.NoError(t, d.Interrupt(func(*Domain) { require.Panics(t, misuse) }))
			d.Poll()
		}
		require.Panics(t, func() { other.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{}) })
		d.Blocking(func() { require.Panics(t, func() { w.TryRunOnAll(d, func(*Domain, *Stop) {}, StopOptions{}) }) })
	})
}

// A panic in a handler reaches the leader, when the others are done; they do not
// wait for the one that panicked.
func TestPanic_InHandler(t *testing.T) {
	w := newWorld(t, Options{})
	c := startCrowd(t, w, 3)
	var after atomic.Int32
	asDomain(t, w, func(d *Domain) {
		for _, o := range []StopOptions{{}, {Async: true}} {
			for _, who := range []*Domain{d, c.domains[0]} {
				after.Store(0)
				p := panicOf(t, func() {
					w.RunOnAll(d, func(p *Domain, s *Stop) {
						if p == who {
							panic("handler")
						}
						s.Barrier(nil)
						after.Add(1)
					}, o)
					for { // an asynchronous one's comes with a poll
						d.Relax()
					}
				})
				require.Equal(t, "handler", p.Value)
				require.Equal(t, who.ID(), p.Domain)
				require.Contains(t, string(p.Stack), "TestPanic_InHandler")
				waitFor(t, func() bool { return after.Load() == 3 })
				w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{}) // the world goes on
			}
		}
		require.PanicsWithValue(t, "setup", func() {
			w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{Setup: func(*Stop) { panic("setup") }})
		})
		w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{})
		p := panicOf(t, func() {
			w.RunOnAll(d, func(*Domain, *Stop) { panic("all") }, StopOptions{})
		})
		require.Len(t, p.Also, len(c.domains))
		require.Regexp(t, `^stw: a stop handler panicked for domain \d+: all\n\ngoroutine \d+ `, p.Error())
		w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{})
	})
	c.end(t)
}

// panicOf returns the Panic that fn panics with.
func panicOf(t *testing.T, fn func()) (p *Panic) {
	t.Helper()
	defer func() {
		var ok bool
		p, ok = recover().(*Panic)
		require.True(t, ok, "want a *Panic")
	}()
	within(t, fn)
	return nil
}

// A handler that ends its goroutine does not leave the world stopped.
func TestGoexit_InHandler(t *testing.T) {
	w := newWorld(t, Options{})
	c := startCrowd(t, w, 2)
	blocked, release := startBlocked(t, w)
	asDomain(t, w, func(d *Domain) {
		for _, who := range []*Domain{blocked, c.domains[0]} {
			within(t, func() {
				w.RunOnAll(d, func(p *Domain, s *Stop) {
					if p == who {
						runtime.Goexit()
					}
					s.Barrier(nil)
				}, StopOptions{})
			})
		}
		d.Blocking(func() { join(t, c.domains[0]) })
		w.RunOnAll(d, func(p *Domain, s *Stop) {
			s.Barrier(nil)
			if p == d {
				runtime.Goexit()
			}
		}, StopOptions{})
		t.Error("Goexit was swallowed")
	})
	close(release)
	join(t, blocked)
	c.end(t)
}

// Nor does it take a panic of another handler with it, or leave the stop before that has run.
func TestGoexit_InHandlerOfLeader(t *testing.T) {
	w := newWorld(t, Options{})
	c := startCrowd(t, w, 1)
	gate := make(chan struct{})
	var value any
	leader := spawn(t, w, func(d *Domain) {
		defer func() { value = recover() }()
		w.RunOnAll(d, func(p *Domain, s *Stop) {
			s.Barrier(nil)
			if p == d {
				defer close(gate)
				runtime.Goexit()
			}
			<-gate
			panic("owed")
		}, StopOptions{})
	})
	join(t, leader)
	stop := w.stop.Load()
	c.end(t)
	p, ok := value.(*Panic)
	require.True(t, ok, "%v", value)
	require.Equal(t, "owed", p.Value)
	require.Nil(t, stop)
}

// startBlocked returns a domain that is in Blocking until release is closed.
func startBlocked(t testing.TB, w *World) (d *Domain, release chan struct{}) {
	t.Helper()
	release = make(chan struct{})
	d = spawn(t, w, func(d *Domain) { d.Blocking(func() { <-release }) })
	waitState(t, d, Blocked)
	return d, release
}

func TestStopStart(t *testing.T) {
	w := newWorld(t, Options{})
	var steps [3]int // plain
	var quit atomic.Bool
	var domains []*Domain
	for i := range steps {
		domains = append(domains, spawn(t, w, func(d *Domain) {
			for !quit.Load() {
				steps[i]++
				d.Relax()
			}
		}))
	}
	blocked, release := startBlocked(t, w)
	for range rounds(200) {
		w.Stop()
		before := steps
		require.False(t, w.lead(new(Stop), 0), "no stop begins")
		var returned atomic.Bool
		other := make(chan struct{})
		go func() {
			w.Stop() // waits for Start
			returned.Store(true)
			w.Start()
			close(other)
		}()
		runtime.Gosched()
		require.Equal(t, before, steps)
		require.False(t, returned.Load())
		w.Start()
		<-other
	}
	require.Panics(t, w.Start)

	// Without anybody, too; and new domains wait.
	quit.Store(true)
	close(release)
	join(t, append(domains, blocked)...)
	w.Stop()
	d := spawn(t, w, func(*Domain) {})
	require.Equal(t, Starting, d.State())
	w.Start()
	join(t, d)

	// A domain may stop the world from Blocking.
	c := startCrowd(t, w, 2)
	asDomain(t, w, func(d *Domain) {
		d.Blocking(func() {
			w.Stop()
			w.Start()
		})
	})
	c.end(t)
}

// 64 domains on two processors are as live as two.
func TestLiveness_ManyDomains(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	w := newWorld(t, Options{})
	c := startCrowd(t, w, 64)
	asDomain(t, w, func(d *Domain) {
		within(t, func() {
			for range rounds(50) {
				w.RunOnAll(d, func(_ *Domain, s *Stop) { s.Barrier(nil); s.Barrier(nil) }, StopOptions{})
				d.ForEach(func(*Domain) {})
			}
		})
	})
	c.end(t)
}
