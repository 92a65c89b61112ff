package smr

// Stats is a snapshot of a domain. Its counters grow, from New on.
type Stats struct {
	Name string

	Calls        uint64 // deferred calls made
	Callbacks    uint64 // deferred calls done: callbacks returned, by whole chunks
	PendingCalls int64  // the difference
	PendingBytes int64  // their sizes, summed

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
		Calls:        r.alone.called.Load(),
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

// pendingBytes returns how many bytes wait to be freed: never less than do.
func (d *Domain) pendingBytes() int64 {
	freed := d.reclaim.freedBytes.Load()
	called := d.reclaim.alone.calledBytes.Load()
	for _, sl := range d.calls.All() {
		called += sl.calledBytes.Load()
	}
	return int64(called - freed)
}
