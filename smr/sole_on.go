//go:build invariants

package smr

import (
	"fmt"
	"sync/atomic"

	"github.com/gosmr/gosmr/internal/callers"
	"github.com/gosmr/gosmr/internal/goid"
)

// soleUse finds two goroutines that are in the methods of one Reader or Quiescent at the same time.
// Then both may take its record for their own section: only such an overlap does harm. (What is not
// synchronized, and does not overlap, the race detector finds: see handedOver.)
type soleUse struct {
	handedOver

	// inside is nil while no goroutine is in a method, and alone while one is; the rival if another
	// one came meanwhile. The first to come stores nil as it goes. It cannot be asked where it is, so
	// it is the one that panics, and the rival only leaves its own stack.
	inside atomic.Pointer[rival]
}

// A rival came while another goroutine was in a method.
type rival struct {
	method string
	goid   uint64
	at     callers.Stack
}

var alone = new(rival)

// only begins a method and returns what ends it.
func (u *soleUse) only(method string, d *Domain) (end func()) {
	u.use() // before begin, which orders it for the race detector
	if !u.begin(method) {
		return func() {}
	}
	return func() {
		if other := u.inside.Swap(nil); other != alone {
			d.misuse(fmt.Sprintf("smr: %s by two goroutines at once, in domain %s: one goroutine at a time may use it. "+
				"Make one for each goroutine, or synchronize where it is handed over. Goroutine %d is in %s at:\n%s"+
				"Meanwhile goroutine %d came into %s at:\n%s",
				method, d.opts.Name, goid.Get(), method, callers.Here(2), other.goid, other.method, other.at))
		}
	}
}

// begin reports whether no other goroutine is in a method.
func (u *soleUse) begin(method string) bool {
	for {
		if u.inside.CompareAndSwap(nil, alone) {
			return true
		}
		if u.inside.CompareAndSwap(alone, &rival{method, goid.Get(), callers.Here(3)}) {
			return false
		}
		if other := u.inside.Load(); other != nil && other != alone {
			return false // a third one
		}
	}
}
