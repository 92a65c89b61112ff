package mutant

// misuseBugs are in the checks of -tags invariants: a mistake is not found, or a correct program is
// accused.
var misuseBugs = []Bug{
	{
		Name:    "in-forgotten",
		Why:     "the first load of a pointer, in a section of the wrong domain, tells its domain",
		Package: "./smr",
		Test:    "TestInvariants_PointerIn",
		Tags:    "invariants",
		Patch: `
@ smr/pointers_on.go
-func (p *pointerDebug) in(d *Domain) { p.home.Store(homeIn(d, "In")) }
+func (p *pointerDebug) in(d *Domain) { homeIn(d, "In") }
`,
	},
	{
		Name:    "home-of-any-number",
		Why:     "a pointer in memory that was used before is of no domain, for ever",
		Package: "./smr",
		Test:    "TestInvariants_FirstLoadOfRecycledMemory",
		Tags:    "invariants",
		Patch: `
@ smr/pointers_on.go
-			if d := s.domain(); d == nil || p.home.CompareAndSwap(id, homeIn(d, "its first Load")) {
+			if d := s.domain(); d == nil || p.home.CompareAndSwap(0, homeIn(d, "its first Load")) || id != 0 {
`,
	},
	{
		Name:    "clear-unguarded",
		Why:     "a pointer is cleared without the lock of its writers",
		Package: "./smr",
		Test:    "TestInvariants_PointerGuardedBy",
		Tags:    "invariants",
		Patch: `
@ smr/pointer.go
-		p.writing("Clear")
+		_ = 0
`,
	},
	{
		Name:    "lock-tried-and-kept",
		Why:     "the check for a lock that is not held holds it from then on",
		Package: "./smr",
		Test:    "TestInvariants_PointerGuardedBy",
		Tags:    "invariants",
		Patch: `
@ internal/invariants/held.go
-	lock.Unlock()
`,
	},
	{
		Name:    "rival-unseen",
		Why:     "two goroutines take the record of a Reader, each for its own section",
		Package: "./smr",
		Test:    "TestInvariants_TwoGoroutinesInOneReader",
		Tags:    "invariants",
		Patch: `
@ smr/sole_on.go
-		if other := u.inside.Swap(nil); other != alone {
+		if other := u.inside.Swap(nil); other == nil {
`,
	},
	{
		Name:    "refusal-stays-inside",
		Why:     "a goroutine whose Section was refused seems to be in it still, and two others are not told",
		Package: "./smr",
		Test:    "TestInvariants_TwoGoroutinesInOneReader",
		Tags:    "invariants",
		Patch: `
@ smr/quiescent.go
-		defer q.only("Quiescent.Section", q.dom)()
+		end := q.only("Quiescent.Section", q.dom)
+		defer func() {
+			if v := recover(); v != nil {
+				panic(v)
+			}
+			end()
+		}()
`,
	},
	{
		Name:    "sharing-unseen",
		Why:     "a Reader that goroutines share without synchronization is not a race, as its words are atomic",
		Package: "./smr",
		Test:    "TestReader_SharedIsARace",
		Race:    true,
		Patch: `
@ smr/handed_race.go
-func (h *handedOver) use() { h.uses++ }
+func (h *handedOver) use() {}
`,
	},
	{
		Name:    "recursion-accused",
		Why:     "a deep recursion that leaves its sections as it returns passes for a loop that does not leave them",
		Package: "./smr",
		Test:    "TestInvariants_ManySectionsFromOneLine",
		Tags:    "invariants",
		Patch: `
@ smr/repeat_on.go
-	if open < maxFromSite*calls {
+	if open < maxFromSite {
`,
	},
	{
		Name:    "sites-stay",
		Why:     "sections that were left count as open, and a loop that leaves each of them is accused",
		Package: "./smr",
		Test:    "TestInvariants_ManySectionsFromOneLine",
		Tags:    "invariants",
		Patch: `
@ smr/debug_on.go
-	dd.uncountLocked(info)
-	dd.mu.Unlock()
+	dd.mu.Unlock()
`,
	},
}
