package stw

import (
	"context"
	"fmt"

	"github.com/gosmr/gosmr/smr"
)

// A domain is a quiescent reader of each smr domain of its world: online while it
// runs, offline while it is blocked, suspended, or in a stop. Its sections end at
// safe points. Between those it reads for nothing; and a grace period that waits
// for it asks for a safe point, so that it ends one poll later.

// readers are a domain's, one for each smr domain of its world.
type readers struct {
	each   []*smr.Quiescent
	online bool
}

// attach registers the domain with the smr domains.
func (d *Domain) attach(domains []*smr.Domain) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("stw: attach a domain: %v", v)
		}
	}()
	for _, dom := range domains {
		// A grace period asks for nothing but that the domain polls.
		d.readers.each = append(d.readers.each, dom.NewQuiescent(func() { d.pending.Or(quiescent) }))
	}
	return nil
}

func (r *readers) goOnline() {
	r.online = true
	for _, q := range r.each {
		q.Online()
	}
}

func (r *readers) goOffline() {
	r.online = false
	for _, q := range r.each {
		q.Offline()
	}
}

// quiesce ends their sections and begins new ones.
func (r *readers) quiesce() {
	for _, q := range r.each {
		q.Quiesce()
	}
}

func (r *readers) close() {
	for _, q := range r.each {
		q.Close()
	}
}

// Section returns the section that the domain is in, of the first of its world's
// smr domains, valid until the domain's next safe point: Poll, Blocking, a stop.
// Owner, or a function run for it by Interrupt or ForEach. Leaving it does nothing.
// It panics where the domain is offline, in stop handlers for one, or if its world
// has no smr domain.
//
// Cost: two loads. Using the section costs no more than the loads in it.
func (d *Domain) Section() smr.Section {
	if len(d.readers.each) == 0 {
		panic("stw: Section in a world without Options.SMR")
	}
	return d.readers.each[0].Section()
}

// SectionOf is [Domain.Section] for any one of the world's smr domains. It panics
// if dom is not among them.
func (d *Domain) SectionOf(dom *smr.Domain) smr.Section {
	for i, o := range d.w.opts.SMR {
		if o == dom {
			return d.readers.each[i].Section()
		}
	}
	panic("stw: SectionOf an smr domain that is not in Options.SMR")
}

// Synchronize waits for a grace period of each of the world's smr domains, as
// [smr.Domain.Synchronize] does. The domain is in Blocking meanwhile, so it does not
// wait for itself, and its section ends. Owner.
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
