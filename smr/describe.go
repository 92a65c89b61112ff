package smr

import (
	"github.com/gosmr/gosmr/clock"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// descriptions has the functions that say what quiescent readers are, by their records.
type descriptions struct {
	mu ssync.Mutex
	of map[*clock.Record]func() string
}

// Describe makes stall reports, and the errors of waits that end too early, say what the reader is,
// by what describe returns then. It must not block or panic, and any goroutine may call it, also just
// after Close. Call Describe once, before the reader goes online.
func (q *Quiescent) Describe(describe func() string) {
	ds := &q.dom.descriptions
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.of == nil {
		ds.of = make(map[*clock.Record]func() string)
	}
	ds.of[q.rec] = describe
}

// get returns the function for a record, or nil.
func (ds *descriptions) get(r *clock.Record) func() string {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	return ds.of[r]
}

// remove forgets a record, which may have another owner later.
func (ds *descriptions) remove(r *clock.Record) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	delete(ds.of, r)
}

// describe completes the description of a reader, on the goroutine that receives it: what an owner
// says of itself may need a lock.
func (r *StalledReader) describe() {
	if r.name != nil {
		r.Name = r.name()
		r.name = nil
	}
}
