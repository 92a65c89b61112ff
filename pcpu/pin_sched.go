//go:build smr_sched

package pcpu

import "github.com/gosmr/gosmr/internal/sched"

// Exclusive says whether a goroutine has its virtual processor to itself between Pin and Unpin.
const Exclusive = sched.Pins

// Pin keeps the calling goroutine on its virtual processor, where there is one.
func Pin() int {
	if Exclusive {
		return sched.Pin()
	}
	return sched.Processor()
}

// Unpin undoes one Pin.
func Unpin() {
	if Exclusive {
		sched.Unpin()
	}
}
