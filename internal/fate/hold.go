package fate

import (
	"slices"
	"unsafe"

	"github.com/gosmr/gosmr/internal/callers"
	"github.com/gosmr/gosmr/internal/pinned"
)

// A Hold is an smr.Held, or a clone, that was not released.
type Hold struct {
	Domain string
	At     callers.Stack
}

// holds has them, by their objects' addresses.
var holds struct {
	mu pinned.Lock // pinned goroutines may take it
	of map[unsafe.Pointer][]*Hold
}

// AddHold notes a hold of the object at p.
func AddHold(p unsafe.Pointer, h *Hold) {
	holds.mu.Lock()
	defer holds.mu.Unlock()
	if holds.of == nil {
		holds.of = make(map[unsafe.Pointer][]*Hold)
	}
	holds.of[p] = append(holds.of[p], h)
}

// RemoveHold forgets a hold.
func RemoveHold(p unsafe.Pointer, h *Hold) {
	holds.mu.Lock()
	defer holds.mu.Unlock()
	all := slices.DeleteFunc(holds.of[p], func(o *Hold) bool { return o == h })
	if len(all) == 0 {
		delete(holds.of, p)
	} else {
		holds.of[p] = all
	}
}

// HoldOf returns a hold of the object at p, or nil.
func HoldOf(p unsafe.Pointer) *Hold {
	holds.mu.Lock()
	defer holds.mu.Unlock()
	if all := holds.of[p]; len(all) > 0 {
		return all[0]
	}
	return nil
}
