//go:build invariants

package smr

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/internal/goid"
	"github.com/gosmr/gosmr/internal/pinned"
)

const debugging = true

// domainDebug lists the open sections, but for those of Quiescents.
type domainDebug struct {
	mu   pinned.Lock // pinned goroutines may take it
	open map[*sectionInfo]struct{}

	// quiescents has the Quiescents that are online and whose Section was called since, each with
	// the goroutine that was the last to call it.
	quiescents map[*clock.Record]uint64
}

// A sectionInfo describes one section. All fields are constant except goid.
type sectionInfo struct {
	dom    *Domain
	rec    *clock.Record
	gen    uint64
	kind   clock.Kind
	goid   uint64 // the last goroutine to Enter, Load or ask Active; guarded by domainDebug.mu
	stack  []uintptr
	labels string // of the goroutine that entered it
}

// A sectionHandle is reachable only from the copies of one Section: its cleanup runs when the last
// copy is gone.
type sectionHandle struct{ info *sectionInfo }

type sectionDebug struct{ handle *sectionHandle }

// pointerDebug remembers the clock of the first section that loaded a pointer, as a number because
// a Pointer may be off the Go heap.
type pointerDebug struct{ tag atomic.Uint64 }

// opened registers an open section.
func (d *Domain) opened(rec *clock.Record, gen uint64, kind clock.Kind) Section {
	info := &sectionInfo{dom: d, rec: rec, gen: gen, kind: kind}
	info.goid, info.labels = goid.Labeled()
	pcs := make([]uintptr, 32)
	info.stack = pcs[:runtime.Callers(3, pcs)]
	d.debug.mu.Lock()
	if d.debug.open == nil {
		d.debug.open = make(map[*sectionInfo]struct{})
	}
	d.debug.open[info] = struct{}{}
	d.debug.mu.Unlock()
	if kind == clock.Pinned {
		pins.add(info)
	}

	h := &sectionHandle{info}
	runtime.AddCleanup(h, (*sectionInfo).dropped, info)
	return Section{sectionDebug: sectionDebug{h}, rec: rec, gen: gen}
}

// leaving unregisters the section. It panics if another goroutine is leaving it; if that has left,
// Record.Leave panics.
func (s Section) leaving() {
	if s.handle == nil || !s.rec.Active(s.gen) {
		return
	}
	info := s.handle.info
	dd := &info.dom.debug
	dd.mu.Lock()
	_, open := dd.open[info]
	delete(dd.open, info)
	dd.mu.Unlock()
	if info.kind == clock.Pinned {
		pins.remove(info)
	}
	if !open && s.rec.Active(s.gen) {
		panic("smr: Leave of a Section that another goroutine is leaving, entered at:\n" + info.trace())
	}
}

// dropped reports a section that was dropped without Leave. It runs as a cleanup, and so must not
// block.
func (info *sectionInfo) dropped() {
	d := info.dom
	d.debug.mu.Lock()
	_, open := d.debug.open[info]
	d.debug.mu.Unlock()
	if !open {
		return
	}
	st := d.newStall(0, 0)
	st.Readers = []StalledReader{{Kind: info.kind, Processor: -1, Stack: info.trace(), Labels: info.labels, Leaked: true}}
	d.report(st)
}

// loading panics unless s is open and of the domain in which the pointer was loaded before.
func (p *pointerDebug) loading(s Section) {
	if !s.Active() {
		if s.rec == nil {
			panic("smr: Pointer.Load outside a section: the Section is zero")
		}
		panic("smr: Pointer.Load in a section that has been left")
	}
	tag := s.rec.Clock().Tag()
	if first := p.tag.Load(); first != tag && (first != 0 || !p.tag.CompareAndSwap(0, tag) && p.tag.Load() != tag) {
		panic("smr: Pointer.Load in a section of another domain than the pointer was loaded in before")
	}
}

// CheckSection is documented in debug_off.go.
func (d *Domain) CheckSection(s Section) {
	switch {
	case s.rec == nil:
		panic("smr: a read outside a section: the Section is zero")
	case !s.Active():
		panic("smr: a read in a section that has been left")
	case s.rec.Clock().Tag() != d.clk.Tag():
		panic("smr: a read in a section of another domain")
	}
}

// using records which goroutine uses the section: after a hand-over, the one that entered it may
// wait.
func (s Section) using() {
	if s.handle == nil {
		return
	}
	id := goid.Get()
	info := s.handle.info
	info.dom.debug.mu.Lock()
	info.goid = id
	info.dom.debug.mu.Unlock()
}

// checkNoOwnSection panics if the calling goroutine, which is about to wait, has a section of the
// domain open.
func (d *Domain) checkNoOwnSection(what string) {
	id := goid.Get()
	for _, info := range d.debug.sections() {
		if info.goid == id {
			panic(fmt.Sprintf("smr: %s inside a section of the same domain, entered at:\n%s", what, info.trace()))
		}
	}
}

// CheckEntered is documented in debug_off.go.
func (d *Domain) CheckEntered() {
	id := goid.Get()
	if !d.debug.entered(id) {
		panic(fmt.Sprintf("smr: goroutine %d is in no section of domain %s%s", id, d.opts.Name, elsewhere(id)))
	}
}

// entered reports whether the goroutine is in a section.
func (dd *domainDebug) entered(id uint64) bool {
	dd.mu.Lock()
	defer dd.mu.Unlock()
	for info := range dd.open {
		if info.goid == id {
			return true
		}
	}
	for _, by := range dd.quiescents {
		if by == id {
			return true
		}
	}
	return false
}

// taken records that the calling goroutine is in the section of q.
//
// Rejected: to record it in Online and Quiesce. There it costs a stand-in of package stw more than
// the rest of its service, so that services overlap, and a domain that waits for their end stays.
func (q *Quiescent) taken() {
	id := goid.Get()
	dd := &q.dom.debug
	dd.mu.Lock()
	defer dd.mu.Unlock()
	if dd.quiescents == nil {
		dd.quiescents = make(map[*clock.Record]uint64)
	}
	dd.quiescents[q.rec] = id
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
	for info := range dd.open {
		all = append(all, *info)
	}
	return all
}

// openStacks lists the open sections with the stacks of their Enter, for an error.
func (d *Domain) openStacks() string {
	var b strings.Builder
	for _, info := range d.debug.sections() {
		fmt.Fprintf(&b, "\n%v entered at:\n%s", info.kind, info.trace())
	}
	return b.String()
}

// entryOf returns the stack that entered the section open on rec, and the labels of the goroutine
// that did, "" if there is none.
func (d *Domain) entryOf(rec *clock.Record) (stack, labels string) {
	for _, info := range d.debug.sections() {
		if info.rec == rec {
			return info.trace(), info.labels
		}
	}
	return "", ""
}

// trace formats the stack of the section's Enter.
func (info *sectionInfo) trace() string {
	var b strings.Builder
	for frames := runtime.CallersFrames(info.stack); ; {
		f, more := frames.Next()
		fmt.Fprintf(&b, "\t%s\n\t\t%s:%d\n", f.Function, f.File, f.Line)
		if !more {
			return b.String()
		}
	}
}
