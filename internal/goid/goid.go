// Package goid tells goroutines apart, for checks only: nothing may rely on it to work.
package goid

import (
	"bytes"
	"runtime"
	"strconv"
)

// Get returns the calling goroutine's number, which Go tells only in stack traces: "goroutine 12
// [running]:...". Cost: about a microsecond.
func Get() uint64 {
	var buf [64]byte
	return number(buf[:runtime.Stack(buf[:], false)])
}

// Labeled returns the calling goroutine's number and its labels of runtime/pprof, as stack traces
// have them from Go 1.27 on, and in Go 1.26 with GODEBUG=tracebacklabels=1: "goroutine 12 [running
// labels:{"key": "value"}]:...". Elsewhere the labels are "": no other API of Go tells those of the
// caller.
func Labeled() (id uint64, labels string) {
	var buf [1024]byte
	trace := buf[:runtime.Stack(buf[:], false)]
	return number(trace), labelsOf(trace)
}

// number returns the number at the beginning of the caller's stack trace.
func number(trace []byte) uint64 {
	id, ok := parse(trace)
	if !ok {
		panic("smr: stack trace without a goroutine number: " + string(trace))
	}
	return id
}

// parse returns the number at the beginning of a stack trace, and whether there is one.
func parse(trace []byte) (id uint64, ok bool) {
	_, rest, _ := bytes.Cut(trace, []byte(" "))
	digits, _, _ := bytes.Cut(rest, []byte(" "))
	id, err := strconv.ParseUint(string(digits), 10, 64)
	return id, err == nil
}

// labelsOf returns the labels in the first line of a stack trace. Keys and values are quoted, so
// the line ends after them; unless they are too long for trace, which then ends in them.
func labelsOf(trace []byte) string {
	line, _, whole := bytes.Cut(trace, []byte("]:\n"))
	_, labels, ok := bytes.Cut(line, []byte("labels:"))
	switch {
	case !ok:
		return ""
	case !whole:
		return string(labels) + "..."
	}
	return string(labels)
}
