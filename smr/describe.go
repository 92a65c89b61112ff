package smr

import (
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/internal/sched"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// descriptions has the functions that say what quiescent readers are, by their records.
type descriptions struct {
	mu ssync.Mutex
	of map[*clock.Record]func() string

	// asking counts the calls of Diagnose that have not returned. It orders nothing.
	asking atomic.Int32
}

// Describe gives the reader a name: stall reports, and the errors of waits that end too early, show what
// describe returns at that moment. A goroutine of the domain calls describe, perhaps just after Close; it
// must not block or panic. Call Describe once, before the reader goes online.
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

// patience is how long an error waits for what an owner says of its reader.
const patience = 100 * time.Millisecond

// ask is describe for the error of a wait that has ended: its goroutine may hold the lock that an
// owner needs. After patience the reader has no name.
func (r *StalledReader) ask() {
	if r.name == nil || sched.Controlled {
		r.describe()
		return
	}
	r.locate()
	name, named := r.name, make(chan string, 1)
	go func() { named <- name() }()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case r.Name = <-named:
	case <-late.C:
	}
}

// ask is the reader's ask for a program that asks again and again: while owners do not answer, their
// number is bounded.
func (ds *descriptions) ask(r *StalledReader) {
	if ds.asking.Load() >= maxNamed {
		return
	}
	name := r.name
	r.name = func() string {
		ds.asking.Add(1)
		defer ds.asking.Add(-1)
		return name()
	}
	r.ask()
}

// locate completes a reader's stack.
func (r *StalledReader) locate() {
	if r.Stack == "" && r.sample != nil {
		r.Stack = stackOf(r.sample)
	}
	r.sample = nil
}

// describe completes the description of a reader, on the goroutine that receives it: what an owner
// says of itself may need a lock.
func (r *StalledReader) describe() {
	r.locate()
	if r.name != nil {
		r.Name = r.name()
		r.name = nil
	}
}
