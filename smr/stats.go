package smr

import (
	"math"
	"time"

	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
)

// Stats is a snapshot of a domain, with counters since New.
type Stats struct {
	Name string

	Calls        uint64 // deferred calls made
	Callbacks    uint64 // callbacks that returned, counted by whole chunks
	PendingCalls int64  // Calls - Callbacks
	PendingBytes int64  // sum of the pending sizes, at most math.MaxInt64

	Holds     int           // objects that are held, each time by a Hold: clones are not counted
	HeldCalls int64         // pending calls that only wait until their objects are released
	HeldBytes int64         // the sum of their sizes
	HeldFor   time.Duration // how long the oldest of them has done so

	Sections int // open sections, those of registered readers included
	Records  int // readers' records, in use or not: what a scan reads
	Workers  int // goroutines that run callbacks, those in Assist included

	Advances uint64 // how often the clock has moved
	Scans    uint64 // scans of all records, at most one heavy fence each
	Stalls   uint64 // stall reports
}

// Stats returns a snapshot. It may miss concurrent changes, but nothing that is pending. Cost: a
// scan of all processors and records.
func (d *Domain) Stats() Stats {
	r := &d.reclaim
	// freed is read first: a call that ends meanwhile counts as pending, and the difference is
	// never negative.
	freed := r.freed.Load()
	st := Stats{
		Name:         d.opts.Name,
		PendingBytes: d.pendingBytes(),
		Calls:        r.called.Load(),
		Callbacks:    freed,
		Workers:      r.busy(),
		Stalls:       d.stalls.Load(),
		Holds:        d.holdCensus(),
		HeldCalls:    r.heldCalls.Load(),
		HeldBytes:    r.heldBytes.Load(),
		HeldFor:      d.heldFor(),
	}
	for _, sl := range d.calls.All() {
		st.Calls += sl.called.Load()
	}
	st.PendingCalls = int64(st.Calls - freed)
	st.Advances, st.Scans = d.clk.Counters()
	st.Sections, st.Records = d.clk.Census()
	return st
}

// An account counts what the slots do not. Callers, drains and workers write its fields by atomic
// add; Stats and Throttle read them.
type account struct {
	// The calls that went through no slot. They only grow, unless a call is refused.
	called, calledBytes satomic.Uint64

	// The calls whose callbacks have returned. They only grow.
	freed, freedBytes satomic.Uint64

	// large is the pending units of largeSize. It goes up before such a call is made and down after
	// its callback.
	large satomic.Int64

	// handedOver is the bytes of the chunks handed over and not freed yet, which Throttle reads
	// first. It goes up before a chunk enters the inbox.
	handedOver satomic.Int64
}

// pendingBytes returns the number of pending bytes, at most math.MaxInt64. It may count too many,
// but misses none.
func (d *Domain) pendingBytes() int64 {
	r := &d.reclaim
	freed := r.freedBytes.Load()
	called := r.calledBytes.Load()
	for _, sl := range d.calls.All() {
		called += sl.calledBytes.Load()
	}
	pending, large := called-freed, uint64(r.large.Load())
	if pending > math.MaxInt64 || large > (math.MaxInt64-pending)/largeSize {
		return math.MaxInt64
	}
	return int64(pending + large*largeSize)
}
