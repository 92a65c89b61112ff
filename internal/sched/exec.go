//go:build smr_sched

package sched

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"
	"unsafe"
)

// exploring is the execution in progress. There is one at a time.
var exploring atomic.Pointer[Exec]

// An Exec is one execution of a program under the scheduler.
type Exec struct {
	procs   int
	unlocks bool
	choose  chooser

	// mu guards what follows. There is contention only while goroutines that were
	// woken by a channel get to their next point.
	mu       sync.Mutex
	gs       []*goroutine
	running  *goroutine // the one that goes on; nil while nobody does
	turn     int        // who went on last
	settling bool       // others may be running too, until all are at points

	buffers [][]pendingStore // of each processor, oldest first
	pins    []int            // how often each processor is pinned
	last    []*goroutine     // who ran on each

	steps    int
	maxSteps int
	failed   string
	tracing  bool
	trace    []string
	options  []option
}

type pendingStore struct {
	p, word unsafe.Pointer
	bits    uint64
	apply   func()
	step    int // of the execution, when it was stored
}

// lifetime is after how many steps a store becomes visible by itself. Processors
// do not keep stores for ever, and programs that poll rely on it.
const lifetime = 300

// A goroutine is one of the program's. Its address is the goroutine's profiler
// label, by which current finds it; so it begins with what is an empty set of
// labels to the profiler.
type goroutine struct {
	_ [8]uintptr

	x     *Exec
	id    int
	name  string
	proc  int
	grant chan struct{}

	state   state
	op      string      // what it is about to do
	ready   func() bool // when it can; nil: now
	yielded bool        // it wants others to go first
}

type state uint8

const (
	atPoint state = iota
	goesOn        // or blocks, for real
	done
)

//go:linkname getLabel runtime/pprof.runtime_getProfLabel
func getLabel() unsafe.Pointer

//go:linkname setLabel runtime/pprof.runtime_setProfLabel
func setLabel(unsafe.Pointer)

// current returns the caller, nil if it is not scheduled.
func current() *goroutine { return (*goroutine)(getLabel()) }

// Go starts a goroutine of the program on a processor. Call it before the
// execution begins; the program itself starts goroutines by the package's Go.
func (x *Exec) Go(name string, proc int, fn func()) { x.spawn(name, proc, fn) }

func (x *Exec) spawn(name string, proc int, fn func()) {
	if proc < 0 || proc >= x.procs {
		panic(fmt.Sprintf("sched: processor %d of %d", proc, x.procs))
	}
	g := &goroutine{x: x, name: name, proc: proc, grant: make(chan struct{}, 1), op: "start"}
	x.mu.Lock()
	g.id = len(x.gs)
	if name == "" {
		g.name = fmt.Sprintf("goroutine %d", g.id)
	}
	x.gs = append(x.gs, g)
	x.mu.Unlock()
	go func() {
		setLabel(unsafe.Pointer(g))
		<-g.grant
		defer x.end(g)
		fn()
	}()
}

// end is deferred by each goroutine. A panic is a failure of the program.
func (x *Exec) end(g *goroutine) {
	if v := recover(); v != nil {
		x.fail(fmt.Sprintf("%s panics: %v\n%s", g.name, v, x.stack()))
	}
	setLabel(nil)
	x.mu.Lock()
	g.state, g.op = done, "end"
	x.note(g)
	var next *goroutine
	if !x.settling {
		next = x.decide(nil)
		x.running = next
	}
	x.mu.Unlock()
	if next != nil {
		next.grant <- struct{}{}
	}
}

func (x *Exec) stack() string {
	if !x.tracing {
		return ""
	}
	buf := make([]byte, 1<<14)
	return string(buf[:runtime.Stack(buf, false)])
}

// Fail reports that the program does what it must not. The goroutine goes no
// further.
func (x *Exec) Fail(format string, args ...any) {
	x.fail(fmt.Sprintf(format, args...))
	if g := current(); g != nil {
		select {}
	}
}

func (x *Exec) fail(what string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.failed == "" {
		x.failed = what
	}
}

// point is where g waits for its turn to do op.
func (x *Exec) point(g *goroutine, op string, p unsafe.Pointer) {
	x.mu.Lock()
	g.op, g.state = op, atPoint
	if x.tracing {
		g.op = op + x.word(p) + where()
	}
	if x.settling {
		x.mu.Unlock()
		<-g.grant
		return
	}
	if x.running != g {
		x.mu.Unlock()
		panic(fmt.Sprintf("sched: %s runs without having been granted its turn: it was woken without Wakes (%s%s)", g.name, op, where()))
	}
	next := x.decide(g)
	x.running = next
	x.mu.Unlock()
	if next == g {
		return
	}
	if next != nil {
		next.grant <- struct{}{}
	}
	<-g.grant
}

// settle has the scheduler wait, from the caller's next point on, until all who are
// woken are at points of their own.
func (x *Exec) settle() {
	x.mu.Lock()
	x.settling = true
	x.mu.Unlock()
}

// run executes the program to its end, and reports how it failed, "" if it did not.
func (x *Exec) run() string {
	for {
		synctest.Wait()
		x.mu.Lock()
		x.settling, x.running = false, nil
		blocked := x.blockedLocked()
		if x.failed != "" {
			x.mu.Unlock()
			return x.failed
		}
		next := x.decide(nil)
		if next == nil && x.failed == "" {
			if len(blocked) == 0 && !x.anyLeft() {
				x.mu.Unlock()
				return ""
			}
			x.mu.Unlock()
			if x.timePasses() {
				continue
			}
			return "nobody can go on:\n" + x.describe()
		}
		x.running = next
		x.mu.Unlock()
		if next != nil {
			next.grant <- struct{}{}
		}
	}
}

// blockedLocked returns those who block for real. What they stored is visible by
// then.
func (x *Exec) blockedLocked() (blocked []*goroutine) {
	for _, g := range x.gs {
		if g.state == goesOn {
			if x.pins[g.proc] > 0 && x.last[g.proc] == g && x.failed == "" {
				x.failed = g.name + " blocks while it is pinned"
			}
			x.drainLocked(g.proc)
			blocked = append(blocked, g)
		}
	}
	return blocked
}

func (x *Exec) anyLeft() bool {
	for _, g := range x.gs {
		if g.state != done {
			return true
		}
	}
	return false
}

// patience is for how long time may pass while nobody can go on: longer than the
// timers of the code, each of which fires within a second.
const patience = 10

// timePasses lets time pass until somebody can go on, and reports whether that came
// about.
func (x *Exec) timePasses() bool {
	for range patience {
		x.settle() // those whose time has come run to their next points
		time.Sleep(time.Second)
		synctest.Wait()
		x.mu.Lock()
		for _, g := range x.gs {
			if g.state == atPoint && x.enabled(g) {
				x.mu.Unlock()
				return true
			}
		}
		over := !x.anyLeft()
		x.mu.Unlock()
		if over {
			return true
		}
	}
	return false
}

func (x *Exec) describe() string {
	var b strings.Builder
	for _, g := range x.gs {
		switch g.state {
		case atPoint:
			fmt.Fprintf(&b, "  %s waits to %s\n", g.name, g.op)
		case goesOn:
			fmt.Fprintf(&b, "  %s is blocked, after %s\n", g.name, g.op)
		}
	}
	return b.String()
}
