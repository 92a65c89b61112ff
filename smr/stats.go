package smr

import "math"

// Stats is a snapshot of a domain. Its counters grow, from New on.
type Stats struct {
	Name string

	Calls        uint64 // deferred calls made
	Callbacks    uint64 // deferred calls done: callbacks returned, by whole chunks
	PendingCalls int64  // the difference
	PendingBytes int64  // their sizes, summed; math.MaxInt64 if they are more

	Sections int // open now; registered readers' included
	Records  int // readers' records, in use or not: what a scan looks at
	Workers  int // goroutines that run callbacks now

	Advances uint64 // moments the clock has moved
	Scans    uint64 // looks at all records, each with a heavy fence
	Stalls   uint64 // stall reports
}

// Stats returns a snapshot. What changes meanwhile is in it or not, except that
// nothing pending is missed. Cost: a look at every processor and record.
func (d *Domain) Stats() Stats {
	r := &d.reclaim
	// What is done is read first, so that a call that ends meanwhile counts as
	// pending rather than as less than nothing.
	freed := r.freed.Load()
	st := Stats{
		Name:         d.opts.Name,
		PendingBytes: d.pendingBytes(),
		Calls:        r.unslotted.called.Load(),
		Callbacks:    freed,
		Workers:      int(r.nWorkers.Load()),
		Stalls:       d.stalls.Load(),
	}
	for _, sl := range d.calls.All() {
		st.Calls += sl.called.Load()
	}
	st.PendingCalls = int64(st.Calls - freed)
	st.Advances, st.Scans = d.clk.Counters()
	st.Sections, st.Records = d.clk.Census()
	return st
}

// pendingBytes returns how many bytes wait to be freed: never less than do, but for
// what is beyond math.MaxInt64.
func (d *Domain) pendingBytes() int64 {
	r := &d.reclaim
	freed := r.freedBytes.Load()
	called := r.unslotted.calledBytes.Load()
	for _, sl := range d.calls.All() {
		called += sl.calledBytes.Load()
	}
	pending, large := called-freed, uint64(r.large.Load())
	if pending > math.MaxInt64 || large > (math.MaxInt64-pending)/largeSize {
		return math.MaxInt64
	}
	return int64(pending + large*largeSize)
}
