//go:build smr_sched

package pcpu

import "github.com/gosmr/gosmr/internal/sched"

// Exclusive tells whether a goroutine between Pin and Unpin has its virtual
// processor to itself.
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
