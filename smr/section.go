package smr

import (
	"github.com/gosmr/gosmr/clock"
)

// A Section is an open reader: from Enter to Leave, nothing that was reachable
// through a Pointer when it was loaded is freed. It is a small value; all its
// copies are the same section. The zero Section is not open.
//
// A section of [Domain.Enter] may block, migrate, and be left by another
// goroutine. As long as it is open, memory of its domain piles up: keep it as
// short as the reading.
type Section struct {
	//lint:ignore U1000 it is used under -tags invariants
	sectionDebug
	rec *clock.Record
	gen uint64
}

// Enter opens a section that may block and migrate. Sections nest freely, in any
// order. It panics on a closed domain.
//
// Cost: about two pins (5 ns); no lock, no allocation once there are as many
// trackers as sections open at once, no atomic instruction where the build
// allows it. Idea: sleepable sections of XNU's smr.h; per-CPU records as in
// FreeBSD's subr_smr.c.
func (d *Domain) Enter() Section {
	rec, gen := d.clk.Enter()
	return d.opened(rec, gen, clock.Tracker)
}

// Pin opens a section that holds its processor: the goroutine is not preempted
// until Leave. For a few loads in a hot path. The goroutine must not block, and
// a panic that passes Leave by kills the process, since the runtime still finds
// the processor held. The same goroutine must call Leave. It panics on a closed
// domain.
//
// In a build that cannot pin ([pcpu.Exclusive] is false) it is Enter. Keep to
// the stricter rules all the same.
//
// Cost: little more than the pin itself.
func (d *Domain) Pin() Section {
	rec, gen := d.clk.Pin()
	return d.opened(rec, gen, clock.Pinned)
}

// Read calls fn in a section of [Domain.Enter], which it leaves also when fn
// panics.
func (d *Domain) Read(fn func(Section)) {
	s := d.Enter()
	defer s.Leave()
	fn(s)
}

// Leave ends the section. It panics if the section is not open: never entered,
// or left before, also if its record is in another section's use by now. Leaving the
// section of a [Quiescent] does nothing: that ends at its next quiescent state.
//
// Two goroutines must not leave one section at the same time. The later one may then
// end the section that uses the record next, without a panic, and what that one's
// reader holds may be freed while it reads. Have one goroutine own a section at a time.
// Under -tags invariants the later Leave panics.
//
// It must not be called while the goroutine holds pointers that it loaded in
// the section and will still follow.
func (s Section) Leave() {
	s.leaving()
	s.rec.Leave(s.gen)
}

// Active reports whether the section is open.
func (s Section) Active() bool {
	s.using()
	return s.rec.Active(s.gen)
}

//go:noinline
func (d *Domain) panicClosed(what string) {
	panic("smr: " + what + " on closed domain " + d.opts.Name)
}
