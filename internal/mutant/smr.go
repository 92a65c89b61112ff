package mutant

// smrBugs are those of package smr.
var smrBugs = []Bug{
	{
		Name:    "pin-unchecked",
		Why:     "a wait for another domain in a pinned section is only refused where it would block, by Go's scheduler",
		Package: "./smr",
		Test:    "TestInvariants_BlockingWhilePinned",
		Tags:    "invariants",
		Patch: `
@ smr/wait.go
-	d.checkMayBlock(what)
`,
	},
	{
		Name:    "pins-stay",
		Why:     "a goroutine that has left its pinned section may still not wait",
		Package: "./smr",
		Test:    "TestInvariants_MayBlock",
		Tags:    "invariants",
		Patch: `
@ smr/debug_on.go
-		pins.remove(info)
+		_ = info
`,
	},
	{
		Name:      "goal-before-drain",
		Why:       "a drain's goal is older than a call that it takes: a reader that entered at the goal holds the object, and does not hold the goal back",
		Package:   "./smr",
		Schedules: "TestSchedules_DrainAgainstReader",
		Patch: `
@ smr/reclaim.go
+	goal := d.clk.DeferredAdvance()
 	taken := owned.Revoke(d.fence, d.calls.All(), left)
 	if len(taken) == 0 {
 		return
 	}
-	goal := d.clk.DeferredAdvance()
`,
	},
	{
		Name:      "hand-over-by-store",
		Why:       "owner and drain both take the chunk",
		Package:   "./smr",
		Test:      "TestHandOver_DrainTookTheChunk",
		Schedules: "TestSchedules_AppendAgainstDrain",
		Patch: `
@ smr/chunk.go
-	if sl.Value.CompareAndSwap(c, nil) {
+	sl.Value.Store(nil)
+	if true {
`,
	},
	{
		Name:      "stop-without-look",
		Why:       "a call made while the reclaimer stops is forgotten",
		Package:   "./smr",
		Test:      "TestReclaimer_NoLostCall",
		Schedules: "TestSchedules_CallAgainstBarrier",
		Patch: `
@ smr/reclaim.go
-			if d.idle() && !r.flush.Load() || !r.state.CompareAndSwap(stopped, awake) {
+			if true {
`,
	},
	{
		Name:      "patient-too-late",
		Why:       "a call opens a chunk while the reclaimer decides that it has time, and waits for as long as that lasts",
		Package:   "./smr",
		Test:      "TestReclaimer_PatientOneIsTold",
		Schedules: "TestSchedules_CallAgainstPatience",
		Patch: `
@ smr/pace.go
-		r.state.Store(patient)
@
 		d.before("settle")
+		r.state.Store(patient)
`,
	},
	{
		Name:      "patient-with-inbox",
		Why:       "a chunk is handed over while the reclaimer decides that it has time, and waits for as long as that lasts",
		Package:   "./smr",
		Schedules: "TestSchedules_CallAgainstPatience",
		Patch: `
@ smr/pace.go
-		p.patient = !d.anyOpen() && r.inbox.empty() && !r.flush.Load()
+		p.patient = !d.anyOpen() && !r.flush.Load()
`,
	},
	{
		Name:      "close-wakes-nobody",
		Why:       "a writer sleeps in Throttle on a domain that is closed, since the last chunk finished while a refused call counted",
		Package:   "./smr",
		Test:      "TestThrottle_CloseWakes",
		Schedules: "TestSchedules_ThrottleAgainstClose",
		Patch: `
@ smr/domain.go
-	d.reclaim.wakeThrottledLocked()
`,
	},
	{
		Name:      "close-wakes-one",
		Why:       "of two writers in Throttle one sleeps on, on a domain that is closed",
		Package:   "./smr",
		Schedules: "TestSchedules_ThrottleAgainstClose",
		Patch: `
@ smr/throttle.go
-	for _, wake := range r.throttled {
+	for _, wake := range r.throttled[:min(1, len(r.throttled))] {
`,
	},
	{
		Name:      "throttled-after-checks",
		Why:       "Close, or the last chunk, comes between a writer's checks and its entry in the list, and finds none to wake",
		Package:   "./smr",
		Schedules: "TestSchedules_ThrottleAgainstClose",
		Patch: `
@ smr/throttle.go
-		r.mu.Lock()
-		r.throttled = append(r.throttled, wake)
-		r.mu.Unlock()
 		// A Close or a finished chunk that these two checks miss finds wake in the list.
@
 		d.Flush()
+		r.mu.Lock()
+		r.throttled = append(r.throttled, wake)
+		r.mu.Unlock()
 		select {
`,
	},
	{
		Name:      "assist-unpolled",
		Why:       "an Assist runs what the goal it has polled for covers, though a reader holds that back",
		Package:   "./smr",
		Test:      "TestAssist_ReaderHoldsBack",
		Schedules: "TestSchedules_AssistAgainstReader",
		Patch: `
@ smr/assist.go
-		d.makeReady(d.clk.Reached())
+		d.makeReady(goal)
`,
	},
	{
		Name:      "assist-wakes-nobody",
		Why:       "an Assist takes in a chunk that a reader holds back, before its caller looks whether to wake the reclaimer",
		Package:   "./smr",
		Schedules: "TestSchedules_AssistAgainstSleep",
		Patch: `
@ smr/assist.go
-	if rest && alone {
+	if rest && alone && false {
`,
	},
	{
		Name:      "assist-counts-twice",
		Why:       "what is freed while a writer looks counts twice, and the next Assist comes late",
		Package:   "./smr",
		Schedules: "TestSchedules_AssistAgainstFree",
		Patch: `
@ smr/worker.go
-	r.handedOver.Add(-c.bytes) // before freedBytes: see assistDue
@
 	r.freedBytes.Add(uint64(c.bytes))
+	r.handedOver.Add(-c.bytes)
`,
	},
	{
		Name:    "assist-leaves-ready",
		Why:     "what an Assist has made ready and not run waits for a check-in",
		Package: "./smr",
		Test:    "TestAssist_RunsABoundedShare",
		Patch: `
@ smr/assist.go
-		d.startWorkersLocked() // for what it has left
`,
	},
	{
		Name:    "assist-unbounded",
		Why:     "a writer runs callbacks for as long as there are any, of all writers",
		Package: "./smr",
		Test:    "TestAssist_RunsABoundedShare",
		Patch: `
@ smr/worker.go
-		w.left -= max(c.bytes, leastAssisted*int64(c.n))
`,
	},
	{
		Name:    "assist-in-callback",
		Why:     "a callback that assists runs others inside itself",
		Package: "./smr",
		Test:    "TestAssist_NotInACallback",
		Patch: `
@ smr/assist.go
-	if !r.assistDue() || d.inCallback() { // in this order: while callbacks run, inCallback takes longer
+	if !r.assistDue() {
`,
	},
	{
		Name:    "assist-untold",
		Why:     "callbacks of a grace period run before GraceEnd",
		Package: "./smr",
		Test:    "TestAssist_LeavesGracePeriodsToEvents",
		Patch: `
@ smr/assist.go
-	if d.clk.Poll(goal); d.opts.silent {
+	if d.clk.Poll(goal); true {
`,
	},
	{
		Name:    "assist-panics",
		Why:     "the caller of Assist runs OnPanic, or ends by the panic of another's callback, which it may recover",
		Package: "./smr",
		Test:    "TestAssist_PanicIsNotTheCallers",
		Patch: `
@ smr/worker.go
-			if w.assists && len(w.panics) > 0 {
+			if false {
`,
	},
	{
		Name:    "assist-stays-callback",
		Why:     "a caller whose callback has panicked counts as in a callback, and may not wait, until another goroutine goes on",
		Package: "./smr",
		Test:    "TestAssist_PanicIsNotTheCallers",
		Patch: `
@ smr/worker.go
-			r.workers[w.index].Store(starting) // the caller of Assist is in no callback from here on
`,
	},
	{
		Name:    "assist-polls-on",
		Why:     "a writer polls the readers with each call while one of them stays",
		Package: "./smr",
		Test:    "TestAssist_ReaderHoldsBack",
		Patch: `
@ smr/assist.go
-	return called-due >= 0 && r.assists.due.CompareAndSwap(due, called+max(1, r.assists.from/2))
+	return called-due >= 0
`,
	},
	{
		Name:    "assist-in-section",
		Why:     "a callback runs in its caller's section, and nothing says so",
		Package: "./smr",
		Test:    "TestInvariants_AssistInSection",
		Tags:    "invariants",
		Patch: `
@ smr/assist.go
-	d.checkMayWait("Assist")
`,
	},
	{
		Name:    "throttle-in-section",
		Why:     "a writer below the bound calls Throttle in its own section, which hangs in production only",
		Package: "./smr",
		Test:    "TestInvariants_WaitInsideSection",
		Tags:    "invariants",
		Patch: `
@ smr/throttle.go
-	d.checkMayWait("Throttle")
`,
	},
	{
		Name:    "assist-holds-on",
		Why:     "a writer at the bound keeps its processor from the reader that it waits for",
		Package: "./smr",
		Test:    "TestAssist_YieldsAtTheBound",
		Patch: `
@ smr/assist.go
-	if limit := d.opts.MaxPending; limit > 0 && d.pendingBytes() >= limit {
+	if false {
`,
	},
	{
		Name:    "panic-loses-rest",
		Why:     "a panic drops the callbacks behind it",
		Package: "./smr",
		Test:    "TestCallback_PanicRunsTheOthers",
		Patch: `
@ smr/worker.go
 			w.panics = append(w.panics, &CallbackPanic{d.opts.Name, value, debug.Stack()})
+			c.done = c.n
`,
	},
	{
		Name:      "barrier-is-synchronize",
		Why:       "Barrier waits for readers only, not for callbacks",
		Package:   "./smr",
		Test:      "TestBarrier_Concurrent",
		Schedules: "TestSchedules_CallAgainstBarrier",
		Also:      []string{"TestBarrier_Exact", "TestReader_CloseWithCallsPending", "TestCall_ExactlyOnce", "TestAssist_GoexitRunsTheOthers"},
		Patch: `
@ smr/wait.go
-	return d.barrier(ctx, "Barrier", true)
+	return d.clk.Wait(ctx, d.clk.Advance())
`,
	},
	{
		Name:    "reader-blamed",
		Why:     "the error of a Barrier that waits for a callback names a reader that came after its grace period",
		Package: "./smr",
		Test:    "TestGaveUp_TellsCallbacksFromReaders",
		Patch: `
@ smr/wait.go
-	goal := r.lastGoalLocked(b.ticket)
+	goal := d.clk.DeferredAdvance()
`,
	},
	{
		Name:      "barrier-without-drain",
		Why:       "Barrier misses what other processors have not handed over",
		Package:   "./smr",
		Test:      "TestBarrier_Concurrent",
		Schedules: "TestSchedules_CallAgainstBarrier",
		Patch: `
@ smr/wait.go
-	d.drain()
`,
	},
	{
		Name:    "no-throttle",
		Why:     "Throttle lets writers pass whatever is pending",
		Package: "./smr",
		Test:    "TestThrottle_Bound",
		Patch: `
@ smr/throttle.go
 		return nil
 	}
+	return nil
`,
	},
	{
		Name:      "early-run",
		Why:       "chunks run without waiting for their goal",
		Package:   "./smr",
		Test:      "TestCall_NotBeforeReadersLeft",
		Schedules: "TestSchedules_CallAgainstReader",
		Also:      []string{"TestStall_NamesTheReader", "TestGaveUp_NamesTheOldestReader", "TestGaveUp_HasTheSampledStack", "TestGaveUp_DescribeThatWaits"},
		Patch: `
@ smr/reclaim.go
-	reached := d.clk.Reached()
+	reached := d.clk.Now() + 1<<40
`,
	},
	{
		Name:    "published-by-plain-store",
		Why:     "a reader finds a target before what was written to it",
		Package: "./smr",
		Test:    "TestPointer_PublishesWhatWasWrittenBefore",
		Race:    true,
		Patch: `
@ smr/pointer.go
-	p.p.Store(target)
+	p.p.StorePrivate(target)
`,
	},
	{
		Name:    "swap-in-two-steps",
		Why:     "two writers get the same target, and each frees it",
		Package: "./smr",
		Test:    "TestPointer_EachTargetGoesToOneWriter",
		Patch: `
@ smr/pointer.go
+	"runtime"
 	"unsafe"
@
-func (p *Pointer[T]) Swap(target *T) *T { return p.p.Swap(target) }
+func (p *Pointer[T]) Swap(target *T) *T {
+	old := p.p.Load()
+	runtime.Gosched()
+	p.p.Store(target)
+	return old
+}
`,
	},
	{
		Name:    "compare-and-swap-in-two-steps",
		Why:     "two writers that compare with the same target both succeed",
		Package: "./smr",
		Test:    "TestPointer_EachTargetGoesToOneWriter",
		Patch: `
@ smr/pointer.go
+	"runtime"
 	"unsafe"
@
-func (p *Pointer[T]) CompareAndSwap(old, target *T) bool { return p.p.CompareAndSwap(old, target) }
+func (p *Pointer[T]) CompareAndSwap(old, target *T) bool {
+	if p.p.Load() != old {
+		return false
+	}
+	runtime.Gosched()
+	p.p.Store(target)
+	return true
+}
`,
	},
	{
		Name:    "name-outlives-owner",
		Why:     "a stall report names a reader after the one that had its record before",
		Package: "./smr",
		Test:    "TestStall_NamesTheOwner",
		Patch: `
@ smr/quiescent.go
-	q.dom.descriptions.remove(q.rec)
`,
	},
	{
		Name:      "drains-at-once",
		Why:       "a Barrier finds nothing pending while another drain holds what it has taken",
		Package:   "./smr",
		Schedules: "TestSchedules_TwoBarriers",
		Patch: `
@ smr/reclaim.go
 	r := &d.reclaim
-	r.drainMu.Lock()
-	defer r.drainMu.Unlock()
 	defer d.traced(d.labels, "drain")()
@
-	if len(taken) == 0 {
-		return
-	}
+	if len(taken) == 0 || r == nil {
+		return
+	}
`,
	},
	{
		Name:      "returned-taken-twice",
		Why:       "a chunk that came back from a worker is used twice at a time",
		Package:   "./smr",
		Schedules: "TestSchedules_ChunksComeBack",
		Patch: `
@ smr/chunk.go
-		c = sl.returned.head.Swap(nil)
+		c = sl.returned.head.Load()
`,
	},
	{
		Name:      "drain-leaves-open",
		Why:       "a call is accepted after the last drain of Close, and its callback runs after Close, or never",
		Package:   "./smr",
		Schedules: "TestSchedules_CloseIsTheEnd",
		Patch: `
@ smr/reclaim.go
-	if d.clk.Sealed() {
-		left = closedChunk
-	}
`,
	},
	{
		Name:      "full-wakes-nobody",
		Why:       "a full chunk waits until the reclaimer, which sleeps over an open one, checks in",
		Package:   "./smr",
		Schedules: "TestSchedules_SealAgainstSleep",
		Patch: `
@ smr/reclaim.go
-		if !r.inbox.empty() {
-			r.sendKick()
-		}
-	case patient:
+	case patient:
`,
	},
	{
		Name:      "worker-leaves-late",
		Why:       "a chunk that becomes ready as the only worker ends waits for the next check-in",
		Package:   "./smr",
		Schedules: "TestSchedules_ExpediteAgainstReclaimer",
		Patch: `
@ smr/worker.go
-	r.number(w.index).Add(-1)
 	r.workers[w.index].Store(0)
 	r.mu.Unlock()
+	r.number(w.index).Add(-1)
`,
	},
	{
		Name:      "stops-over-open",
		Why:       "a call opens a chunk as the reclaimer stops, and nothing frees it",
		Package:   "./smr",
		Schedules: "TestSchedules_CallAgainstStop",
		Patch: `
@ smr/reclaim.go
-			if d.idle() && !r.flush.Load() || !r.state.CompareAndSwap(stopped, awake) {
+			if r.inbox.empty() && !r.flush.Load() || !r.state.CompareAndSwap(stopped, awake) {
`,
	},
	{
		Name:      "counted-when-accepted",
		Why:       "Close ends between a large call's look at the seal and its count, and the callback runs later, or never",
		Package:   "./smr",
		Schedules: "TestSchedules_CloseIsTheEnd",
		Patch: `
@ smr/call.go
-	r.large.Add(c.large)
-	r.calledBytes.Add(uint64(c.bytes))
-	r.called.Add(1)
-	if d.calls.Sealed() && !d.inCallback() {
-		r.large.Add(-c.large)
-		r.calledBytes.Add(-uint64(c.bytes))
-		r.called.Add(^uint64(0))
-		return false
-	}
+	if d.calls.Sealed() && !d.inCallback() {
+		return false
+	}
+	r.large.Add(c.large)
+	r.calledBytes.Add(uint64(c.bytes))
+	r.called.Add(1)
`,
	},
	{
		Name:    "waits-in-order-of-calls",
		Why:     "a chunk waits for a later goal than its own, that of one handed over before it",
		Package: "./smr",
		Test:    "TestReclaimer_WaitsInOrderOfGoals",
		Patch: `
@ smr/queue.go
-	if q.head == nil || !c.goal.Before(q.tail.goal) {
+	if q != nil {
`,
	},
	{
		Name:    "flush-unsaid",
		Why:     "an expedited call waits for the next check-in",
		Package: "./smr",
		Test:    "TestCall_ExpediteAndFlushRunAtOnce",
		Also:    []string{"TestReclaimer_PatientOneIsHurried"},
		Patch: `
@ smr/wait.go
-	r.flush.Store(true)
`,
	},
	{
		Name:    "one-worker",
		Why:     "a slow callback holds up all others",
		Package: "./smr",
		Test:    "TestCallback_SlowOneHoldsUpNoOther",
		Patch: `
@ smr/worker.go
-	for i := first; i < first+r.firstAssistant(); i++ { // as many of each
+	for i := first; i < first+1; i++ {
`,
	},
	{
		Name:    "goexit-ends-loop",
		Why:     "a user's function ends the reclaimer, or the one that calls OnStall, and nothing is freed or told any more",
		Package: "./smr",
		Test:    "TestStall_GoexitInOnStall",
		Patch: `
@ smr/reclaim.go
-			if !done {
+			if !done && loop == nil {
`,
	},
	{
		Name:    "stall-told-in-place",
		Why:     "OnStall blocks whoever finds the stall: the reclaimer, or a waiter",
		Package: "./smr",
		Test:    "TestStall_BlockedOnStallHoldsUpNothing",
		Patch: `
@ smr/stall.go
 			q.stalled.Store(uint64(st.Goal))
 		}
 	}
-	d.queueLocked(n)
+	d.deliver(n)
`,
	},
	{
		Name:    "close-leaves-sections",
		Why:     "Close returns while a section is open, if nothing is pending",
		Package: "./smr",
		Test:    "TestTryEnter_WhileCloseWaits",
		Also:    []string{"TestDomains_ListsOpenOnes", "TestShutdown_LateReadersAreRefused", "TestShutdown_NamesWhatHoldsItUp"},
		Patch: `
@ smr/domain.go
-	if err := d.wait(ctx, "Close", d.clk.Advance()); err != nil {
-		return err
-	}
`,
	},
	{
		Name:    "barrier-unbounded",
		Why:     "Barrier and Close go on waiting for a reader when their context has ended",
		Package: "./smr",
		Test:    "TestBarrier_Canceled",
		Also:    []string{"TestClose_WaitsForSections"},
		Patch: `
@ smr/wait.go
 	case <-b.done:
 		return nil
-	case <-ctx.Done():
 	}
`,
	},
	{
		Name:    "throttle-leaves-its-place",
		Why:     "a writer that gave up in Throttle stays in the list",
		Package: "./smr",
		Test:    "TestThrottle_WaitsForReaderAndCancels",
		Patch: `
@ smr/throttle.go
 		case <-ctx.Done():
-			d.unthrottle(wake)
`,
	},
	{
		Name:    "synchronize-is-barrier",
		Why:     "Synchronize waits for callbacks, too",
		Package: "./smr",
		Test:    "TestSynchronize_WaitsForSectionsOnly",
		Patch: `
@ smr/wait.go
-	return d.wait(ctx, "Synchronize", d.clk.Advance())
+	return d.barrier(ctx, "Synchronize", true)
`,
	},
	{
		Name:    "never-patient",
		Why:     "a domain with a reader that stays checks in for ever, in vain",
		Package: "./smr",
		Test:    "TestReclaimer_StalledDomainIsIdle",
		Also:    []string{"TestReclaimer_BlockedWorkersLeaveItIdle"},
		Patch: `
@ smr/pace.go
-	if p.quiet {
-		interval = max(interval, min(2*p.interval, maxInterval))
-	}
`,
	},
	{
		Name:    "poll-blind",
		Why:     "Poll finds a goal reached whatever sections are open",
		Package: "./smr",
		Test:    "TestSection_HoldsBackGracePeriods",
		Patch: `
@ smr/wait.go
-func (d *Domain) Poll(goal Seq) bool { return d.clk.Poll(goal) }
+func (d *Domain) Poll(goal Seq) bool { return d.clk.Poll(goal) || !d.clk.Now().Before(goal) }
`,
	},
	{
		Name:    "reclaimer-stays",
		Why:     "the reclaimer's goroutine stays when nothing is pending",
		Package: "./smr",
		Test:    "TestDomain_NothingAtRest",
		Also:    []string{"TestCall_WithinMaxDelay"},
		Patch: `
@ smr/reclaim.go
-		if d.idle() {
-			d.before("stop")
+		if d.idle() && d.opts.before != nil {
+			d.before("stop")
@
-		if r.inbox.empty() && !r.flush.Load() && !d.idle() {
+		if r.inbox.empty() && !r.flush.Load() {
`,
	},
	{
		Name:    "held-unseen",
		Why:     "a callback runs, and an object is reused, whatever holds it",
		Package: "./smr",
		Test:    "TestHold_NoGoroutineMeanwhile",
		Also:    []string{"TestHold_Stress", "TestHold_StressWithFailingCallbacks", "TestHold_AnyAlignment", "TestHold_LargeSizes", "TestHold_ReleasedInAStall", "TestHold_Throttle", "TestHold_WhileGOMAXPROCSChanges", "TestHold_BarrierOfTheRest"},
		Patch: `
@ smr/hold_set.go
-	if len(d.holds.All()) == 0 {
+	if d != nil {
`,
	},
	{
		Name:    "assist-number-stays",
		Why:     "a goroutine that has assisted counts as a worker that has ended: a domain with many looks idle",
		Package: "./smr",
		Test:    "TestAssist_Concurrent",
		Patch: `
@ smr/worker.go
-	r.number(w.index).Add(-1)
+	r.nWorkers.Add(-1)
`,
	},
	{
		Name:    "wait-undiagnosed",
		Why:     "a diagnosis says that nothing waits for a grace period, where a wait is parked",
		Package: "./smr",
		Test:    "TestDiagnose_ParkedWait",
		Patch: `
@ smr/diagnose.go
-		Grace:          parkedFor,
+		Grace:          parkedFor * 0,
`,
	},
	{
		Name:    "callbacks-untraced",
		Why:     "an execution trace does not show where callbacks run",
		Package: "./smr",
		Test:    "TestTrace_HasRegions",
		Patch: `
@ smr/worker.go
-	defer d.traced(d.labels, "callbacks")()
`,
	},
	{
		Name:    "left-twice",
		Why:     "a section that another goroutine has left is left again, and nothing is said",
		Package: "./smr",
		Test:    "TestSection_LeftByAnotherGoroutine",
		Patch: `
@ clock/record.go
-	panic("smr: Leave of a Section that is not open: it was left before")
`,
	},
	{
		Name:    "reader-past-seal",
		Why:     "a Reader that was in a section when Close began enters another after Close",
		Package: "./smr",
		Test:    "TestReader_EnterAfterCloseOfDomain",
		Patch: `
@ clock/owned.go
-	if exceptions := c.exceptions.Load(); exceptions != 0 {
+	if exceptions := c.exceptions.Load() &^ exceptSealed; exceptions != 0 {
`,
	},
	{
		Name:    "close-in-one-round",
		Why:     "Close returns before what callbacks have called meanwhile has run",
		Package: "./smr",
		Test:    "TestClose_RunsWhatIsPending",
		Patch: `
@ smr/domain.go
-		if d.Stats().PendingCalls == 0 {
+		if d != nil {
`,
	},
}
