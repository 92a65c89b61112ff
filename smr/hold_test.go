package smr

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/held"
	"github.com/gosmr/gosmr/pcpu"
)

// holdNow holds o in a section of its own.
func holdNow(d *Domain, o *object) Held[object] {
	s := d.Enter()
	defer s.Leave()
	return Hold(s, o)
}

// runs is a callback that counts.
func (o *object) run() { o.runs.Add(1) }

func TestHold_Misuse(t *testing.T) {
	d := newDomain(t, Options{})
	s := d.Enter()
	o := new(object)
	panics := func(text string, fn func()) {
		t.Helper()
		defer func() {
			t.Helper()
			msg, _ := recover().(string)
			require.True(t, strings.HasPrefix(msg, text), "%q", msg)
		}()
		fn()
	}
	panics("smr: Hold of nil", func() { Hold[object](s, nil) })
	h := Hold(s, o)
	c := h
	s.Leave()
	panics("smr: Hold in a section that has been left", func() { Hold(s, o) })
	panics("smr: Hold outside a section", func() { Hold(Section{}, o) })
	require.True(t, h.Active())
	require.Same(t, o, h.Get())
	h.Release()
	require.False(t, h.Active())
	for range 2 {
		panics("smr: Release of a Held that was released before", c.Release)
		panics("smr: Clone of a Held that was released before", func() { c.Clone() })
		panics("smr: Get of a Held that was released before", func() { c.Get() })
		next := holdNow(d, o) // in the same slot, if on the same processor
		defer next.Release()
	}
	var zero Held[object]
	require.False(t, zero.Active())
	panics("smr: Release of a zero Held", zero.Release)
	panics("smr: Clone of a zero Held", func() { zero.Clone() })
	panics("smr: Get of a zero Held", func() { zero.Get() })
}

// A held object's callback waits for Release and runs at once after it, in any kind of section and
// for any alignment; others run on time.
func TestHold_OneObjectStays(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDomain(t, Options{})
				o, other, rest := &object{}, &object{}, &object{}
				s, end := kind(d)()
				h := Hold(s, o)
				end()
				for _, size := range []int{8, 0, 0} {
					Call(d, o, size, (*object).run)
				}
				Call(d, other, 8, (*object).run)
				time.Sleep(time.Hour)
				require.Zero(t, o.runs.Load())
				require.EqualValues(t, 1, other.runs.Load())
				for range 1000 {
					Call(d, rest, 0, (*object).run)
				}
				time.Sleep(time.Second)
				require.EqualValues(t, 1000, rest.runs.Load())
				st := d.Stats()
				require.Equal(t, 1, st.Holds)
				require.EqualValues(t, 3, st.HeldCalls)
				require.EqualValues(t, 8, st.HeldBytes)
				require.EqualValues(t, 8, st.PendingBytes)
				require.Greater(t, st.HeldFor, 59*time.Minute)
				require.Less(t, st.HeldFor, 61*time.Minute)
				h.Release()
				synctest.Wait()
				require.EqualValues(t, 3, o.runs.Load(), "they run as soon as the object is released")
				st = d.Stats()
				require.Zero(t, st.Holds)
				require.Zero(t, st.HeldCalls)
				require.Zero(t, st.HeldBytes)
				require.Zero(t, st.HeldFor)
				require.Zero(t, st.PendingBytes)
			})
		})
	}
}

// Addresses have no bit to spare.
func TestHold_AnyAlignment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{})
		var bytes [9]byte
		s := d.Enter()
		var holds []Held[byte]
		for i := range bytes {
			holds = append(holds, Hold(s, &bytes[i]))
		}
		s.Leave()
		for i := range bytes {
			Call(d, &bytes[i], 1, func(b *byte) { *b = 1 })
		}
		for i, h := range holds {
			time.Sleep(time.Second)
			require.Zero(t, bytes[i])
			h.Release()
			synctest.Wait()
			require.EqualValues(t, 1, bytes[i])
		}
	})
}

// Several holds and clones of one object: the last Release counts, whichever it is.
func TestHold_LastReleaseCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for first := range 4 {
			d := newDomain(t, Options{})
			o := &object{}
			a := holdNow(d, o)
			b := holdNow(d, o)
			holds := []Held[object]{a, b, a.Clone(), b.Clone()}
			Call(d, o, Expedite, (*object).run)
			for i := range holds {
				time.Sleep(time.Second)
				require.Zero(t, o.runs.Load())
				holds[(first+i)%4].Release()
			}
			synctest.Wait()
			require.EqualValues(t, 1, o.runs.Load())
		}
	})
}

