package mutant

// eventBugs are those of what a domain tells as it works.
var eventBugs = []Bug{
	{
		Name:    "grace-ends-late",
		Why:     "callbacks of a grace period are told of before its end",
		Package: "./smr",
		Test:    "TestEvents_Where",
		Patch: `
@ smr/reclaim.go
-	d.graceEnds(reached)
@
 			d.promote()
+			d.graceEnds(d.clk.Reached())
`,
	},
	{
		Name:    "grace-begins-again",
		Why:     "each time that the reclaimer wakes is told as another grace period",
		Package: "./smr",
		Test:    "TestEvents_OfADomainsLife",
		Patch: `
@ smr/events.go
-	if d.opts.silent || g.open || goal == g.info.Goal { // the latter if GraceEnd has ended the goroutine
+	if d.opts.silent {
`,
	},
	{
		Name:    "callbacks-end-late",
		Why:     "Barrier returns before the end of the callbacks that it waited for is told",
		Package: "./smr",
		Test:    "TestEvents_Where",
		Patch: `
@ smr/worker.go
-		d.callbacksEnd(w, c, now)
@
 		d.finishLocked(c)
+		d.callbacksEnd(w, c, now)
`,
	},
	{
		Name:    "callbacks-of-held",
		Why:     "a batch is told of though all its objects are held",
		Package: "./smr",
		Test:    "TestEvents_HeldIsNoBatch",
		Patch: `
@ smr/events.go
-	if d.opts.silent || w.told == c || c.n == 0 { // all were parked
+	if d.opts.silent || w.told == c {
`,
	},
	{
		Name:    "close-begins-late",
		Why:     "CloseBegin finds the domain closed already",
		Package: "./smr",
		Test:    "TestEvents_Close",
		Patch: `
@ smr/domain.go
 	info, began := CloseInfo{Domain: d.opts.Name}, time.Now()
+	d.clk.Seal()
`,
	},
	{
		Name:    "close-ends-early",
		Why:     "CloseEnd finds the domain open",
		Package: "./smr",
		Test:    "TestEvents_Close",
		Patch: `
@ smr/domain.go
-	info.Err = d.close(ctx)
 	info.Took = time.Since(began)
 	d.opts.Events.CloseEnd(info)
-	return info.Err
+	return d.close(ctx)
`,
	},
	{
		Name:    "stall-begins-again",
		Why:     "each report of a stall begins another one",
		Package: "./smr",
		Test:    "TestEvents_Stall",
		Patch: `
@ smr/stall.go
-		if n.begins = last == 0; n.begins {
+		if n.begins = true; n.begins {
`,
	},
	{
		Name:    "stall-ends-early",
		Why:     "a stall ends when its first goal is reached, though a later one was reported",
		Package: "./smr",
		Test:    "TestEvents_Stall",
		Patch: `
@ smr/stall.go
-		if n.begins || last.Before(st.Goal) {
+		if n.begins {
`,
	},
	{
		Name:      "stall-without-end",
		Why:       "the goal is reached before its report is noted, and no wait finds it reached later",
		Package:   "./smr",
		Test:      "TestEvents_LateStallReport",
		Schedules: "TestSchedules_StallAgainstWait",
		Patch: `
@ smr/stall.go
-	d.stallEnds() // if the goal was reached meanwhile
`,
	},
	{
		Name:      "stall-ends-unseen",
		Why:       "the wait for a stalled goal does not tell that it is over",
		Package:   "./smr",
		Test:      "TestEvents_Stall",
		Schedules: "TestSchedules_StallAgainstWait",
		Patch: `
@ smr/wait.go
-		d.stallEnds()
`,
	},
	{
		Name:    "misuse-untold",
		Why:     "mistakes are told only by panics, which a handler of requests recovers",
		Package: "./smr",
		Test:    "TestInvariants_MisuseIsTold",
		Tags:    "invariants",
		Patch: `
@ smr/events.go
-	if d != nil {
+	if false {
`,
	},
	{
		Name:    "callbacks-without-end",
		Why:     "a batch of callbacks begins, and its end is never told",
		Package: "./smr",
		Test:    "TestEvents_Pairs",
		Patch: `
@ smr/worker.go
-		d.callbacksEnd(w, c, now)
`,
	},
}
