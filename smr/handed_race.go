//go:build race

package smr

// watchUse tells whether the methods of a Reader or Quiescent watch for use by two goroutines.
const watchUse = true

// handedOver is a word that each method of a Reader or Quiescent writes, for the race detector: it
// reports a method that another goroutine calls without synchronization, with both stacks.
type handedOver struct{ uses uint }

func (h *handedOver) use() { h.uses++ }
