//go:build !invariants

package smr

import (
	"unsafe"

	"github.com/gosmr/gosmr/clock"
)

// Without -tags invariants the types below are empty and the functions do nothing. See debug_on.go.

const debugging = false

//lint:ignore U1000 it has fields under -tags invariants
type domainDebug struct{}

//lint:ignore U1000 it has fields under -tags invariants
type sectionDebug struct{}

type pointerDebug struct{}

func (d *Domain) opened(rec *clock.Record, gen uint64, _ clock.Kind) Section {
	return Section{in: clock.Section{Rec: rec, Gen: gen}}
}

func (d *Domain) pin() (*clock.Record, uint64) { return d.clk.Pin() }

func (s Section) leaving() {}

func (s Section) using() {}

func (p *pointerDebug) in(*Domain) {}

func (p *pointerDebug) guardedBy(TryLocker) {}

func (p *pointerDebug) loading(Section) {}

func (p *pointerDebug) writing(string) {}

type soleUse struct{ handedOver }

func (u *soleUse) only(string, *Domain) (end func()) {
	u.use()
	return func() {}
}

// CheckSection panics if s is not an open section of the domain: it names its caller, both domains,
// and where s was entered. It is for data structures whose methods take their reader's section.
// Without -tags invariants it does nothing.
func (d *Domain) CheckSection(Section) {}

// CheckEntered panics unless the calling goroutine is in a section of the domain, of any kind. It is
// for functions that are called in their caller's section, without its Section. A section that
// passes to another goroutine is that one's once it has used it (Load or Active). A Quiescent's
// belongs to the goroutine that was the last to call Section since Online. Without -tags invariants
// CheckEntered does nothing. Idea: smr_entered of XNU.
func (d *Domain) CheckEntered() {}

// CheckMayBlock panics if the calling goroutine is in a pinned section, of whatever domain: then it
// must not block. what says, in the panic, what might. The methods of this module that may
// wait, request something or write call it. Those that only ask do not, though some of them take a
// lock for a moment. Without -tags invariants it does nothing.
//
// A wait of other code, on a channel or a lock, say, is found when it has lasted for some milliseconds,
// and ends the program with the same text.
func CheckMayBlock(what string) {}

// CheckMayWait panics if the calling goroutine is in a section of the domain, for which what would wait
// as long as the goroutine waits for what. The methods of this module that may wait for readers call it,
// also where there is nothing to wait for: so a test finds the mistake without the load that makes it
// matter. Without -tags invariants it does nothing.
func (d *Domain) CheckMayWait(what string) {}

func (d *Domain) callOnce(func(unsafe.Pointer), any, int) bool { return false }

func given(func(unsafe.Pointer), unsafe.Pointer) {}

func (q *Quiescent) taken(uint64) sectionDebug { return sectionDebug{} }

func (q *Quiescent) forgotten() {}

func (d *Domain) complete(*StalledReader, *clock.Record) {}
