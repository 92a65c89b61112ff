package server

import (
	"sync"
	"time"
)

// A reaper ends the connections of clients that are silent for too long, and of subscribers that
// read too slowly although nothing more is published to them. It looks at them now and then, as
// long as there is a timeout or such a subscriber: deadlines of their own would have to be moved with
// each command, and with each message.
type reaper struct {
	srv *Server

	mu      sync.Mutex
	timer   *time.Timer // nil: there is nothing to look at
	stopped bool
	slow    map[*inbox]struct{} // over the soft limit when last looked at, or told of since
}

func (r *reaper) init(s *Server) { r.srv, r.slow = s, make(map[*inbox]struct{}) }

// reset is called when the timeout has changed.
func (r *reaper) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	r.startLocked()
}

// watch is told of an inbox that is over the soft limit, by whoever published to it, after that: a
// tick sees either the inbox in the map, or how much is in it.
func (r *reaper) watch(b *inbox) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slow[b] = struct{}{}
	r.startLocked()
}

func (r *reaper) startLocked() {
	if every := r.everyLocked(); every > 0 && r.timer == nil && !r.stopped {
		r.timer = time.AfterFunc(every, r.tick)
	}
}

// everyLocked returns how often to look, 0 for not at all: a timeout is late by a quarter at most.
func (r *reaper) everyLocked() time.Duration {
	timeout := time.Duration(r.srv.settings.timeout.Load())
	if timeout == 0 && len(r.slow) > 0 {
		return time.Second
	}
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
	defer r.srv.opts.step()
	if timeout := r.srv.settings.timeout.Load(); timeout > 0 {
		limit := time.Now().UnixNano() - timeout
		for _, c := range r.srv.clients() {
			if since := c.shared.idle.Load(); since != 0 && since <= limit && !c.subscribed() && !c.monitors() {
				c.kill()
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for b := range r.slow {
		if !b.watch(r.srv.settings.pubsubLimit()) {
			delete(r.slow, b)
		}
	}
	switch every := r.everyLocked(); {
	case r.timer == nil || r.stopped:
	case every > 0:
		r.timer.Reset(max(every, time.Millisecond))
	default:
		r.timer = nil
	}
}
