//go:build invariants

package smr

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/internal/goid"
	"github.com/gosmr/gosmr/internal/pinned"
	"github.com/gosmr/gosmr/internal/sched"
)

// A goroutine that blocks while it is really pinned ends the program by a fatal error of the runtime,
// "schedule: holding locks", which names neither Pin nor the mistake. So here Pin enters an ordinary
// section, which is only in the books as a pinned one. Then whatever blocks in it does block, and a
// timer, which exists as long as the section, finds that; and CheckMayBlock can panic.
//
// What is lost: that a pinned section keeps its processor, which nothing but its speed relies on (it
// does not where pcpu.Exclusive is false) and which the other builds test; and that the runtime finds
// even the shortest wait. The timer finds those that last for two looks, in the same place. Rejected: a
// look at once, which stops the program for each section; and to pin some sections and not others, so
// that the text depends on chance.

// pin opens a section for Pin.
func (d *Domain) pin() (*clock.Record, uint64) {
	if sched.Controlled { // it knows who must not block
		return d.clk.Pin()
	}
	return d.clk.Enter()
}

// pins lists the open pinned sections of all domains, each with the goroutine that entered it.
var pins pinList

type pinList struct {
	n    atomic.Int32 // the length of open; loaded without mu, to spare goroutines the search
	mu   pinned.Lock
	open map[*sectionInfo]*pinWatch
}

// A pinWatch looks at a pinned section at growing intervals. Its fields are guarded by pinList.mu,
// and written by the timer's goroutine.
type pinWatch struct {
	timer *time.Timer
	after time.Duration // the current interval
	place string        // where the goroutine blocked at the last look
	looks int           // for tests
}

// firstLook is when a pinned section, which is for a few loads, has long been open.
const firstLook = 5 * time.Millisecond

func (l *pinList) add(info *sectionInfo) {
	w := &pinWatch{after: firstLook}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = make(map[*sectionInfo]*pinWatch)
	}
	l.open[info] = w
	l.n.Store(int32(len(l.open)))
	if !sched.Controlled { // whose goroutines block all the time
		w.timer = time.AfterFunc(w.after, func() { l.look(info) })
	}
}

func (l *pinList) remove(info *sectionInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.open[info]; w != nil && w.timer != nil {
		w.timer.Stop()
	}
	delete(l.open, info)
	l.n.Store(int32(len(l.open)))
}

// of returns a pinned section of the goroutine, or nil.
func (l *pinList) of(id uint64) *sectionInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	for info := range l.open {
		if info.by == id {
			return info
		}
	}
	return nil
}

// look panics if the section's goroutine blocks where it did at the last look.
func (l *pinList) look(info *sectionInfo) {
	trace, ok := goid.Stacks()[info.by]
	what, place := goid.Blocked(trace), goid.Place(trace)
	l.mu.Lock()
	w := l.open[info]
	if w == nil || !ok { // it was left, or its goroutine is gone
		l.mu.Unlock()
		return
	}
	again := what != "" && place == w.place
	if w.place = ""; what != "" {
		w.place = place
	}
	w.looks++
	if what == "" && w.after < time.Minute {
		w.after *= 2
	}
	w.timer.Reset(w.after)
	l.mu.Unlock()
	if again {
		info.dom.misuse(info.mustNotBlock(what) + "It blocks at:\n" + place)
	}
}

// mustNotBlock is the text for what would block, or does, in the section.
func (info *sectionInfo) mustNotBlock(what string) string {
	return fmt.Sprintf("%s inside a pinned section of domain %s: a pinned goroutine holds its processor and "+
		"must not block. Leave the section first, or enter it by Enter instead of Pin. It was entered by goroutine %d at:\n%s",
		what, info.dom.opts.Name, info.by, info.trace())
}

// CheckMayBlock is documented in debug_off.go.
func CheckMayBlock(what string) {
	if pins.n.Load() == 0 {
		return
	}
	if info := pins.of(goid.Get()); info != nil {
		info.dom.misuse(info.mustNotBlock(what))
	}
}
