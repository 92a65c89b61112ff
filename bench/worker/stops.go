package main

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/stw"
)

// stops is the family of stops and ragged barriers.
func stops() []entry {
	if portable {
		return nil
	}
	const every = time.Microsecond // between two safe points
	// inWorld has param domains, one of which leads.
	inWorld := func(op func(*stw.World, *stw.Domain)) func(job) (values, error) {
		return func(j job) (values, error) {
			w := got(stw.NewWorld(stw.Options{}))
			var quit atomic.Bool
			for range j.param - 1 {
				got(w.Spawn(func(d *stw.Domain) {
					for !quit.Load() {
						spin(every)
						d.Poll()
					}
				}))
			}
			leader := got(w.Register())
			v := latencies(j.for_, every, func() { op(w, leader) }).values()
			quit.Store(true)
			leader.Deregister()
			return v, w.Close(background_)
		}
	}
	return []entry{
		{"stop", "gosmr-stop", inWorld(func(w *stw.World, d *stw.Domain) {
			w.RunOnAll(d, func(*stw.Domain, *stw.Stop) {}, stw.StopOptions{})
		})},
		{"stop", "gosmr-ragged", inWorld(func(_ *stw.World, d *stw.Domain) { d.ForEach(func(*stw.Domain) {}) })},
		{"stop", "runtime.ReadMemStats", func(j job) (values, error) {
			b := inBackground(j.param-1, 1, func(int) (func(int), func()) {
				return func(int) { spin(every) }, nil
			})
			var st runtime.MemStats
			v := latencies(j.for_, every, func() { runtime.ReadMemStats(&st) }).values()
			b.stop()
			return v, nil
		}},
	}
}
