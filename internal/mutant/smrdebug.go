package mutant

// smrdebugBugs are those of what smr says of itself, and of the page and the metrics that show it.
var smrdebugBugs = []Bug{
	{
		Name:    "diagnose-asks-without-end",
		Why:     "each load of the page leaves a goroutine behind while a reader's owner does not answer",
		Package: "./smr",
		Test:    "TestDiagnose_OwnersThatDoNotAnswer",
		Patch: `
@ smr/describe.go
-	if ds.asking.Load() >= maxNamed {
-		return
-	}
`,
	},
	{
		Name:    "diagnose-clears-the-name",
		Why:     "Diagnose clears a reader's name function while the goroutine that asks the owner loads it",
		Package: "./smr",
		Test:    "TestDiagnose_OwnersThatDoNotAnswer",
		Race:    true,
		Patch: `
@ smr/describe.go
-	name, named := r.name, make(chan string, 1)
-	go func() { named <- name() }()
+	named := make(chan string, 1)
+	go func() { named <- r.name() }()
`,
	},
	{
		Name:    "stopped-and-late",
		Why:     "a reclaimer that has stopped counts as late",
		Package: "./smr",
		Test:    "TestPunctuality",
		Patch: `
@ smr/reclaim.go
-			r.punctual.expect(0)
`,
	},
	{
		Name:    "chunks-for-callbacks",
		Why:     "the histogram of callbacks counts a chunk of many as one",
		Package: "./smr",
		Test:    "TestDiagnose_Histograms",
		Patch: `
@ smr/worker.go
-		r.callbackTimes.add(now-c.ready, c.n)
+		r.callbackTimes.add(now-c.ready, 1)
`,
	},
	{
		Name:    "hold-in-histogram",
		Why:     "the time for which an object is held counts as its callback's",
		Package: "./smr",
		Test:    "TestDiagnose_Histograms",
		Patch: `
@ smr/hold_park.go
-		c.since, c.ready = now, now
+		c.since = now
`,
	},
	{
		Name:    "two-of-a-name",
		Why:     "two domains of one name make every scrape an error, that of other collectors included",
		Package: "./smrprom",
		Test:    "TestCollector_AnyNames",
		Patch: `
@ smrprom/collector.go
-		if named[label]++; named[label] > 1 {
-			label = fmt.Sprint(label, "#", named[label])
-		}
+		named[fmt.Sprint(label)]++
`,
	},
	{
		Name:    "parked-and-running",
		Why:     "a call that is parked is told as running, too, while its chunk's other callbacks run",
		Package: "./smr",
		Test:    "TestDiagnose_ParkedOutOfAChunk",
		Patch: `
@ smr/hold_park.go
-	c.run = c.amount()
`,
	},
	{
		Name:    "held-back-by-all",
		Why:     "a reader is told to hold back what waits for an older one only",
		Package: "./smr",
		Test:    "TestDiagnose_WhatReadersHoldBack",
		Patch: `
@ smr/diagnose.go
-		back.sub(passed)
`,
	},
	{
		Name:    "labels-of-the-caller",
		Why:     "a domain's goroutines count as the request that happened to call first",
		Package: "./smr",
		Test:    "TestLabels_OfTheDomain",
		Patch: `
@ smr/label.go
-		pprof.SetGoroutineLabels(d.labels)
`,
	},
	{
		Name:    "posts-from-anywhere",
		Why:     "any page that the engineer's browser shows can flush and trace",
		Package: "./smrdebug",
		Test:    "TestHandler_Actions",
		Patch: `
@ smrdebug/handler.go
-	if err := h.origins.Check(r); err != nil {
+	if err := h.origins.Check(r); err != nil && h.opts.Domains == nil {
`,
	},
	{
		Name:    "trace-goes-on",
		Why:     "each section is sampled for ever after a trace",
		Package: "./smrdebug",
		Test:    "TestHandler_Trace",
		Patch: `
@ smrdebug/profile.go
-		before := d.SetSampleSections(1)
-		defer d.SetSampleSections(before)
+		d.SetSampleSections(1)
`,
	},
	{
		Name:    "names-in-lines",
		Why:     "a domain's name invents a finding in the text",
		Package: "./smrdebug",
		Test:    "TestHandler_NamesAreData",
		Patch: `
@ smrdebug/text.go
-func inLine(s string) string { return strings.ReplaceAll(s, "\n", "\uFFFD") }
+func inLine(s string) string { return s }
`,
	},
}
