package mutant

// holdBugs are those of smr's holds.
var holdBugs = []Bug{
	{
		Name:      "held-before-reached",
		Why:       "what is held is collected before the goal is reached: a reader holds the object after that, and leaves",
		Package:   "./smr",
		Schedules: "TestSchedules_HoldAgainstDrain",
		Patch: `
@ smr/reclaim.go
+			early = d.heldNow()
 			_, err := d.clk.WaitOr(goal, r.kick, p.timer.C)
@
-	held := d.heldOf(reached)
+	held := early
@ smr/hold_set.go
+var early *held.Set
+
 // A holder is a Domain with the methods of [held.Domain].
`,
	},
	{
		Name:      "hold-second-look",
		Why:       "the release of the marked hold frees an object that another one names",
		Package:   "./smr",
		Test:      "TestHold_LastReleaseCounts",
		Schedules: "TestSchedules_ReleaseAgainstPark",
		Patch: `
@ smr/hold_park.go
 			sought[o.addr] = o
 		}
 	})
-	d.seekHoldsLocked(sought)
+	for _, o := range sought {
+		r.unparkLocked(o, d.age())
+	}
+	d.startWorkersLocked()
 	for _, wake := range r.waitForHolds {
`,
	},
	{
		Name:      "hold-first-slot-only",
		Why:       "a search ends at the first slot that names the object, though its hold was released before it could be marked",
		Package:   "./smr",
		Schedules: "TestSchedules_ReleaseAgainstPark",
		Patch: `
@ smr/hold_park.go
-		if o := sought[addr]; o != nil && sl.mark(word) {
+		o := sought[addr]
+		if o != nil && !sl.mark(word) {
+			return false
+		}
+		if o != nil {
`,
	},
	{
		Name:      "hold-told-early",
		Why:       "Release tells the reclaimer before it gives the slot up: that finds the object held, and is not told again",
		Package:   "./smr",
		Schedules: "TestSchedules_ReleaseAgainstPark",
		Patch: `
@ smr/hold_slot.go
 		if left&holdRefs == 0 {
 			left = gen + holdGen
+			if word&holdMarked != 0 {
+				sl.dom.heldReleased(sl)
+			}
 		}
@
-		if word&holdMarked != 0 && left&holdRefs == 0 {
-			sl.dom.heldReleased(sl)
-		}
`,
	},
	{
		Name:      "hold-told-by-none",
		Why:       "the reclaimer is not told that a hold was released for which a call is parked",
		Package:   "./smr",
		Test:      "TestHold_OneObjectStays",
		Schedules: "TestSchedules_ReleaseAgainstPark",
		Patch: `
@ smr/hold_slot.go
-			sl.dom.heldReleased(sl)
`,
	},
	{
		Name:    "hold-ready-untold",
		Why:     "calls that need not be parked after all wait for a slow callback before them, as the reclaimer has stopped",
		Package: "./smr",
		Test:    "TestHold_ReadyBehindSlowCallback",
		Patch: `
@ smr/hold_park.go
 		// They are ready behind c, whose callbacks may be slow, and the reclaimer may have stopped.
-		r.wakeUp(d)
`,
	},
	{
		Name:      "hold-cleared-late",
		Why:       "the reclaimer looks at a slot, and then forgets that it was told of it again",
		Package:   "./smr",
		Schedules: "TestSchedules_RetakeAgainstUnpark",
		Patch: `
@ smr/hold_told.go
-		next := sl.told.Swap(nil)
 		fn(sl)
-		sl = next
+		sl = sl.told.Swap(nil)
`,
	},
	{
		Name:      "hold-stop-without-look",
		Why:       "the reclaimer stops although it was told, just before, of a hold that is released",
		Package:   "./smr",
		Schedules: "TestSchedules_ReleaseAgainstPark",
		Patch: `
@ smr/reclaim.go
-	return r.inbox.empty() && r.waiting.head == nil && r.ready.head == nil && r.told.empty()
+	return r.inbox.empty() && r.waiting.head == nil && r.ready.head == nil
`,
	},
	{
		Name:      "hold-marked-by-store",
		Why:       "the mark meets a slot that is idle, or another hold's: the call waits for a Release that was",
		Package:   "./smr",
		Schedules: "TestSchedules_RetakeAgainstPark",
		Patch: `
@ smr/hold_slot.go
-		if sl.state.CompareAndSwap(word, word|holdMarked) {
-			return true
-		}
-		word = sl.state.Load()
+		sl.state.Store(word | holdMarked)
+		return true
`,
	},
	{
		Name:      "clone-outside",
		Why:       "a Clone takes a slot of its own: a search has passed that, and finds the old one released",
		Package:   "./smr",
		Schedules: "TestSchedules_CloneAgainstPark",
		Patch: `
@ smr/hold.go
-	h.slot.clone(h.gen)
-	return Held[T]{holdDebug: h.slot.cloned(h.holdDebug, h.gen), obj: h.obj, slot: h.slot, gen: h.gen}
+	slot, gen := h.slot.dom.holdSlow(pcpu.Pin(), uintptr(unsafe.Pointer(h.obj)))
+	pcpu.Unpin()
+	return Held[T]{holdDebug: slot.cloned(h.holdDebug, gen), obj: h.obj, slot: slot, gen: gen}
`,
	},
	{
		Name:      "close-forgets-holds",
		Why:       "Close returns while an object is held",
		Package:   "./smr",
		Test:      "TestHold_Close",
		Schedules: "TestSchedules_HoldAgainstClose",
		Patch: `
@ smr/domain.go
-	if !d.awaitHolds(ctx) || !d.reports.wait(ctx) {
+	if !d.reports.wait(ctx) {
`,
	},
	{
		Name:    "barrier-forgets-holds",
		Why:     "Barrier does not wait for calls that were parked after it had begun",
		Package: "./smr",
		Test:    "TestHold_Barrier",
		Patch: `
@ smr/queue.go
-		c.ticket = ticket
+		c.ticket = 1 << 62
`,
	},
	{
		Name:    "held-of-average-size",
		Why:     "Throttle and Stats count what is held by the average of its chunk",
		Package: "./smr",
		Test:    "TestHold_SomeOfAChunk",
		Patch: `
@ smr/hold_park.go
-		p.bytes = int64(c.sizes[i])
+		p.bytes = c.bytes / int64(c.n)
`,
	},
	{
		Name:      "hold-claimed-by-store",
		Why:       "two goroutines on a stripe take one slot: the object of one of them is not held",
		Package:   "./smr",
		Schedules: "TestSchedules_HoldAgainstHold",
		Tags:      "smr_portable",
		Patch: `
@ smr/hold_slot.go
-	if !pcpu.Exclusive && !sl.state.CompareAndSwap(gen, gen|holdClaimed) {
-		return 0, false
-	}
`,
	},
	{
		Name:      "hold-block-stored",
		Why:       "two goroutines on a stripe add slots at once: a search sees those of one only",
		Package:   "./smr",
		Schedules: "TestSchedules_GrowAgainstGrow",
		Tags:      "smr_portable",
		Patch: `
@ smr/hold_slot.go
-		if g.blocks.CompareAndSwap(b.older, b) {
+		if g.blocks.Store(b); true {
`,
	},
	{
		Name:    "hold-parked-twice",
		Why:     "a callback ends its goroutine, and the next one looks for held objects where none are any more",
		Package: "./smr",
		Test:    "TestHold_ParkedOnceThoughACallbackExits",
		Patch: `
@ smr/hold_park.go
 	held := c.held
-	c.held = nil
`,
	},
	{
		Name:    "hold-raised-by-ticket",
		Why:     "a panic is raised before what was parked has run: it is ready, and has an old ticket",
		Package: "./smr",
		Test:    "TestHold_PanicWaitsForWhatWasParked",
		Patch: `
@ smr/worker.go
-			w.failed, w.raiseAfter = w.panics[0], r.ready.popped+uint64(r.ready.n)
+			w.failed, w.raiseAfter = w.panics[0], r.ready.tail.ticket
`,
	},
	{
		Name:    "close-waits-for-one-hold",
		Why:     "Close returns when one of several holds is released",
		Package: "./smr",
		Test:    "TestHold_CloseWaitsForAll",
		Patch: `
@ smr/hold_park.go
 		case <-wake:
+			return true
`,
	},
	{
		Name:    "held-for-newest",
		Why:     "HeldFor forgets the oldest parked object when another one is released",
		Package: "./smr",
		Test:    "TestHold_HeldForIsTheOldest",
		Patch: `
@ smr/hold_park.go
-	if o.older != nil {
-		o.older.newer = o.newer
-		return
-	}
+	if o.older != nil {
+		o.older.newer = o.newer
+	}
`,
	},
	{
		Name:      "hold-told-again",
		Why:       "a slot is put on the list where it is already: the list loses others, or has no end",
		Package:   "./smr",
		Schedules: "TestSchedules_RetakeAgainstUnpark",
		Patch: `
@ smr/hold_told.go
-	if !sl.told.CompareAndSwap(nil, bottomSlot) {
-		return false
-	}
`,
	},
	{
		Name:      "hold-one-of-a-slot",
		Why:       "of the objects that wait for a slot, held by it one after the other, only the last is freed",
		Package:   "./smr",
		Schedules: "TestSchedules_RetakeAgainstUnpark",
		Patch: `
@ smr/hold_park.go
-			o.next, sl.parked = sl.parked, o
+			sl.parked = o
`,
	},
}
