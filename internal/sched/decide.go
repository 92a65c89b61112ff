//go:build smr_sched

package sched

import "fmt"

// An option is a possible next step: g continues or, if g is nil, the oldest store in proc's
// buffer becomes visible.
type option struct {
	g    *goroutine
	proc int
	cost int // what it adds to the sum that the search bounds

	delay bool // keep a store in the buffer, rather than make it visible
}

// A chooser picks one of two or more options, of which the first costs nothing.
type chooser interface {
	choose(options []option) int
}

// enabled reports whether g is at a point and can continue.
func (x *Exec) enabled(g *goroutine) bool {
	return g.state == atPoint && (g.ready == nil || g.ready()) &&
		(x.pins[g.proc] == 0 || x.last[g.proc] == g)
}

// decide gives the turn to cur, which is at a point, or to another goroutine, and returns that.
// It returns nil if none can continue, or the execution has failed. mu is held.
func (x *Exec) decide(cur *goroutine) *goroutine {
	x.running = nil
	for x.failed == "" {
		if x.steps++; x.steps > x.maxSteps {
			x.failed = fmt.Sprintf("no end after %d steps:\n%s", x.maxSteps, x.describe())
			break
		}
		x.expire()
		x.collect(cur)
		if len(x.options) == 0 {
			break
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
		x.give(o.g)
		if o.g != cur {
			o.g.grant <- struct{}{}
		}
		return o.g
	}
	return nil
}

// give makes g the one that has the turn.
func (x *Exec) give(g *goroutine) {
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
	g.state = granted
	x.running, x.turn = g, g.id
}

// collect lists the options: cur first, if it can continue and did not yield; then the others in
// turn, from cur on, or from the last one that ran; then the buffered stores. A goroutine that
// yielded comes last: cur at a cost, another one only if there is no other option.
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
	var yielding *goroutine
	for i := range x.gs {
		g := x.gs[(from+i)%len(x.gs)]
		switch {
		case g == cur && !g.yielded || !x.enabled(g):
		case !g.yielded:
			x.options = append(x.options, option{g: g, cost: preempts})
		case yielding == nil:
			yielding = g
		}
	}
	for p := range x.buffers {
		if len(x.buffers[p]) > 0 {
			x.options = append(x.options, option{proc: p, cost: 1})
		}
	}
	switch {
	case len(x.options) == 0 && yielding != nil:
		x.options = append(x.options, option{g: yielding})
	case cur != nil && cur.yielded && x.enabled(cur):
		x.options = append(x.options, option{g: cur, cost: 1})
	}
	if len(x.options) > 0 {
		x.options[0].cost = 0
	}
}

// mayBlock fails the execution if g is pinned: Go's scheduler does not allow what it is about to
// do. If another goroutine has pinned g's processor, g was woken by a channel, and waits for its
// turn at the point to come.
func (x *Exec) mayBlock(g *goroutine, does string) {
	x.mu.Lock()
	pinned := x.pins[g.proc] > 0 && x.last[g.proc] == g
	x.mu.Unlock()
	if pinned {
		x.Fail("%s %s while it is pinned%s", g.name, does, where())
	}
}
