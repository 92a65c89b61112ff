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
@ smrq/append.go
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
	{
		Name:    "append-lends-nothing",
		Why:     "what was the first element is removed while new readers come to it by the source's head",
		Package: "./smrq",
		Test:    "TestAppend_SourceHoldsItsFirst",
		Patch: `
@ smrq/append.go
-	first.owner += oneLoan
@
-	first.owner -= oneLoan
`,
	},
	{
		Name:    "loans-overflow",
		Why:     "the 256th loan of an element makes it removable while new readers come to it",
		Package: "./smrq",
		Test:    "TestAppend_TooManyLoans",
		Patch: `
@ smrq/append.go
-	if first.owner/oneLoan == maxLoans {
+	if false {
`,
	},
	{
		Name:    "init-drops-lent",
		Why:     "Init drops an element that new readers come to by the head of an appended queue, and it is freed",
		Package: "./smrq",
		Test:    "TestInit_RefusesLoans",
		Patch: `
@ smrq/append.go
-	q.loans = true
`,
	},
	{
		Name:      "unpublish-clears",
		Why:       "a reader that comes late by the head of an appended queue misses its elements",
		Package:   "./smrq",
		Test:      "TestUnpublish_OldHeadStaysReadable",
		Schedules: "TestSchedules_MergeAgainstReader",
		Patch: `
@ smrq/append.go
 	q.state = unpublished
+	q.head.Clear()
`,
	},
	{
		Name:    "loans-end-at-once",
		Why:     "Unpublish of one queue lets an element go to which another queue's head still leads",
		Package: "./smrq",
		Test:    "TestUnpublish_EachHead",
		Patch: `
@ smrq/append.go
-	first.owner -= oneLoan
+	first.owner &= idMask
`,
	},
	{
		Name:    "split-in-another-domain",
		Why:     "a step waits for the readers of another domain than its own",
		Package: "./smrq",
		Test:    "TestSplit_OtherDomain",
		Patch: `
@ smrq/split.go
-	if s.dom != nil && s.dom != dom {
+	if false {
`,
	},
	{
		Name:    "loan-ends-twice",
		Why:     "Init after Unpublish takes the loan of another queue's head, or writes to what was freed",
		Package: "./smrq",
		Test:    "TestUnpublish_OldHeadStaysReadable",
		Patch: `
@ smrq/append.go
-	if q.state != lending || first == nil {
+	if first == nil {
`,
	},
	{
		Name:      "unpublish-in-vain",
		Why:       "new readers come by an unpublished head, and find what was freed: the promise is needed",
		Package:   "./smrq",
		Schedules: "TestSchedules_MergeAgainstReader",
		Patch: `
@ smrq/example_table_test.go
 	splits []smrq.Split[entry] // what is left to do of growing
+	stale *buckets
@
 	b := t.buckets.Load(s)
+	if t.stale != nil {
+		b = t.stale
+	}
@
 	t.buckets.Store(b)
+	t.stale = old
`,
	},
	{
		Name:    "unpublish-unchecked",
		Why:     "a new reader of an unpublished head is not told",
		Package: "./smrq",
		Test:    "TestInvariants_NewReaderOfUnpublished",
		Tags:    "invariants",
		Patch: `
@ smrq/debug_on.go
-	q.hidden.CompareAndSwap(nil, &hidden)
`,
	},
	{
		Name:      "merge-after-publishing",
		Why:       "a reader comes by the new heads before they lead to the elements",
		Package:   "./smrq",
		Test:      "TestTable_NoLookupMisses",
		Schedules: "TestSchedules_MergeAgainstReader",
		Patch: `
@ smrq/example_table_test.go
 	b := t.newBuckets(old.bits - 1)
+	t.buckets.Store(b)
`,
	},
	{
		Name:      "split-after-publishing",
		Why:       "a reader comes by the new heads before they lead to the elements",
		Package:   "./smrq",
		Test:      "TestTable_NoLookupMisses",
		Schedules: "TestSchedules_SplitAgainstReader",
		Patch: `
@ smrq/example_table_test.go
+	t.buckets.Store(b)
 	splits := make([]smrq.Split[entry], len(old.lists))
`,
	},
	{
		Name:      "split-before-publishing",
		Why:       "the first grace period does not cover readers that came by the old heads",
		Package:   "./smrq",
		Schedules: "TestSchedules_SplitAgainstReader",
		Patch: `
@ smrq/example_table_test.go
-	t.publishLocked(b, old)
-	t.splits = splits
+	for i := range old.lists {
+		old.lists[i].Unpublish()
+	}
+	t.splits = splits
+	t.stepLocked()
+	t.publishLocked(b, old)
`,
	},
	{
		Name:      "split-never-waits",
		Why:       "a reader among the elements of the other queue is not led back",
		Package:   "./smrq",
		Test:      "TestSplit_StepWaitsForReaders",
		Schedules: "TestSchedules_SplitAgainstReader",
		Patch: `
@ smrq/split.go
-	case !dom.Poll(s.goal):
+	case false:
`,
	},
	{
		Name:      "split-first-step-early",
		Why:       "a reader of what was picked, which came before that had a head, is led past it",
		Package:   "./smrq",
		Test:      "TestSplit_StepWaitsForReaders",
		Schedules: "TestSchedules_SplitAgainstReader",
		Patch: `
@ smrq/split.go
-		s.begin(dom)
+		s.begin(dom)
+		s.bypass()
`,
	},
	{
		Name:      "split-goal-early",
		Why:       "a step waits for the readers from before the last one, and not for those that came meanwhile",
		Package:   "./smrq",
		Schedules: "TestSchedules_SplitThenAppend",
		Patch: `
@ smrq/split.go
-		s.bypass()
+		s.bypass()
+		return true
`,
	},
	{
		Name:      "split-cuts-run",
		Why:       "a run that is bypassed ends at once, and a reader inside misses the rest",
		Package:   "./smrq",
		Test:      "TestSplit_StepWaitsForReaders",
		Schedules: "TestSchedules_SplitAgainstReader",
		Patch: `
@ smrq/split.go
 	slot.StoreRelaxed(next) // it is published already
+	end.next.Clear()
`,
	},
	{
		Name:    "split-ready-early",
		Why:     "an element is removed from one of the two places that lead to it",
		Package: "./smrq",
		Test:    "TestSplit_RefusesWriters",
		Patch: `
@ smrq/split.go
-	q.state, into.state = splitting, splitting
@
-		if q.state != want || s.own.id != s.id && s.other.id != s.id {
+		if q.state > want+1 {
@
-	s.own.state, s.other.state = stepping, stepping
`,
	},
	{
		Name:      "split-ready-at-once",
		Why:       "after the last relinking a reader is among the other queue's elements, which are appended, freed or inserted by plain stores under it",
		Package:   "./smrq",
		Test:      "TestSplit_StepWaitsForReaders",
		Schedules: "TestSchedules_SplitThenAppend",
		Patch: `
@ smrq/split.go
-		s.bypass()
+		s.bypass()
+		if s.apart {
+			s.own.state, s.other.state = ready, ready
+			*s = Split[T]{}
+			return false
+		}
`,
	},
	{
		Name:    "split-lends",
		Why:     "a new reader comes by the head of an appended queue, and misses what its elements are parted from",
		Package: "./smrq",
		Test:    "TestSplit_RefusesLoans",
		Patch: `
@ smrq/split.go
-		q.checkRemovable(opStep, l)
+		q.checkOwner(opStep, l)
`,
	},
	{
		Name:    "split-copied",
		Why:     "a copy of a Split that is over or has not begun takes the chain apart again",
		Package: "./smrq",
		Test:    "TestSplit_Copied",
		Patch: `
@ smrq/split.go
-		if q.state != want || s.own.id != s.id && s.other.id != s.id {
+		if q.state > want+1 {
`,
	},
	{
		Name:    "split-copied-once",
		Why:     "a copy of a Split that is over ends a later one of the same queues half way",
		Package: "./smrq",
		Test:    "TestSplit_CopyAgainstLaterSplit",
		Patch: `
@ smrq/split.go
-	into.id = ids.Add(1) // it is empty
`,
	},
	{
		Name:    "split-stores-unchecked",
		Why:     "a step leads readers to an element that was overwritten, and then says so",
		Package: "./smrq",
		Test:    "TestSplit_Overwritten",
		Patch: `
@ smrq/split.go
-	slot.StoreRelaxed(next) // it is published already
@
 	next := end.next.LoadSerialized()
+	slot.StoreRelaxed(next)
`,
	},
	{
		Name:    "close-unlists-early",
		Why:     "a domain that waits for its readers is not listed, and a legitimate one is taken for a new one",
		Package: "./smrq",
		Test:    "TestInvariants_OldReaderOfClosingDomain",
		Tags:    "invariants",
		Patch: `
@ smr/domain.go
 	d.checkMayWait("Close")
+	registry.mu.Lock()
+	registry.domains = slices.DeleteFunc(registry.domains, func(o *Domain) bool { return o == d })
+	registry.mu.Unlock()
`,
	},
	{
		Name:    "split-loses-loan",
		Why:     "what was the first element of an appended queue can be removed after a split",
		Package: "./smrq",
		Test:    "TestTable_LikeAMap",
		Patch: `
@ smrq/split.go
-		l.owner += into.id - q.id // the loans stay as they are
+		l.owner = into.id
`,
	},
	{
		Name:    "second-queue-unnoticed",
		Why:     "an element is inserted into a second queue by the Link of the first",
		Package: "./checks/mistakes",
		Test:    "TestMistakes",
		Patch: `
@ smrq/check.go
 func (q *queue[T]) unlinked(op string, e *T) *Link[T] {
 	l := q.linkOf(op, e)
-	if l.owner != 0 {
+	if l.owner&idMask == q.id {
`,
	},
	{
		Name:    "split-not-committed",
		Why:     "a writer that only calls Step never comes to the end: no grace period begins",
		Package: "./smrq",
		Test:    "TestSplit_StepsWithoutWaits",
		Patch: `
@ smrq/split.go
-		dom.Commit(s.goal)
`,
	},
	{
		Name:    "growth-left-undone",
		Why:     "the writer after one that a panic ended while the table grew finds its bucket being split",
		Package: "./smrq",
		Test:    "TestTable_GrowingCutShort",
		Patch: `
@ smrq/example_table_test.go
-	t.partLocked() // a panic may have ended that before
`,
	},
}
