package mutant

// slabBugs are those of the pools.
var slabBugs = []Bug{
	{
		Name:    "retire-is-free",
		Why:     "a retired object is given out while readers may hold it",
		Package: "./slab",
		Test:    "TestRetire_NotReusedBeforeReadersLeft",
		Patch: `
@ slab/magazine.go
 func (s *store) retireMagazine(m *magazine) {
+	if true {
+		s.keep(m)
+		return
+	}
`,
	},
	{
		Name:    "slab-before-readers",
		Why:     "a slab goes back to the system while readers look at what was freed in it",
		Package: "./slab",
		Test:    "TestFree_SlabWaitsForReaders",
		Patch: `
@ slab/store.go
-	return s.dom.Poll(sl.goal)
+	return true
`,
	},
	{
		Name:    "whole-once",
		Why:     "a slab waits for those readers only that were there when it was whole for the first time",
		Package: "./slab",
		Test:    "TestFree_SlabThatWasWholeWaitsForReaders",
		Patch: `
@ slab/store.go
-	if s.stable {
+	if s.stable && sl.goal == 0 {
`,
	},
	{
		Name:    "depot-keeps",
		Why:     "objects of a slab that is being evacuated are given out again, and it never becomes whole",
		Package: "./slab",
		Test:    "TestEvacuate_NothingIsGivenOut",
		Patch: `
@ slab/evacuate.go
-	return !s.closed && s.evacuating == 0
+	return !s.closed
`,
	},
	{
		Name:      "retire-blocks",
		Why:       "retiring in a pinned section waits for a lock, and the runtime ends the process",
		Package:   "./slab",
		Test:      "TestRetire_InPinnedSection",
		Schedules: "TestSchedules_RetireInPinnedSection",
		Patch: `
@ slab/magazine.go
-	return s.mu.TryLock()
+	s.mu.Lock()
+	return true
`,
	},
	{
		Name:    "stamp-before-arrival",
		Why:     "a magazine with an old goal waits behind a newer one, and what says that the last is reached says it of both",
		Package: "./slab",
		Test:    "TestStamp_ArrivedWaitForReaders",
		Patch: `
@ slab/magazine.go
 		return t
 	}
+	m.goal = s.dom.DeferredAdvance()
@
-		m.goal = goal
+		_ = goal
`,
	},
	{
		Name:      "offer-by-store",
		Why:       "bytes that are put back while a claim ends, or beside others, are counted twice, or for good",
		Package:   "./slab",
		Schedules: "TestSchedules_PutAgainstClaim",
		Patch: `
@ slab/claim.go
-		if c.missing.CompareAndSwap(missing, missing-m) {
+		c.missing.Store(missing - m)
+		if true {
`,
	},
}
