package smr

import (
	"context"
	"runtime/pprof"

	"github.com/gosmr/gosmr/internal/sched"
)

// The domain's goroutines are started by calls, and a goroutine has the labels of the one that starts
// it. So without labels of their own they would count, in profiles, as the request that happened to
// call first.

// labelsFor returns the labels of the goroutines of the domain of that name.
func labelsFor(name string) context.Context {
	return pprof.WithLabels(context.Background(), pprof.Labels("smr_domain", name))
}

// label labels the calling goroutine as one of the domain's. Cost: some nanoseconds.
func (d *Domain) label() {
	if !sched.Controlled { // package sched knows goroutines by labels of its own
		pprof.SetGoroutineLabels(d.labels)
	}
}