// A large size is accounted for as well, and a slow callback may hold and release.
func TestHold_LargeSizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{MaxPending: -1})
		o, small := &object{}, &object{}
		h, hs := holdNow(d, o), holdNow(d, small)
		Call(d, o, 3*largeSize+5, (*object).run)
		Call(d, small, 7, (*object).run)
		time.Sleep(time.Second)
		require.EqualValues(t, 3*largeSize+12, d.Stats().HeldBytes)
		require.EqualValues(t, 3*largeSize+12, d.Stats().PendingBytes)
		require.EqualValues(t, 2, d.Stats().PendingCalls)
		h.Release()
		hs.Release()
		synctest.Wait()
		require.Zero(t, d.Stats().PendingBytes)
		require.Zero(t, d.Stats().PendingCalls)
		require.Zero(t, d.reclaim.handedOver.Load())
	})
}

// Of a chunk whose calls have different sizes, some held, exactly those are kept.
func TestHold_SomeOfAChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{ChunkCalls: 64})
		objects := make([]object, 64)
		var holds []Held[object]
		bytes := 0
		for i := range objects {
			if i%3 == 0 {
				holds = append(holds, holdNow(d, &objects[i]))
				bytes += 10 + i
			}
		}
		for i := range objects {
			Call(d, &objects[i], 10+i, (*object).run)
		}
		time.Sleep(time.Second)
		for i := range objects {
			require.Equal(t, i%3 != 0, objects[i].runs.Load() == 1, i)
		}
		require.EqualValues(t, bytes, d.Stats().PendingBytes)
		require.EqualValues(t, bytes, d.reclaim.handedOver.Load())
		for _, h := range holds {
			h.Release()
		}
		synctest.Wait()
		for i := range objects {
			require.EqualValues(t, 1, objects[i].runs.Load(), i)
		}
		require.Zero(t, d.Stats().PendingBytes)
		require.Zero(t, d.reclaim.handedOver.Load())
	})
}

// Barrier waits for what is held, and says so if it gives up; Synchronize does not wait.
func TestHold_Barrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{})
		o := &object{}
		h := holdNow(d, o)
		require.NoError(t, d.Barrier(t.Context()), "nothing is retired")
		Call(d, o, 8, (*object).run)
		require.NoError(t, d.Synchronize(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := d.Barrier(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "1 call (8 bytes) pending, 0 sections and 1 hold open; no section holds it up, but "+
			"1 call (8 bytes) whose object is held, the first for 1m0s: its Held must be released")
		later := &object{}
		Call(d, later, 8, (*object).run)
		go func() {
			time.Sleep(time.Minute)
			h.Release()
		}()
		require.NoError(t, d.Barrier(t.Context()))
		require.EqualValues(t, 1, o.runs.Load())
	})
}

// Close waits for holds, of retired objects and of others, and says how many there are.
func TestHold_Close(t *testing.T) {
	for _, retired := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := newDomain(t, Options{})
			o := &object{}
			a := holdNow(d, o)
			b := a.Clone()
			if retired {
				Call(d, o, 8, (*object).run)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := d.Close(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "0 sections and 1 hold open; no section holds it up, but ")
			closed := make(chan error)
			go func() { closed <- d.Close(t.Context()) }()
			synctest.Wait()
			c := b.Clone() // no section can be entered any more
			for _, h := range []Held[object]{a, b, c} {
				synctest.Wait()
				require.Empty(t, closed)
				h.Release()
			}
			require.NoError(t, <-closed)
			require.Equal(t, retired, o.runs.Load() == 1)
		})
	}
}

// Several Closes that give up at once, as they wait for a hold, are forgotten, and the last one ends.
// What they have in common is behind a lock: the race detector sees an access without it.
func TestHold_CloseGivenUpTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{})
		h := holdNow(d, &object{})
		ctx, cancel := context.WithCancel(t.Context())
		const closes = 4
		closed := make(chan error, closes+1)
		for range closes {
			go func() { closed <- d.Close(ctx) }()
		}
		go func() { closed <- d.Close(t.Context()) }()
		synctest.Wait()
		cancel()
		for range closes {
			require.ErrorIs(t, <-closed, context.Canceled)
		}
		synctest.Wait()
		require.Empty(t, closed)
		d.reclaim.mu.Lock()
		require.Len(t, d.reclaim.waitForHolds, 1)
		d.reclaim.mu.Unlock()
		h.Release()
		require.NoError(t, <-closed)
	})
}

