// Package stw stops the world: it brings a set of workers to a safe point together, runs a
// function for each of them without making them wait for one another, interrupts and suspends
// them, and reads their roots. It does for the workers of a program what a runtime does for
// its threads.
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
// A worker is a goroutine that promises to reach a safe point now and then. Its type is
// [Domain], which is OCaml's word. An smr.Domain is something else: a set of readers with a
// clock of their own.
//
//	Spawn, Register
//	      │                     ┌─────────┐ Suspend, at
//	      ▼   no stop is        │Suspended│ a safe point
//	 ┌────────┐ in progress     └─┬───────┘
//	 │Starting│ ──────────▶┌──────┴┐ ◀──▶
//	 └────────┘            │Running│
//	            Blocking   └──┬───┬┘   fn returns, nothing is asked,
//	      ┌───────┐ ◀──▶      │   │    and no stop is in progress
//	      │Blocked│ ──────────┘   └──────────────────▶ Dead
//	      └───────┘
//
// A request to a running domain sets a word that [Domain.Poll] reads. A blocked domain is at a
// safe point all the time, and a stand-in acts for it: another goroutine, which exists only
// while there is something to do. The domain cannot come back before the stand-in is done.
//
// # Stops
//
// One goroutine leads a stop. It becomes the leader under the world's lock, and from then on no
// domain joins or leaves the world until the last participant has exited the stop. The leader
// tells each participant. Each reaches its safe point, waits until all have, and runs the
// handler. A second goroutine that tries to lead meanwhile fails, takes part in the stop in
// progress, and may try again.
//
// # Why no request is lost
//
// A request is noted under the domain's lock before pending is set. The owner clears pending
// before it takes the lock and reads the notes. So either the owner finds the note, or the
// request sets pending again after the owner has cleared it. Grace periods follow the same
// order: the owner clears pending before it states that it is quiescent, so a later request
// sets it again.
//
// A domain leaves the world under both locks, the world's and its own, when nothing is noted
// and no stop is in progress: a stop counts on every domain in the set from the moment it has a
// leader, told or not.
//
// # Sleepers
//
// No sleeper depends on a domain, except that a running one must poll. A suspended domain still
// takes part in stops and ragged barriers, a stand-in acts for a blocked or ending one, and a
// deferred wake-up runs when a function panics or exits.
//
//	sleeps in                 until                              woken by
//	World.join                no stop is in progress             the end of the stop
//	World.leave               that, and nothing is asked of it   the end of a stop or service, Resume
//	RunOnAll, World.Stop      it is first in the queue and       the end of a stop, a waiter that
//	  (their turn)            not suspended                      gives up, Suspend, Resume
//	Blocking (its end)        no stand-in acts for the domain    the end of the service
//	Suspended                 Resume; a stop, a ragged barrier   Resume, Stop.tell, ForEach
//	Domain.Suspend            the domain is held                 its safe point, the end of a service
//	Stop.enter, World.Stop    all participants are in            the last one in
//	RunOnAll (its end)        all handlers have ended            the last one out
//	Stop.Barrier              all have arrived, or dropped out   the last one
//	ForEach                   all have run the function          the last one
//	World.Close, Join         the domains have ended             World.free
//	a stopped domain          Start                              Start
//
// # What not to do
//
// A domain that waits for another one must do so in [Domain.Blocking]: the other may be stopped
// and waiting for this one. That includes locks, channels, Join and Close, the world's ForEach,
// Stop and Suspend, and the waits of package smr. Handlers and interrupt functions must not
// wait for what a domain does outside of them.
//
// # Where it comes from
//
//   - OCaml 5, runtime/domain.c: stop-the-world sections with a leader, the order in which
//     participants are told, blocking sections that another thread serves, and how domains come
//     and go.
//   - Go's runtime, forEachP: the ragged barrier.
//   - SBCL, stop-the-world.c: a queue of interrupts that closes when the thread ends; Stop and
//     Start.
//   - The Memory Pool System: suspending the ring of threads, scanning ambiguous references.
//
// Three things differ. Stand-ins come and go, instead of one waiting beside each domain all its
// life. The last participant of a stop admits the domains that wait to join, so they need no
// retries. A participant that panics drops out of the stop's barrier, so a stop always ends.
package stw
