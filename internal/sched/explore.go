//go:build smr_sched

package sched

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Options say how far [Explore] goes. The zero Options is valid.
type Options struct {
	Procs int // virtual processors; 0: 2

	// Bound is how many preemptions and delayed stores, taken together, schedules
	// of the depth-first search have at the most; 0: 3. With All there is no bound,
	// and no end before all schedules were tried.
	Bound int
	All   bool

	// Schedules is how many of them are tried at the most; 0: 100,000. The
	// environment variable SMR_SCHEDULES multiplies it, and Walks.
	Schedules int

	// Walks is how many random walks follow; 0: half as many as Schedules.
	Walks int

	// Unlocks makes the unlocking of a mutex a point, too. Only to TryLock does that
	// make a difference, and so that needs it.
	Unlocks bool

	// Steps is after how many an execution counts as endless; 0: 5,000.
	Steps int
}

// ScheduleEnv is the environment variable with the schedule to repeat, as a failure
// prints it.
const ScheduleEnv = "SMR_SCHEDULE"

// Explore runs the program that body makes, over and over, under different
// schedules. body is called for each, by a goroutine that is not scheduled; it
// calls x.Go for each goroutine of the program, and returns what is to be called
// when all have ended. A failure prints the schedule and ends the process: the
// goroutines that it leaves can't be ended.
func Explore(t *testing.T, o Options, body func(x *Exec) (after func())) {
	t.Helper()
	if o.Procs == 0 {
		o.Procs = 2
	}
	if o.Bound == 0 {
		o.Bound = 3
	}
	if o.Schedules == 0 {
		o.Schedules = 100_000
	}
	if o.Walks == 0 {
		o.Walks = max(o.Schedules/2, 1)
	}
	if o.Steps == 0 {
		o.Steps = 5000
	}
	if n, err := strconv.ParseFloat(os.Getenv("SMR_SCHEDULES"), 64); err == nil {
		o.Schedules = max(int(n*float64(o.Schedules)), 1)
		o.Walks = max(int(n*float64(o.Walks)), 1)
	}
	e := &explorer{t: t, o: o, body: body}
	over := make(chan struct{})
	defer close(over)
	go e.watch(over)
	synctest.Test(t, func(t *testing.T) {
		if schedule := os.Getenv(ScheduleEnv); schedule != "" {
			e.repeat(schedule)
			return
		}
		if !e.search() {
			e.walk()
		}
		t.Log(e.String())
	})
}

type explorer struct {
	t    *testing.T
	o    Options
	body func(x *Exec) (after func())

	report  []string
	longest int // steps
	choices int // at most in an execution
	diverge int // executions that did not follow their prefix

	executions atomic.Int64
}

// hangs is how long an execution may take: a thousand times as long as they do.
const hangs = 10 * time.Second

// watch ends the process if an execution hangs where the code has no points: a list
// that has become a circle. It is not part of the bubble, and so its time passes.
func (e *explorer) watch(over chan struct{}) {
	tick := time.NewTicker(hangs)
	defer tick.Stop()
	for seen := int64(-1); ; {
		select {
		case <-over:
			return
		case <-tick.C:
		}
		n := e.executions.Load()
		if n == seen {
			fmt.Printf("--- FAIL: %s\nError: an execution hangs, without a point on the way\n", e.t.Name())
			os.Exit(1)
		}
		seen = n
	}
}

func (e *explorer) String() string {
	s := strings.Join(e.report, "; ")
	s += fmt.Sprintf("; at most %d steps", e.longest)
	if e.diverge > 0 {
		s += fmt.Sprintf("; %d schedules did not repeat", e.diverge)
	}
	return s
}

// execute runs the program once.
func (e *explorer) execute(c chooser, tracing bool) (x *Exec, failure string) {
	x = &Exec{
		procs: e.o.Procs, unlocks: e.o.Unlocks, choose: c, maxSteps: e.o.Steps, tracing: tracing,
		buffers: make([][]pendingStore, e.o.Procs), pins: make([]int, e.o.Procs), last: make([]*goroutine, e.o.Procs),
	}
	e.executions.Add(1)
	exploring.Store(x)
	defer exploring.Store(nil)
	after := e.body(x)
	failure = x.run()
	for p := range x.buffers {
		x.drain(p)
	}
	if failure == "" && after != nil {
		after()
		failure = x.failed
	}
	e.longest = max(e.longest, x.steps)
	return x, failure
}

// search is depth-first, with growing bounds. It reports whether it has tried all
// schedules that there are.
func (e *explorer) search() (all bool) {
	began, tried := realNow(), 0
	bound := 0
	if e.o.All {
		bound, e.o.Bound, e.o.Schedules = math.MaxInt, math.MaxInt, math.MaxInt
	}
	for ; bound <= e.o.Bound; bound++ {
		d := &depthFirst{bound: bound}
		n := 0
		for {
			d.begin()
			if _, failure := e.execute(d, false); failure != "" {
				e.failed(d.schedule(), failure)
			}
			n++
			tried++
			e.choices = max(e.choices, d.at)
			if d.diverged {
				e.diverge++
			}
			if !d.next() {
				if all = !d.cut; all {
					e.report = append(e.report, fmt.Sprintf("%d schedules, which is all there are", n))
					return all
				}
				e.report = append(e.report, fmt.Sprintf("%d schedules with %d deviations at most, which is all", n, bound))
				break
			}
			if tried >= e.o.Schedules {
				e.report = append(e.report, fmt.Sprintf("%d schedules with %d deviations at most, not all, in %v", n, bound, realNow().Sub(began).Round(time.Millisecond)))
				return false
			}
		}
	}
	return false
}

// walk takes random walks.
func (e *explorer) walk() {
	began := realNow()
	for i := range e.o.Walks {
		r := newRandom(uint64(i), e.choices)
		if _, failure := e.execute(r, false); failure != "" {
			e.failed(r.schedule(), failure)
		}
	}
	e.report = append(e.report, fmt.Sprintf("%d random walks in %v", e.o.Walks, realNow().Sub(began).Round(time.Millisecond)))
}

// failed prints the failure and ends the process.
func (e *explorer) failed(schedule, failure string) {
	x, again := e.execute(newReplay(schedule), true)
	if again == "" {
		again = failure + "\n(it did not fail when repeated)"
	}
	fmt.Printf("--- FAIL: %s\nError: %s\n", e.t.Name(), again)
	fmt.Println(strings.Join(x.trace, "\n"))
	fmt.Printf("after: %s\nrepeat with %s=%s go test -tags smr_sched -run '^%s$'\n", e, ScheduleEnv, schedule, e.t.Name())
	os.Exit(1)
}

func (e *explorer) repeat(schedule string) {
	x, failure := e.execute(newReplay(schedule), true)
	fmt.Println(strings.Join(x.trace, "\n"))
	if failure != "" {
		fmt.Printf("--- FAIL: %s\nError: %s\n", e.t.Name(), failure)
		os.Exit(1)
	}
}
