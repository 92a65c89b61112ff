package smr

import "time"

// A pace is when the reclaimer checks in next. As long as check-ins find something
// to do they come every Options.CheckIn. One that finds nothing doubles the time to
// the next, for what the reclaimer then waits for wakes it: a section as it is left,
// a worker as it finishes, a call as it opens a chunk. The check-ins that remain ask
// Quiescent readers again, in case their owners missed the first report.
//
// It belongs to the reclaimer's goroutine.
type pace struct {
	interval time.Duration
	due      time.Time
	timer    *time.Timer // goes off at due or a little later
	quiet    bool        // the last check-in found nothing to do
	patient  bool        // the reclaimer settled as patient
}

// maxInterval is where doubling ends: it keeps the interval from overflowing.
const maxInterval = 24 * time.Hour

func (d *Domain) newPace() *pace {
	p := &pace{interval: d.CheckIn()}
	p.due = time.Now().Add(p.interval)
	p.timer = time.NewTimer(p.interval)
	return p
}

// next sets the time of the next check-in.
func (p *pace) next(interval time.Duration) {
	p.interval = interval
	p.due = time.Now().Add(interval)
	p.timer.Reset(interval)
}

// collectIfDue collects the open chunks and looks after the workers, if it is time or a
// Flush asks for it.
func (d *Domain) collectIfDue(p *pace) {
	r := &d.reclaim
	flush := r.flush.Swap(false)
	if !flush && time.Now().Before(p.due) {
		return
	}
	d.before("check in")
	collect := flush || d.anyOpen()
	if collect {
		d.drain()
	}
	mayStart := d.unstick()
	p.quiet = !collect && !mayStart && r.inbox.empty()
	if p.quiet {
		p.next(max(d.CheckIn(), min(2*min(p.interval, maxInterval), maxInterval)))
	} else {
		p.next(d.CheckIn())
	}
}

// settle is called before the reclaimer waits. It reports whether the reclaimer is
// patient: then whatever makes work for it sends a kick. If it is not, the next
// check-in comes within the usual time.
func (d *Domain) settle(p *pace) bool {
	r := &d.reclaim
	p.patient = false
	if p.quiet {
		r.state.Store(patient)
		// A call opens or seals its chunk and then looks at the state.
		p.patient = !d.anyOpen() && r.inbox.empty() && !r.flush.Load()
		d.before("settle")
		if !p.patient {
			r.state.Store(awake)
		}
	}
	if usual := d.CheckIn(); !p.patient && p.interval > usual {
		p.next(usual)
	}
	return p.patient
}

// unsettle is called when the reclaimer goes on. One that was patient and was woken
// before its check-in has something to do, and takes up the usual pace.
func (d *Domain) unsettle(p *pace) {
	d.reclaim.state.Store(awake)
	if p.patient && time.Now().Before(p.due) {
		p.quiet = false
		p.next(d.CheckIn())
	}
}

// unstick starts a worker when the others got nothing done since the last
// check-in. It reports whether the next check-in may have to: with chunks ready
// and fewer workers than allowed.
func (d *Domain) unstick() bool {
	r := &d.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stuck != nil && r.stuck == r.ready.head {
		d.startWorkerLocked()
	}
	r.stuck = r.ready.head
	return r.stuck != nil && int(r.nWorkers.Load()) < len(r.workers)
}
