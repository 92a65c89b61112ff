//go:build smr_sched

package sched

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"unsafe"
)

// buffered looks for the word at p in the processor's store buffer.
func (x *Exec) buffered(proc int, p unsafe.Pointer) (word unsafe.Pointer, bits uint64, found bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	b := x.buffers[proc]
	for i := len(b) - 1; i >= 0; i-- {
		if b[i].p == p {
			return b[i].word, b[i].bits, true
		}
	}
	return nil, 0, false
}

// drain makes all that the processor stored visible.
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

// where returns the line of the code that is at a point: the innermost one that is
// not of these packages'.
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
