//go:build smr_sched

package sched

import (
	"fmt"
	"slices"
)

// An option is what may be done next: g goes on, or the oldest store in a
// processor's buffer becomes visible.
type option struct {
	g    *goroutine
	proc int // if g is nil
	cost int // what it adds to what the search bounds
}

// A chooser decides. options has at least one element, and the first costs
// nothing. In a store's case they are to make it visible at once, and not to.
type chooser interface {
	choose(options []option) int
}

// enabled reports whether g, which is at a point, can go on.
func (x *Exec) enabled(g *goroutine) bool {
	return (g.ready == nil || g.ready()) && (x.pins[g.proc] == 0 || x.last[g.proc] == g)
}

// decide returns who goes on: cur, which is at a point, or another. It returns nil
// when nobody can, or when the execution is over.
func (x *Exec) decide(cur *goroutine) *goroutine {
	for {
		if x.failed != "" {
			return nil
		}
		if x.steps++; x.steps > x.maxSteps {
			x.failed = fmt.Sprintf("no end after %d steps:\n%s", x.maxSteps, x.describe())
			return nil
		}
		x.expire()
		x.collect(cur)
		if len(x.options) == 0 {
			return nil
		}
		chosen := 0
		if len(x.options) > 1 {
			chosen = x.choose.choose(x.options)
		}
		o := x.options[chosen]
		if o.g == nil {
			x.drainOne(o.proc)
			continue
		}
		return x.grantLocked(o.g)
	}
}

// expire makes stores visible that waited for long.
func (x *Exec) expire() {
	for p, b := range x.buffers {
		for len(b) > 0 && x.steps-b[0].step > lifetime {
			x.drainOne(p)
			b = x.buffers[p]
		}
	}
}

// grantLocked makes g the one that goes on.
func (x *Exec) grantLocked(g *goroutine) *goroutine {
	if x.last[g.proc] != g {
		x.drainLocked(g.proc)
		x.last[g.proc] = g
	}
	for _, o := range x.gs {
		if o != g {
			o.yielded = false
		}
	}
	x.note(g)
	x.turn = g.id
	g.state = goesOn
	return g
}

// collect lists the options: first that cur goes on, if it can, then the others, in
// turn. If that is nobody, it begins with the one that went on last.
func (x *Exec) collect(cur *goroutine) {
	x.options = x.options[:0]
	from, preempts := x.turn, 0
	if cur != nil {
		from = cur.id
		if x.enabled(cur) {
			if !cur.yielded {
				x.options = append(x.options, option{g: cur})
			}
			preempts = 1
		}
	}
	yielding := -1
	for i := range x.gs {
		g := x.gs[(from+i)%len(x.gs)]
		if g.state != atPoint || g == cur && !g.yielded || !x.enabled(g) {
			continue
		}
		if g.yielded {
			if yielding < 0 {
				yielding = g.id
			}
			continue
		}
		x.options = append(x.options, option{g: g, cost: preempts})
	}
	for p := range x.buffers {
		if len(x.buffers[p]) > 0 {
			x.options = append(x.options, option{proc: p, cost: 1})
		}
	}
	switch {
	case len(x.options) == 0 && yielding >= 0:
		x.options = append(x.options, option{g: x.gs[yielding]})
	case cur != nil && cur.yielded && x.enabled(cur):
		x.options = append(x.options, option{g: cur, cost: 1})
	}
	if len(x.options) > 0 {
		x.options[0].cost = 0
	}
}

// store is a plain store of g's: visible at once, or delayed. Behind one that is
// delayed, all are.
func (x *Exec) store(g *goroutine, s pendingStore) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.buffers[g.proc]) == 0 && (x.procs == 1 || x.choose.choose(storeOptions) == 0) {
		s.apply()
		return
	}
	x.delayLocked(g, s)
}

func (x *Exec) delayLocked(g *goroutine, s pendingStore) {
	if x.tracing {
		x.trace = append(x.trace, fmt.Sprintf("  (%s's store waits in its buffer)", g.name))
	}
	s.step = x.steps
	x.buffers[g.proc] = append(x.buffers[g.proc], s)
}

// queueBehind delays a store if one before it is delayed, and reports whether.
func (x *Exec) queueBehind(g *goroutine, s pendingStore) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.buffers[g.proc]) == 0 {
		return false
	}
	x.delayLocked(g, s)
	return true
}

// storing returns which of some processors, nil for all, have stores in their buffers.
func (x *Exec) storing(of []int) (procs []int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for p, b := range x.buffers {
		if len(b) > 0 && (of == nil || slices.Contains(of, p)) {
			procs = append(procs, p)
		}
	}
	return procs
}

// pick chooses one of some processors.
func (x *Exec) pick(procs []int) int {
	if len(procs) == 1 {
		return procs[0]
	}
	options := make([]option, len(procs))
	for i := range options {
		options[i].cost = min(i, 1)
	}
	return procs[x.choose.choose(options)]
}

// shared reports whether a processor has several goroutines.
func (x *Exec) shared(proc int) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := 0
	for _, g := range x.gs {
		if g.proc == proc && g.state != done {
			n++
		}
	}
	return n > 1
}

// mayBlock fails the execution if g is pinned: Go's scheduler does not stand for what
// it is about to do.
func (x *Exec) mayBlock(g *goroutine, does string) {
	if x.pins[g.proc] > 0 {
		x.Fail("%s %s while it is pinned%s", g.name, does, where())
	}
}

var storeOptions = []option{{}, {cost: 1}}
