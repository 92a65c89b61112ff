// Package goid tells goroutines apart, for checks: nothing must depend on it for
// its function.
package goid

import (
	"runtime"
	"slices"
	"strconv"
)

// Get returns the number of the calling goroutine. Go offers it in stack traces
// only: "goroutine 12 [running]:...". Cost: about a microsecond.
func Get() uint64 {
	var buf [64]byte
	digits := buf[:runtime.Stack(buf[:], false)]
	digits = digits[min(len("goroutine "), len(digits)):]
	if end := slices.Index(digits, ' '); end >= 0 {
		digits = digits[:end]
	}
	id, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		panic("smr: stack trace without a goroutine number: " + string(buf[:]))
	}
	return id
}
