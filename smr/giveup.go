package smr

import (
	"fmt"
	"strings"
	"time"

	"github.com/gosmr/gosmr/clock"
)

// What a wait says whose context has ended: each of them, by one function. It costs nothing before.

// gaveUp returns the error of the method what, whose wait has ended by cause, the error of its
// context. goal is what it waited for or, if it waited for callbacks, the last one of theirs that
// was not reached; 0 if all were.
func (d *Domain) gaveUp(what string, cause error, goal Seq) error {
	st := d.Stats()
	open := count(st.Sections, "section")
	if st.Holds > 0 {
		open += " and " + count(st.Holds, "hold")
	}
	return fmt.Errorf("smr: %s of domain %s gave up: %w; %s, %s open; %s", what, st.Name, cause,
		pending(st.PendingCalls, st.PendingBytes), open, d.holdup(st, goal))
}

// notIssued returns the error of a wait for a goal that is not the domain's. It names both.
func (d *Domain) notIssued(what string, goal Seq) error {
	whose := "it is no goal of another domain that is open"
	for _, o := range Domains() {
		switch {
		case goal == 0:
			whose = "it is zero"
		case goal.Tag() != o.clk.Tag():
		case o == d:
			whose = "it is ahead of the clock, or from long ago"
		default:
			whose = "it is a goal of domain " + o.opts.Name
		}
	}
	return fmt.Errorf("smr: %s of domain %s: %w: %#x: %s", what, d.opts.Name, ErrSeq, uint64(goal), whose)
}

// throttledOut is gaveUp for Throttle, which waits for enough of what is pending.
func (d *Domain) throttledOut(cause error) error {
	r := &d.reclaim
	r.mu.Lock()
	goal := r.lastGoalLocked(r.lastTicket)
	r.mu.Unlock()
	return d.gaveUp(fmt.Sprintf("Throttle (MaxPending: %d)", d.opts.MaxPending), cause, goal)
}

// lastGoalLocked returns the last goal that the chunks up to the ticket wait for; 0 if they wait for
// none.
func (r *reclaimer) lastGoalLocked(ticket uint64) (goal Seq) {
	for c := r.waiting.head; c != nil; c = c.next { // by their goals
		if c.ticket <= ticket {
			goal = c.goal
		}
	}
	return goal
}

// holdup says what holds up a wait for goal, and what to do about it.
func (d *Domain) holdup(st Stats, goal Seq) string {
	switch {
	case goal != 0:
	case st.Workers > 0 || st.HeldCalls > 0:
		return "no section holds it up, but " + d.unfinished(st)
	case st.PendingCalls == 0 && st.Holds > 0:
		return "no section holds it up, but what is held: each Held must be released" + d.holdStacks()
	case st.PendingCalls == 0 && d.reports.running() != nil:
		return "OnStall has not returned: it must neither block nor wait for the domain"
	default: // what is pending is on its way
		goal = d.clk.DeferredAdvance()
	}
	blocking := d.clk.Blocking(goal)
	if len(blocking) == 0 {
		return "nothing holds it up now: it would have ended soon"
	}
	oldest := d.stalled(blocking[0])
	oldest.ask()
	var b strings.Builder
	b.WriteString("it waits for " + oldest.title())
	if n := len(blocking); n > 1 {
		fmt.Fprintf(&b, ", the oldest of %d", n)
	}
	b.WriteString(": " + oldest.remedy())
	if oldest.Stack == "" {
		return b.String()
	}
	b.WriteString("; it was entered at:\n" + oldest.Stack)
	named := 1
	for _, other := range blocking[1:] {
		if named == maxNamed {
			break
		}
		sr := d.stalled(other)
		if sr.locate(); sr.Stack != "" {
			named++
			fmt.Fprintf(&b, "and %v", sr)
		}
	}
	return b.String()
}

// unfinished says which callbacks a wait is for, once their grace period is over.
func (d *Domain) unfinished(st Stats) string {
	var why []string
	if st.Workers > 0 {
		why = append(why, fmt.Sprintf("callbacks that have not returned, in %s of at most %d: they must not block",
			count(st.Workers, "worker"), d.opts.Workers))
	}
	if st.HeldCalls > 0 {
		why = append(why, howHeld(st.HeldCalls, st.HeldBytes, st.HeldFor)+": its Held must be released"+d.holdStacks())
	}
	return strings.Join(why, "; and ")
}

// howHeld says how much is held.
func howHeld(calls, bytes int64, since time.Duration) string {
	return fmt.Sprintf("%s (%s) whose object is held, the first for %v",
		count(calls, "call"), count(bytes, "byte"), since.Round(time.Millisecond))
}

// maxNamed is how many readers a message names with their stacks.
const maxNamed = 4

// remedy says how the wait for the reader ends.
func (r StalledReader) remedy() string {
	if r.Kind == clock.Quiescent {
		return "it must come to a quiescent state (Quiesce, Offline or, in package stw, a safe point)"
	}
	must := "it must be left, before the wait if it is the waiting goroutine's own"
	if r.Stack == "" {
		must += "; Options.SampleSections and -tags invariants tell where it was entered"
	}
	return must
}
