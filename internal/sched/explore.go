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

	"golang.org/x/sys/unix"
)

// Options say how far [Explore] goes. The zero Options is valid.
type Options struct {
	Procs int // virtual processors; 0: 2

	// Bound is the most preemptions and delayed stores, taken together, in a schedule of the
	// depth-first search; 0: 3. With All the search has no bound, and ends when all schedules
	// have been tried.
	Bound int
	All   bool

	// Schedules is the most that the search tries; 0: 100,000. The environment variable
	// SMR_SCHEDULES multiplies it, and Walks.
	Schedules int

	// Walks is how many random walks follow; 0: three eighths of Schedules. PCT of them are by
	// priorities; 0: half; negative: none.
	Walks, PCT int

	// Unlocks makes unlocking a mutex a point, too. Only TryLock can tell the difference, and so
	// requires it.
	Unlocks bool

	// Steps is how many make an execution count as endless; 0: 5,000.
	Steps int
}

// ScheduleEnv is the environment variable with the schedule to repeat, as a failure prints it.
const ScheduleEnv = "SMR_SCHEDULE"

// Explore runs a program over and over, under different schedules. For each it calls body, on a
// goroutine that is not scheduled; body calls x.Go for each goroutine of the program, and returns
// what to call when all have ended, or nil. A failure prints the schedule and ends the process,
// as the goroutines that it leaves behind can't be ended.
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
		o.Walks = max(3*o.Schedules/8, 1)
	}
	if o.PCT == 0 {
		o.PCT = o.Walks / 2
	}
	if o.Steps == 0 {
		o.Steps = 5000
	}
	if n, err := strconv.ParseFloat(os.Getenv("SMR_SCHEDULES"), 64); err == nil {
		o.Schedules = max(int(n*float64(o.Schedules)), 1)
		o.Walks = max(int(n*float64(o.Walks)), 1)
		o.PCT = min(int(n*float64(o.PCT)), o.Walks)
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
		if e.search(); !e.o.All {
			e.walk()
			e.prioritize()
		}
		t.Log(e.String())
	})
}

type explorer struct {
	t    *testing.T
	o    Options
	body func(x *Exec) (after func())

	turned  int // for the next execution: see Exec.turned
	report  []string
	longest int // steps
	choices int // the most in an execution
	diverge int // executions that did not follow their prefix

	executions atomic.Int64
}

// hangs is how long an execution may take, a thousand times what one does take.
const hangs = 10 * time.Second

// watch ends the process if an execution hangs where the code has no points: on a list that has
// become a circle. It runs outside of the bubble, where time passes.
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

// turn chooses the program's first processor in the executions to come; all are tried alike.
func (e *explorer) turn(by int) {
	if !e.o.All {
		e.turned = by % e.o.Procs
	}
}

// execute runs the program once.
func (e *explorer) execute(c chooser, tracing bool) (x *Exec, failure string) {
	x = &Exec{
		procs: e.o.Procs, turned: e.turned, unlocks: e.o.Unlocks, choose: c, maxSteps: e.o.Steps, tracing: tracing,
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

// search is depth-first, with growing bounds.
func (e *explorer) search() {
	began, tried, bound := realNow(), 0, 0
	if e.o.All {
		bound, e.o.Bound, e.o.Schedules = math.MaxInt, math.MaxInt, math.MaxInt
	}
	for ; bound <= e.o.Bound; bound++ {
		d := &depthFirst{bound: bound}
		e.turn(bound)
		for n := 1; ; n++ {
			if _, failure := e.execute(d, false); failure != "" {
				e.failed(d.schedule(), failure)
			}
			tried++
			e.choices = max(e.choices, d.at)
			if d.diverged {
				e.diverge++
			}
			if !d.next() {
				if !d.cut {
					e.report = append(e.report, fmt.Sprintf("%d schedules, which is all there are", n))
					// As many walks are enough, for where processors are turned otherwise.
					e.o.Walks, e.o.PCT = min(e.o.Walks, n), min(e.o.PCT, n/2)
					return
				}
				e.report = append(e.report, fmt.Sprintf("%d schedules with %d deviations at most, which is all", n, bound))
				break
			}
			if tried >= e.o.Schedules {
				e.report = append(e.report, fmt.Sprintf(
					"%d schedules with %d deviations at most, not all: complete from choice %d of %d on, in %v",
					n, bound, d.reached(), e.choices, since(began)))
				return
			}
		}
	}
}

// walk takes random walks.
func (e *explorer) walk() {
	began, n := realNow(), e.o.Walks-max(e.o.PCT, 0)
	for i := range n {
		r := newRandom(uint64(i), e.choices)
		e.turn(i)
		if _, failure := e.execute(r, false); failure != "" {
			e.failed(r.schedule(), failure)
		}
	}
	e.report = append(e.report, fmt.Sprintf("%d random walks in %v", n, since(began)))
}

// failed prints the failure and ends the process.
func (e *explorer) failed(schedule, failure string) {
	if e.turned > 0 {
		schedule = fmt.Sprintf("%s%d,%s", turnedBy, e.turned, schedule)
	}
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
	r := newReplay(schedule)
	e.turn(r.turned)
	x, failure := e.execute(r, true)
	fmt.Println(strings.Join(x.trace, "\n"))
	if failure != "" {
		fmt.Printf("--- FAIL: %s\nError: %s\n", e.t.Name(), failure)
		os.Exit(1)
	}
}

// realNow returns the real time, where time.Now returns the bubble's.
func realNow() time.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return time.Unix(ts.Unix())
}

// since returns the real time since one.
func since(began time.Time) time.Duration { return realNow().Sub(began).Round(time.Millisecond) }
