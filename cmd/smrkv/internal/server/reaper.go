package server

import (
	"sync"
	"time"
)

// A reaper closes the connections of clients that are silent for too long. It
// looks at all of them now and then: a deadline of each its own would have to be
// moved with each command.
type reaper struct {
	srv *Server

	mu      sync.Mutex
	timer   *time.Timer // nil: there is no timeout
	stopped bool
}

// reset is called when the timeout has changed.
func (r *reaper) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	if every := r.every(); every > 0 && !r.stopped {
		r.timer = time.AfterFunc(every, r.tick)
	}
}

// every returns how often to look: a timeout is late by a quarter at most.
func (r *reaper) every() time.Duration {
	timeout := time.Duration(r.srv.settings.timeout.Load())
	return min((timeout+3)/4, time.Second)
}

func (r *reaper) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	if r.timer != nil {
		r.timer.Stop()
	}
}

func (r *reaper) tick() {
	r.mu.Lock()
	timeout := r.srv.settings.timeout.Load()
	r.mu.Unlock()
	if timeout == 0 { // it was changed after the timer had fired
		return
	}
	limit := time.Now().UnixNano() - timeout
	for _, c := range r.srv.clients() {
		if since := c.shared.idle.Load(); since != 0 && since <= limit && !c.subscribed() {
			c.kill()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer != nil && !r.stopped {
		r.timer.Reset(max(r.every(), time.Millisecond))
	}
}
