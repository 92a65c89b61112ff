package smr

import (
	"github.com/gosmr/gosmr/clock"
)

// A Quiescent is a reader that is driven from outside: its owner states when it
// holds no protected pointer, and between two such statements it is in one long
// section that costs nothing. Event loops and schedulers use it, through
// package stw or on their own. This is QSBR, quiescent-state-based reclamation
// (Hart et al. 2007; liburcu's qsbr flavour).
//
//	            Online                 Quiesce
//	offline ──────────────▶ online ─────────────┐
//	   ▲                     │  ▲               │ ends the section,
//	   └─────────────────────┘  └───────────────┘ begins the next
//	            Offline
//
// Its methods may be called by one goroutine at a time, with synchronization
// between one and the next.
type Quiescent struct {
	dom *Domain
	rec *clock.Record
}

// NewQuiescent registers a quiescent reader, offline at first. It panics on a closed
// domain.
//
// report, which may be nil, is called by a goroutine that waits for this reader, one of
// the domain's or of its users', each time before that goroutine spins and parks. It
// should make the owner call Quiesce or Offline soon. While calls are pending, and no
// user's wait is parked, it is called again, at growing intervals, in case the owner missed
// it; but the owner should not miss it. It must not block,
// panic or end the goroutine: all who wait on the domain wait for it, and a panic comes
// out of the wait. It may be called while the owner calls Quiesce already, and once more
// after Close.
func (d *Domain) NewQuiescent(report func()) *Quiescent {
	if d.clk.Sealed() {
		d.panicClosed("NewQuiescent")
	}
	return &Quiescent{dom: d, rec: d.clk.NewQuiescent(report)}
}

// Online begins a section, unless the owner is online already, closed, or its
// domain is. The owner must go offline before it blocks, or grace periods wait
// for it.
func (q *Quiescent) Online() { q.rec.Online() }

// Quiesce ends the section and begins the next: the owner holds nothing that it
// loaded before. Offline, it does nothing; if the domain is closed it is Offline.
// Cost: two stores.
func (q *Quiescent) Quiesce() { q.rec.Quiesce() }

// Offline ends the section. Until it is Online again, the owner holds nothing.
func (q *Quiescent) Offline() { q.rec.Offline() }

// Section returns the section that the owner is in, valid until the next
// Quiesce or Offline. Its Leave does nothing. It panics if the owner is offline.
func (q *Quiescent) Section() Section {
	gen, ok := q.rec.Section()
	if !ok {
		panic("smr: Section of an offline Quiescent")
	}
	return Section{rec: q.rec, gen: gen}
}

// Close goes offline and unregisters. Closing twice does nothing.
func (q *Quiescent) Close() {
	q.rec.Close()
	q.rec = clock.ClosedRecord() // the old one may be another owner's by now
}
