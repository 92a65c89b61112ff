package stw

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gosmr/gosmr/internal/goid"
	"github.com/gosmr/gosmr/internal/sched"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// A Stall reports a wait that takes longer than [Options.StallAfter]: a domain does not come to a
// safe point, or a function at one does not return. Nothing is lost: the wait goes on.
type Stall struct {
	Wait    string        // what waits: Stop, RunOnAll, TryRunOnAll, ForEach, Suspend or SuspendOthers
	Age     time.Duration // since it began to wait
	Stopped bool          // World.Stop has stopped the world, and it waits for Start
	Domains []StalledDomain
}

// A StalledDomain is a domain that a wait depends on.
type StalledDomain struct {
	Domain *Domain
	State  State

	// Doing is what runs for the domain at its safe point, or "" if nothing does.
	Doing string

	// Silent is for how long, at least, a running domain has not polled. It is 0 if the domain has
	// polled, or the wait is for the end of another stop.
	Silent time.Duration

	// Blocked is what a running domain's goroutine blocks in, such as "chan receive", although it is not
	// in Blocking: all that wait for it wait for that. It is "" if it does not block, or Stack is "".
	Blocked string

	// Stack is the stack of the domain's goroutine. It is "" if Options.OnStall is not set, while a
	// stand-in acts for the domain, and perhaps in a program with thousands of goroutines.
	Stack string
}

// String describes the stall and its domains.
func (s Stall) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stw: %s has waited for %v", s.Wait, s.Age.Round(time.Millisecond))
	if s.Stopped {
		b.WriteString(", the world is stopped and waits for Start")
	}
	for _, d := range s.Domains {
		fmt.Fprintf(&b, "; waits for %v", d)
	}
	return b.String()
}

// String describes the domain. If its stack is known, that comes last, in lines of its own.
func (d StalledDomain) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v, %v", d.Domain, d.State)
	if d.Doing != "" {
		b.WriteString(", in " + d.Doing)
	}
	if d.Silent > 0 {
		fmt.Fprintf(&b, ", no poll for at least %v", d.Silent.Round(time.Millisecond))
	}
	if d.Blocked != "" {
		fmt.Fprintf(&b, ", blocks outside of Blocking (%s): call what may block in Domain.Blocking", d.Blocked)
	}
	if d.Stack != "" {
		b.WriteString(", at:\n" + d.Stack)
	}
	return b.String()
}

// logStall is the default Options.OnStall.
func logStall(s Stall) { slog.Warn(s.String()) }

// A wait is a call that waits for domains: it ends with ctx, and is reported if it takes long, unless w
// is nil.
type wait struct {
	ctx context.Context
	w   *World
	op  string
	of  awaited
}

// An awaited is what a wait waits for.
type awaited interface {
	// missing returns the domains on which the wait depends now. began is when it began.
	missing(began time.Time) []StalledDomain
}

// on waits on c until done returns true or the context ends. The caller holds c's lock.
func (x *wait) on(c *ssync.Cond, done func() bool) error {
	if done() {
		return nil
	}
	if x.w != nil && x.w.opts.StallAfter > 0 {
		defer x.watch().end()
	}
	return sleepCond(x.ctx, c, done)
}

// A watch reports a wait each time its age has doubled. It is a timer, which exists only while the
// wait is parked, and which does not wake it.
type watch struct {
	wait
	began time.Time

	mu    sync.Mutex // guards the rest
	timer *time.Timer
	ended bool
}

// maxStall is the greatest age at which a wait is reported. Only the time of a testing/synctest
// bubble gets there: with no timer left, a deadlock in the bubble shows as one.
const maxStall = 1 << 61 * time.Nanosecond

func (x *wait) watch() *watch {
	t := &watch{wait: *x, began: time.Now()}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(x.w.opts.StallAfter, sched.Detached(t.report))
	return t
}

// end ends the watch. It does not wait for a report that has begun.
func (t *watch) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.timer.Stop()
}