// Nothing runs while objects are parked, and a Release wakes a reclaimer that has stopped.
func TestHold_NoGoroutineMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{})
		o := &object{}
		h := holdNow(d, o)
		Call(d, o, 8, (*object).run)
		time.Sleep(time.Second)
		require.EqualValues(t, stopped, d.reclaim.state.Load())
		require.EqualValues(t, 1, d.Stats().HeldCalls)
		h.Release()
		synctest.Wait()
		require.EqualValues(t, 1, o.runs.Load())
		require.EqualValues(t, stopped, d.reclaim.state.Load())
	})
}

// An object that is released while a reader stalls the domain is freed at once.
func TestHold_ReleasedInAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{})
		o, stuck := &object{}, &object{}
		h := holdNow(d, o)
		Call(d, o, 8, (*object).run)
		time.Sleep(time.Second)
		s := enterElsewhere(d)
		inside := Hold(s, stuck)
		Call(d, stuck, 8, (*object).run)
		time.Sleep(time.Hour)
		h.Release()
		synctest.Wait()
		require.EqualValues(t, 1, o.runs.Load())
		s.Leave()
		time.Sleep(time.Second)
		require.Zero(t, stuck.runs.Load())
		inside.Release()
		synctest.Wait()
		require.EqualValues(t, 1, stuck.runs.Load())
	})
}

// Held bytes count for Throttle, whose writers go on after the Release.
func TestHold_Throttle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{MaxPending: 100, MaxDelay: 100 * time.Hour})
		o, more := &object{}, &object{}
		h, hm := holdNow(d, o), holdNow(d, more)
		Call(d, o, 60, (*object).run)
		for range 100 {
			require.NoError(t, d.Throttle(t.Context()))
			Call(d, &object{}, 30, (*object).run)
		}
		require.Zero(t, o.runs.Load())
		Call(d, more, 60, (*object).run)
		over := make(chan error)
		go func() { over <- d.Throttle(t.Context()) }()
		synctest.Wait()
		require.Empty(t, over)
		h.Release()
		require.NoError(t, <-over)
		hm.Release()
	})
}

// Calls whose object is released just before they would be parked do not wait for a slow callback,
// though the reclaimer has stopped.
func TestHold_ReadyBehindSlowCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{Workers: 2})
		o := &object{}
		slow := make(chan struct{})
		r := &d.reclaim
		r.called.Add(2)
		c := &chunk{n: 2, held: held.NewSet([]uintptr{uintptr(unsafe.Pointer(o))})}
		wait := func() { <-slow }
		c.entries = []entry{
			{runFunc, *(*unsafe.Pointer)(unsafe.Pointer(&wait))},
			{func(p unsafe.Pointer) { (*object)(p).run() }, unsafe.Pointer(o)},
		}
		r.mu.Lock()
		r.outstanding.add(c)
		r.ready.push(c)
		d.startWorkersLocked()
		r.mu.Unlock()
		time.Sleep(time.Second)
		require.EqualValues(t, 1, o.runs.Load())
		close(slow)
	})
}

// A panic is raised when the chunks that were ready have run, in whichever order their tickets are:
// what was parked has an old one.
func TestHold_PanicWaitsForWhatWasParked(t *testing.T) {
	d := newDomain(t, Options{Workers: 1})
	r := &d.reclaim
	parked, later := &object{}, &object{}
	run := func(p unsafe.Pointer) { (*object)(p).run() }
	chunks := []*chunk{
		{n: 1, entries: []entry{{run, unsafe.Pointer(parked)}}},
		{n: 1, entries: []entry{{func(unsafe.Pointer) { panic("callback") }, unsafe.Pointer(later)}}},
		{n: 1, entries: []entry{{run, unsafe.Pointer(later)}}},
	}
	r.called.Add(3)
	r.mu.Lock()
	for _, c := range chunks {
		r.outstanding.add(c)
	}
	for _, i := range []int{1, 2, 0} {
		r.ready.push(chunks[i])
	}
	r.nWorkers.Add(1)
	r.workers[0].Store(starting)
	r.mu.Unlock()
	var raised any
	func() {
		defer func() { raised = recover() }()
		d.work(&worker{}, nil)
	}()
	require.Equal(t, "callback", raised.(*CallbackPanic).Value)
	require.EqualValues(t, 1, later.runs.Load())
	require.EqualValues(t, 1, parked.runs.Load())
}

