package mutant

// clockBugs are those of the clock and the slots of package pcpu.
var clockBugs = []Bug{
	{
		Name:    "trackers-in-an-array",
		Why:     "a tracker that stays keeps all of its burst, and those lead to the bursts before",
		Package: "./clock",
		Test:    "TestShrink_SurvivorKeepsNoOther",
		Patch: `
@ clock/slot.go
-	first := sl.newTracker(c, place)
+	all := make([]Record, n)
+	first := &all[0]
+	first.initTracker(c, int(sl.id), place)
@
-		r := sl.newTracker(c, place+1+i)
+		r := &all[i+1]
+		r.initTracker(c, int(sl.id), place+1+i)
`,
	},
	{
		Name:    "seal-by-store",
		Why:     "a sealed clock forgets that its readers must fence for themselves",
		Package: "./clock",
		Test:    "TestFenced_IsAsTheOptionSays",
		Patch: `
@ clock/enter.go
-	c.exceptions.Or(exceptSealed)
+	c.exceptions.Swap(exceptSealed)
`,
	},
	{
		Name:      "no-heavy-fence",
		Why:       "a reader's entry is still in its store buffer when the poller scans",
		Package:   "./clock",
		Test:      "TestEnter_FenceOrdersFirstLoad",
		Schedules: "TestSchedules_ReaderAgainstPoller",
		Patch: `
@ clock/scan.go
-	if relacq.Plain && !c.fenced() && c.unfencedReaders() {
+	if relacq.Plain && !c.fenced() && false {
`,
	},
	{
		Name:      "trackers-unfenced",
		Why:       "the same, on a clock that has no registered reader",
		Package:   "./clock",
		Test:      "TestEnter_FenceOrdersFirstLoad",
		Schedules: "TestSchedules_ReaderAgainstPoller",
		Patch: `
@ clock/scan.go
-	return len(c.slots.All()) > 0 || c.owned.Load() != nil
+	return c.owned.Load() != nil
`,
	},
	{
		Name:      "owned-unfenced",
		Why:       "the same, on a clock whose only readers are registered",
		Package:   "./clock",
		Test:      "TestEnter_FenceOrdersFirstLoad",
		Schedules: "TestSchedules_ReaderAgainstPoller",
		Patch: `
@ clock/scan.go
-	return len(c.slots.All()) > 0 || c.owned.Load() != nil
+	return len(c.slots.All()) > 0
`,
	},
	{
		Name:      "stretched-snapshot",
		Why:       "the driver scans for a later goal with the fence of an earlier one, past a reader that entered between",
		Package:   "./clock",
		Schedules: "TestSchedules_SecondGoalAgainstEntry",
		Patch: `
@ clock/scan.go
 	if snap.wr == 0 || snap.wr.Before(goal) {
+		if snap.wr != 0 {
+			snap.wr = c.Now()
+			return snap
+		}
`,
	},
	{
		Name:      "early-readers-check",
		Why:       "a poller checks whether readers need its fence before it loads wr: the first of them registers and enters between the two, and holds what was unlinked between",
		Package:   "./clock",
		Schedules: "TestSchedules_FirstReaderAgainstScan",
		Patch: `
@ clock/scan.go
+	unfenced := c.unfencedReaders()
 	s := snapshot{rd: Seq(c.rd.Load()), wr: Seq(c.wr.Load())}
-	c.heavyFence()
+	if unfenced {
+		c.heavyFence()
+	}
`,
	},
	{
		Name:      "no-entry-fence",
		Why:       "the same, on a kernel without membarrier",
		Package:   "./clock",
		Test:      "TestEnter_FenceOrdersFirstLoad",
		Schedules: "TestSchedules_ReaderAgainstPoller",
		Patch: `
@ clock/enter.go
-		relacq.Fence() // the entry's: see Clock.heavyFence
+		_ = relacq.Fence
`,
	},
	{
		Name:      "no-online-fence",
		Why:       "a quiescent reader's record is still in its store buffer when the poller scans, which does not fence for it",
		Package:   "./clock",
		Test:      "TestEnter_FenceOrdersFirstLoad",
		Schedules: "TestSchedules_QuiesceAgainstWait",
		Patch: `
@ clock/owned.go
-	relacq.Fence()        // the entry's: see Clock.heavyFence
`,
	},
	{
		Name:      "no-quiesce-fence",
		Why:       "a quiescent state is in its reader's store buffer when the driver loads the record again",
		Package:   "./clock",
		Schedules: "TestSchedules_QuiesceWakes",
		Patch: `
@ clock/owned.go
 		// Not the entry's fence: until the store is visible, pollers see the older moment.
-		relacq.Fence() // pairs with the store in Clock.arm
`,
	},
	{
		Name:      "no-offline-fence",
		Why:       "the same, where it goes offline",
		Package:   "./clock",
		Schedules: "TestSchedules_QuiesceAgainstWait",
		Patch: `
@ clock/owned.go
 	r.seq.Store(0)
-	relacq.Fence() // pairs with the store in Clock.arm
`,
	},
	{
		Name:      "leaves-unfenced",
		Why:       "a section of a fenced clock is left as any other",
		Package:   "./clock",
		Test:      "TestLeave_FenceOrdersWaiterFlag",
		Schedules: "TestSchedules_LeaveAgainstWait",
		Patch: `
@ clock/enter.go
-		gen |= genFenced
+		gen |= 0
`,
	},
	{
		Name:      "fenced-leave-out-of-order",
		Why:       "the next section on the record begins with the generation of the one before",
		Package:   "./clock",
		Schedules: "TestSchedules_LeaveAgainstEnter",
		Patch: `
@ clock/record.go
-		r.gen.StoreGuarded(gen&^genBits + genStep)
 		r.seq.Store(0)
+		r.gen.StoreGuarded(gen&^genBits + genStep)
 		if gen&genPinned != 0 {
`,
	},
	{
		Name:    "refusal-ignored",
		Why:     "a kernel refuses membarrier, and readers do without a fence",
		Package: "./smr",
		Test:    "TestSandbox_RefusedFromTheStart",
		Patch: `
@ clock/clock.go
-	if relacq.Plain && (o.Fenced || !membarrier.Available()) {
+	if relacq.Plain && (o.Fenced || !membarrier.Available() && false) {
`,
	},
	{
		Name:      "no-deferred-fence",
		Why:       "the goal is read while the unlinking is still in the writer's store buffer",
		Package:   "./clock",
		Test:      "TestDeferredAdvance_FenceOrdersUnlinking",
		Schedules: "TestSchedules_DeferredAgainstCommit",
		Patch: `
@ clock/clock.go
-	relacq.Fence()
`,
	},
	{
		Name:      "late-candidate",
		Why:       "rd moves to a wr read after the scan, past readers that entered between",
		Package:   "./clock",
		Test:      "TestScan_MovesNoFurtherThanWrBefore",
		Schedules: "TestSchedules_TwoPollers",
		Patch: `
@ clock/scan.go
+	if oldest == snap.wr {
+		oldest = c.Now()
+	}
 	c.raise(oldest)
`,
	},
	{
		Name:      "stale-is-idle",
		Why:       "a reader delayed between loading wr and storing it is not seen",
		Package:   "./clock",
		Test:      "TestScan_DelayedReaderCountsAsReached",
		Schedules: "TestSchedules_ReaderAgainstPoller",
		Patch: `
@ clock/scan.go
 		return at, true
+	case true:
+		return 0, false
`,
	},
	{
		Name:      "reached-goes-back",
		Why:       "a scan that ends late takes back what a later one found",
		Package:   "./clock",
		Test:      "TestScan_ReachedStaysReached",
		Schedules: "TestSchedules_TwoPollers",
		Patch: `
@ clock/scan.go
-		if !Seq(rd).Before(seq) || c.rd.CompareAndSwap(rd, uint64(seq)) {
+		if c.rd.CompareAndSwap(rd, uint64(seq)) {
`,
	},
	{
		Name:      "reached-stays-behind",
		Why:       "a scan does not try again to move rd after another has moved it less far",
		Package:   "./clock",
		Schedules: "TestSchedules_PollAgainstPoll",
		Patch: `
@ clock/scan.go
 		if !Seq(rd).Before(seq) || c.rd.CompareAndSwap(rd, uint64(seq)) {
 			return
 		}
+		break
`,
	},
	{
		Name:    "foreign-goal",
		Why:     "a goal of another clock is compared with this one's moments",
		Package: "./clock",
		Test:    "TestPoll_GoalNeverIssued",
		Patch: `
@ clock/clock.go
-	own := (goal-wr)&(increment-1) == 0
+	own := true
`,
	},
	{
		Name:    "future-goal",
		Why:     "a goal from the future counts as one that wrapped around",
		Package: "./clock",
		Test:    "TestPoll_GoalNeverIssued",
		Patch: `
@ clock/clock.go
-	future := (wr + increment).Before(goal)
+	future := false
@
 func (c *Clock) poll(goal Seq) (reached bool, o obstacle) {
+	if (c.Now() + increment).Before(goal) {
+		return true, obstacle{}
+	}
`,
	},
	{
		Name:      "uncommitted-goal",
		Why:       "a deferred goal counts as reached while readers may still enter before it",
		Package:   "./clock",
		Test:      "TestPoll_Uncommitted",
		Schedules: "TestSchedules_DeferredAgainstCommit",
		Patch: `
@ clock/clock.go
 	if Seq(c.wr.Load()).Before(goal) {
-		return false, obstacle{}
+		return true, obstacle{}
`,
	},
	{
		Name:    "double-leave",
		Why:     "leaving twice closes the next section on the same record",
		Package: "./clock",
		Test:    "TestLeave_Misuse",
		Patch: `
@ clock/record.go
-	panic("smr: Leave of a Section that is not open: it was left before")
+	r.seq.Store(0)
`,
	},
	{
		Name:      "no-wake",
		Why:       "the reader that was waited for leaves without waking the driver",
		Package:   "./clock",
		Test:      "TestWait_LeaveWakes",
		Schedules: "TestSchedules_LeaveAgainstWait",
		Also:      []string{"TestWait_NoLostWakeup", "TestWait_ManyWaitersOneReader"},
		Patch: `
@ clock/record.go
-	if r.waiter.Swap(0) != 0 {
+	if r.waiter.Swap(0) != 0 && false {
`,
	},
	{
		Name:      "no-second-look",
		Why:       "the reader leaves between the driver's scan and its sleep",
		Package:   "./clock",
		Test:      "TestLeave_FenceOrdersWaiterFlag",
		Schedules: "TestSchedules_LeaveAgainstWait",
		Patch: `
@ clock/driver.go
-	return o.rec.seq.Load() == o.word
+	return true
`,
	},
	{
		Name:      "no-arm-fence",
		Why:       "the reader's leaving is still in its store buffer at the driver's second load",
		Package:   "./clock",
		Test:      "TestLeave_FenceOrdersWaiterFlag",
		Schedules: "TestSchedules_LeaveAgainstWait",
		Patch: `
@ clock/driver.go
-		c.heavyFence()
`,
	},
	{
		Name:      "no-leave-fence",
		Why:       "the same, on a kernel without membarrier",
		Package:   "./clock",
		Test:      "TestLeave_FenceOrdersWaiterFlag",
		Schedules: "TestSchedules_LeaveAgainstWait",
		Patch: `
@ clock/record.go
-		relacq.Fence() // pairs with the store in Clock.arm
`,
	},
	{
		Name:      "late-end",
		Why:       "a waiter registers between the driver's finding that there is none and its end",
		Package:   "./clock",
		Schedules: "TestSchedules_EndAgainstRegister",
		Patch: `
@ clock/driver.go
-		d.term.Store(0)
+		d.mu.Unlock()
+		defer d.term.Store(0)
+		d.mu.Lock()
 		return 0, true
`,
	},
	{
		Name:      "no-end-kick",
		Why:       "the driver sleeps on when the last waiter has given up, and with it the next one, which waits for its end",
		Package:   "./clock",
		Test:      "TestWait_LastToGiveUpEndsTheDriver",
		Schedules: "TestSchedules_AllGiveUp",
		Also:      []string{"TestWait_InAndOutsideOfBubbles"},
		Patch: `
@ clock/driver.go
 		d.term.Store(0)
-		c.kick()
`,
	},
	{
		Name:    "joins-dismissed",
		Why:     "a waiter registers with a driver that is about to end, and may be of another bubble",
		Package: "./clock",
		Test:    "TestWait_LastToGiveUpDismissesTheDriver",
		Patch: `
@ clock/driver.go
-		d.term.Store(0)
 		c.kick()
`,
	},
	{
		Name:      "no-turn",
		Why:       "the next driver takes the kick that is to end the one before",
		Package:   "./clock",
		Schedules: "TestSchedules_EndAgainstRegister",
		Patch: `
@ clock/driver.go
-		d.turn.Lock() // once a dismissed driver has ended
@
-			c.driver.turn.Unlock()
`,
	},
	{
		Name:    "late-turn",
		Why:     "a driver that is dismissed before it begins waits for the next one to end",
		Package: "./clock",
		Test:    "TestWait_DismissedBeforeItBegins",
		Patch: `
@ clock/driver.go
-		d.turn.Lock() // once a dismissed driver has ended
@
 	returned := false
+	c.driver.turn.Lock()
`,
	},
	{
		Name:      "release-before-scan",
		Why:       "the driver's scan reaches the goal of a waiter that registered after it released others",
		Package:   "./clock",
		Schedules: "TestSchedules_NearGoalGoesFirst",
		Patch: `
@ clock/driver.go
 		scanned := o.rec == nil
-		if scanned {
-			c.Commit(goal) // again, in case the clock was too far ahead
-			snap = c.covering(goal, snap)
-			o = c.scan(goal, snap)
-		}
 		var over bool
 		if goal, over = c.release(term); over {
 			return
 		}
-		if scanned && ask {
+		if scanned {
+			c.Commit(goal)
+			snap = c.covering(goal, snap)
+			if o = c.scan(goal, snap); c.reached(goal) {
+				continue
+			}
+		}
+		if scanned && ask {
 			c.askForReports(goal)
`,
	},
	{
		Name:      "register-unchecked",
		Why:       "the driver reached the goal, and released others, before the waiter registered",
		Package:   "./clock",
		Schedules: "TestSchedules_NearGoalGoesFirst",
		Patch: `
@ clock/driver.go
-	if c.reached(w.goal) {
+	if false {
 		d.mu.Unlock()
`,
	},
	{
		Name:      "no-poll-kick",
		Why:       "another goroutine's Poll reaches a waiter's goal while the driver sleeps on a delayed reader",
		Package:   "./clock",
		Test:      "TestWait_PollThatReachesWakes",
		Schedules: "TestSchedules_PollReachesForWaiter",
		Also:      []string{"TestWait_PollThatReachesBeforeSleep"},
		Patch: `
@ clock/driver.go
-	if c.driven() && c.Reached() != rd {
+	if false {
`,
	},
	{
		Name:      "early-poll-check",
		Why:       "a Poll moves rd after a driver went to sleep that it did not see when it began",
		Package:   "./clock",
		Schedules: "TestSchedules_PollReachesForWaiter",
		Patch: `
@ clock/clock.go
-	before := c.Reached()
+	before, driven := c.Reached(), c.driven()
 	o = c.scan(goal, snap)
-	c.kickIfMoved(before)
+	if driven {
+		c.kickIfMoved(before)
+	}
`,
	},
	{
		Name:    "goexit-ends-driver",
		Why:     "OnStall ends the driver's goroutine, and all who wait sleep on",
		Package: "./clock",
		Test:    "TestWait_GoexitInOnStall",
		Also:    []string{"TestWait_GoexitInReport"},
		Patch: `
@ clock/driver.go
-			sched.Go(func() { c.drive(term, goal, obstacle{}, false) })
`,
	},
	{
		Name:      "no-sealed-look",
		Why:       "a section is entered while the clock is sealed, and Close does not wait for it",
		Package:   "./clock",
		Test:      "TestSeal_FenceOrdersEntry",
		Schedules: "TestSchedules_SealAgainstEnter",
		Patch: `
@ clock/enter.go
-	if c.Sealed() {
+	if c.Sealed() && false {
`,
	},
	{
		Name:      "late-section-let-in",
		Why:       "TryEnter does not learn that the clock is sealed, and Close does not wait for its section",
		Package:   "./clock",
		Test:      "TestSeal_FenceOrdersEntry",
		Schedules: "TestSchedules_SealAgainstTryEnter",
		Patch: `
@ clock/enter.go
-			return c.tryFinish(r, gen)
+			return r, gen
`,
	},
	{
		Name:      "late-reader-let-in",
		Why:       "the same, of a registered reader",
		Package:   "./smr",
		Test:      "TestTryEnter_OnClosedDomain",
		Schedules: "TestSchedules_TryEnterAgainstClose",
		Patch: `
@ clock/owned.go
-			s.Rec, s.Gen = c.tryFinish(r, s.Gen)
+			_ = c.tryFinish
`,
	},
	{
		Name:    "owned-not-told",
		Why:     "a registered reader does not learn that the clock is sealed: the moment is still the one it knows",
		Package: "./clock",
		Test:    "TestOwned_NextEntryIsTold",
		Patch: `
@ clock/enter.go
-		c.tellOwned()
+		_ = c.tellOwned
`,
	},
	{
		Name:      "told-by-first-only",
		Why:       "the second of two Seals has returned before the first one has told registered readers",
		Package:   "./clock",
		Schedules: "TestSchedules_SealedSeen",
		Patch: `
@ clock/enter.go
-	c.exceptions.Or(exceptSealed)
-	if !c.Sealed() { // also if another Seal is about to
+	if c.exceptions.Or(exceptSealed)&sealedFlag == 0 {
`,
	},
	{
		Name:      "sealed-before-told",
		Why:       "Sealed tells of a Seal that has not told registered readers yet",
		Package:   "./clock",
		Schedules: "TestSchedules_SealedSeen",
		Patch: `
@ clock/enter.go
-func (c *Clock) Sealed() bool { return c.slots.Sealed() }
+func (c *Clock) Sealed() bool { return c.exceptions.Load()&sealedFlag != 0 }
`,
	},
	{
		Name:      "owned-not-sampled",
		Why:       "the same, that samples are turned on",
		Package:   "./clock",
		Test:      "TestOwned_NextEntryIsTold",
		Schedules: "TestSchedules_SamplingAgainstReader",
		Patch: `
@ clock/sample.go
-				c.tellOwned()
+				_ = c.tellOwned
`,
	},
	{
		Name:      "owned-looks-first",
		Why:       "a registered reader finds that the clock has not moved, and so is not sealed, before its record tells that it enters",
		Package:   "./clock",
		Schedules: "TestSchedules_SealAgainstEnter",
		Patch: `
@ clock/owned.go
-		r.seq.Store(r.last)
-		if r.clock.wr.Load() == r.last {
+		if r.clock.wr.Load() == r.last {
+			r.seq.Store(r.last)
`,
	},
	{
		Name:    "leave-unchecked",
		Why:     "the inlined part of Leave ends whatever section is open",
		Package: "./clock",
		Test:    "TestLeave_Misuse",
		Patch: `
@ clock/record.go
-		if r.gen.Load() == gen {
+		if true {
`,
	},
	{
		Name:      "owned-learns-too-much",
		Why:       "a registered reader loads the moment after the flags, and so takes it for one without them",
		Package:   "./clock",
		Schedules: "TestSchedules_SamplingAgainstReader",
		Patch: `
@ clock/owned.go
-		if uint32(s.Gen) < exceptions {
-			s.Rec, s.Gen = c.tryFinish(r, s.Gen)
-		}
-	}
+		if uint32(s.Gen) < exceptions {
+			s.Rec, s.Gen = c.tryFinish(r, s.Gen)
+		}
+	} else {
+		r.last = c.wr.Load()
+	}
`,
	},
	{
		Name:      "owned-stays-behind",
		Why:       "a registered reader enters at its last section's moment, and holds back what it cannot hold",
		Package:   "./clock",
		Test:      "TestOwned_EntersNow",
		Schedules: "TestSchedules_EntryAgainstWait",
		Patch: `
@ clock/owned.go
-		if r.clock.wr.Load() == r.last {
+		if r.last != 0 {
`,
	},
	{
		Name:      "owned-moves-unheard",
		Why:       "the driver sleeps on the moment of a registered reader's last section, which is stored first",
		Package:   "./clock",
		Schedules: "TestSchedules_EntryAgainstWait",
		Patch: `
@ clock/owned.go
-	if r.waiter.Load() != 0 {
-		r.wake()
-	}
-	return s
+	return s
`,
	},
	{
		Name:      "sampling-unseals",
		Why:       "samples are turned on as the clock is sealed, and it is not sealed any more",
		Package:   "./clock",
		Schedules: "TestSchedules_SealAgainstSampling",
		Patch: `
@ clock/sample.go
-		if c.exceptions.CompareAndSwap(was, below) {
+		if c.exceptions.Swap(below) == was {
`,
	},
	{
		Name:    "stale-sample",
		Why:     "a stall report has the stack of the record's last sampled section, which was left",
		Package: "./clock",
		Test:    "TestSample_StaleIsNotReported",
		Patch: `
@ clock/sample.go
-	if s := r.sampled.Load(); s != nil && s.gen == gen && r.gen.Load() == gen {
+	if s := r.sampled.Load(); s != nil {
`,
	},
	{
		Name:    "samples-in-step",
		Why:     "generations run on by one, and so every few million sections of a record are sampled in a row",
		Package: "./clock",
		Test:    "TestSample_OneIn",
		Patch: `
@ clock/record.go
-const genStep = 1<<64 - 1<<32 + 0x9E3779B8
+const genStep = genBits + 1
`,
	},
	{
		Name:      "retire-open",
		Why:       "a slot gives back a record with an open section, which no scan finds any more",
		Package:   "./clock",
		Test:      "TestShrink_KeepsOpenSections",
		Schedules: "TestSchedules_ShrinkAgainstSections",
		Patch: `
@ clock/shrink.go
-		} else if r.seq.Load() != closedWord {
+		} else if false {
`,
	},
	{
		Name:    "shrink-elsewhere",
		Why:     "a record is retired between an entry's load of 0 and its store, on another processor",
		Package: "./clock",
		Test:    "TestShrink_Asked",
		Patch: `
@ clock/shrink.go
-	if !pcpu.Exclusive || c.slots.At(id) == sl {
+	if id >= 0 {
`,
	},
	{
		Name:      "shrink-unpinned",
		Why:       "the goroutine that shrinks is moved to another processor meanwhile",
		Package:   "./clock",
		Schedules: "TestSchedules_ShrinkAgainstGrowth",
		Patch: `
@ clock/shrink.go
 	id := pcpu.Pin()
+	pcpu.Unpin()
@
-		sl.cur.Store(closedRecord)
-	}
-	pcpu.Unpin()
+		sl.cur.Store(closedRecord)
+	}
`,
	},
	{
		Name:      "retired-leads-nowhere",
		Why:       "a scan that stands on a record that is given back misses all that are older",
		Package:   "./clock",
		Schedules: "TestSchedules_ShrinkAgainstScan",
		Patch: `
@ clock/shrink.go
-		at.CompareAndSwap(r, r.next.Load()) // where it fails, a later call finds r
+		at.CompareAndSwap(r, r.next.Load())
+		r.next.Store(nil)
`,
	},
	{
		Name:    "begins-at-retired",
		Why:     "entries begin at a record that is not in the list, and walk others that are not",
		Package: "./clock",
		Test:    "TestShrink_AfterBurst",
		Patch: `
@ clock/shrink.go
-	if sl.cur.Load().seq.Load() == closedWord { // retired, or closedRecord
+	if sl.cur.Load() == closedRecord {
`,
	},
	{
		Name:    "shrinks-at-the-head",
		Why:     "sections that stay open at the head of the list keep all older records in it",
		Package: "./clock",
		Test:    "TestShrink_KeepsOpenSections",
		Patch: `
@ clock/shrink.go
-	sl.shrinkAt.Store(at)
+	sl.shrinkAt.Store(&sl.all)
`,
	},
	{
		Name:    "shrinks-at-once",
		Why:     "records in use now and then are given back and made again all the time",
		Package: "./clock",
		Test:    "TestShrink_KeepsWhatIsUsed",
		Patch: `
@ clock/shrink.go
-			sl.idle.Store(0)
+			sl.idle.Load()
 		}
`,
	},
	{
		Name:    "unheard-scan",
		Why:     "an entry takes no notice of a scan that asks its processor to shrink the slot",
		Package: "./clock",
		Test:    "TestShrink_Asked",
		Patch: `
@ clock/slot.go
-	if r == closedRecord { // a scan asks for it
+	if false {
`,
	},
	{
		Name:    "lost-slots",
		Why:     "growing the slots forgets those there were",
		Package: "./pcpu",
		Test:    "TestSlots_GrowKeepsSlots",
		Patch: `
@ pcpu/slots.go
-		for i := copy(grown, old.all); i < n; i++ {
+		for i := copy(grown, old.all[:0]); i < n; i++ {
`,
	},
	{
		Name:    "scan-for-each-waiter",
		Why:     "waits that are parked together each cost a fence on all processors",
		Package: "./clock",
		Test:    "TestWait_ParkedOnesShareAScan",
		Patch: `
@ clock/driver.go
 	d.waiters = slices.DeleteFunc(d.waiters, func(w *waiter) bool {
+		c.scan(w.goal, c.snapshot())
`,
	},
	{
		Name:    "asks-twice",
		Why:     "a reader that a waiter has just asked for a quiescent state is asked again by the driver",
		Package: "./clock",
		Test:    "TestWait_AsksForReportsOnce",
		Patch: `
@ clock/driver.go
-		if scanned && ask {
+		if ask {
`,
	},
	{
		Name:      "commit-by-store",
		Why:       "a commit takes the clock back to its goal, behind an advance that came between",
		Package:   "./clock",
		Schedules: "TestSchedules_CommitAgainstAdvance",
		Patch: `
@ clock/clock.go
-		c.wr.CompareAndSwap(uint64(prev), uint64(goal))
+		c.wr.Store(uint64(goal))
`,
	},
	{
		Name:      "wr-after-fence",
		Why:       "a scan takes for reached a moment that came after its fence, and so after readers that it does not see",
		Package:   "./clock",
		Schedules: "TestSchedules_ScanAgainstAdvance",
		Patch: `
@ clock/scan.go
-	s := snapshot{rd: Seq(c.rd.Load()), wr: Seq(c.wr.Load())}
-	c.heavyFence()
-	return s
+	c.heavyFence()
+	return snapshot{rd: Seq(c.rd.Load()), wr: Seq(c.wr.Load())}
`,
	},
	{
		Name:      "passed-without-fence",
		Why:       "a reader whose entry is still in its store buffer is not seen by Passed",
		Package:   "./clock",
		Schedules: "TestSchedules_ReaderAgainstPassed",
		Patch: `
@ clock/scan.go
-	oldest, _ := c.oldest(c.snapshot())
+	oldest, _ := c.oldest(snapshot{rd: Seq(c.rd.Load()), wr: Seq(c.wr.Load())})
`,
	},
	{
		Name:      "comes-online-sealed",
		Why:       "a quiescent reader that comes online as its clock is sealed is neither refused nor seen",
		Package:   "./clock",
		Schedules: "TestSchedules_SealAgainstQuiescent",
		Patch: `
@ clock/owned.go
-	relacq.Fence()        // the entry's: see Clock.heavyFence
-	if r.clock.Sealed() { // see Clock.finishEntry
-		r.Offline()
-	}
+	if r.clock.Sealed() { // see Clock.finishEntry
+		r.Offline()
+	}
+	relacq.Fence()        // the entry's: see Clock.heavyFence
`,
	},
	{
		Name:      "gives-up-for-all",
		Why:       "the first waiter that gives up dismisses the driver, and the others sleep on",
		Package:   "./clock",
		Schedules: "TestSchedules_WaiterGivesUp",
		Also:      []string{"TestWait_GivingUpLeavesTheOthersServed"},
		Patch: `
@ clock/driver.go
-	d.waiters = slices.Delete(d.waiters, i, i+1)
-	if len(d.waiters) == 0 {
+	d.waiters = slices.Delete(d.waiters, i, i+1)
+	if true {
`,
	},
	{
		Name:      "ends-with-one-left",
		Why:       "the driver ends as it releases one of two waiters, and the other sleeps on",
		Package:   "./clock",
		Schedules: "TestSchedules_DriverAndTwoWaiters",
		Also:      []string{"TestBlocking_Ages"},
		Patch: `
@ clock/driver.go
-	if len(d.waiters) == 0 {
-		d.term.Store(0)
-		return 0, true
-	}
-	return oldest, false
+	if len(d.waiters) <= 1 {
+		d.term.Store(0)
+		return 0, true
+	}
+	return oldest, false
`,
	},
	{
		Name:    "lead-of-an-older-wr",
		Why:     "the lead is that of a later rd over an older wr, which is behind it: Advance takes the clock for too far ahead, and does not commit its goal",
		Package: "./clock",
		Test:    "TestAdvance_AlwaysCommits",
		Patch: `
@ clock/clock.go
-	rd := c.rd.Load()
-	return c.wr.Load()-rd >= maxLead
+	wr := c.wr.Load()
+	return wr-c.rd.Load() >= maxLead
`,
	},
	{
		Name:    "leaves-readers-behind",
		Why:     "the clock moves so far ahead of a section that the section's moment passes for a later one",
		Package: "./clock",
		Test:    "TestAdvance_StopsHalfTheRangeAhead",
		Patch: `
@ clock/clock.go
-	return c.wr.Load()-rd >= maxLead
+	return c.wr.Load()-rd > 2*maxLead
`,
	},
	{
		Name:    "tick-unheard",
		Why:     "a wait does not return at its tick",
		Package: "./clock",
		Test:    "TestWaitOr_Tick",
		Patch: `
@ clock/driver.go
 	case <-stop:
-	case <-tick:
`,
	},
	{
		Name:    "stop-unheard",
		Why:     "a wait goes on when its context has ended",
		Package: "./clock",
		Test:    "TestWait_Canceled",
		Patch: `
@ clock/driver.go
-	case <-stop:
 	case <-tick:
`,
	},
	{
		Name:    "waits-unasked",
		Why:     "a wait sleeps on a quiescent reader that nobody has asked for a quiescent state",
		Package: "./clock",
		Test:    "TestWait_AsksQuiescentReadersToReport",
		Patch: `
@ clock/wait.go
-			c.askForReports(goal)
 			if c.driven() || !o.spin() {
`,
	},
	{
		Name:    "scans-first-slot-only",
		Why:     "a section on any other processor than the first is not seen",
		Package: "./clock",
		Test:    "TestEnter_WhileGOMAXPROCSChanges",
		Patch: `
@ clock/scan.go
-	for _, sl := range c.slots.All() {
-		records, active := 0, 0
+	for i, sl := range c.slots.All() {
+		if i > 0 {
+			break
+		}
+		records, active := 0, 0
`,
	},
	{
		Name:    "stall-reported-once",
		Why:     "a stall that lasts is reported once",
		Package: "./clock",
		Test:    "TestStall_ReportedAndRepeated",
		Also:    []string{"TestStall_AgeSurvivesDrivers"},
		Patch: `
@ clock/stall.go
-		d.reportIn *= 2
+		d.reportIn *= 1 << 20
`,
	},
}
