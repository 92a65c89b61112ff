package mutant

// clockBugs are those of the clock and the slots of package pcpu.
var clockBugs = []Bug{
	{
		Name:      "no-heavy-fence",
		Why:       "a reader's entry is still in its store buffer when the poller scans",
		Package:   "./clock",
		Test:      "TestEnter_FenceOrdersFirstLoad",
		Schedules: "TestSchedules_ReaderAgainstPoller",
		Patch: `
@ clock/scan.go
-	case !relacq.Plain:
+	case true:
`,
	},
	{
		Name:      "no-light-fence",
		Why:       "the same, on a kernel without membarrier",
		Package:   "./clock",
		Test:      "TestEnter_FenceOrdersFirstLoad",
		Schedules: "TestSchedules_ReaderAgainstPoller",
		Patch: `
@ clock/record.go
-	if r.clock.fenced() {
+	if r.clock.fenced() && false {
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
 	c.eachRecord(each)
+	if oldest == snap.wr {
+		oldest = c.Now()
+	}
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
-		if !Seq(rd).Before(seq) {
+		if false {
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
 func (c *Clock) poll(goal Seq) (reached bool, b blocker) {
+	if (c.Now() + increment).Before(goal) {
+		return true, blocker{}
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
-		return false, blocker{}
+		return true, blocker{}
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
		Why:       "the reader that was waited for leaves without waking the waiter",
		Package:   "./clock",
		Test:      "TestWait_LeaveWakes",
		Schedules: "TestSchedules_LeaveAgainstWait",
		Patch: `
@ clock/record.go
-	if r.waiter.Swap(0) != 0 {
+	if r.waiter.Swap(0) != 0 && false {
`,
	},
	{
		Name:      "no-second-look",
		Why:       "the reader leaves between the waiter's look and its parking",
		Package:   "./clock",
		Test:      "TestLeave_FenceOrdersWaiterFlag",
		Schedules: "TestSchedules_LeaveAgainstWait",
		Patch: `
@ clock/wait.go
-	return b.rec.seq.Load() == b.word
+	return true
`,
	},
	{
		Name:      "no-arm-fence",
		Why:       "the reader's leaving is still in its store buffer at the waiter's second look",
		Package:   "./clock",
		Test:      "TestLeave_FenceOrdersWaiterFlag",
		Schedules: "TestSchedules_LeaveAgainstWait",
		Patch: `
@ clock/wait.go
-	c.heavyFence()
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
-		relacq.Fence() // pairs with heavyFence in Clock.arm
`,
	},
	{
		Name:      "no-next-leader",
		Why:       "the leader gives up and its followers sleep on",
		Package:   "./clock",
		Test:      "TestWait_CanceledLeaderHandsOver",
		Schedules: "TestSchedules_LeaderGivesUp",
		Patch: `
@ clock/wait.go
-		if !wake && !next {
+		if !wake && !next && false {
`,
	},
	{
		Name:      "reached-forgets-lead",
		Why:       "a follower woken to lead finds its goal reached and goes, and the others sleep on",
		Package:   "./clock",
		Test:      "TestWait_NextLeaderPassesOn",
		Schedules: "TestSchedules_WokenLeaderPassesOn",
		Patch: `
@ clock/wait.go
-			c.wakeFollowersLocked() // it may have been woken to lead
`,
	},
	{
		Name:      "parked-too-late",
		Why:       "somebody's Poll reaches a follower's goal while the leader decides to park",
		Package:   "./clock",
		Test:      "TestWait_PollThatReachesWakesFollowers",
		Schedules: "TestSchedules_PollReachesForFollower",
		Patch: `
@ clock/wait.go
-		if c.Reached() != told {
+		if false {
`,
	},
	{
		Name:      "told-too-late",
		Why:       "somebody's Poll reaches the leader's goal between its look and its note of what followers were told",
		Package:   "./clock",
		Schedules: "TestSchedules_PollReachesForFollower",
		Patch: `
@ clock/wait.go
 		if !told.Before(goal) {
 			return true
 		}
+		told = c.Reached()
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
}
