package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// A pulse shows that a goroutine is alive. It beats after each unit of work.
type pulse struct {
	name  string
	beats atomic.Uint64 // written by its goroutine
	ended atomic.Bool

	// The watch's own.
	seen  uint64
	since time.Time
}

func (p *pulse) beat() { p.beats.Add(1) }
func (p *pulse) end()  { p.ended.Store(true) }

// A watch observes all goroutines of a run: a lost wake-up may hang one of them while the others
// continue.
type watch struct {
	limit  time.Duration
	pulses []*pulse
}

// pulse adds a goroutine. It may not be called while run is running.
func (w *watch) pulse(name string) *pulse {
	p := &pulse{name: name}
	w.pulses = append(w.pulses, p)
	return p
}

// look returns the names of all goroutines whose pulse did not beat within the limit. Several may
// be stuck through the fault of one.
func (w *watch) look(now time.Time) (stuck []string) {
	for _, p := range w.pulses {
		beats := p.beats.Load()
		switch {
		case p.ended.Load():
		case beats != p.seen || p.since.IsZero():
			p.seen, p.since = beats, now
		case now.Sub(p.since) >= w.limit:
			stuck = append(stuck, p.name)
		}
	}
	return stuck
}

// run checks the pulses each second until ctx ends, and then calls each.
func (w *watch) run(ctx context.Context, hung func(who string), each func()) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if stuck := w.look(now); stuck != nil {
				hung(strings.Join(stuck, ", "))
			}
			each()
		}
	}
}

// progress is what was done so far, or between two moments.
type progress struct {
	elapsed        time.Duration
	reads, updates uint64
	errors         uint64 // always since the start
}

// since returns the rates per second since an earlier moment, with the time and
// the errors of this one.
func (p progress) since(last progress) progress {
	passed := p.elapsed - last.elapsed
	return progress{p.elapsed, perSecond(p.reads-last.reads, passed), perSecond(p.updates-last.updates, passed), p.errors}
}

func perSecond(n uint64, d time.Duration) uint64 {
	return uint64(float64(n) / max(d, time.Nanosecond).Seconds())
}

func (p progress) String() string {
	return fmt.Sprintf("%4.0fs %10d reads/s %9d updates/s %d errors", p.elapsed.Seconds(), p.reads, p.updates, p.errors)
}
