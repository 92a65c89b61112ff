//go:build invariants

package smr

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/internal/callers"
	"github.com/gosmr/gosmr/internal/goid"
	"github.com/gosmr/gosmr/internal/pinned"
)

const debugging = true

// domainDebug lists the open sections, but for those of Quiescents.
type domainDebug struct {
	mu   pinned.Lock                    // pinned goroutines may take it
	open map[*clock.Record]*sectionInfo // by the record that each is on

	// sites counts the open sections by where they were entered, if no other goroutine uses them.
	sites map[site]int

	// quiescents has the Quiescents that are online and whose Section was called since.
	quiescents map[*clock.Record]taking
}

// A taking is a call of Quiescent.Section: the last goroutine to call it, and what it returned.
type taking struct{ goid, gen uint64 }

// A sectionInfo describes one section. All fields are constant except goid and counted, which
// domainDebug.mu guards.
type sectionInfo struct {
	dom    *Domain
	rec    *clock.Record
	gen    uint64
	kind   clock.Kind
	by     uint64 // the goroutine that entered it
	goid   uint64 // the last goroutine to Enter, Load or ask Active
	stack  callers.Stack
	labels string // of the goroutine that entered it

	counted site // in domainDebug.sites
}

// A sectionHandle is reachable only from the copies of one Section: its cleanup runs when the last
// copy is gone.
type sectionHandle struct{ info *sectionInfo }

type sectionDebug struct {
	handle    *sectionHandle
	quiescent *Domain // of a Quiescent's section, which has no handle
}

// opened registers an open section.
func (d *Domain) opened(rec *clock.Record, gen uint64, kind clock.Kind) Section {
	info := &sectionInfo{dom: d, rec: rec, gen: gen, kind: kind}
	info.by, info.labels = goid.Labeled()
	info.goid, info.stack = info.by, callers.Here(2)
	d.debug.mu.Lock()
	if d.debug.open == nil {
		d.debug.open = make(map[*clock.Record]*sectionInfo)
	}
	d.debug.open[rec] = info
	suspect := d.debug.countLocked(info)
	d.debug.mu.Unlock()
	if kind == clock.Pinned {
		pins.add(info)
	}

	h := &sectionHandle{info}
	runtime.AddCleanup(h, (*sectionInfo).dropped, info)
	s := Section{sectionDebug: sectionDebug{handle: h}, in: clock.Section{Rec: rec, Gen: gen}}
	if suspect {
		d.checkRepeated(s)
	}
	return s
}

// leaving unregisters the section. It panics if another goroutine is leaving it; if that has left,
// Record.Leave panics.
func (s Section) leaving() {
	if s.handle == nil || !s.in.Rec.Active(s.in.Gen) {
		return
	}
	found := s.ending()
	info := s.handle.info
	if info.kind == clock.Pinned {
		info.checkOwn()
	}
	dd := &info.dom.debug
	dd.mu.Lock()
	open := dd.open[info.rec] == info
	if open {
		delete(dd.open, info.rec)
	}
	dd.uncountLocked(info)
	dd.mu.Unlock()
	runtime.KeepAlive(s.handle) // or its cleanup might run while the section is among the open ones
	if info.kind == clock.Pinned {
		pins.remove(info)
	}
	if !open && s.in.Rec.Active(s.in.Gen) {
		info.dom.misuse("smr: Leave of a Section that another goroutine is leaving, entered at:\n" + info.trace())
	}
	if found != "" {
		s.in.Rec.Leave(s.in.Gen)
		info.dom.misuse(found)
	}
}

// checkOwn panics unless the calling goroutine has entered the section, which is pinned.
func (info *sectionInfo) checkOwn() {
	if id := goid.Get(); id != info.by {
		info.dom.misuse(fmt.Sprintf("smr: goroutine %d leaves a pinned section of domain %s: the goroutine that enters it must leave it itself, or enter it "+
			"by Enter instead of Pin. It was entered by goroutine %d at:\n%s", id, info.dom.opts.Name, info.by, info.trace()))
	}
}

// dropped reports a section that was dropped without Leave. It runs as a cleanup, and so must not
// block.
func (info *sectionInfo) dropped() {
	d := info.dom
	d.debug.mu.Lock()
	open := d.debug.open[info.rec] == info
	d.debug.mu.Unlock()
	if !open {
		return
	}
	st := d.newStall(0, 0)
	st.Readers = []StalledReader{{Kind: info.kind, Processor: -1, Stack: info.trace(), Labels: info.labels, Leaked: true}}
	d.report(st)
}

// CheckSection is documented in debug_off.go.
func (d *Domain) CheckSection(s Section) {
	if s.Active() && s.in.Rec.Clock().Tag() == d.clk.Tag() {
		return
	}
	what := callers.Here(1).Innermost()
	s.mustBeOpen(what, " of domain "+d.opts.Name)
	d.misuse(fmt.Sprintf("smr: %s in a section of another domain: what it reads is of domain %s. Enter that one, by the container: "+
		"m.Enter() or m.Domain().Enter(). The section is %s", what, d.opts.Name, s.origin()))
}

// mustBeOpen panics unless s is open. It is to be of a domain.
func (s Section) mustBeOpen(what, ofDomain string) {
	switch {
	case s.in.Rec == nil:
		panic(fmt.Sprintf("smr: %s outside a section: the Section is zero. Enter one%s first", what, ofDomain))
	case !s.Active():
		s.domain().misuse(fmt.Sprintf("smr: %s in a section that has been left: do before Leave all that needs it, and copy what you keep. It was %s",
			what, s.origin()))
	}
}

