package smr

import (
	"sync"

	"github.com/gosmr/gosmr/clock"
)

// A Reader is a registered reader, for a worker that reads all day: it owns a record, which makes
// its sections cheap. They may block. One goroutine at a time may use a Reader; synchronize when
// handing it to another. Under -tags invariants a method panics if another goroutine comes into one
// meanwhile, and -race finds any use that is not synchronized.
type Reader struct {
	_ [0]sync.Mutex // by which vet finds copies

	soleUse
	dom *Domain
	rec *clock.Record
}

// NewReader registers a reader. Close it when its worker ends: every grace period scans every
// registered reader. On a closed domain, too, it returns a reader, which can open no section.
func (d *Domain) NewReader() *Reader { return &Reader{dom: d, rec: d.clk.NewOwned()} }

// Enter opens a section. It panics on a closed reader or domain.
//
// Cost: one store, no pin, no call (2 ns with Leave); a call after the clock has moved, and while
// sections are sampled. Inside another section of this reader, that of [Domain.Enter].
func (r *Reader) Enter() Section {
	if watchUse {
		defer r.only("Reader.Enter", r.dom)()
	}
	if debugging {
		rec, gen := r.rec.Enter()
		return r.dom.opened(rec, gen, clock.Owned)
	}
	return Section{in: r.rec.EnterOr((*clock.Record).EnterSlow)}
}

// TryEnter is [Reader.Enter], except that on a closed domain, also while Close waits, it returns
// false and opens no section. Cost: that of Enter.
func (r *Reader) TryEnter() (s Section, ok bool) {
	if watchUse {
		defer r.only("Reader.TryEnter", r.dom)()
	}
	rec, gen := r.rec.TryEnter()
	if debugging && rec != nil {
		return r.dom.opened(rec, gen, clock.Owned), true
	}
	return Section{in: clock.Section{Rec: rec, Gen: gen}}, rec != nil
}

// Close unregisters the reader. It panics if a section of the reader is open. A second Close does
// nothing.
func (r *Reader) Close() {
	if watchUse {
		defer r.only("Reader.Close", r.dom)()
	}
	if !r.rec.Close() {
		panic("smr: Close of a Reader whose section is open")
	}
	r.rec = clock.ClosedRecord() // the old one may be another reader's by now
}
