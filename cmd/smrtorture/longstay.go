package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// longStays is a reader that stays while a call or two are pending and nothing else happens in its
// domain: until it leaves nothing can change, so scanning is in vain. It counts the scans, each of
// which costs a fence on all processors.
type longStays struct{}

const (
	stayCheckIns = 64 // for how many check-ins it stays
	staySlept    = time.Millisecond
	stayScans    = stayCheckIns / 2 // at most: two scans each time, ever more rarely, make some 16
)

func (longStays) join(r *rig) {
	ls := &longStay{rng: r.rand("long stays"), faults: &r.faults}
	ls.dom = r.domain("long stays", func(o *smr.Options) { o.MaxDelay, o.CheckIn = 4*staySlept, staySlept })
	stays := r.counter("long stays")
	r.start("long stays", func(ctx context.Context, p *pulse) {
		for ctx.Err() == nil {
			r.gate.pass()
			ls.round()
			stays.Add(1)
			p.beat()
		}
	})
}

type longStay struct {
	dom    *smr.Domain
	rng    *rand.Rand
	faults *faults
}

func (ls *longStay) round() {
	var ran callCount
	calls := int64(1 + ls.rng.IntN(2))
	s := ls.dom.Enter()
	for range calls {
		smr.Call(ls.dom, &ran, drawQuietSize(ls.rng), func(n *callCount) { n.Add(1) })
	}
	before := ls.dom.Stats().Scans
	for range stayCheckIns {
		time.Sleep(staySlept)
	}
	ls.count(ls.dom.Stats().Scans - before)
	early := ran.Load()
	s.Leave()
	if early > 0 {
		ls.faults.add(faultCallback, "%d callbacks ran while a reader stayed that was there before the calls", early)
	}
	d := delay{dom: ls.dom, most: 4 * staySlept, faults: ls.faults}
	if !d.await(func() bool { return ran.Load() == calls }) {
		ls.faults.add(faultDelay, "%d of %d callbacks had begun %d times MaxDelay after a long stay", ran.Load(), calls, lateWakes)
	}
}

// count checks how many scans were made while a reader stayed.
func (ls *longStay) count(scans uint64) {
	if scans > stayScans {
		ls.faults.add(faultIdle, "%d scans in %d check-ins, in which a reader stayed and nothing happened", scans, stayCheckIns)
	}
}
