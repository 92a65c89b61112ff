package smr

import "time"

// Events are functions that a domain calls as it works: for logs, metrics, tests. Each may be nil. Begin
// and End come in pairs, and the End has what the Begin had.
//
// The domain waits while such a function runs, so it must be quick and must not block. Each says below
// where it runs. No lock of the domain is held there: Stats, Diagnose, Poll and Flush are allowed. It must
// not wait on the domain or close it, since that would wait for the function itself; and a Call in it is
// work, of which the next event tells. A panic in it ends the program; in Misuse and in those of Close it
// is a panic of the caller.
//
// What is nil costs nothing: New replaces it by a function that does nothing. No event is on the path of
// a section or of Call.
type Events struct {
	// GraceBegin and GraceEnd are called for a grace period that pending calls wait for, by the reclaimer:
	// the goroutine that drives them, so it delays the others. There is one at a time. What is handed
	// over meanwhile may be ready with it. GraceEnd comes before the callbacks that have waited for it.
	GraceBegin, GraceEnd func(GraceInfo)

	// CallbacksBegin and CallbacksEnd are called before and after the callbacks of a batch, by the worker
	// that runs them, or the caller of Assist; several do so at once. When Barrier has returned, CallbacksEnd has been
	// called for what it waited for. Waits in them are refused with ErrInCallback.
	CallbacksBegin, CallbacksEnd func(CallbacksInfo)

	// StallBegin is called for the first report of a stall, before Options.OnStall, which has each of them.
	// StallEnd is called when the domain finds that the goals of all reports since then are reached, as the
	// wait for one of them does; if all those have given up, as a later wait or Close does. It has no
	// Readers. The goroutine that calls OnStall calls both.
	StallBegin, StallEnd func(Stall)

	// Misuse is called for what -tags invariants find in this package: mistakes, on the goroutine that is
	// about to panic, in whatever section and with whatever locks it has; and leaks, on the goroutine that
	// calls OnStall, before that. Not where the domain is not known: for a zero Section, say, or for
	// Pointer.GuardedBy.
	Misuse func(Misuse)

	// CloseBegin and CloseEnd are called by each Close that is not refused, on its goroutine: before the
	// domain refuses anything, and just before Close returns. If that returns nil, all pairs but those of
	// other Closes have ended.
	CloseBegin, CloseEnd func(CloseInfo)
}

// GraceInfo describes a grace period.
type GraceInfo struct {
	Domain       string
	Goal         Seq
	Calls, Bytes int64         // that were waiting when it began
	Took         time.Duration // in GraceEnd
}

// CallbacksInfo describes a batch of callbacks.
type CallbacksInfo struct {
	Domain       string
	Calls, Bytes int64
	Took         time.Duration // in CallbacksEnd
}

// CloseInfo describes a Close.
type CloseInfo struct {
	Domain string
	Took   time.Duration // in CloseEnd
	Err    error         // that Close returns; in CloseEnd
}

// Misuse is a mistake of the program, or a leak.
type Misuse struct {
	Domain string
	Text   string // that of the panic, or of the stall report
}

// setDefaults replaces what is nil, and reports whether nothing listens to the domain's goroutines.
func (e *Events) setDefaults() (silent bool) {
	silent = e.GraceBegin == nil && e.GraceEnd == nil && e.CallbacksBegin == nil && e.CallbacksEnd == nil &&
		e.StallBegin == nil && e.StallEnd == nil
	orNothing(&e.GraceBegin)
	orNothing(&e.GraceEnd)
	orNothing(&e.CallbacksBegin)
	orNothing(&e.CallbacksEnd)
	orNothing(&e.StallBegin)
	orNothing(&e.StallEnd)
	orNothing(&e.Misuse)
	orNothing(&e.CloseBegin)
	orNothing(&e.CloseEnd)
	return silent
}

// misuse panics with text, after it has told Events. The domain is nil if it is not known.
func (d *Domain) misuse(text string) {
	if d != nil {
		d.opts.Events.Misuse(Misuse{d.opts.Name, text})
	}
	panic(text)
}

func orNothing[T any](f *func(T)) {
	if *f == nil {
		*f = func(T) {}
	}
}

// A graceTeller pairs GraceBegin and GraceEnd. It is the reclaimer's.
type graceTeller struct {
	info  GraceInfo // of the last one
	since int64     // when it began, by Domain.age
	open  bool
}

// graceBegins is called before the reclaimer waits for goal, once or again.
func (d *Domain) graceBegins(goal Seq) {
	g := &d.reclaim.grace
	if d.opts.silent || g.open || goal == g.info.Goal { // the latter if GraceEnd has ended the goroutine
		return
	}
	d.reclaim.mu.Lock()
	waiting := d.reclaim.waiting.amount
	d.reclaim.mu.Unlock()
	*g = graceTeller{GraceInfo{Domain: d.opts.Name, Goal: goal, Calls: waiting.calls, Bytes: waiting.bytes}, d.age(), true}
	d.opts.Events.GraceBegin(g.info)
}

// graceEnds is called when the domain's readers have reached a moment, before calls are ready.
func (d *Domain) graceEnds(reached Seq) {
	g := &d.reclaim.grace
	if !g.open || reached.Before(g.info.Goal) {
		return
	}
	g.open = false
	g.info.Took = time.Duration(d.age() - g.since)
	d.opts.Events.GraceEnd(g.info)
}

// callbacksBegin is called before the worker runs c, once or, if a callback has ended the goroutine,
// again.
func (d *Domain) callbacksBegin(w *worker, c *chunk) {
	if d.opts.silent || w.told == c || c.n == 0 { // all were parked
		return
	}
	w.told = c
	a := c.amount()
	d.opts.Events.CallbacksBegin(CallbacksInfo{Domain: d.opts.Name, Calls: a.calls, Bytes: a.bytes})
}

// callbacksEnd is called when they have returned, now.
func (d *Domain) callbacksEnd(w *worker, c *chunk, now int64) {
	if d.opts.silent || w.ended == c || c.n == 0 {
		return
	}
	w.ended = c
	a := c.amount()
	d.opts.Events.CallbacksEnd(CallbacksInfo{Domain: d.opts.Name, Calls: a.calls, Bytes: a.bytes, Took: time.Duration(now - c.since)})
}
