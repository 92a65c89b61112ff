package smr

import "github.com/gosmr/gosmr/clock"

// A Section protects what its reader loads from a [Pointer]: from Enter to Leave, none of it is
// freed. It is a small value, and all copies are the same section. The zero Section is not open.
// While a section is open, retired memory of its domain piles up, so keep it short.
type Section struct {
	//lint:ignore U1000 it is used under -tags invariants
	sectionDebug
	in clock.Section
}

// Enter opens a section that may block, migrate, and be left by another goroutine. Sections nest
// freely and may be left in any order. Enter panics on a closed domain.
//
// Cost: about two pins (5 ns), no lock, and no atomic instruction where the build allows it. It
// allocates only if more sections are open than ever before. Idea: the sleepable sections of XNU's
// smr.h; per-CPU records as in FreeBSD's subr_smr.c.
func (d *Domain) Enter() Section {
	rec, gen := d.clk.Enter()
	return d.opened(rec, gen, clock.Tracker)
}

// TryEnter is [Domain.Enter], except that on a closed domain, also while Close waits, it returns
// false and opens no section. Use it where a reader may come late, such as in the handler of a
// request. Cost: that of Enter.
func (d *Domain) TryEnter() (s Section, ok bool) {
	rec, gen := d.clk.TryEnter()
	if debugging && rec != nil {
		return d.opened(rec, gen, clock.Tracker), true
	}
	return Section{in: clock.Section{Rec: rec, Gen: gen}}, rec != nil // few enough words to be inlined
}

// Pin opens a section that holds its processor: the goroutine is not preempted until Leave. So no
// grace period waits for this section while its goroutine waits for a processor. Use it for a few
// loads; it is no faster than Enter. The goroutine must not block, and must call Leave itself. A panic that
// skips Leave kills the process, because the runtime finds the processor still held. Pin panics on a
// closed domain.
//
// Under -tags invariants the methods of this module that may block panic inside it, with the stack of
// Pin: see [CheckMayBlock]. To tell of other code that blocks (channels, locks, sleeping, input), where
// Go would end the program by "schedule: holding locks", Pin does not really pin there.
//
// In a build that cannot pin ([pcpu.Exclusive] is false) Pin is Enter; the rules above still apply.
// Cost: a little more than Enter, whose Leave is inlined: two pins (5 to 7 ns).
func (d *Domain) Pin() Section {
	if debugging {
		rec, gen := d.pin()
		return d.opened(rec, gen, clock.Pinned)
	}
	rec, gen := d.clk.Pin()
	return Section{in: clock.Section{Rec: rec, Gen: gen}}
}

// Read calls fn in a section of [Domain.Enter] and leaves it when fn returns or panics.
func (d *Domain) Read(fn func(Section)) {
	s := d.Enter()
	defer s.Leave()
	fn(s)
}

// Leave ends the section. Do not follow pointers loaded in it any more. Leave panics if the section
// was never entered or has been left, even if another section uses its record by now. For a
// [Quiescent]'s section it does nothing: that ends at the next quiescent state.
//
// One goroutine at a time owns a section. If two leave it at the same time, the later Leave may end
// the next section on the same record without a panic, and what that protects may be freed too
// early. Under -tags invariants the later Leave panics.
func (s Section) Leave() {
	if debugging {
		s.leaving()
	}
	s.in.Rec.LeaveOr(s.in.Gen, (*clock.Record).LeaveSlow)
}

// Active reports whether the section is open.
func (s Section) Active() bool {
	s.using()
	return s.in.Rec.Active(s.in.Gen)
}

// panicClosed panics for an operation that a closed domain refuses.
//
//go:noinline
func (d *Domain) panicClosed(what string) {
	panic("smr: " + what + " on closed domain " + d.opts.Name)
}
