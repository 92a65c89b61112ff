package main

import (
	"sync"

	"github.com/gosmr/gosmr/smr"
)

// The ways in which readers of the crowd read, by kind.

func (r *reader) entering(sections int) {
	for range sections {
		st := drawStay(r.rng, r.sleepy)
		r.visit(r.shelf.dom.Enter(), st)
	}
}

func (r *reader) pinning(sections int) {
	for range sections {
		st := drawPinnedStay(r.rng)
		r.visit(r.shelf.dom.Pin(), st)
	}
}

func (r *reader) registered(sections int) {
	rd := r.shelf.dom.NewReader()
	defer rd.Close()
	for range sections {
		st := drawStay(r.rng, r.sleepy)
		r.visit(rd.Enter(), st)
	}
}

// quiescent holds elements across several reads, from one quiescent state to the next. It reports
// soon after a request, and goes offline now and then.
func (r *reader) quiescent(sections int) {
	q := r.shelf.dom.NewQuiescent(func() { r.asked.Store(true) })
	defer q.Close()
	q.Online()
	for range sections {
		s := q.Section()
		for range r.some() {
			r.view.load(r.shelf, s, r.rng, r.some())
			drawStay(r.rng, r.sleepy).pass(r.rng)
			if r.asked.Load() {
				r.asked.Store(false)
				break
			}
		}
		s.Leave() // does nothing: the elements are still protected
		r.view.verify(s)
		if r.rng.IntN(16) != 0 {
			q.Quiesce()
			r.settle(s)
			continue
		}
		q.Offline()
		r.settle(s)
		drawStay(r.rng, r.sleepy).pass(r.rng)
		q.Online()
	}
}

// polling is quiescent with package stw: it holds elements from one safe point to the next, which
// the world requests.
func (r *reader) polling(sections int) {
	d, err := r.world.Register()
	if err != nil {
		r.shelf.faults.add(faultStop, "Register: %v", err)
		return
	}
	defer d.Deregister()
	for range sections {
		s := d.Section()
		r.view.load(r.shelf, s, r.rng, r.some())
		drawStay(r.rng, r.sleepy).pass(r.rng)
		r.view.verify(s)
		r.settle(smr.Section{}) // it ends with the next safe point, or a later one
		if r.rng.IntN(16) == 0 {
			d.Blocking(func() { drawStay(r.rng, r.sleepy).pass(r.rng) })
		} else {
			d.Poll()
		}
	}
}

// nesting opens two sections and leaves one of them early. What was loaded while both were open
// stays protected by the other.
func (r *reader) nesting(sections int) {
	dom, v := r.shelf.dom, &r.view
	rd := dom.NewReader()
	defer rd.Close()
	for range sections {
		var early, late smr.Section
		st := drawStay(r.rng, r.sleepy)
		short := drawPinnedStay(r.rng)
		switch r.rng.IntN(6) {
		case 0:
			late, early = dom.Enter(), dom.Enter()
			v.load(r.shelf, early, r.rng, 2)
			early.Leave()
		case 1: // overlapping: the one that was opened first is left first
			early, late = dom.Enter(), dom.Enter()
			v.load(r.shelf, late, r.rng, 2)
			early.Leave()
		case 2:
			late, early = dom.Enter(), dom.Pin()
			v.load(r.shelf, early, r.rng, 2)
			short.pass(r.rng)
			early.Leave()
		case 3: // a Reader has one record: the second section is on another
			late, early = rd.Enter(), rd.Enter()
			v.load(r.shelf, early, r.rng, 2)
			early.Leave()
		case 4:
			early, late = rd.Enter(), rd.Enter()
			v.load(r.shelf, late, r.rng, 2)
			early.Leave()
		case 5: // pinned to the end
			late, early = dom.Pin(), dom.Pin()
			v.load(r.shelf, early, r.rng, 2)
			early.Leave()
			st = short
		}
		r.visit(late, st)
	}
}

// handingOver opens sections, and passes the elements, and the Leave, to another goroutine. Several
// may be on their way.
func (r *reader) handingOver(sections int) {
	type loan struct {
		s    smr.Section
		view view
	}
	loans := make(chan loan, 4)
	leaver := r.child()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.shelf.faults.catch("a goroutine that leaves another's sections")
		for l := range loans {
			drawStay(leaver.rng, leaver.sleepy).pass(leaver.rng)
			leaver.view = l.view
			leaver.visit(l.s, drawStay(leaver.rng, leaver.sleepy))
		}
	}()
	for range sections {
		s := r.shelf.dom.Enter()
		r.view.load(r.shelf, s, r.rng, r.some())
		loans <- loan{s, r.view}
		r.view = view{}
	}
	close(loans)
	<-done
	r.count.add(&leaver.count)
}

// bursting starts goroutines that read once and exit.
func (r *reader) bursting(sections int) {
	for sections > 0 {
		children := make([]*reader, min(sections, 1+r.rng.IntN(16)))
		sections -= len(children)
		var wg sync.WaitGroup
		for i := range children {
			c := r.child()
			children[i] = c
			wg.Go(func() {
				defer c.shelf.faults.catch("a goroutine that reads once")
				switch c.rng.IntN(3) {
				case 0:
					c.entering(1)
				case 1:
					c.pinning(1)
				case 2:
					c.registered(1)
				}
			})
		}
		wg.Wait()
		for _, c := range children {
			r.count.add(&c.count)
		}
	}
}
