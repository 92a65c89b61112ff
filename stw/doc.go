// Package stw stops the world: a set of goroutines, each of which promises to come
// to a safe point now and then, can be stopped there together, run something each
// without waiting for one another, be interrupted, suspended, and have its roots
// read. What a runtime does with its threads, a program does here with its workers.
//
//	w, err := stw.NewWorld(stw.Options{SMR: []*smr.Domain{dom}})
//
//	w.Spawn(func(d *stw.Domain) { // a worker
//		for work := range queue {
//			lookUp(d.Section(), work) // reads cost a load each, and nothing else
//			d.Poll()                  // a safe point: one load and a branch
//		}
//	})
//
//	w.RunOnAll(d, handler, stw.StopOptions{}) // all of them, at the same time
//	w.ForEach(fn)                             // each of them, one by one
//
// # Domains
//
// A [Domain] is one such goroutine.
//
//	Spawn, Register
//	      │                     ┌──────────┐ Suspend, at
//	      ▼   no stop is        │ Suspended│ a safe point
//	 ┌────────┐ in progress     └──┬───────┘
//	 │Starting│ ──────────▶┌───────┴┐ ◀──▶
//	 └────────┘            │ Running│
//	            Blocking   └──┬────┬┘   fn returns, nothing is asked,
//	      ┌───────┐ ◀──▶      │    │    and no stop is in progress
//	      │Blocked│ ──────────┘    └──────────────────▶ Dead
//	      └───────┘
//
// A domain that runs is asked by setting a word that [Domain.Poll] looks at. One
// that is blocked is at a safe point all the time, and what is asked of it is done
// by another goroutine, which exists only while there is something to do. Until
// that is done the domain can't come back.
//
// # Stops
//
// One goroutine leads, which is decided under the world's lock; from then on nobody
// joins the world or leaves it, until the last participant is through. The leader
// tells each participant, and each comes to its safe point, waits until all have,
// and runs the handler. Whoever tries to lead meanwhile fails, takes part in the
// stop there is, and may try again.
//
// # Why no request is lost
//
// A request is noted under the domain's lock, and then pending is set. The owner
// clears pending and then takes the lock and looks. So a request is either noted
// before the owner looks, or sets pending after the owner cleared it. The same order
// holds for grace periods: the owner clears pending before it states that it is
// quiescent, so a request that comes later finds it cleared and sets it.
//
// A domain ends under both locks, world's and own, when nothing is noted and no stop
// is in progress: a stop counts on every domain in the set from the moment that it is
// led, also on those that are not told yet.
//
// # Sleepers
//
// A sleeper depends on no domain's goodwill but that a running one polls: a suspended
// domain still takes part in stops and ragged barriers, a blocked or ending one has a
// stand-in, and what a function panics or exits with passes through a deferred wake-up.
//
//	sleeps in                 until                              woken by
//	World.join                no stop is in progress             the end of the stop
//	World.leave               that, and nothing is asked of it   the end of a stop or service, Resume
//	RunOnAll, World.Stop      it is the first in the queue       the end of a stop, a waiter that
//	  (their turn)            that is not suspended              gives up, Suspend, Resume
//	Blocking (its end)        no stand-in acts for the domain    the end of the service, one step
//	Suspended                 Resume; a stop, a ragged barrier   Resume, Stop.tell, ForEach
//	Domain.Suspend            the domain is held                 its safe point, the end of a service
//	Stop.enter, World.Stop    all participants are in            the last one in
//	RunOnAll (its end)        all handlers have ended            the last one out
//	Stop.Barrier              all have arrived, or left          the last one
//	ForEach                   all have run the function          the last one
//	World.Close, Join         the domains have ended             World.free
//	a stopped domain          Start                              Start
//
// # What not to do
//
// A domain that waits for another one, in whatever way, must do so in
// [Domain.Blocking]: the other may be stopped, waiting for this one. That holds for
// locks, channels, Join and Close, for ForEach, Stop and Suspend of the world, and
// for waits of package smr. Handlers and interrupt functions must not wait for what
// a domain does outside of them.
//
// # Where it comes from
//
// Stop-the-world sections with a leader, the order in which things are told, blocking
// sections that are served by somebody else, and how domains come and go: OCaml 5,
// runtime/domain.c. The ragged barrier: forEachP of Go's runtime. Interrupts as a
// queue that is closed when the thread ends, Stop and Start: SBCL, stop-the-world.c.
// Suspending the ring and scanning ambiguous references: the Memory Pool System.
// What is done differently: goroutines that act for blocked domains come and go
// instead of waiting for each of them all its life; a stop's last participant admits
// those that wait to join, so that they need no retries; a participant that panics
// drops out of the stop's barrier, so that a stop always ends.
package stw