// domain returns the section's domain, or nil if the section is zero.
func (s Section) domain() *Domain {
	if s.handle != nil {
		return s.handle.info.dom
	}
	return s.quiescent
}

// origin says of which domain the section is, and where it was entered.
func (s Section) origin() string {
	switch {
	case s.handle != nil:
		return fmt.Sprintf("of domain %s, entered by goroutine %d at:\n%s", s.domain().opts.Name, s.handle.info.by, s.handle.info.trace())
	case s.quiescent != nil:
		return fmt.Sprintf("of domain %s, a Quiescent's", s.domain().opts.Name)
	}
	return "of no domain"
}

// using records which goroutine uses the section: after a hand-over, the one that entered it may
// wait.
func (s Section) using() {
	if s.handle == nil {
		return
	}
	id := goid.Get()
	info := s.handle.info
	dd := &info.dom.debug
	dd.mu.Lock()
	if info.goid = id; id != info.by {
		dd.uncountLocked(info)
	}
	dd.mu.Unlock()
}

// CheckMayWait is documented in debug_off.go.
func (d *Domain) CheckMayWait(what string) {
	id := goid.Get()
	for _, info := range d.debug.sections() {
		if info.goid == id {
			d.misuse(fmt.Sprintf("%s inside a section of domain %s, for which it may wait: Leave first. The section was entered at:\n%s",
				what, d.opts.Name, info.trace()))
		}
	}
	if rec := d.debug.ownQuiescent(id); rec != nil {
		name := "a Quiescent"
		if describe := d.descriptions.get(rec); describe != nil {
			name = describe()
		}
		d.misuse(fmt.Sprintf("%s of domain %s by goroutine %d in its own section, of %s: it would wait for itself. Go Offline first; "+
			"a domain of package stw waits by its own Synchronize, or in Blocking", what, d.opts.Name, id, name))
	}
}

// ownQuiescent returns the record of a Quiescent whose current section the goroutine has taken, or nil.
func (dd *domainDebug) ownQuiescent(id uint64) *clock.Record {
	dd.mu.Lock()
	defer dd.mu.Unlock()
	for rec, by := range dd.quiescents {
		if by.goid == id && rec.Active(by.gen) {
			return rec
		}
	}
	return nil
}

// CheckEntered is documented in debug_off.go.
func (d *Domain) CheckEntered() {
	id := goid.Get()
	if !d.debug.entered(id) {
		d.misuse(fmt.Sprintf("smr: goroutine %d is in no section of domain %s%s", id, d.opts.Name, elsewhere(id)))
	}
}

// entered reports whether the goroutine is in a section.
func (dd *domainDebug) entered(id uint64) bool {
	dd.mu.Lock()
	defer dd.mu.Unlock()
	for _, info := range dd.open {
		if info.goid == id {
			return true
		}
	}
	for _, by := range dd.quiescents {
		if by.goid == id {
			return true
		}
	}
	return false
}

// taken records that the calling goroutine is in the section of q.
//
// Rejected: to record it in Online and Quiesce. There it costs a stand-in of package stw more than
// the rest of its service, so that services overlap, and a domain that waits for their end stays.
func (q *Quiescent) taken(gen uint64) sectionDebug {
	id := goid.Get()
	dd := &q.dom.debug
	dd.mu.Lock()
	defer dd.mu.Unlock()
	if dd.quiescents == nil {
		dd.quiescents = make(map[*clock.Record]taking)
	}
	dd.quiescents[q.rec] = taking{id, gen}
	return sectionDebug{quiescent: q.dom}
}

// forgotten records that no goroutine is in the section of q.
func (q *Quiescent) forgotten() {
	dd := &q.dom.debug
	dd.mu.Lock()
	defer dd.mu.Unlock()
	delete(dd.quiescents, q.rec)
}

// elsewhere lists the sections that the goroutine has open in other domains, for a panic.
func elsewhere(id uint64) string {
	if !registry.mu.TryLock() { // the caller may be pinned
		return ""
	}
	defer registry.mu.Unlock()
	var b strings.Builder
	for _, d := range registry.domains {
		for _, info := range d.debug.sections() {
			if info.goid == id {
				fmt.Fprintf(&b, "; it is in a %v of domain %s, entered at:\n%s", info.kind, d.opts.Name, info.trace())
			}
		}
	}
	return b.String()
}

// sections returns a copy of the description of each open section.
func (dd *domainDebug) sections() []sectionInfo {
	dd.mu.Lock()
	defer dd.mu.Unlock()
	var all []sectionInfo
	for _, info := range dd.open {
		all = append(all, *info)
	}
	return all
}

// complete adds to the description of a reader what the books have of the section open on rec: its
// stack and labels, and its kind, since for the clock a pinned one is not.
func (d *Domain) complete(sr *StalledReader, rec *clock.Record) {
	if info := d.debug.on(rec); info != nil {
		sr.Kind, sr.Stack, sr.Labels, sr.pcs = info.kind, info.trace(), info.labels, info.stack
	}
}

// on returns the section open on rec, or nil. Use only what is constant of it.
func (dd *domainDebug) on(rec *clock.Record) *sectionInfo {
	dd.mu.Lock()
	defer dd.mu.Unlock()
	return dd.open[rec]
}

// trace formats the stack of the section's Enter.
func (info *sectionInfo) trace() string { return info.stack.String() }
