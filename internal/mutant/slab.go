package mutant

// slabBugs are those of the pools.
var slabBugs = []Bug{
	{
		Name:    "retire-is-free",
		Why:     "a retired object is given out while readers may hold it",
		Package: "./slab",
		Test:    "TestRetire_NotReusedBeforeReadersLeft",
		Patch: `
@ slab/depot.go
 func (d *depot) retire(m *magazine) {
+	if true {
+		d.s.keep(m)
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
@ slab/heap.go
-func (h *heap) unread(sl *slab) bool { return !h.stable || h.s.dom.Poll(sl.goal) }
+func (h *heap) unread(*slab) bool { return true }
`,
	},
	{
		Name:    "empty-once",
		Why:     "a slab waits for those readers only that were there when it was empty for the first time",
		Package: "./slab",
		Test:    "TestFree_SlabThatWasEmptyWaitsForReaders",
		Patch: `
@ slab/heap.go
-	if h.stable {
+	if h.stable && sl.goal == 0 {
`,
	},
	{
		Name:    "depot-keeps",
		Why:     "objects of a slab that is being evacuated are given out again, and it never becomes empty",
		Package: "./slab",
		Test:    "TestEvacuate_NothingIsGivenOut",
		Patch: `
@ slab/depot.go
-	if d.bypass || d.closed {
+	if d.closed {
@
-		return m, !d.bypass
+		return m, true
`,
	},
	{
		Name:      "retire-blocks",
		Why:       "retiring in a pinned section waits for a lock, and the runtime ends the process",
		Package:   "./slab",
		Test:      "TestRetire_InPinnedSection",
		Schedules: "TestSchedules_RetireInPinnedSection",
		Patch: `
@ slab/depot.go
-	return d.mu.TryLock()
+	d.mu.Lock()
+	return true
`,
	},
	{
		Name:    "waiting-by-arrival",
		Why:     "a magazine with an old goal waits behind a newer one, and a poll that finds the last goal reached readies both",
		Package: "./slab",
		Test:    "TestWaitList_InOrderOfGoals",
		Patch: `
@ slab/magazine.go
-	for after != nil && m.goal.Before(after.goal) {
-		after = after.prev
-	}
`,
	},
	{
		Name:    "reached-counts-only",
		Why:     "bytes leave Throttle's account while their objects wait",
		Package: "./slab",
		Test:    "TestDepot_FullWhenItsBytesAreOffTheAccount",
		Patch: `
@ slab/depot.go
-	for d.waiting.n > 0 && d.s.dom.Poll(d.waiting.oldest.goal) {
+	for false {
`,
	},
	{
		Name:    "magazines-without-bytes",
		Why:     "retired magazines are not in Throttle's account",
		Package: "./slab",
		Test:    "TestRetire_ThrottleCountsBytes",
		Patch: `
@ slab/depot.go
-	if !smr.TryCall(d.s.dom, d.s, size, (*store).reached) {
+	if !smr.TryCall(d.s.dom, d.s, 0*size, (*store).reached) {
`,
	},
	{
		Name:      "call-before-push",
		Why:       "the call of a retired magazine runs before the magazine arrives, and no other comes",
		Package:   "./slab",
		Schedules: "TestSchedules_RetireAgainstItsCall",
		Patch: `
@ slab/depot.go
 	m.goal = d.s.dom.DeferredAdvance()
+	smr.TryCall(d.s.dom, d.s, size, (*store).reached)
@
 	// then the magazine waits for a Get, or Close.
-	if !smr.TryCall(d.s.dom, d.s, size, (*store).reached) {
-		d.s.freed.tell()
-	}
`,
	},
	{
		Name:      "called-too-long",
		Why:       "a slab becomes empty after shrink has counted, and calls no other since that one is on its way",
		Package:   "./slab",
		Schedules: "TestSchedules_ShrinkAgainstPut",
		Patch: `
@ slab/policy.go
-	p.called.Store(false)
 	released, surplus := s.heap.dropIdle()
 	s.release(released)
+	p.called.Store(false)
`,
	},
	{
		Name:    "shrink-for-ever",
		Why:     "a wasteful pool that is in use calls shrink again and again, and its domain's Close waits for that",
		Package: "./slab",
		Test:    "TestShrink_EndsWithItsDomain",
		Patch: `
@ slab/policy.go
-	if surplus || again && !s.dom.Closed() {
+	if surplus || again {
`,
	},
	{
		Name:    "readied-before",
		Why:     "magazines that a Get's poll made full stay in the depot, however many they are",
		Package: "./slab",
		Test:    "TestReached_SpillsWhatAPollMadeFull",
		Patch: `
@ slab/depot.go
+	d.readied = false
 	d.arriveLocked()
 	for d.waiting.n > 0 && d.s.dom.Poll(d.waiting.oldest.goal) {
`,
	},
	{
		Name:    "shrink-at-once",
		Why:     "two calls of shrink in one grace period give back the slabs that the next wave needs",
		Package: "./slab",
		Test:    "TestShrink_WavesKeepTheirSlabs",
		Patch: `
@ slab/policy.go
-	if p.called.CompareAndSwap(false, true) && !smr.TryCall(p.s.dom, p, 0, (*policy).shrink) {
+	if !smr.TryCall(p.s.dom, p, 0, (*policy).shrink) {
`,
	},
	{
		Name:      "arrived-by-store",
		Why:       "of two magazines that two processors retire at once, one is lost",
		Package:   "./slab",
		Schedules: "TestSchedules_HandOver",
		Patch: `
@ slab/depot.go
-		if d.arrived.CompareAndSwap(m.next, m) { // m may be another's from here on
+		d.arrived.Store(m)
+		if true {
`,
	},
	{
		Name:      "arrivals-dropped",
		Why:       "a magazine that is retired while others are taken in is lost",
		Package:   "./slab",
		Schedules: "TestSchedules_HandOver",
		Patch: `
@ slab/depot.go
-	for m := d.arrived.Swap(nil); m != nil; {
+	m := d.arrived.Load()
+	d.arrived.Store(nil)
+	for m != nil {
`,
	},
	{
		Name:      "budget-by-store",
		Why:       "of two pools that take memory at once, one's is not counted, or both take the last",
		Package:   "./slab",
		Schedules: "TestSchedules_ReclaimAgainstGet",
		Patch: `
@ slab/budget.go
-		if b.used.CompareAndSwap(used, used+n) {
+		b.used.Store(used + n)
+		if true {
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
	{
		Name:    "closed-keeps-slab",
		Why:     "a Get beside Close takes a slab after Close has dropped all, and it stays",
		Package: "./slab",
		Test:    "TestClose_GrownBesideCloseGoes",
		Patch: `
@ slab/store.go
-			s.release(s.heap.drop(trimAll)) // what it grew beside Close
`,
	},
	{
		Name:    "closed-gives-out",
		Why:     "a closed pool gives out what was freed late, and Close never ends",
		Package: "./slab",
		Test:    "TestClose_GetFailsAfterLateFree",
		Patch: `
@ slab/depot.go
-	if d.closed {
-		return nil, false
-	}
`,
	},
	{
		Name:    "sample-before-readers",
		Why:     "a retired sample faults in the sections that may hold it",
		Package: "./slab",
		Test:    "TestQuarantine_ReadersHoldIt",
		Also:    []string{"TestQuarantine_ManyAtOnce"},
		Patch: `
@ slab/sample.go
 	s.uncached.retires.Add(1)
-	if !s.samples.readers.after(x, x.p, int(x.bytes())) {
+	if x.end(); false {
`,
	},
	{
		Name:    "sample-freed-before-readers",
		Why:     "a freed sample faults in a section that holds it, where freed objects may be held",
		Package: "./slab",
		Test:    "TestQuarantine_ReadersHoldIt",
		Patch: `
@ slab/sample.go
-	if s.samples.stable {
+	if false {
`,
	},
	{
		Name:    "late-before-readers",
		Why:     "what is retired on a closed domain goes under its last readers",
		Package: "./slab",
		Test:    "TestQuarantine_DomainClosedFirst",
		Patch: `
@ slab/late.go
-		if d.dom.Poll(l.goal) {
+		if true {
`,
	},
	{
		Name:    "sample-not-kept",
		Why:     "the pages of a sample are given out again at once, and a stray write hits the next one",
		Package: "./slab",
		Test:    "TestQuarantine_For",
		Patch: `
@ slab/quarantine.go
-	for q.oldest != nil && now.Sub(q.oldest.kept) >= q.o.For { // written with moving held
+	for q.oldest != nil {
`,
	},
	{
		Name:    "sample-ends-abandoned",
		Why:     "a callback shuts pages of a dropped pool, whose addresses are another's by then",
		Package: "./slab",
		Test:    "TestQuarantine_EndsAfterAbandoned",
		Patch: `
@ slab/quarantine.go
-	if q.gone { // abandoned
-		return
-	}
`,
	},
	{
		Name:    "sample-given-twice",
		Why:     "a second Free of a sample is accepted, and its pages are counted twice",
		Package: "./slab",
		Test:    "TestQuarantine_SecondFreeTellsOfTheFirst",
		Patch: `
@ slab/quarantine.go
-	if x == nil || x.s != s || x.p != p || x.state != sampleInUse {
+	if x == nil || x.s != s || x.p != p {
`,
	},
	{
		Name:      "step-counted-twice",
		Why:       "a Get whose step another has opened takes a slab, and the budget counts both for good",
		Package:   "./slab",
		Schedules: "TestSchedules_OpenAgainstOpen",
		Patch: `
@ slab/store.go
-		s.budget.Release(int64(size)) // others have opened the last step, or the slab went back
`,
	},
	{
		Name:    "open-evacuated",
		Why:     "a slab that is being evacuated opens, its new objects are given out, and it never becomes empty",
		Package: "./slab",
		Test:    "TestOpen_NotWhileEvacuated",
		Patch: `
@ slab/heap.go
-		if !sl.evacuated {
-			return sl
-		}
+		return sl
`,
	},
	{
		Name:    "open-unlisted",
		Why:     "objects that were opened in a slab without free ones are never given out",
		Package: "./slab",
		Test:    "TestOpen_FirstSlabStepByStep",
		Patch: `
@ slab/heap.go
-	case 0:
-		h.partial.push(sl)
`,
	},
	{
		Name:    "open-empty-uncounted",
		Why:     "the bytes of empty slabs become negative, and a pool passes for wasteful",
		Package: "./slab",
		Test:    "TestOpen_OfWhatHasFreeObjects",
		Patch: `
@ slab/heap.go
-		h.emptyBytes += int64(h.s.step)
`,
	},
	{
		Name:    "forgotten-slab-opens",
		Why:     "a step is opened in a slab that went back to the system, and its objects are another's memory",
		Package: "./slab",
		Test:    "TestHeap_ReleasedIsForgotten",
		Patch: `
@ slab/heap.go
 	h.objects -= int64(sl.n)
-	h.opensNoMoreLocked(sl)
`,
	},
	{
		Name:    "a-step-for-each-processor",
		Why:     "each processor that uses a small pool takes a page for itself",
		Package: "./slab",
		Test:    "TestOpen_APageForSeveralProcessors",
		Patch: `
@ slab/heap.go
-	most := h.mostTakenLocked()
+	most := h.s.capacity
`,
	},
	{
		Name:    "one-small-slab",
		Why:     "a claim gives up after slabs of a page each, while there is a slab's worth of them",
		Package: "./slab",
		Test:    "TestClaim_OfManySmallSlabs",
		Patch: `
@ slab/claim.go
-		if err != nil || size == 0 || size >= int64(victim.slabSize) || c.Missing() == 0 || c.b.budget == nil {
+		if true {
`,
	},
	{
		Name:    "claims-slabs-only",
		Why:     "a cache whose budget is less than a slab can't evict for an entry that has room in a page",
		Package: "./slab",
		Test:    "TestClaim_OfAStep",
		Patch: `
@ slab/claim.go
-		size, _ := b.classes[class(n)].heap.growth()
+		size := b.classes[class(n)].slabSize
`,
	},
	{
		Name:    "sparse-huge",
		Why:     "ten thousand small pools take 64 KiB each, in huge pages of which they touch little",
		Package: "./internal/pages",
		Test:    "TestHuge_SparseBlocksAreNot",
		Patch: `
@ internal/pages/region.go
-		adviseSmall(block{base, size})
+		adviseHuge(block{base, size})
`,
	},
	{
		Name:    "sample-unreadable",
		Why:     "an optimistic reader faults in an object that was freed under it",
		Package: "./slab",
		Test:    "TestQuarantine_OptimisticReadersRead",
		Patch: `
@ internal/pages/guard.go
-	if g.readable {
+	if false {
`,
	},
	{
		Name:    "sample-missed",
		Why:     "a load of a magazine counts past the get that is due, and no sample is ever taken again",
		Package: "./slab",
		Test:    "TestQuarantine_For",
		Patch: `
@ slab/cache.go
 	n := c.gets.Load() + 1
-	if n >= c.sampleAt {
+	if n == c.sampleAt {
 		return nil
 	}
 	m := ld.get
 	if m.n == 0 {
 		if m = ld.some(); m == nil {
 			return nil
 		}
 	}
 	c.gets.Store(n)
`,
	},
	{
		Name:    "sample-swapped",
		Why:     "Swap puts a sample into a magazine, and its page is never shut",
		Package: "./slab",
		Test:    "TestQuarantine_SwapRefusesSamples",
		Patch: `
@ slab/pool.go
-	if obj == nil || l.c == nil || l.c.s.sampled(unsafe.Pointer(obj)) {
-		return nil
+	if obj == nil || l.c == nil {
+		return nil
`,
	},
	{
		Name:    "poisoned-in-section",
		Why:     "an object is poisoned in the sections that may hold it",
		Package: "./slab",
		Test:    "TestInvariants_RetiredIsPoisonedSoon",
		Tags:    "invariants",
		Patch: `
@ slab/debug_on.go
-	if smr.TryCall(c.s.dom, c, smr.Expedite, (*checks).unread) {
+	if c.unread(); c.s.dom != nil || smr.TryCall(c.s.dom, c, smr.Expedite, (*checks).unread) {
`,
	},
	{
		Name:    "poisoned-reused",
		Why:     "an object that was given out again meanwhile is poisoned in the hands of its user",
		Package: "./slab",
		Test:    "TestInvariants_ReusedIsNotPoisoned",
		Tags:    "invariants",
		Patch: `
@ slab/debug_on.go
-		if o := r.o; !held.Has(uintptr(r.p)) && c.objects[r.p] == o && o.state == isRetired && o.retires == r.n && !o.poisoned {
+		if o := r.o; !held.Has(uintptr(r.p)) && c.objects[r.p] == o && !o.poisoned {
`,
	},
	{
		Name:    "closing-is-unread",
		Why:     "a pool's Close takes a domain whose Close has begun for one without readers, and frees what they hold",
		Package: "./slab",
		Test:    "TestClose_BesideDomainCloseWaitsForReaders",
		Patch: `
@ slab/close.go
-		if c.unread { // reached may not come
+		if c.d.Closed() {
`,
	},
	{
		Name:    "failed-close-ends-samples",
		Why:     "a Close that fails inside a callback ends the quarantine of a pool that stays open",
		Package: "./slab",
		Test:    "TestQuarantine_FailedCloseLeavesItOpen",
		Patch: `
@ slab/quarantine.go
-	if !q.sealed || q.gone {
+	if q.gone {
`,
	},
	{
		Name:    "sample-beside-close",
		Why:     "a sample is taken beside Close, which then ends the quarantine or leaks it",
		Package: "./slab",
		Test:    "TestQuarantine_SealedTakesNone",
		Patch: `
@ slab/quarantine.go
-	if q.sealed || q.busy+need > len(q.at) || now.Before(q.idle) { // busy grows with moving held
+	if q.gone || q.busy+need > len(q.at) || now.Before(q.idle) { // busy grows with moving held
`,
	},
	{
		Name:    "waiting-sample-leaks",
		Why:     "Close returns nil while a sample waits for readers, and the quarantine never ends",
		Package: "./slab",
		Test:    "TestQuarantine_RetiredBesideClose",
		Patch: `
@ slab/quarantine.go
-		if x != nil && x.s == s && x.state <= sampleWaiting && (len(found) == 0 || found[len(found)-1] != x) {
+		if x != nil && x.s == s && x.state == sampleInUse && (len(found) == 0 || found[len(found)-1] != x) {
`,
	},
	{
		Name:    "claim-after-close",
		Why:     "a claim's Get beside Close gives out a block of Blocks that Close found empty",
		Package: "./slab",
		Test:    "TestQuarantine_ClaimBesideClose",
		Patch: `
@ slab/claim.go
-	if s.depot.isClosed() { // asked after growBy, so Close has counted m, or is seen here
+	if false {
`,
	},
	{
		Name:    "guards-unbounded",
		Why:     "the pages of guards use up the process's mappings, and the Go runtime gets no memory",
		Package: "./internal/pages",
		Test:    "TestGuard_ShareOfMappings",
		Patch: `
@ internal/pages/guard.go
-		if everOpened.Add(more) > mostOpened() {
+		if everOpened.Add(more) < 0 {
`,
	},
	{
		Name:    "shut-in-part",
		Why:     "a sample that could be shut in part is poisoned, which faults",
		Package: "./internal/pages",
		Test:    "TestGuard_ShutInPart",
		Patch: `
@ internal/pages/guard.go
-	return protectBare(b, g.shutProtection()) == nil || protectBare(b, protection) != nil
+	return protectBare(b, g.shutProtection()) == nil
`,
	},
	{
		Name:    "free-but-due",
		Why:     "compaction finds no free block in the cache when a sample is due",
		Package: "./slab",
		Test:    "TestQuarantine_DueButCached",
		Patch: `
@ slab/evacuate.go
-	p := c.getAlways()
+	p := c.get()
`,
	},
	{
		Name:    "full-but-due",
		Why:     "Get passes over the cache when a sample is due for which the quarantine has no room",
		Package: "./slab",
		Test:    "TestQuarantine_DueButCached",
		Patch: `
@ slab/sample.go
-	p := c.getAlways()
+	p := c.get()
`,
	},
	{
		Name:    "unshut-hoards",
		Why:     "Get fails with no object in use, since samples that could not be shut keep the budget",
		Package: "./slab",
		Test:    "TestQuarantine_UnshutGiveWay",
		Patch: `
@ slab/store.go
-		if s.samples.trim() && s.grow() == nil {
-			continue
-		}
`,
	},
	{
		Name:    "samples-unmapped",
		Why:     "slabs come to lie among the addresses of a closed pool's samples, and pass for samples",
		Package: "./slab",
		Test:    "TestQuarantine_AddressesOutliveClose",
		Patch: `
@ slab/quarantine.go
-	q.guard.Clear()
+	q.guard.End()
`,
	},
	{
		Name:    "polls-each-time",
		Why:     "each Get under a reader polls the readers, in vain",
		Package: "./slab",
		Test:    "TestDepot_PollsForSomeMore",
		Patch: `
@ slab/depot.go
-		d.pollAt = d.waiting.n + pollEvery
+		d.pollAt = d.waiting.n
`,
	},
	{
		Name:    "spare-given-twice",
		Why:     "what is left of a spare begins where the block does that was cut from it",
		Package: "./slab",
		Test:    "TestSpares_EverythingAtOnce",
		Patch: `
@ slab/spares.go
-		s.list[best] = spare{unsafe.Add(x.p, size), x.size - size}
+		s.list[best] = spare{x.p, x.size - size}
`,
	},
	{
		Name:    "spare-beyond-no-bound",
		Why:     "a spare that comes just after SetSpare(0) stays for ever",
		Package: "./slab",
		Test:    "TestSpares_NoneStaysBeyondTheBound",
		Patch: `
@ slab/spares.go
-	if b.spares.size.Load() > b.spareRoom() {
+	if b.spares.most.Load() > 0 {
`,
	},
	{
		Name:    "spare-beyond-use",
		Why:     "spares stay when the slabs go that they were within the use of: for ever, if nothing else uses the budget",
		Package: "./slab",
		Test:    "TestSpares_GoWithSlabs",
		Patch: `
@ slab/budget.go
-	b.shrinkSpares()
`,
	},
	{
		Name:    "spare-of-dropped",
		Why:     "spares that dropped Blocks left stay with their budget, and for ever if that is dropped, too",
		Package: "./slab",
		Test:    "TestSpares_GoWithDropped",
		Patch: `
@ slab/dropped.go
-	b.budget.dropSpares()
`,
	},
	{
		Name:    "spare-before-slab",
		Why:     "a slab is refused for want of memory that spares have",
		Package: "./slab",
		Test:    "TestSpares_GoForSlab",
		Patch: `
@ slab/heap.go
-	if err != nil && s.budget.dropSpares() {
+	if false {
`,
	},
	{
		Name:    "refused-slab-charged",
		Why:     "the budget is charged for a slab that the system refuses",
		Package: "./slab",
		Test:    "TestClaim_SystemRefuses",
		Patch: `
@ slab/store.go
 	sl, err := s.newSlab(size)
 	if err != nil {
-		s.budget.Release(int64(size))
`,
	},
	{
		Name:    "refused-block-charged",
		Why:     "the same for a large block",
		Package: "./slab",
		Test:    "TestClaim_SystemRefuses",
		Patch: `
@ slab/blocks.go
 		p, err := b.budget.allocLarge(size)
 		if err != nil {
-			b.budget.Release(int64(size))
`,
	},
	{
		Name:    "refused-claim-has-a-block",
		Why:     "a claim takes memory that the system has refused",
		Package: "./slab",
		Test:    "TestClaim_SystemRefuses",
		Patch: `
@ slab/claim.go
-		if err := s.growBy(size, m); err != nil {
+		if err := s.growBy(size, m); err != nil && m.n > 0 {
`,
	},
	{
		Name:    "failing-take-is-seen",
		Why:     "a Reserve that fails counts for a moment, and others fail for it though there is room",
		Package: "./slab",
		Test:    "TestBudget_FailingTakeIsNotSeen",
		Patch: `
@ slab/budget.go
-		used = b.used.Load()
-		if n > limit-used {
-			return used, false
-		}
-		if b.used.CompareAndSwap(used, used+n) {
-			return used, true
-		}
+		if used = b.used.Add(n) - n; n > limit-used {
+			b.used.Add(-n)
+			return used, false
+		}
+		return used, true
`,
	},
	{
		Name:    "no-way-out-of-line",
		Why:     "who waits for another's claim or evacuation does not give up when its context ends",
		Package: "./slab",
		Test:    "TestClaim_OneAtATime",
		Also:    []string{"TestEvacuate_CanceledInLine"},
		Patch: `
@ slab/claim.go
 	case l <- struct{}{}:
 		return nil
-	case <-ctx.Done():
-		return ctx.Err()
 	}
 }
`,
	},
	{
		Name:    "retire-is-a-free",
		Why:     "a large block that was retired counts as freed while readers hold it",
		Package: "./slab",
		Test:    "TestStats_RetireOfLargeIsNoFree",
		Patch: `
@ slab/blocks.go
 		b.retired[p] = l
+		b.stats.Frees++
`,
	},
	{
		Name:    "trims-at-once",
		Why:     "two trims move objects at once: the second is over while the first still holds some",
		Package: "./slab",
		Test:    "TestTrim_WaitsForOneThatHasBegun",
		Patch: `
@ slab/policy.go
 func (p *policy) trim(l level) (moved int) {
-	p.moving.Lock()
-	defer p.moving.Unlock()
`,
	},
	{
		Name:    "blocks-lock-sleeps",
		Why:     "Retire in a pinned section blocks in Go's scheduler, which ends the program",
		Package: "./slab",
		Test:    "TestRetire_LargeInPinnedSection",
		Patch: `
@ slab/blocks.go
-	"github.com/gosmr/gosmr/internal/pinned"
@
-	mu       pinned.Lock                    // guards all below
+	mu       sync.Mutex                     // guards all below
`,
	},
	{
		Name:    "panic-keeps-lock",
		Why:     "an object that was freed twice is told by a panic, after which Close waits for ever",
		Package: "./slab",
		Test:    "TestShrink_PanicLeavesNoLock",
		Patch: `
@ slab/policy.go
 func (p *policy) trim(l level) (moved int) {
 	p.moving.Lock()
-	defer p.moving.Unlock()
-	return p.trimMoving(l)
+	moved = p.trimMoving(l)
+	p.moving.Unlock()
+	return moved
@
 func (p *policy) spillSome() (moved int) {
 	p.moving.Lock()
-	defer p.moving.Unlock()
-	return p.collectMoving(32, false)
+	moved = p.collectMoving(32, false)
+	p.moving.Unlock()
+	return moved
`,
	},
	{
		Name:    "get-leaves-other-caches",
		Why:     "Get fails with no object in use: all are in the caches of other processors",
		Package: "./slab",
		Test:    "TestBudget_GetTakesFromOtherCaches",
		Patch: `
@ slab/store.go
-		s.policy.trim(trimCaches)
 		if m := s.take(true); m != nil {
 			return m, nil
 		}
 		if s.budget.reclaim(s) && s.grow() == nil {
`,
	},
	{
		Name:    "evacuates-in-a-callback",
		Why:     "an evacuation in a callback waits for another one, which waits for the callback",
		Package: "./slab",
		Test:    "TestEvacuate_InCallbackBesideAnother",
		Patch: `
@ slab/evacuate.go
-	if err := held.Of(b.dom).Barrier(ctx); err != nil { // fails inside a callback, for which another evacuation may wait
-		return 0, err
-	}
+	_ = held.Of
`,
	},
	{
		Name:    "retire-panics-on-closed",
		Why:     "a Retire beside the domain's Close panics, though a closed domain has no reader left",
		Package: "./slab",
		Test:    "TestRetire_BesideDomainClose",
		Patch: `
@ slab/depot.go
-	if !smr.TryCall(d.s.dom, d.s, size, (*store).reached) {
-		d.s.freed.tell()
-	}
+	smr.Call(d.s.dom, d.s, size, (*store).reached)
`,
	},
	{
		Name:    "uncharged-forgotten",
		Why:     "a large block that does not count yet stays for ever when its Blocks are dropped",
		Package: "./slab",
		Test:    "TestDrop_UnchargedComesBack",
		Patch: `
@ slab/dropped.go
-	if n == 0 && bytes == 0 { // closed, or never used
+	if bytes == 0 { // closed, or never used
`,
	},
	{
		Name:    "claim-ignores-room",
		Why:     "a claim evicts all there is for a block, and is refused, though much of the budget is free",
		Package: "./smrmap",
		Test:    "TestStoreEvicting_TakesWhatIsFree",
		Patch: `
@ slab/claim.go
-	rest := max(0, c.need-(c.want-c.missing.Load()))
-	if rest > 0 && c.b.budget.reserve(rest) != nil { // above the limit even 0 is refused
-		return false
-	}
-	c.putBack(c.need - rest)
+	if c.want-c.missing.Load() < c.need {
+		return false
+	}
+	c.putBack(c.need)
`,
	},
	{
		Name:    "claim-evicts-all-the-same",
		Why:     "a claim evicts as if nothing of the budget was free",
		Package: "./smrmap",
		Test:    "TestStoreEvicting_TakesWhatIsFree",
		Patch: `
@ slab/claim.go
-func (c *claim) Missing() int64 { return max(0, c.missing.Load()-c.b.budget.room()) }
+func (c *claim) Missing() int64 { return c.missing.Load() }
`,
	},
	{
		Name:    "whole-slab-beside-evacuated",
		Why:     "a size whose only slab is being evacuated wants a whole one, for which a small budget has no room",
		Package: "./slab",
		Test:    "TestOpen_NotWhileEvacuated",
		Patch: `
@ slab/heap.go
-	case h.nSlabsLocked() == len(h.sparse): // none, or all are being evacuated
+	case h.nSlabsLocked() == 0:
`,
	},
	{
		Name:    "bypass-stays",
		Why:     "after an evacuation that gave up no magazine is kept full, and each Get takes a lock",
		Package: "./slab",
		Test:    "TestEvacuate_CanNotWait",
		Patch: `
@ slab/evacuate.go
-		s.depot.setBypass(false)
`,
	},
}
