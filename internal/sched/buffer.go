//go:build smr_sched

package sched

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unsafe"
)

// A pendingStore is a store that waits in a buffer.
type pendingStore struct {
	p, word unsafe.Pointer
	bits    uint64
	apply   func() // makes it visible
	step    int    // of the execution, at which it was stored
}

// lifetime is after how many steps a store becomes visible by itself. Processors do not keep
// stores for ever, and programs that poll rely on it.
const lifetime = 300

var storeOptions = []option{{}, {cost: 1, delay: true}} // make it visible, delay it

// store makes a plain store visible or delays it. A store behind a delayed one is delayed, too; a
// private one, only then.
func store(s pendingStore, private bool) {
	g := current()
	if g == nil {
		s.apply()
		return
	}
	x := g.x
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.buffers[g.proc]) == 0 && (private || x.procs == 1 || x.choose.choose(storeOptions) == 0) {
		s.apply()
		return
	}
	if x.tracing {
		x.trace = append(x.trace, fmt.Sprintf("  (%s's store waits in its buffer)", g.name))
	}
	s.step = x.steps
	x.buffers[g.proc] = append(x.buffers[g.proc], s)
}

// buffered looks for the word at p in the processor's store buffer.
func (x *Exec) buffered(proc int, p unsafe.Pointer) (word unsafe.Pointer, bits uint64, found bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, s := range slices.Backward(x.buffers[proc]) {
		if s.p == p {
			return s.word, s.bits, true
		}
	}
	return nil, 0, false
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
		options[i] = option{proc: procs[i], cost: min(i, 1)}
	}
	return procs[x.choose.choose(options)]
}

// drain makes all stores of a processor visible.
func (x *Exec) drain(proc int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drainLocked(proc)
}

func (x *Exec) drainLocked(proc int) {
	for len(x.buffers[proc]) > 0 {
		x.drainOne(proc)
	}
}

// expire makes stores visible whose lifetime is over.
func (x *Exec) expire() {
	for p := range x.buffers {
		for len(x.buffers[p]) > 0 && x.steps-x.buffers[p][0].step > lifetime {
			x.drainOne(p)
		}
	}
}

func (x *Exec) drainOne(proc int) {
	s := x.buffers[proc][0]
	x.buffers[proc] = x.buffers[proc][1:]
	if x.tracing {
		x.trace = append(x.trace, fmt.Sprintf("  (a store of processor %d becomes visible%s)", proc, x.word(s.p)))
	}
	s.apply()
}

// note adds what g does next to the trace.
func (x *Exec) note(g *goroutine) {
	if x.tracing {
		x.trace = append(x.trace, fmt.Sprintf("%-12s %s", g.name, g.op))
	}
}

// word names an address in a trace.
func (x *Exec) word(p unsafe.Pointer) string {
	if p == nil {
		return ""
	}
	return fmt.Sprintf(" %#x", uintptr(p)&0xffffff)
}

// where returns the innermost two lines of code at a point, outside of these packages.
func where() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	var at []string
	for len(at) < 2 {
		f, more := frames.Next()
		if !strings.Contains(f.Function, "internal/sched") && !strings.Contains(f.Function, "internal/relacq") {
			name := f.Function[strings.LastIndexByte(f.Function, '/')+1:]
			at = append(at, fmt.Sprintf("%s (%s:%d)", name, filepath.Base(f.File), f.Line))
		}
		if !more {
			break
		}
	}
	return "  " + strings.Join(at, ", ")
}
