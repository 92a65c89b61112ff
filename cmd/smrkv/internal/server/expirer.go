package server

import (
	"sync"
	"sync/atomic"
	"time"
)

// An expirer deletes entries whose time has come although nobody asks for them.
//
// It has a timer while there may be entries that expire: storing one starts it,
// and it stops after a walk over all databases that found none. Each tick sweeps
// for sweepFor at most, and goes on where the last one was.
type expirer struct {
	srv *Server

	// needed: the timer is set, or a tick is running. Changed under mu.
	// dirty: an entry that expires was stored since the walk began.
	//
	// Whoever stores one sets dirty, then looks at needed; a tick that finds
	// nothing clears needed, then looks at dirty. One of them sees the other.
	needed, dirty atomic.Bool

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool

	// Of the current walk, which a tick goes on with.
	sweep uint64 // cursor
	db    int    // where that is
	found int    // entries that will expire; here, and in those before
	all   int
}

const (
	tickEvery = 100 * time.Millisecond
	// When the sweep before found much to delete, there is probably more.
	tickSoon = 5 * time.Millisecond
	sweepFor = 2 * time.Millisecond
	sweepN   = 256
)

// note says that an entry that expires was stored.
func (e *expirer) note() {
	if !e.dirty.Load() { // its line is not written to by every command
		e.dirty.Store(true)
	}
	if !e.needed.Load() {
		e.wake()
	}
}

// wake sets the timer, unless it is set or the server ends.
func (e *expirer) wake() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped || e.needed.Load() {
		return
	}
	e.needed.Store(true)
	if e.timer == nil {
		e.timer = time.AfterFunc(tickEvery, e.tick)
		return
	}
	e.timer.Reset(tickEvery)
}

// stop ends it for good, and waits for a round that runs.
func (e *expirer) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
	if e.timer != nil {
		e.timer.Stop()
	}
}

func (e *expirer) tick() {
	defer e.srv.opts.step()
	removed, swept := 0, 0
	for start := time.Now(); time.Since(start) < sweepFor; {
		n, after := 0, sweepOn
		e.srv.background(func() { n, after = e.round() })
		removed += n
		swept += sweepN
		if after == sweepNoMore {
			return
		}
		if after == sweepLater {
			break
		}
	}
	next := tickEvery
	if removed > swept/8 {
		next = tickSoon
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.stopped {
		e.timer.Reset(next)
	}
}

// What comes after a round.
type afterRound int

const (
	sweepOn     afterRound = iota
	sweepLater             // the walk is at its end
	sweepNoMore            // so it is, nothing expires any more, and no timer is set
)

// round goes on with the walk for some entries, which takes no longer than EXEC may wait.
func (e *expirer) round() (removed int, after afterRound) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return 0, sweepNoMore
	}
	if e.db == 0 && e.sweep == 0 {
		e.all = 0
		e.dirty.Store(false)
	}
	if e.sweep == 0 {
		e.found = 0
	}
	d := &e.srv.dbs[e.db]
	swept := d.data.Load().Sweep(e.sweep, sweepN)
	e.sweep, removed = swept.Next, swept.Removed
	e.found += swept.Expiring
	if e.sweep != 0 {
		return removed, sweepOn
	}
	d.expiring.Store(int64(e.found))
	e.all += e.found
	if e.db = e.srv.nextDatabase(e.db); e.db != 0 {
		return removed, sweepOn
	}
	if e.all == 0 {
		e.needed.Store(false)
		if !e.dirty.Load() {
			return removed, sweepNoMore
		}
		e.needed.Store(true)
	}
	return removed, sweepLater
}
