// Package callers keeps stacks for messages.
package callers

import (
	"fmt"
	"iter"
	"runtime"
	"strings"
)

// A Stack says where a goroutine was, the innermost call first.
type Stack []uintptr

// depth bounds a Stack.
const depth = 32

// Here returns the stack of the calling goroutine, without its innermost skip calls: with 0 it
// begins with the function that calls Here.
func Here(skip int) Stack {
	pcs := make([]uintptr, depth)
	return pcs[:runtime.Callers(skip+2, pcs)]
}

// String formats the stack as a trace does: two lines for each call.
func (s Stack) String() string {
	if len(s) == 0 {
		return "\tunknown\n"
	}
	var b strings.Builder
	for f := range s.Frames() {
		fmt.Fprintf(&b, "\t%s\n\t\t%s:%d\n", f.Function, f.File, f.Line)
	}
	return b.String()
}

// By formats the stack for the end of a sentence.
func (s Stack) By() string {
	var b strings.Builder
	for f := range s.Frames() {
		fmt.Fprintf(&b, "\n\tby %s\n\t\t%s:%d", f.Function, f.File, f.Line)
	}
	return b.String()
}

// Frames walks over the calls, the innermost first.
func (s Stack) Frames() iter.Seq[runtime.Frame] {
	return func(yield func(runtime.Frame) bool) {
		frames := runtime.CallersFrames(s)
		for more := len(s) > 0; more; {
			var f runtime.Frame
			if f, more = frames.Next(); !yield(f) {
				return
			}
		}
	}
}

// Innermost returns the name of the innermost function, as pkg.Func or pkg.(*Type).Method.
func (s Stack) Innermost() string {
	if len(s) == 0 {
		return "unknown"
	}
	f, _ := runtime.CallersFrames(s).Next()
	return f.Function[strings.LastIndexByte(f.Function, '/')+1:]
}