// report reports the wait, unless it has ended, and sets the timer for the next report.
func (t *watch) report() {
	t.mu.Lock()
	ended := t.ended
	t.mu.Unlock()
	if ended {
		return
	}
	st := Stall{Wait: t.op, Age: time.Since(t.began), Domains: t.of.missing(t.began)}
	if s := t.w.stop.Load(); s != nil {
		st.Stopped = s.held()
	}
	if len(st.Domains) > 0 || st.Stopped { // else it is about to end
		addStacks(st.Domains)
		t.w.opts.OnStall(st)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended && st.Age < maxStall/2 {
		t.timer.Reset(2*st.Age - time.Since(t.began))
	}
}

// addStacks completes the domains for which their own goroutines act. The phase, under its lock, is
// read before goid, which is written before a domain is no longer starting.
func addStacks(domains []StalledDomain) {
	var stacks map[uint64]string
	for i := range domains {
		d := &domains[i]
		if p := d.Domain.currentPhase(); p == starting || p.standsIn() || d.Domain.goid == 0 {
			continue
		}
		if stacks == nil {
			stacks = goid.Stacks()
		}
		d.Stack = stacks[d.Domain.goid]
		if d.State == Running && d.Doing == "" {
			d.Blocked = goid.Blocked(d.Stack)
		}
	}
}

// gaveUp returns the error of a wait for the end of live domains, whose context has ended by cause.
func gaveUp(what string, cause error, live int, domains ...*Domain) error {
	var b strings.Builder
	for i, d := range domains {
		if i == maxNamed {
			b.WriteString("; waits for others")
			break
		}
		d.mu.Lock()
		fmt.Fprintf(&b, "; waits for %v", d.stalledLocked(time.Time{}))
		d.mu.Unlock()
	}
	return fmt.Errorf("stw: %s gave up: %w; domains that must end: %d%s", what, cause, live, b.String())
}

// maxNamed is how many domains an error names.
const maxNamed = 4

// stalledLocked describes the domain to a wait. If asked is not zero, the domain was asked by then
// for what the wait waits for, and has not begun with it.
func (d *Domain) stalledLocked(asked time.Time) StalledDomain {
	sd := StalledDomain{Domain: d, State: phases[d.phase].state, Doing: d.doingLocked()}
	if d.phase == running && !asked.IsZero() {
		if d.passed.After(asked) {
			asked = d.passed
		}
		sd.Silent = time.Since(asked)
	}
	return sd
}

// doingLocked says what runs for the domain at its safe point.
func (d *Domain) doingLocked() string {
	switch of := d.doing.(type) {
	case *Stop:
		return "a stop handler"
	case *ragged:
		return "a ragged barrier's function"
	case string:
		return of
	}
	return ""
}

// missing returns the participants that have not come or, if all have, those whose handlers run.
func (s *Stop) missing(began time.Time) (domains []StalledDomain) {
	allIn := s.entry.Load() <= 0 || s.opts.Async
	for _, p := range s.participants {
		p.mu.Lock()
		switch {
		case p.noted.stop == s:
			domains = append(domains, p.stalledLocked(began))
		case allIn && p.doing == any(s) && !s.held():
			domains = append(domains, p.stalledLocked(time.Time{}))
		}
		p.mu.Unlock()
	}
	return domains
}

// held reports whether the stop is one of World.Stop, in which all are.
func (s *Stop) held() bool { return s.leader == nil && s.entry.Load() == 0 }

// A turn is what a stop in the queue waits for.
type turn struct{ s *Stop }

// missing returns what the stop in progress waits for or, if there is none, the domain that has its
// turn to lead.
func (t turn) missing(time.Time) (domains []StalledDomain) {
	w := t.s.w
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.stop.Load()
	if s != nil {
		domains = s.missing(time.Time{})
	} else {
		s = w.turnLocked()
	}
	if s == nil || s == t.s || s.leader == nil || len(domains) > 0 {
		return domains
	}
	s.leader.mu.Lock()
	defer s.leader.mu.Unlock()
	return []StalledDomain{s.leader.stalledLocked(time.Time{})}
}

// A soloTurn is what a call of SuspendOthers in the queue waits for.
type soloTurn struct{ s *Suspension }

// missing returns the domain that has suspended the others.
func (t soloTurn) missing(time.Time) []StalledDomain {
	w := t.s.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.solos) == 0 {
		return nil
	}
	d := w.solos[0].solo
	d.mu.Lock()
	defer d.mu.Unlock()
	return []StalledDomain{d.stalledLocked(time.Time{})}
}

// missing returns the domains that have not come, and those for which the function runs.
func (r *ragged) missing(began time.Time) (domains []StalledDomain) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	for _, d := range r.w.set {
		d.mu.Lock()
		switch {
		case slices.Contains(d.noted.ragged, r):
			domains = append(domains, d.stalledLocked(began))
		case d.doing == any(r):
			domains = append(domains, d.stalledLocked(time.Time{}))
		}
		d.mu.Unlock()
	}
	return domains
}

// A suspensionWait is what Suspend waits for.
type suspensionWait struct{ d *Domain }

func (x suspensionWait) missing(began time.Time) []StalledDomain {
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	if x.d.noted.held || x.d.phase == dead {
		return nil
	}
	return []StalledDomain{x.d.stalledLocked(began)}
}
