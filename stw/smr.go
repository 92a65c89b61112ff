package stw

import (
	"context"
	"fmt"

	"github.com/gosmr/gosmr/smr"
)

// readers are a domain's quiescent readers, one for each smr domain of its world. They are online
// while the domain runs, and offline while it is blocked, suspended or in a stop. A section lasts
// from one safe point to the next, and reads in it cost nothing extra. A grace period that waits
// for the domain asks for a safe point, and ends one poll later.
type readers struct {
	each   []*smr.Quiescent
	online bool // all of them are
}

// attach registers the domain with its world's smr domains. It fails if one of them is closed.
func (d *Domain) attach() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("stw: attach a domain: %v", v)
		}
	}()
	for _, dom := range d.w.opts.SMR {
		// A grace period only asks the domain to poll.
		q := dom.NewQuiescent(func() { d.pending.Or(quiescent) })
		q.Describe(d.describe)
		d.readers.each = append(d.readers.each, q)
	}
	return nil
}

// describe says what the domain is, in stall reports of package smr.
func (d *Domain) describe() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := fmt.Sprintf("stw domain %d, %v", d.id, phases[d.phase].state)
	if doing := d.doingLocked(); doing != "" {
		s += ", in " + doing
	}
	if d.pending.Load()&quiescent != 0 {
		s += ", no poll since it was asked"
	}
	return s
}

// goOnline begins the sections.
func (r *readers) goOnline() {
	r.online = true
	for _, q := range r.each {
		q.Online()
	}
}

// goOffline ends the sections. Grace periods do not wait for offline readers.
func (r *readers) goOffline() {
	r.online = false
	for _, q := range r.each {
		q.Offline()
	}
}

// quiesce ends the sections and begins new ones.
func (r *readers) quiesce() {
	for _, q := range r.each {
		q.Quiesce()
	}
}

// awaited reports whether a grace period that has asked for quiescent states goes on.
func (r *readers) awaited() bool {
	for _, q := range r.each {
		if q.Awaited() {
			return true
		}
	}
	return false
}

func (r *readers) close() {
	for _, q := range r.each {
		q.Close()
	}
}

// Section returns the domain's section of the first of its world's smr domains. The section is
// valid until the domain's next safe point: Poll, Blocking or a stop. Leaving it does nothing.
// Section panics where the domain is offline, as in stop handlers, and if the world has no smr
// domain. Call it only from the domain's own goroutine, or from a function that Interrupt or
// ForEach runs for the domain.
//
// Cost: two loads. Using the section costs no more than the loads in it.
func (d *Domain) Section() smr.Section {
	if len(d.readers.each) == 0 {
		panic("stw: Section in a world without Options.SMR")
	}
	return d.readers.each[0].Section()
}

// SectionOf is [Domain.Section] of dom, one of the world's smr domains. For any other it panics.
func (d *Domain) SectionOf(dom *smr.Domain) smr.Section {
	for i, o := range d.w.opts.SMR {
		if o == dom {
			return d.readers.each[i].Section()
		}
	}
	panic("stw: SectionOf an smr domain that is not in Options.SMR")
}

// Synchronize waits for a grace period of each of the world's smr domains, as
// [smr.Domain.Synchronize] does. It ends the domain's section and waits in Blocking, so the domain
// does not wait for itself. Call it only from the domain's own goroutine.
func (d *Domain) Synchronize(ctx context.Context) (err error) {
	goals := make([]smr.Seq, len(d.readers.each))
	for i, dom := range d.w.opts.SMR {
		goals[i] = dom.Advance()
	}
	d.Blocking(func() {
		for i, dom := range d.w.opts.SMR {
			if err = dom.Wait(ctx, goals[i]); err != nil {
				return
			}
		}
	})
	return err
}
