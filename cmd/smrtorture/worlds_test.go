package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
)

func TestStalls_EveryKindIsNamed(t *testing.T) {
	for i := range stallKinds {
		kind := stallKinds[i]
		t.Run(kind.name, func(t *testing.T) {
			st := newStaller(t)
			require.Empty(t, st.try(&kind))
			require.Equal(t, kind.kind, st.reports[0].Readers[0].Kind)
			require.Contains(t, st.reports[0].String(), "waits for "+kind.described())

			right := kind.kind
			kind.kind = (right + 1) % (clock.Quiescent + 1) // then it is the report that is wrong
			require.Contains(t, kind.misreported(st.reports[0]), "it names a "+right.String())
		})
	}
}

// newStaller is what the part makes.
func newStaller(t *testing.T) *staller {
	st := &staller{faults: new(faults), rng: newRand(), tally: new(readTally)}
	dom, err := smr.New(smr.Options{Name: "stalls", StallAfter: stallAfter, OnStall: st.onStall})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dom.Close(context.Background())) })
	st.dom = dom
	st.world, err = stw.NewWorld(stw.Options{SMR: []*smr.Domain{dom}})
	require.NoError(t, err)
	st.shelf = newShelf(dom, st.faults, 4, byLock)
	return st
}

func TestStalls_SeesWrongReport(t *testing.T) {
	k := &stallKinds[0]
	good := smr.Stall{
		Domain: "stalls", Age: time.Second, PendingCalls: 1, PendingBytes: elementSize,
		Readers: []smr.StalledReader{{Kind: clock.Tracker, Processor: 1, Stack: "main.main"}},
	}
	require.Empty(t, k.misreported(good))
	for want, change := range map[string]func(*smr.Stall){
		"domain":             func(st *smr.Stall) { st.Domain = "other" },
		"comes after":        func(st *smr.Stall) { st.Age = 0 },
		"0 calls":            func(st *smr.Stall) { st.PendingCalls = 0 },
		"names 0 readers":    func(st *smr.Stall) { st.Readers = nil },
		"names a reader":     func(st *smr.Stall) { st.Readers[0].Kind = clock.Owned },
		"says processor -1":  func(st *smr.Stall) { st.Readers[0].Processor = -1 },
		"the section leaked": func(st *smr.Stall) { st.Readers[0].Leaked = true },
	} {
		bad := good
		bad.Readers = append([]smr.StalledReader(nil), good.Readers...)
		change(&bad)
		require.Contains(t, k.misreported(bad), want)
	}
}

// A world in which a domain always runs user code, and an interrupt is lost.
func TestWorld_SeesWhoIsNotAtASafePoint(t *testing.T) {
	p, f := broken(t)
	w := &world{
		shelf: p, dom: p.dom, faults: f,
		stops: new(counter), raggeds: new(counter), interrupts: new(counter), suspends: new(counter), combined: new(counter),
	}
	var err error
	w.w, err = stw.NewWorld(stw.Options{Max: maxDomains, SMR: []*smr.Domain{p.dom}})
	require.NoError(t, err)
	d, err := w.w.Register()
	require.NoError(t, err)
	expect := func(errors uint64) {
		t.Helper()
		require.EqualValues(t, errors, f.count[faultStop])
		require.Equal(t, errors, f.total())
	}
	ragged := func() {
		for before := w.raggeds.Load(); w.raggeds.Load() == before; { // it may be given up
			w.ragged(newRand(), d.ForEachContext)
		}
	}
	for w.stops.Load() == 0 {
		w.stop(d, newRand())
	}
	ragged()
	expect(0)
	w.busy[d.Slot()].bool = true
	before := w.stops.Load()
	for w.stops.Load() == before {
		w.stop(d, newRand())
	}
	expect(1)
	ragged()
	expect(2)
	w.interrupt(newRand())
	d.Poll()
	expect(3)
	require.EqualValues(t, 1, w.ran.Load())
	require.EqualValues(t, 1, w.accepted.Load())
	d.EnterBlocking()
	rng := newRand()
	for w.suspends.Load() < 2 {
		w.outside(rng)
	}
	require.Greater(t, f.count[faultStop], uint64(3))
	d.LeaveBlocking()
	d.Deregister()
	require.NoError(t, w.w.Close(t.Context()))
}
