package smr

import (
	"context"
	"runtime/trace"
)

// traced begins a region of runtime/trace, with the domain's name in its log, and returns what ends it,
// on the same goroutine. It belongs to the task of ctx, if that has one. While the program is not traced
// it costs a load.
//
//	smr.drain                the chunks of all processors are taken: by the reclaimer, or by a wait
//	smr.gracePeriod          the reclaimer waits for a grace period, until it ends or something else is due
//	smr.callbacks            a worker runs the callbacks of a chunk
//	smr.Wait and the others  a goroutine is in that method; in Throttle, only if it has to wait
func (d *Domain) traced(ctx context.Context, what string) (end func()) {
	if !trace.IsEnabled() {
		return untraced
	}
	r := trace.StartRegion(ctx, "smr."+what)
	trace.Log(ctx, "smr.domain", d.opts.Name)
	return r.End
}

func untraced() {}
