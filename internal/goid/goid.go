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
	_, rest, _ := bytes.Cut(buf[:runtime.Stack(buf[:], false)], []byte(" "))
	digits, _, _ := bytes.Cut(rest, []byte(" "))
	id, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		panic("smr: stack trace without a goroutine number: " + string(buf[:]))
	}
	return id
}
