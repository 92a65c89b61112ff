//go:build smr_sched

package sched

import (
	"fmt"
	"runtime/debug"
	"slices"
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
	turned  int // the program's processor 0 is this one
	unlocks bool
	choose  chooser

	// mu guards what follows. It is contended only while goroutines woken by a channel run to
	// their next points.
	mu       sync.Mutex
	gs       []*goroutine
	running  *goroutine // nil while none has its turn
	turn     int        // the id of the last one that had
	settling bool       // several may run, until all are at points

	buffers [][]pendingStore // of each processor, oldest first
	pins    []int            // how often each processor is pinned
	last    []*goroutine     // the last one to run on each processor

	steps    int
	maxSteps int
	failed   string
	tracing  bool
	trace    []string
	options  []option // of the current decision
}

// A goroutine is one of the program's. Its address is the goroutine's profiler label, by which
// current finds it; so it begins with what the profiler takes for an empty set of labels.
type goroutine struct {
	_ [8]uintptr

	x     *Exec
	id    int
	name  string
	proc  int
	grant chan struct{}

	state   state
	op      string      // what it does next
	ready   func() bool // whether it can; nil: it can
	yielded bool        // others go first
}

type state uint8

const (
	atPoint state = iota
	granted       // runs, or blocks for real
	done
)

//go:linkname getLabel runtime/pprof.runtime_getProfLabel
func getLabel() unsafe.Pointer

//go:linkname setLabel runtime/pprof.runtime_setProfLabel
func setLabel(unsafe.Pointer)

// current returns the caller, or nil if it is not scheduled.
func current() *goroutine { return (*goroutine)(getLabel()) }

// Go starts a goroutine of the program on a processor. Call it before the execution begins; the
// program itself starts goroutines with the package's Go. Which processor is the first changes from
// one part of the search to the next, so that no bug hides from programs that always have what it
// is about on the same one.
func (x *Exec) Go(name string, proc int, fn func()) {
	if proc < 0 || proc >= x.procs {
		panic(fmt.Sprintf("sched: processor %d of %d", proc, x.procs))
	}
	proc = (proc + x.turned) % x.procs
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
		stack := ""
		if x.tracing {
			stack = string(debug.Stack())
		}
		x.fail(fmt.Sprintf("%s panics: %v\n%s", g.name, v, stack))
	}
	setLabel(nil)
	x.mu.Lock()
	defer x.mu.Unlock()
	g.state, g.op = done, "end"
	x.note(g)
	if !x.settling {
		x.decide(nil)
	}
}

// Fail reports that the program did something wrong. A goroutine of the program that calls it
// stops there.
func (x *Exec) Fail(format string, args ...any) {
	x.fail(fmt.Sprintf(format, args...))
	if current() != nil {
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

// point waits for g's turn to do op.
func (x *Exec) point(g *goroutine, op string, p unsafe.Pointer) {
	x.mu.Lock()
	g.op, g.state = op, atPoint
	if x.tracing {
		g.op = op + x.word(p) + where()
	}
	if !x.settling && x.running != g {
		x.mu.Unlock()
		panic(fmt.Sprintf("sched: %s runs without having been granted its turn: it was woken without Wakes (%s%s)", g.name, op, where()))
	}
	continues := !x.settling && x.decide(g) == g
	x.mu.Unlock()
	if !continues {
		<-g.grant
	}
}

// settle has the scheduler wait, from the caller's next point on, until all woken goroutines are
// at points.
func (x *Exec) settle() {
	x.mu.Lock()
	x.settling = true
	x.mu.Unlock()
}

// run executes the program to its end and returns how it failed, or "".
func (x *Exec) run() string {
	for {
		synctest.Wait()
		x.mu.Lock()
		x.settling = false
		x.drainBlocked()
		next := x.decide(nil)
		failed, left := x.failed, x.anyLeft()
		x.mu.Unlock()
		switch {
		case failed != "":
			return failed
		case next != nil:
		case !left:
			return ""
		case !x.timePasses():
			return "nobody can go on:\n" + x.describe()
		}
	}
}

// drainBlocked makes visible what goroutines stored that block for real. Those must not be
// pinned.
func (x *Exec) drainBlocked() {
	for _, g := range x.gs {
		if g.state == granted {
			if x.pins[g.proc] > 0 && x.last[g.proc] == g && x.failed == "" {
				x.failed = g.name + " blocks while it is pinned"
			}
			x.drainLocked(g.proc)
		}
	}
}

func (x *Exec) anyLeft() bool {
	return slices.ContainsFunc(x.gs, func(g *goroutine) bool { return g.state != done })
}

// patience is how many seconds may pass while no goroutine can continue: more than the code's
// timers take, each of which fires within one.
const patience = 10

// timePasses lets time pass until a goroutine can continue, or none is left. It reports whether
// that came about.
func (x *Exec) timePasses() bool {
	for range patience {
		x.settle() // goroutines whose timers fire run to their next points
		time.Sleep(time.Second)
		synctest.Wait()
		x.mu.Lock()
		came := slices.ContainsFunc(x.gs, x.enabled) || !x.anyLeft()
		x.mu.Unlock()
		if came {
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
		case granted:
			fmt.Fprintf(&b, "  %s is blocked, after %s\n", g.name, g.op)
		}
	}
	return b.String()
}
