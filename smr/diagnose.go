package smr

import (
	"runtime"
	"time"
	"unsafe"

	"github.com/gosmr/gosmr/clock"
)

// A Diagnosis says what a domain waits for, and where its calls are. Package smrdebug shows it.
//
//	Call ──▶ Collecting ──▶ Waiting ──▶ Ready ──▶ Running ──▶ done
//	                                      ▲          │ the object is held
//	                                      └── Held ◀─┘
type Diagnosis struct {
	Stats
	Closed bool // Close was called

	// The options that are in force.
	MaxPending     int64
	MaxDelay       time.Duration
	CheckIn        time.Duration
	StallAfter     time.Duration
	MaxWorkers     int
	SampleSections int

	// Grace is the age of the oldest grace period that calls or parked waits wait for; 0: none does.
	Grace time.Duration

	// Graces are the last grace periods for which calls waited, the newest last.
	Graces []time.Duration

	// How long calls have waited since New, once they were handed over: for each such grace period,
	// until its calls were ready; and for each callback, from then until it had returned, counted by
	// whole chunks. The sum of both is how late memory is given back; a call whose object was held
	// counts from its Release.
	GraceTimes, CallbackTimes Histogram

	// Readers are open sections, the oldest first. Those that were entered after the last grace period
	// began may be in any order.
	Readers []OpenSection

	// Where the pending calls are. Collecting is on the processors that called, and has no time.
	Collecting, Waiting, Ready, Running, Held Stage

	Parked    []HeldObject // the held objects with pending calls, the oldest first
	Throttled int          // writers that wait in Throttle
	Barriers  int          // waits in Barrier, and in Close

	Reclaimer string // stopped, asleep (until its check-in or a chunk), patient or awake
	Late      Lateness
}

// A Stage is what is in one of the stages of pending calls.
type Stage struct {
	Calls, Bytes int64
	For          time.Duration // how long the oldest of it has been there
}

// An OpenSection is a reader in its section.
type OpenSection struct {
	StalledReader

	// Blocks says that a grace period waits for it, for which calls wait.
	Blocks bool

	// What waits for it, and perhaps for others as well. HeldBack is what is in Collecting, and what
	// waits for a grace period that began when it was open.
	HeldBack Stage
}

// A HeldObject is an object with pending calls that wait for its Release.
type HeldObject struct {
	Callback string // the function of the newest call
	Stage
	Stacks []string // of Holds; only under -tags invariants
}

// Diagnose returns a snapshot, which lists at most n readers and as many held objects. Like Stats it
// may miss concurrent changes. It changes nothing. It asks a Quiescent what it is (see
// [Quiescent.Describe]) only if a grace period waits for it, and few of them. Cost: that of Stats, and
// some microseconds for each stack.
func (d *Domain) Diagnose(n int) Diagnosis {
	first, parkedFor := d.clk.Parked()
	blocking := d.clk.Blocking(d.clk.DeferredAdvance())
	dg := Diagnosis{
		Closed:         d.Closed(),
		MaxPending:     d.opts.MaxPending,
		MaxDelay:       d.opts.MaxDelay,
		CheckIn:        d.CheckIn(),
		StallAfter:     d.opts.StallAfter,
		MaxWorkers:     d.opts.Workers,
		SampleSections: d.clk.Sampling(),
		Grace:          parkedFor,
		Reclaimer:      reclaimerStates[d.reclaim.state.Load()],
		Readers:        make([]OpenSection, min(n, len(blocking))),
	}
	blocking = blocking[:len(dg.Readers)]
	d.diagnoseCalls(&dg, blocking, first, n)
	asked := 0
	for i, b := range blocking {
		s := &dg.Readers[i]
		s.StalledReader = d.stalled(b)
		if s.Blocks && s.name != nil && asked < maxNamed {
			asked++
			d.descriptions.ask(&s.StalledReader)
		}
		s.locate()
		s.name = nil
		if s.Blocks {
			s.Age = max(s.Age, s.HeldBack.For) // it was open when that began to wait
		}
	}
	return dg
}

