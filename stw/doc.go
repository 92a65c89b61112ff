// Package stw stops the world. It does for the workers of a program what a runtime does for its
// threads: it brings all of them to a safe point together, runs a function for each without making
// them wait for one another, interrupts and suspends them, and reads their roots.
//
//	w, err := stw.NewWorld(stw.Options{SMR: []*smr.Domain{dom}})
//
//	w.Spawn(func(d *stw.Domain) { // a worker
//		for work := range queue {
//			lookUp(d.Section(), work) // a protected read costs one load
//			d.Poll()                  // a safe point: one load and a branch
//		}
//	})
//
//	w.RunOnAll(d, handler, stw.StopOptions{}) // all of them, at the same time
//	w.ForEach(fn)                             // each of them, one by one
//
// # Workers
//
// A worker is a goroutine that promises to reach a safe point now and then. Its type is [Domain],
// OCaml's word. An smr.Domain is something else: a set of readers with a clock.
//
//	Spawn, Register
//	    │
//	    ▼      no stop is in progress            fn returns, nothing is asked,
//	Starting ─────────────────────────▶ Running ───────────────────────────────▶ Dead
//	                                     ▲   ▲   and no stop is in progress
//	                           Blocking  │   │  Suspend, at a safe point
//	                                     ▼   ▼
//	                               Blocked   Suspended
//
// A request to a running domain sets a word that [Domain.Poll] reads. A blocked domain is always at
// a safe point: a stand-in, a goroutine that exists only while there is a request, acts for it. The
// domain cannot return from Blocking before the stand-in is done.
//
// # Stops
//
// A stop has one leader. Once it is chosen, under the world's lock, no domain joins or leaves the
// world until the last participant has exited the stop. The leader tells the participants. Each
// comes to its safe point, waits until all have, and runs the handler. A domain that tries to lead
// meanwhile fails, takes part in the stop in progress, and may try again.
//
// # Giving up
//
// A domain may fail to come: it is in a long loop without a Poll, or in a system call outside of
// Blocking. So each wait of a world has a form that takes a context and ends with it: StopContext,
// RunOnAllContext, TryRunOnAllContext, ForEachContext, Suspend, SuspendOthers, Close, Join, and those of
// a Reservation, ResetContext, ResizeContext and GrowToContext. Of a stop, one word decides whether all
// are in or it is given up, so its handler runs for all or for none (but not for a domain whose EnterWork
// has called runtime.Goexit). What was asked is withdrawn from the domains that have not come, and those
// that waited for them go on: none is stopped, suspended or asked for anything when the method returns. A method of a
// domain that waits in Blocking returns when that can end: not while the domain is suspended, or a
// stand-in acts for it.
//
// Three waits have no such form, because the domain may not run before they end: the end of Blocking,
// the end of a domain, and its start while the world is stopped or another domain has suspended the
// others. Nor has the stop of Reservation.Release, after which there is no memory.
//
// [Options.OnStall] says after a while which domain it is: the domain's state, what runs for it, for
// how long it has not polled, and its stack. The stall report of an smr domain names it too. Polls
// are not counted or timed, which would cost each of them a store: a domain whose request is still
// noted while it runs has not polled since, so a wait knows for how long at least.
//
// # Why no request is lost
//
// A request is noted under the domain's lock before pending is set. The owner clears pending before
// it takes the lock and reads the notes. So either the owner finds the note, or the request sets
// pending again. For grace periods, likewise, the owner clears pending before it states that it is
// quiescent, so a later request sets it again. To withdraw a request is to remove the note, under the
// domain's lock; if no note is left, that clears the bit of the notes and no other.
//
// # Sleepers
//
// Sleepers depend on a domain only to poll while it runs. A suspended domain still takes part in
// stops and ragged barriers, a stand-in acts for a blocked or ending one, and a deferred wake-up
// runs when a function panics or exits. A wait that has a context is woken by its end, too.
//
//	sleeps in                 until                              woken by
//	World.join                no stop is in progress, and no     the end of the stop, the last
//	                          domain has suspended the others    Suspension.Resume
//	World.leave               no stop is in progress, and        the end of a stop or service, Resume
//	                          nothing is asked of it
//	RunOnAll, World.Stop      no stop is in progress, it is      the end of a stop, a leader that
//	  (their turn)            first in the queue and not         panics or exits as it waits,
//	                          suspended                          Suspend, Resume
//	Blocking (its end)        no stand-in acts for the domain    the end of the service
//	Suspended                 Resume; a stop, a ragged barrier   Resume, Stop.tell, ForEach
//	Domain.Suspend            the domain is held                 its safe point, the end of a service
//	SuspendOthers             it is first in its queue, no other Suspension.Resume, Suspend, Resume,
//	  (its turn)              has its turn, not suspended        a call that gives up after its turn
//	Stop.enter, World.Stop    all participants are in            the last one in
//	RunOnAll (its end)        all handlers have ended            the last one out
//	Stop.Barrier and          all have arrived, or dropped out   the last one
//	  SplitBarrier
//	ForEach                   all have run the function          the last one
//	World.free                what it suspended is resumed       the end of Suspension.Resume
//	World.Close, Join         the domains have ended             World.free
//	a stopped domain          Start                              Start
//
// # What not to do
//
// A domain that waits for another one must do so in [Domain.Blocking]: the other may be stopped and
// waiting for this one. That includes locks, channels, Join and Close, the world's ForEach, Stop
// and Suspend, and the waits of package smr. Handlers and interrupt functions must not wait for
// what a domain does outside of them.
// See also [docs/mistakes.md].
//
// # Where it comes from
//
//   - OCaml 5: stop-the-world sections with a leader, their sense-reversing barrier, the order in
//     which participants are told, blocking sections that another thread serves, how domains come
//     and go (runtime/domain.c); the minor heaps, here [Reservation]; the barrier in two halves,
//     [Stop.SplitBarrier]; domain-local values that a new domain inherits, [NewInheritedKey].
//   - Go's runtime, forEachP: the ragged barrier, [World.ForEach].
//   - SBCL: a queue of interrupts that closes when the thread ends (interrupt-thread), deferring them
//     ([Domain.WithoutInterrupts]), and Stop and Start (stop_the_world).
//   - The Memory Pool System: suspending the ring of threads, also all but the caller
//     ([Domain.SuspendOthers]), and scanning the ambiguous references of one thread or of all.
//
// Three things differ. Stand-ins come and go, instead of one waiting beside each domain all its
// life. The last participant of a stop admits the domains that wait to join, so they need no
// retries. A participant that panics drops out of the stop's barrier, so a stop always ends.
//
// [docs/mistakes.md]: https://github.com/gosmr/gosmr/blob/main/docs/mistakes.md
package stw
