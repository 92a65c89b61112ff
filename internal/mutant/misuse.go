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
-	if open < maxFromSite*most {
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
	{
		Name:    "pin-for-real",
		Why:     "the runtime ends the program where a pinned section blocks, and does not say why",
		Package: "./smr",
		Test:    "TestInvariants_UserBlocksWhilePinned",
		Tags:    "invariants",
		Patch: `
@ smr/pins_on.go
-	if sched.Controlled { // it knows who must not block
+	if true {
`,
	},
	{
		Name:    "pin-left-elsewhere",
		Why:     "another goroutine leaves a pinned section, and stays pinned where Pin is real",
		Package: "./smr",
		Test:    "TestInvariants_PinnedLeftElsewhere",
		Tags:    "invariants",
		Patch: `
@ smr/debug_on.go
-		info.checkOwn()
+		_ = 0
`,
	},
	{
		Name:    "runtime-wait-accused",
		Why:     "a pinned section that allocates when a collection begins passes for one that blocks",
		Package: "./internal/goid",
		Test:    "TestBlocked_States",
		Patch: `
@ internal/goid/blocked.go
-	"sleep", "IO wait",
+	"sleep", "IO wait", "semacquire",
`,
	},
	{
		Name:    "old-section-accused",
		Why:     "a goroutine that took a Quiescent's section may not wait after that has ended",
		Package: "./smr",
		Test:    "TestInvariants_WaitInsideSection",
		Tags:    "invariants",
		Patch: `
@ smr/debug_on.go
-		if by.goid == id && rec.Active(by.gen) {
+		if by.goid == id {
`,
	},
	{
		Name:    "call-pending-too-long",
		Why:     "a callback that gives its object to Call again is accused",
		Package: "./smr",
		Test:    "TestInvariants_CalledOften",
		Tags:    "invariants",
		Patch: `
@ smr/worker.go
-		given(fn, obj)
 		fn(obj)
+		given(fn, obj)
`,
	},
	{
		Name:    "leave-is-a-leak",
		Why:     "the collector may find a section dropped while it is being left",
		Package: "./smr",
		Test:    "TestInvariants_LeaveIsNoLeak",
		Tags:    "invariants",
		Patch: `
@ smr/debug_on.go
-	runtime.KeepAlive(s.handle) // or its cleanup might run while the section is among the open ones
+	// nothing
`,
	},
	{
		Name:    "refused-call-pending",
		Why:     "an object that a closed domain refused is accused",
		Package: "./smr",
		Test:    "TestInvariants_CalledOften",
		Tags:    "invariants",
		Patch: `
@ smr/calls_on.go
 	if !ok {
-		fate.Refuse(c)
+		_ = c
`,
	},
	{
		Name:    "field-accused",
		Why:     "a struct and its first field, which have one address, pass for one object",
		Package: "./smr",
		Test:    "TestInvariants_CalledOften",
		Tags:    "invariants",
		Patch: `
@ internal/fate/fate.go
-		if c.Frees && o.Frees && reflect.TypeOf(o.Object) == t {
+		if c.Frees && o.Frees {
`,
	},
	{
		Name:    "count-accused",
		Why:     "callbacks that free nothing may not have one object",
		Package: "./smr",
		Test:    "TestInvariants_CalledOften",
		Tags:    "invariants",
		Patch: `
@ internal/fate/fate.go
-		if c.Frees && o.Frees && reflect.TypeOf(o.Object) == t {
+		if reflect.TypeOf(o.Object) == t {
`,
	},
	{
		Name:    "freed-while-called",
		Why:     "an object is freed whose callback is to come, and is another one by then",
		Package: "./slab",
		Test:    "TestInvariants_CalledAndGivenBack",
		Tags:    "invariants",
		Patch: `
@ slab/debug_on.go
-	c.notCalled(p, "Free")
`,
	},
	{
		Name:    "given-out-as-free",
		Why:     "an object that is given out again still passes for free, and is accused",
		Package: "./slab",
		Test:    "TestInvariants_CallbackGivesBack",
		Tags:    "invariants",
		Patch: `
@ slab/debug_on.go
 	o.state, o.how, o.stack = inUse, "gotten", callStack()
-	c.tell(p, o)
`,
	},
	{
		Name:    "blocked-unnamed",
		Why:     "a stall report does not say that the domain blocks where it must not",
		Package: "./stw",
		Test:    "TestInvariants_BlocksOutsideBlocking",
		Tags:    "invariants",
		Patch: `
@ stw/stall.go
-			d.Blocked = goid.Blocked(d.Stack)
+			_ = 0
`,
	},
	{
		Name:    "leak-unreported",
		Why:     "a section that was dropped without Leave holds back everything, and nothing says so",
		Package: "./smr",
		Test:    "TestInvariants_LeakedSectionIsReported",
		Tags:    "invariants",
		Patch: `
@ smr/debug_on.go
-	runtime.AddCleanup(h, (*sectionInfo).dropped, info)
`,
	},
	{
		Name:    "leak-told-in-place",
		Why:     "OnStall runs in the goroutine of the collector's cleanups, which it blocks, or ends",
		Package: "./smr",
		Test:    "TestInvariants_LeakReportLeavesCleanupsAlone",
		Tags:    "invariants",
		Patch: `
@ smr/debug_on.go
-	d.report(st)
+	d.stalls.Add(1)
+	d.opts.OnStall(st)
`,
	},
	{
		Name:    "leave-beside-leave",
		Why:     "of two goroutines that leave a section at once, the later may end the next one on its record",
		Package: "./smr",
		Test:    "TestInvariants_ConcurrentLeavePanics",
		Tags:    "invariants",
		Patch: `
@ smr/debug_on.go
-	if !open && s.in.Rec.Active(s.in.Gen) {
+	if false {
`,
	},
	{
		Name:    "entered-by-any",
		Why:     "CheckEntered is content with the section of another goroutine",
		Package: "./smr",
		Test:    "TestInvariants_CheckEntered",
		Tags:    "invariants",
		Patch: `
@ smr/debug_on.go
 	for _, info := range dd.open {
-		if info.goid == id {
+		if info.goid != 0 {
`,
	},
	{
		Name:    "labels-dropped",
		Why:     "a stall report does not have the labels of the goroutine in the section",
		Package: "./smr",
		Test:    "TestInvariants_StallHasLabels",
		Tags:    "invariants",
		Patch: `
@ smr/debug_on.go
-		sr.Kind, sr.Stack, sr.Labels, sr.pcs = info.kind, info.trace(), info.labels, info.stack
+		sr.Kind, sr.Stack, sr.pcs = info.kind, info.trace(), info.stack
`,
	},
	{
		Name:    "books-unlocked",
		Why:     "two goroutines enter at once, and the program ends by a map written at once",
		Package: "./smr",
		Test:    "TestInvariants_InsidePinnedSections",
		Tags:    "invariants",
		Patch: `
@ smr/debug_on.go
-	d.debug.mu.Lock()
 	if d.debug.open == nil {
@
 	suspect := d.debug.countLocked(info)
-	d.debug.mu.Unlock()
`,
	},
	{
		Name:    "handed-over-accused",
		Why:     "a Reader is of the goroutine that first used it, and handing it over is a mistake",
		Package: "./smr",
		Test:    "TestInvariants_ReaderHandedOver",
		Tags:    "invariants",
		Patch: `
@ smr/sole_on.go
-		if other := u.inside.Swap(nil); other != alone {
+		other := u.inside.Swap(nil)
+		if id := goid.Get(); u.first == 0 {
+			u.first = id
+		} else if other == alone && u.first != id {
+			other = &rival{method, id, callers.Here(2)}
+		}
+		if other != alone {
@
-	inside atomic.Pointer[rival]
+	inside atomic.Pointer[rival]
+	first  uint64
`,
	},
}