// A callback that ends its goroutine, or panics, has another run the rest of its chunk: nothing of it
// is parked twice.
func TestHold_ParkedOnceThoughACallbackExits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var panics []any
		d := newDomain(t, Options{OnPanic: func(p *CallbackPanic) {
			panics = append(panics, p.Value)
			runtime.Goexit()
		}})
		var objects [6]object
		h := holdNow(d, &objects[1])
		for i := range objects {
			Call(d, &objects[i], 8, func(o *object) {
				o.run()
				switch o {
				case &objects[2]:
					runtime.Goexit()
				case &objects[3]:
					panic("callback")
				}
			})
		}
		time.Sleep(time.Second)
		require.EqualValues(t, 1, d.Stats().PendingCalls)
		h.Release()
		synctest.Wait()
		require.Equal(t, []any{"callback"}, panics)
		for i := range objects {
			require.EqualValues(t, 1, objects[i].runs.Load(), i)
		}
	})
}

// HeldFor is the age of the oldest that is parked, in whichever order they are released.
func TestHold_HeldForIsTheOldest(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {1, 0, 2}, {2, 0, 1}, {2, 1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			d := newDomain(t, Options{})
			var objects [3]object
			var holds []Held[object]
			for i := range objects {
				holds = append(holds, holdNow(d, &objects[i]))
				Call(d, &objects[i], Expedite, (*object).run)
				time.Sleep(time.Hour)
			}
			open := []bool{true, true, true}
			for _, i := range order {
				holds[i].Release()
				open[i] = false
				synctest.Wait()
				want := time.Duration(0)
				for j := range open {
					if open[j] {
						want = max(want, time.Duration(len(open)-j)*time.Hour)
					}
				}
				require.Equal(t, want, d.Stats().HeldFor.Round(time.Minute))
			}
		})
	}
}

// Close waits for each of several holds.
func TestHold_CloseWaitsForAll(t *testing.T) {
	for _, retired := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := newDomain(t, Options{})
			var objects [3]object
			var holds []Held[object]
			for i := range objects {
				holds = append(holds, holdNow(d, &objects[i]))
				if retired {
					Call(d, &objects[i], 8, (*object).run)
				}
			}
			closed := make(chan error, 1)
			go func() { closed <- d.Close(t.Context()) }()
			for _, h := range holds {
				synctest.Wait()
				require.Empty(t, closed)
				h.Release()
			}
			require.NoError(t, <-closed)
		})
	}
}

// One clone more than a slot can count is refused, and the others stay.
func TestHold_MostClones(t *testing.T) {
	d := newDomain(t, Options{})
	h := holdNow(d, &object{})
	h.slot.state.Store(h.gen + holdRefs)
	require.PanicsWithValue(t, "smr: Clone of a Held that has four million clones", func() { h.Clone() })
	require.Equal(t, h.gen+holdRefs, h.slot.state.Load())
	h.slot.state.Store(h.gen + holdRef)
	h.Release()
}

// Slots follow the number of holds open at once, however they are released.
func TestHold_Slots(t *testing.T) {
	d := newDomain(t, Options{})
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	s := d.Enter()
	defer s.Leave()
	objects := make([]object, 3000)
	slots := func() (n int) {
		for _, g := range d.holds.All() {
			n += int(g.n.Load())
		}
		return n
	}
	var kept []Held[object]
	for range 3 {
		var holds []Held[object]
		for i := range objects {
			holds = append(holds, Hold(s, &objects[i]))
		}
		require.Equal(t, len(objects)+len(kept), d.Stats().Holds)
		for i, h := range holds {
			if i%100 == 0 {
				kept = append(kept, h)
			} else {
				h.Release()
			}
		}
	}
	for range 100_000 {
		h := Hold(s, &objects[0])
		h.Release()
	}
	if pcpu.Exclusive {
		require.LessOrEqual(t, slots(), 8192+64)
	}
	for _, h := range kept {
		h.Release()
	}
	require.Zero(t, d.Stats().Holds)
}

func TestHold_DoesNotAllocate(t *testing.T) {
	if instrumented || debugging {
		t.Skip("the instrumented code allocates")
	}
	d := newDomain(t, Options{})
	o := new(object)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		s := d.Enter()
		h := Hold(s, o)
		s.Leave()
		c := h.Clone()
		h.Release()
		c.Release()
	}))
}

// HoldPart keeps the whole, and returns the part; so does its clone.
func TestHold_Part(t *testing.T) {
	d := newDomain(t, Options{})
	type whole struct {
		_    [8]int
		part int
		runs atomic.Int32
	}
	o := &whole{part: 7}
	s := d.Enter()
	require.Panics(t, func() { HoldPart(s, o, (*int)(nil)) })
	require.Panics(t, func() { HoldPart(s, (*whole)(nil), &o.part) })
	h := HoldPart(s, o, &o.part)
	s.Leave()
	Call(d, o, Expedite, func(o *whole) { o.runs.Add(1) })
	c := h.Clone()
	h.Release()
	require.NoError(t, held.Of(d).Barrier(watchdogContext(t)))
	require.Equal(t, 7, *c.Get())
	require.Zero(t, o.runs.Load())
	c.Release()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.EqualValues(t, 1, o.runs.Load())
}