var reclaimerStates = [...]string{stopped: "stopped", asleep: "asleep", patient: "patient", awake: "awake"}

// diagnoseCalls fills in what the reclaimer knows. first is the oldest goal that a wait is parked for.
func (d *Domain) diagnoseCalls(dg *Diagnosis, blocking []clock.Blocker, first Seq, n int) {
	r := &d.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	now := d.age()
	if c := r.waiting.head; c != nil {
		if first == 0 || c.goal.Before(first) {
			first = c.goal
		}
		dg.Grace = max(dg.Grace, time.Duration(now-c.since))
	}
	dg.Late = r.punctual.lateness(now)
	dg.Graces = r.graces.all()
	dg.GraceTimes, dg.CallbackTimes = r.graceTimes.snapshot(), r.callbackTimes.snapshot()
	dg.Throttled, dg.Barriers = len(r.throttled), len(r.barriers)
	d.stagesLocked(dg, now)
	dg.Parked = d.parkedLocked(n, now)

	// The goals ascend, and so do the moments that the readers have reached.
	var passed amount
	c := r.waiting.head
	for i, b := range blocking {
		for ; c != nil && !b.HoldsBack(c.goal); c = c.next {
			passed.add(c.amount())
		}
		back := amount{dg.Collecting.Calls, dg.Collecting.Bytes}
		back.add(r.waiting.amount)
		back.sub(passed)
		dg.Readers[i].Blocks = first != 0 && b.HoldsBack(first)
		dg.Readers[i].HeldBack = stage(back, c, now)
	}
}

func stage(a amount, oldest *chunk, now int64) Stage {
	s := Stage{Calls: a.calls, Bytes: a.bytes}
	if oldest != nil {
		s.For = time.Duration(now - oldest.since)
	}
	return s
}

// stagesLocked fills in the stages.
func (d *Domain) stagesLocked(dg *Diagnosis, now int64) {
	r := &d.reclaim
	dg.Waiting = stage(r.waiting.amount, r.waiting.head, now)
	dg.Ready = stage(r.ready.amount, r.ready.head, now)
	var running amount
	var oldest *chunk
	for _, c := range r.running {
		if c == nil {
			continue
		}
		running.add(c.run)
		if oldest == nil || c.since < oldest.since {
			oldest = c
		}
	}
	dg.Running = stage(running, oldest, now)
	dg.Held = Stage{Calls: r.heldCalls.Load(), Bytes: r.heldBytes.Load(), For: d.heldFor()}
	st := d.Stats() // here: what has moved on since is in the stages, or done
	dg.Stats = st
	dg.Collecting = Stage{
		Calls: max(0, st.PendingCalls-dg.Waiting.Calls-dg.Ready.Calls-dg.Running.Calls-dg.Held.Calls),
		Bytes: max(0, st.PendingBytes-dg.Waiting.Bytes-dg.Ready.Bytes-dg.Running.Bytes-dg.Held.Bytes),
	}
}

// parkedLocked lists the oldest held objects.
func (d *Domain) parkedLocked(n int, now int64) (held []HeldObject) {
	for o := d.reclaim.byAge.oldest; o != nil && len(held) < n; o = o.newer {
		h := HeldObject{Callback: callbackName(o.calls.entries[0].fn)}
		for c := o.calls; c != nil; c = c.next {
			a := c.amount()
			h.Calls, h.Bytes = h.Calls+a.calls, h.Bytes+a.bytes
		}
		h.For = time.Duration(now - o.since)
		h.Stacks = d.holdStacksOf(o.addr)
		held = append(held, h)
	}
	return held
}

// callbackName returns the name of an entry's function.
func callbackName(fn func(unsafe.Pointer)) string {
	if f := runtime.FuncForPC(**(**uintptr)(unsafe.Pointer(&fn))); f != nil {
		return f.Name()
	}
	return "unknown"
}
