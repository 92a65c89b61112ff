package mutant

// heldSlabBugs are those of holds of what a pool is given by Retire, and of entries of maps.
var heldSlabBugs = []Bug{
	{
		Name:      "held-and-reused",
		Why:       "a retired object is given out again though it is held",
		Package:   "./slab",
		Test:      "TestHold_RetiredIsKept",
		Schedules: "TestSchedules_HoldAgainstReuse",
		Patch: `
@ slab/depot.go
-	set := d.s.holds.Held(uint64(goal))
+	set := d.s.holds.Held(uint64(goal))
+	set = nil
`,
	},
	{
		Name:    "held-polled-as-often",
		Why:     "a Get polls as often where much is held as where nothing is, and walks over all holds each time",
		Package: "./slab",
		Test:    "TestHold_PollsSeldomWhereMuchIsHeld",
		Patch: `
@ slab/depot.go
-func (d *depot) pollEvery() int { return pollEvery + d.s.holds.Slots()/d.s.capacity }
+func (d *depot) pollEvery() int { return pollEvery }
`,
	},
	{
		Name:      "held-before-polled",
		Why:       "a pool collects what is held before it polls the readers: one holds the object after that, and leaves",
		Package:   "./slab",
		Schedules: "TestSchedules_HoldAgainstReuse",
		Patch: `
@ slab/depot.go
 import (
+	"github.com/gosmr/gosmr/internal/held"
@
 	d.s.dom.Commit(goal)
+	early = append(early[:0], d.s.holds.Now())
@
 	set := d.s.holds.Held(uint64(goal))
+	if len(early) > 0 {
+		set, early = early[0], nil
+	}
@
+var early []*held.Set
+
 // takeExcess returns a full magazine beyond those that are kept, or with all any full one; nil
`,
	},
	{
		Name:      "held-when-last-known",
		Why:       "what was held when an earlier goal was reached is taken for what is held now",
		Package:   "./smr",
		Schedules: "TestSchedules_HoldAgainstKnown",
		Patch: `
@ smr/hold_set.go
-	if k := d.reclaim.known.Load(); k != nil && !k.reached.Before(reached) {
+	if k := d.reclaim.known.Load(); k != nil {
`,
	},
	{
		Name:      "held-as-of-later",
		Why:       "what is held is noted for a goal that was reached only after it had been collected",
		Package:   "./smr",
		Schedules: "TestSchedules_HoldAgainstNote",
		Patch: `
@ smr/hold_set.go
-	k := &knownHolds{reached: d.clk.Reached()} // it was reached before
-	k.set = d.heldNow()
+	k := &knownHolds{set: d.heldNow()}
+	k.reached = d.clk.Reached()
`,
	},
	{
		Name:    "held-for-ever-on-closed",
		Why:     "what was once found held on a closed domain stays so: nothing asks for a later goal",
		Package: "./slab",
		Test:    "TestHold_DomainClosedFirst",
		Patch: `
@ smr/hold_set.go
-	if h.clk.Sealed() { // it takes no call that waits for a Release: the same goals are asked for again
-		return h.heldNow()
-	}
`,
	},
	{
		Name:    "held-for-ever-of-late",
		Why:     "what was once found held of large blocks, retired on a closed domain, stays so",
		Package: "./slab",
		Test:    "TestHold_DomainClosedFirst",
		Patch: `
@ slab/late.go
-	set := held.Of(d.dom).Now() // after all polls
+	if d.set == nil {
+		d.set = held.Of(d.dom).Now()
+	}
+	set := d.set
@
 	late []lateObject[T]
+	set  *held.Set
`,
	},
	{
		Name:    "held-for-ever-of-dropped",
		Why:     "what was held when a dropped pool's goal was reached keeps its memory after the Release",
		Package: "./slab",
		Test:    "TestHold_DroppedWhileIdle",
		Patch: `
@ slab/dropped.go
-	set := held.Of(r.dom).Now()
+	set := held.Of(r.dom).Held(uint64(r.goal))
`,
	},
	{
		Name:    "held-block-evacuated",
		Why:     "a slab is emptied in vain, since a block of it is held, though another could be",
		Package: "./slab",
		Test:    "TestHold_EvacuationTakesAnotherSlab",
		Patch: `
@ slab/evacuate.go
-			doubtful = append(doubtful, sl)
+			best = append(best, sl)
`,
	},
	{
		Name:    "held-block-never-evacuated",
		Why:     "nothing is evacuated where each slab has a block that is held for a moment",
		Package: "./slab",
		Test:    "TestHold_EvacuationWhereEachSlabIsHeld",
		Patch: `
@ slab/evacuate.go
-		best = doubtful
+		_ = doubtful
`,
	},
	{
		Name:    "held-size-evacuated",
		Why:     "blocks of one size, one of them held in each slab, are tried again and again, and other sizes never",
		Package: "./slab",
		Test:    "TestHold_EvacuationTakesAnotherSize",
		Patch: `
@ slab/evacuate.go
-		if victim != nil {
+		if false {
 			return roomy, victim
`,
	},
	{
		Name:    "evacuation-waits-for-holds",
		Why:     "an evacuation waits until nothing in the domain is held",
		Package: "./slab",
		Test:    "TestHold_EvacuationTakesAnotherSlab",
		Patch: `
@ smr/hold_set.go
-	return h.barrier(ctx, "Barrier", false)
+	return h.barrier(ctx, "Barrier", true)
`,
	},
	{
		Name:      "pool-close-forgets-holds",
		Why:       "a pool is closed with objects that are held",
		Package:   "./slab",
		Test:      "TestHold_CloseWaitsForItsOwn",
		Schedules: "TestSchedules_ReleaseAgainstPoolClose",
		Patch: `
@ slab/close.go
-	return c.large.pending() || slices.ContainsFunc(c.stores, func(s *store) bool { return s.stats().Pending > 0 })
+	return false && slices.Contains(c.stores, nil)
`,
	},
	{
		Name:    "blocks-close-forgets-holds",
		Why:     "Blocks are closed with large blocks that are held",
		Package: "./slab",
		Test:    "TestHold_CloseWaitsForItsOwn",
		Patch: `
@ slab/close.go
-	return c.large.pending() || slices.ContainsFunc(c.stores, func(s *store) bool { return s.stats().Pending > 0 })
+	return slices.ContainsFunc(c.stores, func(s *store) bool { return s.stats().Pending > 0 })
`,
	},
	{
		Name:    "pool-close-waits-for-others",
		Why:     "a pool's Close waits for what is held of other pools",
		Package: "./slab",
		Test:    "TestHold_CloseWaitsForItsOwn",
		Patch: `
@ slab/close.go
-	err := held.Of(c.d).Barrier(c.ctx)
+	err := c.d.Barrier(c.ctx)
@
-	"github.com/gosmr/gosmr/internal/held"
`,
	},
	{
		Name:    "pool-close-waits-for-others-late",
		Why:     "a pool's Close finds its own hold being released, and then waits for what is held of another pool",
		Package: "./slab",
		Test:    "TestHold_CloseAtRelease",
		Patch: `
@ slab/close.go
-		select {
-		case <-freed:
-		case <-c.ctx.Done():
-			return c.gaveUp()
-		}
+		_ = freed
+		if err := c.d.Barrier(c.ctx); err != nil {
+			return c.gaveUp()
+		}
`,
	},
	{
		Name:    "pool-close-forgets-slabs",
		Why:     "a pool's Close returns while the slab of what was released waits for readers",
		Package: "./slab",
		Test:    "TestHold_CloseAfterSection",
		Patch: `
@ slab/close.go
-	if err := c.wait(); err != nil { // slabs may have waited once more
-		return err
-	}
`,
	},
	{
		Name:      "pool-close-told-early",
		Why:       "a Close is told of an object before that counts as free: it finds it held, and is not told again",
		Package:   "./slab",
		Schedules: "TestSchedules_ReleaseAgainstPoolClose",
		Patch: `
@ slab/hold.go
+	s.freed.tell()
 	s.readied.Add(1) // and not before, for Close
-	s.freed.tell()
`,
	},
	{
		Name:    "blocks-close-gives-large",
		Why:     "large blocks are given out while Close waits for what is retired: beside users it has no end",
		Package: "./slab",
		Test:    "TestClose_BesideUsersOfLarge",
		Patch: `
@ slab/close.go
-	if c.large != nil {
+	if false {
 		c.large.seal()
`,
	},
	{
		Name:      "sealed-cache-loaded",
		Why:       "a Retire loads a cache that Close has found empty: nobody empties it again",
		Package:   "./slab",
		Schedules: "TestSchedules_RetireAgainstPoolClose",
		Patch: `
@ slab/cache.go
-		if s.caches.Sealed() { // Close may have found the cache empty, and does not try again: pairs with its Seal
+		if false { // Close may have found the cache empty, and does not try again: pairs with its Seal
`,
	},
	{
		Name:      "pool-close-asks-early",
		Why:       "a Close finds an object held, which becomes free before it has asked to be told",
		Package:   "./slab",
		Schedules: "TestSchedules_ReleaseAgainstPoolClose",
		Patch: `
@ slab/close.go
-		freed := event.await()
 		if !c.pending() {
 			break
 		}
@
+		freed := event.await()
 		select {
 		case <-freed:
`,
	},
	{
		Name:      "pool-close-counts-early",
		Why:       "an object counts as free before it is in its slab: Close finds nothing held, and leaves the slab",
		Package:   "./slab",
		Schedules: "TestSchedules_ReleaseAgainstPoolClose",
		Patch: `
@ slab/hold.go
+	s.readied.Add(1)
+	s.freed.tell()
 	s.policy.moving.Lock()
 	defer s.policy.moving.Unlock()
@
-	s.readied.Add(1) // and not before, for Close
-	s.freed.tell()
`,
	},
	{
		Name:    "pool-close-not-told-of-late",
		Why:     "a Close waits for ever: what it waits for was retired when the domain was closed, and waits for a poll",
		Package: "./slab",
		Test:    "TestHold_CloseGivesUpOrGoesOn",
		Patch: `
@ slab/close.go
-		if err := c.wait(); err != nil || c.unread {
-			return err
-		}
`,
	},
	{
		Name:    "held-and-dropped",
		Why:     "the memory of a pool that was dropped goes though an object is held",
		Package: "./slab",
		Test:    "TestHold_DroppedPool",
		Patch: `
@ slab/dropped.go
-		case r.held():
+		case false && r.held():
`,
	},
	{
		Name:    "held-and-late",
		Why:     "a large block that was retired on a closed domain goes though it is held",
		Package: "./slab",
		Test:    "TestHold_DomainClosedFirst",
		Patch: `
@ slab/late.go
-		if set.Has(uintptr(l.p)) {
+		if set == nil {
`,
	},
	{
		Name:    "held-and-lost",
		Why:     "an object that is held when its domain is closed never comes back",
		Package: "./slab",
		Test:    "TestHold_DomainClosedFirst",
		Patch: `
@ slab/hold.go
-		d.refused.push(refused)
`,
	},
	{
		Name:    "held-and-poisoned",
		Why:     "-tags invariants poison a retired object though it is held",
		Package: "./slab",
		Test:    "TestInvariants_HeldAndRetired",
		Tags:    "invariants",
		Patch: `
@ slab/debug_on.go
-	held := c.s.holds.Now()
+	held := c.s.holds.Now()
+	held = nil
`,
	},
	{
		Name:    "held-and-free",
		Why:     "an object is held that its pool may give out, and nothing is said",
		Package: "./slab",
		Test:    "TestInvariants_HeldAndFreed",
		Tags:    "invariants",
		Patch: `
@ smr/hold_debug_on.go
-	if back, ok := fate.BackOf(p); ok && back.Became == fate.Free {
+	if back, ok := fate.BackOf(p); ok && false {
`,
	},
	{
		Name:      "held-entry-reused",
		Why:       "an entry that is held, and was moved, is given out again",
		Package:   "./smrmap",
		Test:      "TestHold_CompactionMovesTheNeighbours",
		Schedules: "TestSchedules_HoldAgainstCompact",
		Patch: `
@ slab/depot.go
-			if d.setAsideLocked(m, set); m.n == 0 {
+			if m.n == 0 {
`,
	},
	{
		Name:    "held-value-not-entry",
		Why:     "a map holds the value's address, and retires the entry's",
		Package: "./smrmap",
		Test:    "TestHold_MapValue",
		Patch: `
@ smrmap/hold.go
-	return smr.HoldPart(s, e, &e.value), true
+	return smr.Hold(s, &e.value), true
`,
	},
	{
		Name:    "evicting-waits-for-holds",
		Why:     "a StoreEvicting waits until nothing in the domain is held",
		Package: "./smrmap",
		Test:    "TestHold_CompactionMovesTheNeighbours",
		Patch: `
@ smrmap/pressure.go
-	return held.Of(p.m.dom).Barrier(ctx)
+	return p.m.dom.Barrier(ctx)
`,
	},
	{
		Name:    "lent-and-held",
		Why:     "what a map lends is held, which keeps nothing, and nothing is said",
		Package: "./smrmap",
		Test:    "TestInvariants_LentIsHeld",
		Tags:    "invariants",
		Patch: `
@ smr/hold_debug_on.go
-	if pages.IsLent(p) {
+	if false && pages.IsLent(p) {
`,
	},
	{
		Name:    "part-and-not-whole",
		Why:     "HoldPart holds the part",
		Package: "./smr",
		Test:    "TestHold_Part",
		Patch: `
@ smr/hold.go
-	slot, gen := s.hold(uintptr(unsafe.Pointer(whole)))
+	slot, gen := s.hold(uintptr(unsafe.Pointer(part)))
`,
	},
}