// A Barrier that leaves out what is held waits for the callbacks of all else, also of those that were
// called with it.
func TestHold_BarrierOfTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, Options{})
		all := make([]object, 100)
		var holds []Held[object]
		for i := range all {
			if i%3 == 0 {
				holds = append(holds, holdNow(d, &all[i]))
			}
			Call(d, &all[i], 1, (*object).run)
		}
		require.NoError(t, held.Of(d).Barrier(watchdogContext(t)))
		for i := range all {
			require.EqualValues(t, min(1, i%3), all[i].runs.Load())
		}
		over := make(chan error)
		go func() { over <- d.Barrier(watchdogContext(t)) }()
		for _, h := range holds {
			synctest.Wait()
			select {
			case <-over:
				require.Fail(t, "Barrier has returned")
			default:
			}
			h.Release()
		}
		require.NoError(t, <-over)
		require.NoError(t, d.Close(watchdogContext(t)))
		require.ErrorIs(t, held.Of(d).Barrier(watchdogContext(t)), ErrClosed)
	})
}

// Readers hold what they find, use it after their sections, pass it on and clone it, while a writer
// retires it and others come at the same addresses.
func TestHold_Stress(t *testing.T) {
	variants(t, func(t *testing.T, o Options) {
		d := newDomain(t, o)
		const free, live = 0, 1
		pool := make([]object, 8)
		var idle sync.Mutex // guards spare
		var spare []*object
		for i := range pool {
			spare = append(spare, &pool[i])
		}
		take := func() *object {
			idle.Lock()
			defer idle.Unlock()
			if len(spare) == 0 {
				return nil
			}
			o := spare[len(spare)-1]
			spare = spare[:len(spare)-1]
			o.word = live
			return o
		}
		var current Pointer[object]
		current.Init(take())
		handed := make(chan Held[object], 4)
		var stop atomic.Bool
		var early atomic.Int32
		var wg, users sync.WaitGroup
		use := func(h Held[object]) {
			if h.Get().word != live {
				early.Add(1)
			}
			h.Release()
		}
		for r := range 3 {
			wg.Go(func() {
				for i := 0; !stop.Load(); i++ {
					s := d.Enter()
					h := Hold(s, current.Load(s))
					s.Leave()
					if i%3 == r {
						c := h.Clone()
						select {
						case handed <- c:
						default:
							use(c)
						}
					}
					if i%16 == 0 {
						runtime.Gosched()
					}
					use(h)
				}
			})
		}
		users.Go(func() {
			for h := range handed {
				use(h)
			}
		})
		for i := 0; i < rounds(50_000); {
			next := take()
			if next == nil {
				runtime.Gosched()
				continue
			}
			i++
			old := current.LoadSerialized()
			current.Store(next)
			size := 8
			if i%8 == 0 {
				size = Expedite
			}
			Call(d, old, size, func(o *object) {
				o.word = free
				idle.Lock()
				defer idle.Unlock()
				spare = append(spare, o)
			})
			if i%4 == 0 {
				d.Flush()
			}
		}
		stop.Store(true)
		wg.Wait()
		close(handed)
		users.Wait()
		require.NoError(t, d.Barrier(watchdogContext(t)))
		require.Zero(t, early.Load(), "freed while it was held")
		require.Zero(t, d.Stats().Holds)
		require.Zero(t, d.Stats().HeldCalls)
		require.Len(t, spare, len(pool)-1)
	})
}

// Holds are taken, on processors that come and go, and nothing held is freed.
func TestHold_WhileGOMAXPROCSChanges(t *testing.T) {
	d := newDomain(t, Options{ChunkCalls: 3})
	var wg sync.WaitGroup
	var early atomic.Int32
	for range 4 {
		wg.Go(func() {
			for range rounds(5000) {
				o := &object{word: 1}
				h := holdNow(d, o)
				Call(d, o, 8, func(o *object) { o.word = 0 })
				runtime.Gosched()
				if h.Get().word != 1 {
					early.Add(1)
				}
				h.Release()
			}
		})
	}
	changeGOMAXPROCS(20)
	wg.Wait()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.Zero(t, early.Load())
}

// A Held is small, and a slot a part of a cache line.
func TestHold_Sizes(t *testing.T) {
	if !debugging {
		require.LessOrEqual(t, unsafe.Sizeof(Held[object]{}), uintptr(24))
	}
	require.LessOrEqual(t, unsafe.Sizeof(holdSlot{}), uintptr(48))
}
