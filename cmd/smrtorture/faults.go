package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// A faultKind is a kind of error that a run can find.
type faultKind int

const (
	faultAge faultKind = iota
	faultPayload
	faultSection
	faultBarrier
	faultCallback
	faultWait
	faultGoal
	faultThrottle
	faultDomain
	faultStop
	faultInterrupt
	faultQueue
	faultPool
	faultMap
	faultFile
	faultBudget
	faultMemory
	faultDelay
	faultIdle
	faultSize
	faultStall
	faultClose
	faultLeak
	faultRace
	faultHang // or a panic: what the program can't go on after
	numFaultKinds
)

var faultKinds = [numFaultKinds]string{
	faultAge:       "element too old",
	faultPayload:   "payload changed",
	faultSection:   "section state",
	faultBarrier:   "barrier not exact",
	faultCallback:  "callback not once",
	faultWait:      "wait failed",
	faultGoal:      "goal",
	faultThrottle:  "throttle bound",
	faultDomain:    "short-lived domain",
	faultStop:      "stopped world",
	faultInterrupt: "interrupt not once",
	faultQueue:     "queue walk",
	faultPool:      "object given out",
	faultMap:       "map entry",
	faultFile:      "file",
	faultBudget:    "budget exceeded",
	faultMemory:    "memory not bounded",
	faultDelay:     "too late",
	faultIdle:      "work for nothing",
	faultSize:      "size out of range",
	faultStall:     "stall report",
	faultClose:     "close",
	faultLeak:      "leak",
	faultRace:      "data race",
	faultHang:      "hang or panic",
}

func (k faultKind) String() string { return faultKinds[k] }

// faults collects errors: their number by kind, and the first few of each.
type faults struct {
	fatal func(text string) // called for what the program can't go on after
	found func()            // called for each error, if it is not nil

	patience time.Duration // see within

	mu    sync.Mutex
	count [numFaultKinds]uint64
	first [numFaultKinds][]string
}

const firstFaults = 3

func (f *faults) add(kind faultKind, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count[kind]++
	if len(f.first[kind]) < firstFaults {
		f.first[kind] = append(f.first[kind], fmt.Sprintf(format, args...))
	}
	if f.found != nil {
		f.found()
	}
}

// stop ends the program after a hang or a panic that leaves it unable to continue.
func (f *faults) stop(text string) {
	f.add(faultHang, "%s", text)
	if f.fatal == nil {
		panic(text)
	}
	f.fatal(text)
}

// catch is deferred by goroutines. It reports a panic of the library as an error like others.
func (f *faults) catch(who string) {
	if v := recover(); v != nil {
		f.stop(fmt.Sprintf("%s panicked: %v\n%s", who, v, debug.Stack()))
	}
}

func (f *faults) total() (sum uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.count {
		sum += n
	}
	return sum
}

func (f *faults) write(w io.Writer) {
	fmt.Fprintf(w, "%d errors\n", f.total())
	f.mu.Lock()
	defer f.mu.Unlock()
	for kind, n := range f.count {
		if n == 0 {
			continue
		}
		fmt.Fprintf(w, "%v: %d, such as\n", faultKind(kind), n)
		for _, text := range f.first[kind] {
			fmt.Fprintf(w, "\t%s\n", text)
		}
	}
}

func allStacks() []byte {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) || len(buf) >= 64<<20 {
			return buf[:n]
		}
		buf = make([]byte, 2*len(buf))
	}
}
