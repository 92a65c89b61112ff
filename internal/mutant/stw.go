package mutant

// stwBugs are those of package stw.
var stwBugs = []Bug{
	{
		Name:      "cleared-after",
		Why:       "what is asked of a domain while it serves is forgotten",
		Package:   "./stw",
		Test:      "TestInterrupt_NoneIsLost",
		Schedules: "TestSchedules_InterruptAgainstPoll",
		Patch: `
@ stw/poll.go
-func (d *Domain) clearPending() { d.pending.Store(0) }
+func (d *Domain) clearPending() {}
@
 func (d *Domain) serve() {
+	defer d.pending.Store(0)
+	defer sched.Gosched()
`,
	},
	{
		Name:      "returns-in-service",
		Why:       "a blocked domain comes back in the middle of what is done for it",
		Package:   "./stw",
		Test:      "TestBlocking_ServedUntilTheEnd",
		Schedules: "TestSchedules_StopAgainstBlocked",
		Also:      []string{"TestForEach_SetChanges", "TestBurn", "TestGoexit_InForEach", "TestStops_FewPassUntilADomainGoesOn", "TestPoll_InServiceOfOneThatReturns", "TestStall_NamesWhatRuns"},
		Patch: `
@ stw/blocking.go
-		for d.phase == returning {
+		for false {
`,
	},
	{
		Name:      "sense-before-reset",
		Why:       "a fast party arrives for the next phase while the arrivals of the last one still count",
		Package:   "./stw",
		Test:      "TestBarrier_Phases",
		Schedules: "TestSchedules_StopAgainstSpawn",
		Patch: `
@ stw/barrier.go
+import "github.com/gosmr/gosmr/internal/sched"
 import satomic "github.com/gosmr/gosmr/internal/sched/atomic"
@
 	sense := ^old & senseBit
+	b.state.Store(old&^senseBit | sense)
+	b.park.wake()
+	sched.Gosched()
`,
	},
	{
		Name:      "leave-without-lock",
		Why:       "a domain ends while a stop that counts on it is about to tell it",
		Package:   "./stw",
		Test:      "TestEnd_WaitsForStop",
		Schedules: "TestSchedules_StopAgainstStop",
		Patch: `
@ stw/members.go
-	if w.stop.Load() != nil || d.phase != ending || d.noted.any() {
+	if d.phase != ending || d.noted.any() {
`,
	},
	{
		Name:      "leader-ends",
		Why:       "a stop begins while a participant still runs the handler of the last one",
		Package:   "./stw",
		Test:      "TestRunOnAll_LastOneOutEnds",
		Schedules: "TestSchedules_LastLeaver",
		Patch: `
@ stw/stop.go
 	s.bar.drop()
-	if s.inside.Add(-1) == 0 {
+	s.inside.Add(-1)
+	if s.ended.CompareAndSwap(false, true) {
`,
	},
	{
		Name:      "orphans-dropped",
		Why:       "what was asked of a domain that ends is not done",
		Package:   "./stw",
		Test:      "TestInterrupt_AcceptedIsRun",
		Schedules: "TestSchedules_InterruptAgainstEnd",
		Also:      []string{"TestForEach_EndingDomainRunsIt"},
		Patch: `
@ stw/members.go
-	if d.noted.any() {
+	if false {
@
-	if w.stop.Load() != nil || d.phase != ending || d.noted.any() {
+	if w.stop.Load() != nil || d.phase != ending {
`,
	},
	{
		Name:      "enters-alone",
		Why:       "a handler runs while another domain still runs user code",
		Package:   "./stw",
		Test:      "TestRunOnAll_WaitsForAll",
		Schedules: "TestSchedules_StopAgainstStop",
		Patch: `
@ stw/stop.go
-	if n == 0 || s.opts.Async {
+	if true {
`,
	},
	{
		Name:      "leader-reads",
		Why:       "a handler waits for a grace period, which waits for the leader, which waits for the handler",
		Package:   "./stw",
		Test:      "TestSMR_SynchronizeInHandler",
		Schedules: "TestSchedules_GracePeriodInStop",
		Patch: `
@ stw/stop.go
-	d.readers.goOffline()
 	defer d.readers.goOnline()
 	defer s.finish() // also if the leader's handler ends its goroutine
`,
	},
	{
		Name:      "suspend-wakes-nobody",
		Why:       "those behind a domain that is suspended when it may lead sleep on",
		Package:   "./stw",
		Test:      "TestSuspend_AtItsTurnWakesTheNext",
		Schedules: "TestSchedules_SuspendAgainstQueue",
		Patch: `
@ stw/suspend.go
-	d.w.suspensionChanged(d)
`,
	},
	{
		Name:      "served-stays",
		Why:       "a domain that ends sleeps on when what kept it, something done for it, is over",
		Package:   "./stw",
		Test:      "TestSlot_NotReusedWhileServed",
		Schedules: "TestSchedules_InterruptAgainstEnd",
		Patch: `
@ stw/serve.go
-	d.w.dismissLocked(d)
`,
	},
	{
		Name:      "dismissed-in-service",
		Why:       "a domain that ends is gone, and its slot another's, while something is done for it",
		Package:   "./stw",
		Test:      "TestEnd_WaitsForService",
		Schedules: "TestSchedules_AskedWhileStateChanges",
		Patch: `
@ stw/members.go
-	if w.stop.Load() != nil || d.phase != ending || d.noted.any() {
+	if w.stop.Load() != nil || d.phase < ending || d.phase == dead || d.noted.any() {
`,
	},
	{
		Name:      "unqueue-wakes-nobody",
		Why:       "those behind a domain that panics when it may lead sleep on",
		Package:   "./stw",
		Test:      "TestRunOnAll_PanicsAtItsTurn",
		Schedules: "TestSchedules_WaiterPanics",
		Patch: `
@ stw/queue.go
-	if w.unqueueLocked(s) {
-		w.changed.Broadcast()
-	}
+	w.unqueueLocked(s)
`,
	},
	{
		Name:    "rest-in-one-step",
		Why:     "interrupts that ask for interrupts keep the hook from a blocked domain",
		Package: "./stw",
		Test:    "TestBlocking_EndlessInterruptsLetHookIn",
		Patch: `
@ stw/serve.go
-	for d.phase != returning && d.stepLocked(&left) {
-	}
+	d.stepLocked(&left)
`,
	},
	{
		Name:      "resume-wakes-nobody",
		Why:       "a domain that was suspended while it waited to lead sleeps on when it is resumed",
		Package:   "./stw",
		Test:      "TestSuspend_FirstToLeadHoldsUpNobody",
		Schedules: "TestSchedules_SuspendAgainstQueue",
		Patch: `
@ stw/suspend.go
-	if resumed {
-		d.w.suspensionChanged(d)
-	}
+	_ = resumed
`,
	},
	{
		Name:      "suspended-for-one-stop",
		Why:       "a suspended domain that is kept from its sleep by a second stop, queued behind the first, runs on",
		Package:   "./stw",
		Schedules: "TestSchedules_SuspendedAgainstQueuedStop",
		Patch: `
@ stw/poll.go
-	for d.stepLocked(&left) || d.suspendLocked(&left) {
+	for n := 0; d.stepLocked(&left) || n < 3 && d.suspendLocked(&left); n++ {
`,
	},
	{
		Name:    "yields-online",
		Why:     "a grace period waits for a domain that has yielded at a safe point, until all before it have had their time slices",
		Package: "./stw",
		Test:    "TestSMR_YieldingHoldsNothingBack",
		Patch: `
@ stw/poll.go
-	d.readers.goOffline()
`,
	},
	{
		Name:      "yields-for-good",
		Why:       "a domain that has yielded reads unprotected from then on",
		Package:   "./stw",
		Schedules: "TestSchedules_GracePeriodAgainstPoll",
		Patch: `
@ stw/poll.go
-	d.readers.goOnline()
`,
	},
	{
		Name:      "quiet-before-clear",
		Why:       "a grace period asks between the statement and the clearing, and is forgotten",
		Package:   "./stw",
		Test:      "TestSMR_RequestDuringPoll",
		Schedules: "TestSchedules_GracePeriodAgainstPoll",
		Patch: `
@ stw/poll.go
-	d.clearPending()
@
 	d.readers.quiesce()
+	for range 100 { // a wider window: the requester spins first
+		sched.Gosched()
+	}
+	d.clearPending()
`,
	},
	{
		Name:    "one-ragged-barrier",
		Why:     "a ragged barrier that begins while another one waits for a domain takes its place",
		Package: "./stw",
		Test:    "TestForEach_SeveralAtOnce",
		Patch: `
@ stw/ragged.go
-		d.noted.ragged = append(d.noted.ragged, r)
+		d.noted.ragged = []*ragged{r}
`,
	},
	{
		Name:    "scans-who-may-run",
		Why:     "the roots of a blocked domain are read while it comes back and changes them",
		Package: "./stw",
		Test:    "TestScan_InEachSituation",
		Patch: `
@ stw/roots.go
-	case !held && !p.inService():
+	case !held && p == running:
`,
	},
	{
		Name:      "two-alone",
		Why:       "two domains suspend each other, and neither comes back from the call",
		Package:   "./stw",
		Schedules: "TestSchedules_SuspendOthersAgainstEachOther",
		Patch: `
@ stw/others.go
-		return w.solos[0].solo == s.solo
+		return true
`,
	},
	{
		Name:      "joins-beside-one",
		Why:       "a new domain runs while another has suspended all others",
		Package:   "./stw",
		Test:      "TestSuspendOthers_NewDomainsWait",
		Schedules: "TestSchedules_SuspendOthersAgainstStop",
		Patch: `
@ stw/members.go
-	if w.stop.Load() != nil || len(w.solos) > 0 {
+	if w.stop.Load() != nil {
`,
	},
	{
		Name:      "ends-beside-one",
		Why:       "what is left to do for a domain that ends is done while another has suspended all others",
		Package:   "./stw",
		Test:      "TestSuspendOthers_HoldsWhatEnds",
		Schedules: "TestSchedules_SuspendOthersAgainstChange",
		Patch: `
@ stw/suspend.go
-		if d.askToSuspend(phase.isDead) {
+		if d.askToSuspend(phase.refuses) {
`,
	},
	{
		Name:      "panic-keeps-suspended",
		Why:       "an interrupt that panics while a domain suspends the others leaves them suspended",
		Package:   "./stw",
		Test:      "TestSuspendOthers_InterruptPanics",
		Schedules: "TestSchedules_SuspendOthersGivesUp",
		Patch: `
@ stw/others.go
-		if !suspended {
+		if !suspended && err != nil {
`,
	},
	{
		Name:      "gives-up-its-turn-later",
		Why:       "a domain that gives up, and is suspended itself, still keeps new domains out",
		Package:   "./stw",
		Test:      "TestSuspendOthers_CanceledWhileSuspended",
		Schedules: "TestSchedules_SuspendOthersAgainstSuspendByDomain",
		Patch: `
@ stw/others.go
-		s.w.endSolo(s)
-	}
-	return err
+	}
+	return err
`,
	},
	{
		Name:      "held-and-not-told",
		Why:       "a domain that is suspended while it is blocked comes back and runs",
		Package:   "./stw",
		Schedules: "TestSchedules_SuspendOthersAgainstSuspendByDomain",
		Patch: `
@ stw/suspend.go
-		d.pending.Or(asked) // read when the domain comes back from Blocking
`,
	},
	{
		Name:      "resume-lets-nobody-in",
		Why:       "a domain that waits to join until another has resumed all others sleeps on",
		Package:   "./stw",
		Schedules: "TestSchedules_SuspendOthersAgainstChange",
		Patch: `
@ stw/others.go
-	w.admitJoinersLocked()
-	w.changed.Broadcast()
`,
	},
	{
		Name:      "suspended-at-its-turn-sleeps",
		Why:       "a domain that is suspended when it may suspend the others sleeps on when it is resumed",
		Package:   "./stw",
		Schedules: "TestSchedules_SuspendOthersAgainstSuspend",
		Patch: `
@ stw/queue.go
-	if len(w.leaders) > 0 || len(w.soloists) > 0 {
+	if len(w.leaders) > 0 {
`,
	},
	{
		Name:    "end-keeps-suspended",
		Why:     "a domain that has suspended the others ends, and they never run again",
		Package: "./stw",
		Test:    "TestSuspendOthers_EndResumes",
		Patch: `
@ stw/members.go
-	resumeAll(solos)
+	_ = solos
`,
	},
	{
		Name:    "resumes-up-to-a-panic",
		Why:     "a domain that was resumed once too often keeps others suspended",
		Package: "./stw",
		Test:    "TestSuspendOthers_EndResumesAll|TestSuspension_ResumedBeforeHeld",
		Patch: `
@ stw/suspend.go
-		if len(all) > 0 { // the last one has panicked
-			resumeAll(all)
-		}
+		_ = all
`,
	},
	{
		Name:    "gives-up-what-came-before",
		Why:     "World.Suspend, given up, leaves a domain that did not come suspended",
		Package: "./stw",
		Test:    "TestSuspend_Canceled|TestSuspendOthers_Canceled",
		Patch: `
@ stw/suspend.go
-			resumeAll(append(held, all[i:]...))
+			resumeAll(append(held, all[i+1:]...))
`,
	},
	{
		Name:    "suspension-read-unlocked",
		Why:     "what a suspension holds is read while another goroutine resumes it",
		Package: "./stw",
		Test:    "TestSuspension_ResumeWhileOthersRead",
		Race:    true,
		Patch: `
@ stw/suspend.go
 func (s *Suspension) Domains() []*Domain {
-	s.w.mu.Lock()
-	defer s.w.mu.Unlock()
`,
	},
	{
		Name:      "ends-before-resumed",
		Why:       "a domain has ended while what it suspended is still being resumed by another goroutine",
		Package:   "./stw",
		Schedules: "TestSchedules_SuspendOthersAgainstEnd",
		Patch: `
@ stw/members.go
-		w.awaitResumed(d)
`,
	},
	{
		Name:    "resumed-twice-at-once",
		Why:     "a new domain runs beside the one that is alone, when Resume is called twice at once",
		Package: "./stw",
		Test:    "TestSuspendOthers_ResumeTwiceAtOnce",
		Patch: `
@ stw/suspend.go
-	if again {
-		return
-	}
+	_ = again
`,
	},
	{
		Name:    "refused-to-resume",
		Why:     "a domain that ends in a pinned section panics instead of resuming the others",
		Package: "./stw",
		Test:    "TestInvariants_EndWhilePinned",
		Tags:    "invariants",
		Patch: `
@ stw/suspend.go
-		s.resume()
-	}
-}
+		any(s).(interface{ Resume() }).Resume()
+	}
+}
`,
	},
	{
		Name:      "grows-what-has-grown",
		Why:       "a growth that waited for its turn shrinks the areas that another has grown",
		Package:   "./stw",
		Test:      "TestGrowTo_LargestWishWins",
		Schedules: "TestSchedules_GrowAgainstGrow",
		Patch: `
@ stw/move.go
-		if m.unneeded = size <= r.size; m.unneeded {
+		if m.unneeded = size == r.size; m.unneeded {
`,
	},
	{
		Name:    "grows-to-its-own",
		Why:     "two domains that ask for growth together move everything twice",
		Package: "./stw",
		Test:    "TestGrowTo_LargestWishWins",
		Patch: `
@ stw/move.go
-		largest := r.largestWish()
+		largest := size
`,
	},
	{
		Name:    "empties-before-all-have-moved",
		Why:     "an area is empty, and its pages gone, though the evacuation of another one fails",
		Package: "./stw",
		Test:    "TestReset_FailedKeepsPages",
		Patch: `
@ stw/move.go
-	m.returned.Add(1)
+	m.returned.Add(1)
+	m.r.empty(d.slot)
`,
	},
	{
		Name:    "here-for-ever",
		Why:     "the area of a domain that has ended is not emptied, as if the domain were in the stop",
		Package: "./stw",
		Test:    "TestEnd_GivesPagesBack",
		Patch: `
@ stw/move.go
-		m.r.moves++
`,
	},
	{
		Name:    "end-keeps-pages",
		Why:     "a domain that ends leaves the pages that it once used",
		Package: "./stw",
		Test:    "TestEnd_GivesPagesBack",
		Patch: `
@ stw/domain.go
-		d.leaveAreas()
`,
	},
	{
		Name:    "gives-back-outside-the-world",
		Why:     "a domain that ends gives back pages of an area while a stop that no longer counts on it drops the area",
		Package: "./stw",
		Test:    "TestEnd_AgainstReset",
		Race:    true,
		Patch: `
@ stw/domain.go
-		d.leaveAreas()
@ stw/members.go
+	d.leaveAreas()
 	d.readers.close()
`,
	},
	{
		Name:    "keeps-what-one-cycle-used",
		Why:     "a cycle that allocates much, once, leaves its pages behind",
		Package: "./stw",
		Test:    "TestReset_GivesPagesBack",
		Patch: `
@ stw/move.go
-	keep := keeps(a.used, a.last, len(a.mem))
+	keep := keeps(max(a.used, a.last), max(a.used, a.last), len(a.mem))
`,
	},
	{
		Name:    "open-and-gone",
		Why:     "a Resize that fails counts an area as mapped that a domain, ending meanwhile, has given back",
		Package: "./stw",
		Test:    "TestResize_FailedOpensNothing",
		Patch: `
@ stw/move.go
 			m.memory = nil
 			return err
 		}
+		r.mu.Lock()
+		r.open[p.slot] = true
+		r.mu.Unlock()
`,
	},
	{
		Name:    "keeps-less-than-nothing",
		Why:     "twice what a large area has used exceeds an int, and it loses the pages that the next cycle needs",
		Package: "./stw",
		Test:    "TestReset_KeepsAtMostTheArea",
		Patch: `
@ stw/move.go
-func keeps(used, last, size int) int { return max(retained, 2*min(used, last, size/2)) }
+func keeps(used, last, size int) int { return max(retained, 2*min(used, last)) }
`,
	},
	{
		Name:      "given-up-and-in",
		Why:       "the last participant comes in while the stop is given up: it runs the handler, the others do not",
		Package:   "./stw",
		Schedules: "TestSchedules_GivenUpStopAgainstPoll",
		Patch: `
@ stw/giveup.go
-	for n > 0 && !s.entry.CompareAndSwap(n, n-givenUp) {
-		n = s.entry.Load()
-	}
 	if n == 0 {
 		return false
 	}
+	s.entry.Store(n - givenUp)
`,
	},
	{
		Name:      "given-up-wakes-nobody",
		Why:       "those that wait in a stop for a domain that does not come sleep on when it is given up",
		Package:   "./stw",
		Test:      "TestRunOnAll_GivenUpRunsNoHandler",
		Schedules: "TestSchedules_GivenUpStopAgainstTwo",
		Also:      []string{"TestContext_GivenUpAnyTime"},
		Patch: `
@ stw/giveup.go
-	s.park.wake()
`,
	},
	{
		Name:    "given-up-still-asked",
		Why:     "a domain comes to a stop that was given up",
		Package: "./stw",
		Test:    "TestStates_GivenUpInEach",
		Patch: `
@ stw/giveup.go
-	p.noted.stop = nil
`,
	},
	{
		Name:      "given-up-in-queue",
		Why:       "a domain that gave up waiting to stop the world keeps its place: those behind wait for it",
		Package:   "./stw",
		Test:      "TestStates_GivenUpInEach",
		Schedules: "TestSchedules_GivenUpStopAgainstStop",
		Patch: `
@ stw/queue.go
-		w.unqueueLocked(s) // and wakes none: while the turn was not its own, it held up no other
`,
	},
	{
		Name:      "given-up-and-not-over",
		Why:       "StopContext returns while the stop that it gave up is in progress, and domains are stopped",
		Package:   "./stw",
		Schedules: "TestSchedules_GivenUpStopAgainstTwo",
		Patch: `
@ stw/stop.go
-		s.park.wait(s.spins, s.ended.Load)
`,
	},
	{
		Name:    "given-up-once-in",
		Why:     "a stop in which all are is given up while its handlers run",
		Package: "./stw",
		Test:    "TestRunOnAll_NotGivenUpOnceAllAreIn",
		Patch: `
@ stw/stop.go
-	return s.err == nil, s.err
+	return s.err == nil, s.ctx.Err()
`,
	},
	{
		Name:    "given-up-once-begun",
		Why:     "a ragged barrier whose function has begun for all returns the context's error",
		Package: "./stw",
		Test:    "TestForEach_NotGivenUpOnceBegunForAll",
		Patch: `
@ stw/ragged.go
-		if !w.withdrawRagged(r) {
-			err = nil // fn has begun for all
-		}
+		w.withdrawRagged(r)
@
-	err := r.park.waitOr(&x, r.spins, done)
+	err := r.park.waitOr(&x, r.spins, done)
+	if err == nil {
+		err = ctx.Err()
+	}
`,
	},
	{
		Name:      "given-up-and-running",
		Why:       "ForEach returns while its function runs for a domain",
		Package:   "./stw",
		Test:      "TestForEach_GivenUpWaitsForWhatHasBegun",
		Schedules: "TestSchedules_GivenUpForEachAgainstPoll",
		Patch: `
@ stw/ragged.go
-		x.ctx = context.Background()
-		r.park.waitOr(&x, r.spins, done)
`,
	},
	{
		Name:    "given-up-stays-queued",
		Why:     "a stop that was given up is in the queue until its leader's Blocking ends, which may take long",
		Package: "./stw",
		Test:    "TestWaitTurn_GivenUpLeavesQueue",
		Patch: `
@ stw/queue.go
-		w.unqueueLocked(s) // and wakes none: while the turn was not its own, it held up no other
`,
	},
	{
		Name:    "panics-past-its-context",
		Why:     "a leader whose EnterWork panics waits for ever for a domain that does not come",
		Package: "./stw",
		Test:    "TestRunOnAll_GivenUpAfterEnterWork|TestStop_EnterWorkPanicsAndStays",
		Patch: `
@ stw/stop.go
-	defer func() {
+	worked := false
+	defer func() {
+		if !worked {
+			return
+		}
 		if err := s.park.waitOr(x, s.spins, s.decided); err != nil && s.giveUp() {
@ stw/stop.go
-			s.failures.add(p)
-		}
-	}
+			panic(p)
+		}
+	}
+	worked = true
`,
	},
	{
		Name:    "works-or-handles",
		Why:     "the handler runs for all domains but the one whose EnterWork has panicked",
		Package: "./stw",
		Test:    "TestRunOnAll_EnterWork",
		Patch: `
@ stw/stop.go
-			s.failures.add(p)
-		}
-	}
+			defer panic(p)
+		}
+	}
`,
	},
	{
		Name:    "leader-exits-early",
		Why:     "a leader whose handler ends its goroutine leaves before the others have run theirs, and loses their panics",
		Package: "./stw",
		Test:    "TestGoexit_InHandlerOfLeader",
		Patch: `
@ stw/stop.go
-	defer s.finish() // also if the leader's handler ends its goroutine
 	s.takePart(d)
+	s.finish()
`,
	},
	{
		Name:      "unasks-grace-period",
		Why:       "with a stop that is given up, the request of a grace period is withdrawn",
		Package:   "./stw",
		Test:      "TestUnask_KeepsWhatElseIsAsked",
		Schedules: "TestSchedules_GivenUpStopAgainstGracePeriod",
		Patch: `
@ stw/giveup.go
-		d.pending.And(^uint32(asked)) // a grace period may still wait
+		d.pending.Store(0)
`,
	},
	{
		Name:    "unasks-interrupt",
		Why:     "with a ragged barrier that is given up, an interrupt is forgotten until the next request",
		Package: "./stw",
		Test:    "TestUnask_KeepsWhatElseIsAsked",
		Patch: `
@ stw/giveup.go
-	if !d.noted.any() && len(d.noted.panics) == 0 {
+	if len(d.noted.panics) == 0 {
`,
	},
	{
		Name:    "given-up-service",
		Why:     "a blocked domain for which ForEach was to act is left waiting for it when it is given up",
		Package: "./stw",
		Test:    "TestForEach_GivenUpLetsBlockedOnesBack",
		Patch: `
@ stw/ragged.go
-			mine[0].endService(true)
`,
	},
	{
		Name:    "stall-outlives-wait",
		Why:     "a wait that is over is reported as one that takes long",
		Package: "./stw",
		Test:    "TestStall_EndsWithTheWait",
		Patch: `
@ stw/stall.go
-	t.ended = true
-	t.timer.Stop()
`,
	},
	{
		Name:    "stack-of-what-starts",
		Why:     "a stall report reads the number of a goroutine that is about to write it",
		Package: "./stw",
		Test:    "TestStall_StartingDomain",
		Race:    true,
		Patch: `
@ stw/stall.go
-		if p := d.Domain.currentPhase(); p == starting || p.standsIn() || d.Domain.goid == 0 {
+		if d.Domain.goid == 0 || d.Domain.currentPhase().standsIn() {
`,
	},
	{
		Name:    "stall-since-asked",
		Why:     "a domain that was asked in the middle of a safe point is said not to have polled since",
		Package: "./stw",
		Test:    "TestStall_SilentSinceTheLastSafePoint",
		Patch: `
@ stw/poll.go
-			d.passed = time.Now()
+			_ = time.Now
`,
	},
	{
		Name:      "deferred-and-forgotten",
		Why:       "an interrupt that was deferred waits for the next request after that is over",
		Package:   "./stw",
		Test:      "TestWithoutInterrupts_OthersCome",
		Schedules: "TestSchedules_InterruptDeferred",
		Patch: `
@ stw/interrupt.go
-		if n.deferred--; n.deferred == 0 && n.any() {
-			d.askLocked()
-		}
+		n.deferred--
`,
	},
	{
		Name:      "deferred-and-run",
		Why:       "an interrupt runs in WithoutInterrupts, when something else is served",
		Package:   "./stw",
		Test:      "TestWithoutInterrupts_OthersCome",
		Schedules: "TestSchedules_InterruptDeferred",
		Patch: `
@ stw/noted.go
-	case n.suspends > 0 || n.deferred > 0:
+	case n.suspends > 0:
`,
	},
	{
		Name:      "dropped-while-counted",
		Why:       "a party that panics between arrival and wait drops out: its arrival counts for another",
		Package:   "./stw",
		Test:      "TestSplitBarrier_PanicInWork",
		Schedules: "TestSchedules_SplitBarrier",
		Patch: `
@ stw/barrier.go
-	defer b.leave(sense) // also if work panics: a party must not drop out of a phase that counts it
 	work()
+	b.leave(sense)
`,
	},
	{
		Name:      "no-second-half",
		Why:       "a party goes on after its work, whether others have arrived or not",
		Package:   "./stw",
		Test:      "TestSplitBarrier_WorkOverlaps",
		Schedules: "TestSchedules_SplitBarrier",
		Patch: `
@ stw/barrier.go
-	defer b.leave(sense) // also if work panics: a party must not drop out of a phase that counts it
+	_ = sense
`,
	},
	{
		Name:    "given-up-and-async",
		Why:     "an asynchronous stop that has begun is given up: its handlers run for none, or for some",
		Package: "./stw",
		Test:    "TestRunOnAll_AsyncNotGivenUpOnceBegun",
		Patch: `
@ stw/stop.go
-	if n == 0 || s.opts.Async {
+	if n == 0 || s.opts.Async && s.ctx.Err() == nil {
`,
	},
	{
		Name:    "gives-up-others-turns",
		Why:     "those that wait to suspend the others never have their turn once one of them has given up",
		Package: "./stw",
		Test:    "TestSuspendOthers_CanceledInQueue",
		Patch: `
@ stw/others.go
-	w.soloists = slices.DeleteFunc(w.soloists, func(o *Suspension) bool { return o == s })
 	if err != nil {
+		w.soloists = nil
 		return nil, err
 	}
+	w.soloists = slices.DeleteFunc(w.soloists, func(o *Suspension) bool { return o == s })
`,
	},
	{
		Name:    "ends-in-stop-unheld",
		Why:     "a domain that is suspended as it ends in a stop is never held: the call waits until it is resumed",
		Package: "./stw",
		Test:    "TestSuspension_HoldsWhatEndsDuringStop",
		Patch: `
@ stw/serve.go
-	n.held = n.suspends > 0
+	n.held = n.suspends > 0 && d.phase == served
`,
	},
	{
		Name:      "stand-in-without-stop",
		Why:       "a stand-in that finds its stop given up leaves the domain served: it never comes back",
		Package:   "./stw",
		Schedules: "TestSchedules_GivenUpStopAgainstBlocked",
		Patch: `
@ stw/serve.go
 	if s == nil {
-		d.serveRest()
 		return
 	}
`,
	},
	{
		Name:      "woken-and-running",
		Why:       "a suspended domain that was woken for a stop, which was given up, runs on",
		Package:   "./stw",
		Schedules: "TestSchedules_GivenUpStopAgainstSuspended",
		Patch: `
@ stw/suspend.go
-	for n.suspends > 0 && n.stop == nil && len(n.ragged) == 0 {
-		d.changed.Wait()
-	}
+	if n.suspends > 0 && n.stop == nil && len(n.ragged) == 0 {
+		d.changed.Wait()
+	}
@
-	left.stop, left.ragged = true, len(n.ragged)
-	return true
-}
+	left.stop, left.ragged = true, len(n.ragged)
+	return n.stop != nil || len(n.ragged) > 0 || n.suspends == 0
+}
`,
	},
	{
		Name:      "withdrawn-and-run",
		Why:       "a ragged barrier that is given up does not wait for the domain that runs its function",
		Package:   "./stw",
		Schedules: "TestSchedules_GivenUpForEachAgainstPoll",
		Patch: `
@ stw/giveup.go
-			r.left.Add(-1)
-			any = true
-		}
+			any = true
+		}
+		r.left.Add(-1)
`,
	},
	{
		Name:      "exits-without-drop",
		Why:       "a handler waits at a barrier for one that has returned",
		Package:   "./stw",
		Schedules: "TestSchedules_HandlerEndsBeforeBarrier",
		Patch: `
@ stw/stop.go
-	s.bar.drop()
 	if s.inside.Add(-1) == 0 {
`,
	},
	{
		Name:      "blocks-online",
		Why:       "a grace period waits for a blocked domain until it comes back",
		Package:   "./stw",
		Schedules: "TestSchedules_GracePeriodAgainstBlocked",
		Patch: `
@ stw/blocking.go
-	d.readers.goOffline()
 	d.mu.Lock()
 	defer d.mu.Unlock()
 	d.becomeLocked(blocked)
`,
	},
	{
		Name:      "outside-not-counted",
		Why:       "a stop ends when its participants leave, before Start",
		Package:   "./stw",
		Schedules: "TestSchedules_StopFromOutside",
		Also:      []string{"TestStopStart"},
		Patch: `
@ stw/stop.go
-	for w.queue(s); !w.lead(s, 1); {
+	for w.queue(s); !w.lead(s, 0); {
`,
	},
	{
		Name:      "canceled-stays-suspended",
		Why:       "a domain stays suspended when the call that was to suspend it has given up",
		Package:   "./stw",
		Schedules: "TestSchedules_SuspendAgainstCancel",
		Patch: `
@ stw/suspend.go
-	if err != nil && err != ErrDead {
-		d.resume()
-	}
`,
	},
	{
		Name:      "leads-wake-few",
		Why:       "at the end of a stop one of those that wait is woken, and the one whose turn it is sleeps on",
		Package:   "./stw",
		Schedules: "TestSchedules_ThreeStops",
		Patch: `
@ stw/members.go
 		w.dismissLocked(d)
 	}
-	w.changed.Broadcast()
+	w.changed.Signal()
`,
	},
	{
		Name:      "serves-before-return",
		Why:       "a domain comes back from Blocking when no more interrupts come, which may be never",
		Package:   "./stw",
		Schedules: "TestSchedules_EndlessInterrupts",
		Also:      []string{"TestBlocking_EndlessInterruptsLetStopsIn"},
		Patch: `
@ stw/serve.go
-	case d.phase == returning: // the owner serves the rest
+	case d.phase == returning && !n.rest(): // the owner serves the rest
`,
	},
	{
		Name:      "for-each-beside-owner",
		Why:       "a blocked domain comes back while a function of ForEach runs for it",
		Package:   "./stw",
		Schedules: "TestSchedules_ForEachAgainstBlocked",
		Patch: `
@ stw/ragged.go
-		if d.beginServiceLocked() {
+		if d.phase == blocked || d.beginServiceLocked() {
`,
	},
	{
		Name:      "resumes-all-counts",
		Why:       "the first Resume of a domain that is suspended twice lets it run",
		Package:   "./stw",
		Schedules: "TestSchedules_SuspendOthersAgainstBlocked",
		Also:      []string{"TestSuspend"},
		Patch: `
@ stw/suspend.go
-	n.suspends--
+	n.suspends = 0
`,
	},
	{
		Name:      "suspended-not-woken",
		Why:       "a suspended domain sleeps on when a stop or a ragged barrier waits for it",
		Package:   "./stw",
		Schedules: "TestSchedules_StopAgainstSuspended",
		Also:      []string{"TestForEach_AllStates"},
		Patch: `
@ stw/noted.go
-	case d.phase == suspended:
-		d.changed.Broadcast()
-	}
+	}
`,
	},
	{
		Name:      "served-offline",
		Why:       "a function that runs for a blocked domain reads unprotected",
		Package:   "./stw",
		Schedules: "TestSchedules_GracePeriodAgainstBlocked",
		Patch: `
@ stw/panic.go
-	if !d.readers.online {
-		d.readers.goOnline()
-		defer d.readers.goOffline()
-	}
`,
	},
	{
		Name:      "resumed-stays",
		Why:       "a domain that was suspended as it ended sleeps on when it is resumed",
		Package:   "./stw",
		Schedules: "TestSchedules_SuspendAgainstEnd",
		Patch: `
@ stw/queue.go
-	w.dismissLocked(d)
`,
	},
	{
		Name:      "drop-ends-no-phase",
		Why:       "those in a barrier wait for one that has dropped out",
		Package:   "./stw",
		Schedules: "TestSchedules_BarrierPhases",
		Also:      []string{"TestBarrier_Leave", "TestPanic_InHandler"},
		Patch: `
@ stw/barrier.go
-		if rest > 0 && arrived(old) == rest {
-			b.flip(old, rest)
-			return
-		}
+		_ = rest
`,
	},
	{
		Name:      "ends-unbegun",
		Why:       "OnEnd is called for a domain that did not start",
		Package:   "./stw",
		Schedules: "TestSchedules_StopAgainstFailedSpawn",
		Patch: `
@ stw/domain.go
-	if begun && d.w.opts.OnEnd != nil {
+	if d.w.opts.OnEnd != nil {
`,
	},
	{
		Name:      "two-serve",
		Why:       "two stand-ins act for a blocked domain at once",
		Package:   "./stw",
		Schedules: "TestSchedules_ServedWhileBlocked",
		Patch: `
@ stw/serve.go
-	case blocked:
-		d.becomeLocked(served)
+	case blocked, served:
+		d.phase = served
`,
	},
	{
		Name:      "empties-when-all-run",
		Why:       "a domain that goes on after a Reset allocates what is given out again when the areas are emptied",
		Package:   "./stw",
		Schedules: "TestSchedules_ResetAgainstEnd",
		Patch: `
@ stw/move.go
-	switch {
-	case refusal != nil:
+	for slot := range m.r.areas {
+		if m.done {
+			m.r.empty(slot)
+		}
+	}
+	switch {
+	case refusal != nil:
@
-	if m.done {
-		m.r.empty(d.slot)
-	}
`,
	},
	{
		Name:      "held-while-returning",
		Why:       "Suspend returns while a stand-in, for which a domain that leaves Blocking waits, still runs an interrupt",
		Package:   "./stw",
		Schedules: "TestSchedules_SuspendAgainstBlocked",
		Patch: `
@ stw/suspend.go
-	if d.phase == suspended || d.phase == blocked {
+	if d.phase == suspended || d.phase == blocked || d.phase == returning {
`,
	},
	{
		Name:    "interrupts-last-first",
		Why:     "of two interrupts the later runs first",
		Package: "./stw",
		Test:    "TestInterrupt_FIFO",
		Also:    []string{"TestPanic_InInterrupt"},
		Patch: `
@ stw/interrupt.go
-	return d.request(func(n *noted) { n.interrupts = append(n.interrupts, fn) })
+	return d.request(func(n *noted) { n.interrupts = append([]func(*Domain){fn}, n.interrupts...) })
`,
	},
	{
		Name:    "second-panic-unheard",
		Why:     "of two interrupts that panic one is passed on only when something else is asked",
		Package: "./stw",
		Test:    "TestPanic_NoneIsLost",
		Patch: `
@ stw/poll.go
-	if len(d.noted.panics) > 0 {
-		d.pending.Or(asked) // the next poll passes on what this one does not
-	}
`,
	},
	{
		Name:    "joiners-starve",
		Why:     "a domain that waits to join waits on when the stop has ended",
		Package: "./stw",
		Test:    "TestSpawn_NotStarvedByStops",
		Patch: `
@ stw/members.go
 func (w *World) nextLocked() {
-	w.admitJoinersLocked()
`,
	},
	{
		Name:    "interrupts-while-suspended",
		Why:     "an interrupt runs for a domain that is suspended",
		Package: "./stw",
		Test:    "TestStates_EachAgainstEach",
		Patch: `
@ stw/noted.go
-	case n.suspends > 0 || n.deferred > 0:
+	case n.deferred > 0:
`,
	},
	{
		Name:    "goexit-forgets-rest",
		Why:     "what an interrupt that calls Goexit leaves to do is not done by the deferred code's polls",
		Package: "./stw",
		Test:    "TestGoexit_DeferredCodePolls",
		Patch: `
@ stw/poll.go
 		if d.noted.any() { // for the next poll, which may be in a deferred function
-			d.pending.Or(asked)
`,
	},
	{
		Name:    "waits-unwatched",
		Why:     "no wait is reported, however long it takes",
		Package: "./stw",
		Test:    "TestStall_NamesTheSilentDomain",
		Also:    []string{"TestStall_SuspendOthers"},
		Patch: `
@ stw/stall.go
-	if x.w != nil && x.w.opts.StallAfter > 0 {
+	if x.w != nil && x.w.opts.StallAfter > 1000*time.Hour {
`,
	},
	{
		Name:    "watched-though-off",
		Why:     "waits are reported at once though that is turned off",
		Package: "./stw",
		Test:    "TestStall_Off",
		Patch: `
@ stw/stall.go
-	if x.w != nil && x.w.opts.StallAfter > 0 {
+	if x.w != nil && x.w.opts.StallAfter != 0 {
`,
	},
	{
		Name:    "deferred-at-its-end",
		Why:     "an interrupt that was accepted is not run for a domain that ends in WithoutInterrupts",
		Package: "./stw",
		Test:    "TestWithoutInterrupts_Ends",
		Patch: `
@ stw/members.go
-	d.noted.deferred = 0 // it may end inside WithoutInterrupts
`,
	},
	{
		Name:    "ending-takes-interrupts",
		Why:     "a domain that ends accepts interrupts: those that come one after the other keep it",
		Package: "./stw",
		Test:    "TestDomain_Ending",
		Patch: `
@ stw/phase.go
-func (p phase) refuses() bool { return p >= ending }
+func (p phase) refuses() bool { return p >= dead }
`,
	},
	{
		Name:    "wakes-one",
		Why:     "one of several goroutines that wait for the same goes on, the others sleep",
		Package: "./stw",
		Test:    "TestParking_ManyWaiters",
		Patch: `
@ stw/park.go
-	p.cond.Broadcast()
+	p.cond.Signal()
`,
	},
	{
		Name:    "stopped-unsaid",
		Why:     "a Stop that waits for the Start of another is not reported",
		Package: "./stw",
		Test:    "TestStall_StoppedWorld",
		Patch: `
@ stw/stall.go
-		st.Stopped = s.held()
+		_ = s
`,
	},
	{
		Name:    "undescribed",
		Why:     "a stall of an smr domain tells of a quiescent reader, and not which domain that is",
		Package: "./stw",
		Test:    "TestSMR_StallNamesTheDomain",
		Patch: `
@ stw/smr.go
-		q.Describe(d.describe)
`,
	},
	{
		Name:    "synchronizes-first",
		Why:     "Synchronize waits for the readers of the first smr domain, not for those of the others",
		Package: "./stw",
		Test:    "TestSMR_Synchronize",
		Patch: `
@ stw/smr.go
 	d.Blocking(func() {
-		for i, dom := range d.w.opts.SMR {
+		for i, dom := range d.w.opts.SMR[:min(1, len(goals))] {
`,
	},
	{
		Name:    "async-waits",
		Why:     "the leader of an asynchronous stop waits for its participants",
		Package: "./stw",
		Test:    "TestRunOnAll_Async",
		Patch: `
@ stw/stop.go
-	if s.opts.Async {
-		return
-	}
 	s.park.waitOr(s.waitIn(context.Background()), s.spins, s.ended.Load)
`,
	},
	{
		Name:    "pending-for-grace-periods",
		Why:     "a loop that polls when Pending says so holds up stops",
		Package: "./stw",
		Test:    "TestDomain_Pending",
		Patch: `
@ stw/domain.go
-func (d *Domain) Pending() bool { return d.pending.Load() != 0 }
+func (d *Domain) Pending() bool { return d.pending.Load()&quiescent != 0 }
`,
	},
	{
		Name:    "wish-stays",
		Why:     "a size that a GrowTo asked for that gave up is what later ones grow to",
		Package: "./stw",
		Test:    "TestMove_GivenUp",
		Patch: `
@ stw/move.go
-	defer r.unwish(size)
`,
	},
	{
		Name:    "goexit-leaves-services",
		Why:     "a function of ForEach ends its goroutine, and the blocked domains that it has not come to never come back",
		Package: "./stw",
		Test:    "TestGoexit_InForEachOfReturning",
		Patch: `
@ stw/ragged.go
-			sched.Go(d.serveRest)
+			sched.Go(func() { _ = d })
`,
	},
	{
		Name:    "polls-and-reads-on",
		Why:     "a poll ends no section, and a grace period waits for the domain until it blocks",
		Package: "./stw",
		Test:    "TestSMR_GracePeriodEndsWithThePoll",
		Patch: `
@ stw/poll.go
-	d.readers.quiesce()
@
-	d.readers.goOffline()
@
-	d.readers.goOnline()
`,
	},
}
