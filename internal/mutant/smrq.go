package mutant

// smrqBugs are those of the queues.
var smrqBugs = []Bug{
	{
		Name:    "no-release",
		Why:     "a reader finds an element before what was written to it",
		Package: "./smrq",
		Test:    "TestReaders_SeeWhatWasWrittenBefore",
		Race:    true,
		Patch: `
@ smr/pointer.go
-	p.p.Store(target)
+	p.p.StorePrivate(target)
`,
	},
	{
		Name:      "publish-before-next",
		Why:       "a reader finds an element before its next is set, and misses the rest",
		Package:   "./smrq",
		Test:      "TestReaders_RandomWriter",
		Schedules: "TestSchedules_ReaderAgainstWriter",
		Patch: `
@ smrq/write.go
+	slot.Store(l)
 	l.next.StoreRelaxed(next)
-	slot.Store(l)
`,
	},
	{
		Name:      "remove-clears-next",
		Why:       "a reader on a removed element misses the rest",
		Package:   "./smrq",
		Test:      "TestReaders_RandomWriter",
		Schedules: "TestSchedules_ReaderAgainstWriter",
		Patch: `
@ smrq/write.go
 	q.nextOf(at).StoreRelaxed(next)
+	l.next.Clear()
`,
	},
	{
		Name:      "replace-by-turns",
		Why:       "a reader sees neither the element nor its replacement",
		Package:   "./smrq",
		Test:      "TestReaders_Replace",
		Schedules: "TestSchedules_ReaderAgainstWriter",
		Patch: `
@ smrq/write.go
 	q.checkNeighbors(op, at, o)
+	if true {
+		q.unlink(op, at, o)
+		q.insert(op, at, e, true)
+		return
+	}
`,
	},
	{
		Name:    "tail-kept",
		Why:     "the tail is still the last element after that was removed",
		Package: "./smrq",
		Test:    "TestPrograms_Random",
		Patch: `
@ smrq/write.go
-	if q.kind&tailed != 0 && next == nil {
-		q.tail = at
-	}
`,
	},
	{
		Name:    "append-loses-back-link",
		Why:     "the first element appended does not point back",
		Package: "./smrq",
		Test:    "TestPrograms_Random",
		Patch: `
@ smrq/write.go
-		first.prev = last
+		first.prev = nil
`,
	},
	{
		Name:    "stale-cursor",
		Why:     "an element is erased from a predecessor that is not in the queue any more",
		Package: "./smrq",
		Test:    "TestCursor_Stale",
		Patch: `
@ smrq/cursor.go
 func (c *Cursor[T]) checkPlace(op string) {
+	if true {
+		return
+	}
`,
	},
}
