// Package smrdebug shows what the domains of a program wait for, at /debug/smr: is anything stuck, who
// holds it, how much it holds, since when, at which stage callbacks are, and whether the reclaimer
// itself was late.
//
//	http.Handle("/debug/smr", smrdebug.Handler())
//
// A browser gets a page, which follows the program while it is open; curl gets the same as text:
//
//	curl -s localhost:6060/debug/smr
//	curl -s 'localhost:6060/debug/smr?format=json&domain=tables'
//	go tool pprof -top 'http://localhost:6060/debug/smr?format=pprof'
//
// All open domains are there ([smr.Domains]). Maps, pools and worlds have no registry: name with
// [Publish] those that are to be shown.
//
// # What a finding says
//
//	a reader stays in its section      what is retired since then waits for it
//	a hold is not released             its object waits, all else goes on
//	a callback does not return         its worker is lost as long, with the rest of its chunk
//	callbacks wait for a worker        they are slower than what is retired, or too few workers
//	pending bytes are at the bound     writers in Throttle wait
//	the reclaimer is late              it got no processor, or a Quiescent's report function blocks
//	Close waits                        for what is open and pending
//
// It is "slow" from ten times the domain's MaxDelay on, and "stuck" from its StallAfter on. Where a
// section was entered is known of those that were sampled (smr.Options.SampleSections), and under
// -tags invariants.
//
// # Safe by default
//
// The rules are those of net/http/pprof, and some more. Importing the package registers nothing: not
// this handler, not /debug/pprof, not /debug/vars. A GET changes nothing. What changes something
// needs a POST from the page's own origin, and [Options].Actions. A domain's and a container's name,
// labels and stacks are data wherever they come from. Nothing runs, and nothing is kept, between two
// requests. Still, the page tells file and function names: serve it where you serve /debug/pprof.
//
// # The profile smr_sections
//
// ?format=pprof is a profile of the sections that are open and sampled, by the stack that entered
// them, with their ages, in pprof's format. A profile of runtime/pprof can't be that: its Add takes
// the stack of the goroutine that calls it, at that moment, under a lock. So each sampled section
// would pay for Add and Remove, and readers would share a lock; and Add panics for a section that is
// left by another goroutine and entered again meanwhile. The samples are there anyway: the handler
// writes them.
//
// # JSON
//
// The names are those of the page in snake case. Durations end in _seconds, sizes in _bytes. Names may be
// added. [docs/operations.md] says what each means, and what to do about each finding.
//
// [docs/operations.md]: https://github.com/gosmr/gosmr/blob/main/docs/operations.md
package smrdebug
