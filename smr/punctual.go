package smr

import (
	"sync/atomic"
	"time"
)

// A punctuality says how late the reclaimer runs. It is due when it has asked for that, by its timer,
// or when a call starts it. What makes it late is a processor that it does not get, or work of its own
// that takes long: a Quiescent's report function that blocks, say.
//
// The words are for people, and no step depends on them: so package sched does not interleave them.
// Times are those of Domain.age.
type punctuality struct {
	// due is when it must run next; 0: it is stopped. Stored by the reclaimer, and by the call that
	// starts it before its goroutine exists; loaded by Diagnose.
	due atomic.Int64

	// How late it ran last, and at most, and when that was. Stored by the reclaimer, loaded by Diagnose.
	late, worst, worstAt atomic.Int64
}

// expect says when the reclaimer is due next.
func (p *punctuality) expect(due int64) { p.due.Store(due) }

// runs notes that the reclaimer runs now. If it was not due yet, it was not late.
func (p *punctuality) runs(now int64) {
	due := p.due.Load()
	if due == 0 {
		return
	}
	late := max(0, now-due)
	p.late.Store(late)
	if late >= p.worst.Load() {
		p.worst.Store(late)
		p.worstAt.Store(now)
	}
}

// Lateness is how late a domain's reclaimer runs: its goroutine, which drives grace periods and
// starts workers. See [Diagnosis].
type Lateness struct {
	Now      time.Duration // it should have run so long ago, and has not
	Last     time.Duration // how late it ran last
	Worst    time.Duration // how late it ran at most, since New
	WorstAgo time.Duration // how long ago that was
}

func (p *punctuality) lateness(now int64) Lateness {
	l := Lateness{Last: time.Duration(p.late.Load()), Worst: time.Duration(p.worst.Load())}
	if due := p.due.Load(); due != 0 && due < now {
		l.Now = time.Duration(now - due)
	}
	if l.Worst > 0 {
		l.WorstAgo = time.Duration(now - p.worstAt.Load())
	}
	return l
}

// recentGraces are the last grace periods for which calls waited: from the intake of the oldest
// chunk until it was ready.
type recentGraces struct {
	last [128]time.Duration
	n    uint64 // in all
}

func (g *recentGraces) add(took int64) {
	g.last[g.n%uint64(len(g.last))] = time.Duration(took)
	g.n++
}

// all returns them, the oldest first.
func (g *recentGraces) all() []time.Duration {
	n := uint64(len(g.last))
	if g.n <= n {
		return append([]time.Duration(nil), g.last[:g.n]...)
	}
	at := g.n % n
	return append(append([]time.Duration(nil), g.last[at:]...), g.last[:at]...)
}
