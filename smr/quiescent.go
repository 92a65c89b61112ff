package smr

import (
	"sync"

	"github.com/gosmr/gosmr/clock"
)

// A Quiescent is a reader whose owner announces its quiescent states: the moments at which it holds
// no protected pointer. Between two of them it is in one long section that costs nothing. It is for
// event loops and schedulers, with or without package stw. This is QSBR, quiescent-state-based
// reclamation (Hart et al. 2007; liburcu's qsbr flavour).
//
//	            Online                 Quiesce
//	offline ──────────────▶ online ─────────────┐
//	   ▲                     │  ▲               │ ends the section,
//	   └─────────────────────┘  └───────────────┘ begins the next
//	            Offline
//
// One goroutine at a time may use it; synchronize when handing it to another. Under -tags invariants
// a method panics if another goroutine comes into one meanwhile, and -race finds any use that is not
// synchronized.
type Quiescent struct {
	_ [0]sync.Mutex // by which vet finds copies

	soleUse
	dom *Domain
	rec *clock.Record
}

// NewQuiescent registers a quiescent reader, offline at first. It panics on a closed domain.
//
// report, which may be nil, asks the owner to call Quiesce or Offline soon. A goroutine that waits
// for this reader, the domain's or a user's, calls it each time before it spins and parks. While
// calls are pending and no user's wait is parked, the domain repeats the call at growing intervals;
// do not rely on that. report must not block, panic or end the goroutine: it would block every wait
// on the domain, and a panic would come out of one of them. It may be called while the owner is in
// Quiesce, and once more after Close.
func (d *Domain) NewQuiescent(report func()) *Quiescent {
	if d.clk.Sealed() {
		d.panicClosed("NewQuiescent")
	}
	return &Quiescent{dom: d, rec: d.clk.NewQuiescent(report)}
}

// Online begins a section. It does nothing if the reader is online or closed, or its domain is
// closed. Go offline before blocking: grace periods wait for an online reader.
func (q *Quiescent) Online() {
	if watchUse {
		defer q.only("Quiescent.Online", q.dom)()
	}
	q.rec.Online()
}

// Quiesce announces a quiescent state: it ends the section and begins the next. What the owner
// loaded before is no longer protected. An offline reader stays offline, and on a closed domain
// Quiesce is Offline. Cost: a store; two and a fence if the domain's clock has moved.
func (q *Quiescent) Quiesce() {
	if watchUse {
		defer q.only("Quiescent.Quiesce", q.dom)()
	}
	found := q.ending()
	q.rec.Quiesce()
	q.tell(found)
}

// Offline ends the section. Until Online, the reader protects nothing.
func (q *Quiescent) Offline() {
	if watchUse {
		defer q.only("Quiescent.Offline", q.dom)()
	}
	q.tell(q.offline())
}

func (q *Quiescent) offline() (found string) {
	found = q.ending()
	q.rec.Offline()
	q.forgotten()
	return found
}

// tell panics with what was found as a section ended, if anything: only under -tags invariants.
func (q *Quiescent) tell(found string) {
	if found != "" {
		q.dom.misuse(found)
	}
}

// Awaited reports whether the last grace period that asked this domain's quiescent readers still goes
// on. If there are more of them than processors, one that has answered may want to yield to
// the others: the Go scheduler would let it run for a time slice first. It is a hint.
func (q *Quiescent) Awaited() bool { return q.rec.Awaited() }

// Section returns the current section, which is valid until the next Quiesce or Offline. Its Leave
// does nothing. Section panics if the reader is offline.
func (q *Quiescent) Section() Section {
	if watchUse {
		defer q.only("Quiescent.Section", q.dom)()
	}
	gen, ok := q.rec.Section()
	if !ok {
		panic("smr: Section of an offline Quiescent")
	}
	return Section{sectionDebug: q.taken(gen), in: clock.Section{Rec: q.rec, Gen: gen}}
}

// Close takes the reader offline and unregisters it. A second Close does nothing.
func (q *Quiescent) Close() {
	if watchUse {
		defer q.only("Quiescent.Close", q.dom)()
	}
	q.dom.descriptions.remove(q.rec)
	found := q.offline()
	q.rec.Close()
	q.rec = clock.ClosedRecord() // the old one may be another owner's by now
	q.tell(found)
}
