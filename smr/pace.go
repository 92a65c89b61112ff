package smr

import "time"

// A pace decides when the reclaimer checks in next: every Options.CheckIn while check-ins find
// something to do. One that finds nothing doubles the interval, because whatever can give the
// reclaimer work then wakes it: a section that is left, a worker that finishes, a call that opens a
// chunk. The check-ins that remain ask Quiescent readers again, in case their owners missed the
// first report.
//
// Only the reclaimer's goroutine uses it.
type pace struct {
	interval time.Duration
	due      time.Time
	timer    *time.Timer // fires at due or a little later
	quiet    bool        // the last check-in found nothing to do
	patient  bool        // settle made the reclaimer patient
	dom      *Domain
}

// maxInterval ends the doubling.
const maxInterval = 24 * time.Hour

// newPace returns a pace whose first check-in comes after the usual interval.
func (d *Domain) newPace() *pace {
	now := time.Now()
	d.reclaim.punctual.runs(d.ageAt(now))
	p := &pace{interval: d.CheckIn(), dom: d}
	p.due = now.Add(p.interval)
	d.reclaim.punctual.expect(d.ageAt(p.due))
	p.timer = time.NewTimer(p.interval)
	return p
}

// next schedules the next check-in.
func (p *pace) next(interval time.Duration) {
	p.interval = interval
	p.due = time.Now().Add(interval)
	p.dom.reclaim.punctual.expect(p.dom.ageAt(p.due))
	p.timer.Reset(interval)
}

// checkInIfDue drains the open chunks and helps stuck workers, if the check-in is due or a Flush
// asks for it.
func (d *Domain) checkInIfDue(p *pace) {
	r := &d.reclaim
	flush := r.flush.Swap(false)
	now := time.Now()
	if !flush && now.Before(p.due) {
		return
	}
	r.punctual.runs(d.ageAt(now))
	d.before("check in")
	drain := flush || d.anyOpen()
	if drain {
		d.drain()
	}
	mayStart := d.unstick()
	p.quiet = !drain && !mayStart && r.inbox.empty()
	interval := d.CheckIn()
	if p.quiet {
		interval = max(interval, min(2*p.interval, maxInterval))
	}
	p.next(interval)
}

// settle is called before the reclaimer waits. It reports whether the reclaimer is now patient. If
// not, the next check-in comes within the usual interval.
func (d *Domain) settle(p *pace) bool {
	r := &d.reclaim
	p.patient = false
	if p.quiet {
		r.state.Store(patient)
		// A call opens its chunk, or hands it over, and then loads state.
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

// unsettle is called when the reclaimer continues. If it was patient and woke before its check-in,
// it has something to do: the usual interval applies again.
func (d *Domain) unsettle(p *pace) {
	d.reclaim.state.Store(awake)
	if p.patient && time.Now().Before(p.due) {
		p.quiet = false
		p.next(d.CheckIn())
	}
}

// unstick starts a worker if the others have taken no chunk since the last check-in. It reports
// whether the next check-in may have to start one: chunks are ready, and more workers are allowed.
func (d *Domain) unstick() bool {
	r := &d.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stuck != nil && r.stuck == r.ready.head {
		d.startWorkerLocked()
	}
	r.stuck = r.ready.head
	return r.stuck != nil && int(r.nWorkers.Load()) < d.opts.Workers
}
