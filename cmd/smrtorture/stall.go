package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/smr"
)

// A stallWatch receives the stall reports of the domain. If the run has a reader
// that stalls, one of them must name it; if not, there must be none.
type stallWatch struct {
	injected bool
	length   time.Duration
	kind     clock.Kind

	named chan struct{} // closed when a report names a reader of the kind

	mu       sync.Mutex // held for moments only: onStall must be quick
	reports  int
	example  smr.Stall // the first, or the first that named the reader
	wasNamed bool
}

func newStallWatch(cfg *config) *stallWatch {
	w := &stallWatch{
		injected: cfg.stall > 0,
		length:   cfg.stall,
		kind:     [...]clock.Kind{clock.Tracker, clock.Owned, clock.Quiescent}[cfg.rand(streamStall).IntN(3)],
		named:    make(chan struct{}),
	}
	if cfg.stallKind != nil {
		w.kind = *cfg.stallKind
	}
	return w
}

func (w *stallWatch) onStall(st smr.Stall) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reports++; w.reports == 1 {
		w.example = st
	}
	for _, r := range st.Readers {
		if w.injected && !w.wasNamed && r.Kind == w.kind {
			w.wasNamed = true
			w.example = st
			close(w.named)
		}
	}
}

// run is a reader that stays in its section for the given time, and after that
// until it is reported: on a busy machine the report may be late, and that is
// no error.
func (w *stallWatch) run(p *pool, rng *rand.Rand) {
	r := &reader{pool: p, rng: rng}
	var s smr.Section
	var end func()
	switch w.kind {
	case clock.Owned:
		r.kind = readReader
		rd := p.dom.NewReader()
		defer rd.Close()
		s = rd.Enter()
		end = s.Leave
	case clock.Quiescent:
		r.kind = readQuiescent
		q := p.dom.NewQuiescent(func() {}) // does not listen
		defer q.Close()
		q.Online()
		s = q.Section()
		end = q.Offline
	default:
		r.kind = readEnter
		s = p.dom.Enter()
		end = s.Leave
	}
	r.view.load(p, s, rng, maxHeld)

	// Writers may all be polling, and only who waits is there to report.
	ctx, cancel := context.WithTimeout(context.Background(), w.length+2*lateReport)
	defer cancel()
	waited := make(chan error, 1)
	go func() { waited <- p.dom.Synchronize(ctx) }()

	time.Sleep(w.length)
	select {
	case <-w.named:
	case <-time.After(lateReport):
	}
	r.view.verify(s)
	select {
	case err := <-waited:
		p.faults.add(faultStall, "Synchronize returned %v while a %v stalled", err, w.kind)
		waited <- nil
	default:
	}
	end()
	r.settle(s)
	if err := <-waited; err != nil {
		p.faults.add(faultStall, "Synchronize returned %v after a %v had stalled", err, w.kind)
	}
}

const lateReport = 10 * time.Second

func (w *stallWatch) check(f *faults) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.injected && !w.wasNamed && w.reports == 0:
		f.add(faultStall, "a %v stalled for %v and was not reported", w.kind, w.length)
	case w.injected && !w.wasNamed:
		f.add(faultStall, "a %v stalled for %v; the reports, such as this, did not name it: %v", w.kind, w.length, w.example)
	case !w.injected && w.reports > 0:
		f.add(faultStall, "no reader stalled, but: %v", w.example)
	}
}
