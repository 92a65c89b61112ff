//go:build invariants

package smr

import (
	"fmt"
	"sync/atomic"

	"github.com/gosmr/gosmr/internal/goid"
	"github.com/gosmr/gosmr/internal/pinned"
)

// pins lists the open pinned sections of all domains, each with the goroutine that entered it.
var pins pinList

type pinList struct {
	n    atomic.Int32 // the length of open; loaded without mu, to spare goroutines the search
	mu   pinned.Lock
	open map[*sectionInfo]uint64
}

func (l *pinList) add(info *sectionInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = make(map[*sectionInfo]uint64)
	}
	l.open[info] = info.goid
	l.n.Store(int32(len(l.open)))
}

func (l *pinList) remove(info *sectionInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, info)
	l.n.Store(int32(len(l.open)))
}

// of returns a pinned section of the goroutine, or nil.
func (l *pinList) of(id uint64) *sectionInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	for info, by := range l.open {
		if by == id {
			return info
		}
	}
	return nil
}

// CheckMayBlock is documented in debug_off.go.
func CheckMayBlock(what string) {
	if pins.n.Load() == 0 {
		return
	}
	if info := pins.of(goid.Get()); info != nil {
		panic(fmt.Sprintf("%s inside a pinned section of domain %s: a pinned goroutine holds its processor and "+
			"must not block. Leave the section first, or enter it by Enter instead of Pin. It was entered at:\n%s",
			what, info.dom.opts.Name, info.trace()))
	}
}
