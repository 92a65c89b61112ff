package mutant

// smrfileBugs are those of mapped files.
var smrfileBugs = []Bug{
	{
		Name:    "unmap-at-once",
		Why:     "Grow unmaps what a section has viewed",
		Package: "./smrfile",
		Test:    "TestGrow_WaitsForNoReader",
		Patch: `
@ smrfile/mapping.go
+	if size >= 0 {
+		old.end()
+		return
+	}
 	if smr.TryCall(f.dom, old, size, (*mapping).end) {
`,
	},
	{
		Name:    "truncate-first",
		Why:     "Truncate takes the pages of a view from its section",
		Package: "./smrfile",
		Test:    "TestTruncate_WaitsForSections",
		Also:    []string{"TestStress", "TestTruncate_ClosedMeanwhile", "TestTruncate_Twice"},
		Patch: `
@ smrfile/truncate.go
-	err = f.await(ctx, int(size))
+	f.file.Truncate(size)
+	err = f.await(ctx, int(size))
`,
	},
	{
		Name:    "truncate-behind-the-last-hold",
		Why:     "Truncate waits for the mapping that it replaces, not for a longer one that was retired before and is held",
		Package: "./smrfile",
		Test:    "TestTruncate_WaitsForHolds",
		Patch: `
@ smrfile/mapping.go
-			if len(m.data) > n {
+			if len(m.data) > n && m.sp.users > 1 {
`,
	},
	{
		Name:    "truncate-not-undone",
		Why:     "a Truncate that gives up has cut the file for readers, though not on the disk",
		Package: "./smrfile",
		Test:    "TestTruncate_WaitsForSections",
		Patch: `
@ smrfile/truncate.go
-		if f.waiting == t {
+		if f.waiting == t && size < 0 {
`,
	},
	{
		Name:    "close-twice",
		Why:     "a second Close retires, unmaps and closes again",
		Package: "./smrfile",
		Test:    "TestClose_Once",
		Patch: `
@ smrfile/close.go
-	if f.closing {
+	if f.closing && f.remove != remove {
`,
	},
	{
		Name:    "close-without-waiting",
		Why:     "Close returns, and its caller deletes or reuses what a section has viewed",
		Package: "./smrfile",
		Test:    "TestClose_GivesUp",
		Also:    []string{"TestClose_InCallback", "TestClose_WaitsForHolds"},
		Patch: `
@ smrfile/close.go
+	if f.dom != nil {
+		return nil
+	}
 	err := f.await(ctx, -1)
`,
	},
	{
		Name:    "hold-of-another",
		Why:     "what is held is unmapped when the sections have been left",
		Package: "./smrfile",
		Test:    "TestTruncate_WaitsForHolds",
		Patch: `
@ smrfile/hold.go
-		return Held{f, smr.Hold(s, m), m}
+		other := *m
+		return Held{f, smr.Hold(s, &other), m}
`,
	},
	{
		Name:    "shared-addresses",
		Why:     "the first mapping of a space that ends unmaps it under the others",
		Package: "./smrfile",
		Test:    "TestGrow_Reserved|TestTruncate$",
		Patch: `
@ smrfile/mapping.go
-	unused := m.sp.users == 0
+	unused := m.sp.users >= 0
`,
	},
	{
		Name:    "write-behind-truncate",
		Why:     "a WriteAt that was under way extends a file that was truncated meanwhile",
		Package: "./smrfile",
		Test:    "TestWriteAt_HoldsBackTruncate",
		Patch: `
@ smrfile/write.go
-	defer h.Release()
+	h.Release()
 	if n, err = pwrite(f.file, p, off); err != nil {
`,
	},
	{
		Name:    "view-with-capacity",
		Why:     "an append to a view writes to the file",
		Package: "./smrfile",
		Test:    "TestView_HasNoCapacityBeyond",
		Patch: `
@ smrfile/lend_off.go
-	return m.data[off:end:end]
+	return m.data[off:end]
@ smrfile/view.go
-	return m.data[off:end:end], nil
+	return m.data[off:end], nil
`,
	},
	{
		Name:    "overflow",
		Why:     "an offset and a length whose sum overflows are in range",
		Package: "./smrfile",
		Test:    "TestView_OutOfRange",
		Patch: `
@ smrfile/view.go
-	return uint64(off) <= uint64(len(m.data)) && uint64(n) <= uint64(len(m.data))-uint64(off)
+	return off >= 0 && n >= 0 && off+int64(n) <= int64(len(m.data))
`,
	},
	{
		Name:    "fault-of-others",
		Why:     "Read takes each panic for a fault of its file",
		Package: "./smrfile",
		Test:    "TestRead_Nested",
		Patch: `
@ smrfile/fault.go
-		if at, ok = m.sp.contains(fault.Addr()); !ok {
+		if at, ok = m.sp.contains(fault.Addr()); !ok && at == 0 {
`,
	},
	{
		Name:    "panic-on-fault-stays",
		Why:     "after a Read faults elsewhere are panics",
		Package: "./smrfile",
		Test:    "TestRead_OtherPanics",
		Patch: `
@ smrfile/fault.go
-		debug.SetPanicOnFault(old)
+		debug.SetPanicOnFault(old || true)
`,
	},
	{
		Name:    "remove-by-name",
		Why:     "Remove deletes a file that took the name meanwhile",
		Package: "./smrfile",
		Test:    "TestRemove_TheFileItself",
		Patch: `
@ smrfile/close.go
-	case !os.SameFile(ours, there):
+	case !os.SameFile(ours, there) && ours.Size() < 0:
`,
	},
	{
		Name:    "grow-keeps-what-failed",
		Why:     "a Grow that fails leaves the file longer",
		Package: "./smrfile",
		Test:    "TestGrow_Undone",
		Patch: `
@ smrfile/grow.go
-	if now, _ := f.sizeOnDisk(); onDisk < now && now <= size { // else others have appended to it
+	if now, _ := f.sizeOnDisk(); onDisk < now && now < 0 {
`,
	},
	{
		Name:    "grow-takes-what-others-appended",
		Why:     "a Grow that fails cuts off what others have appended meanwhile",
		Package: "./smrfile",
		Test:    "TestGrow_Undone",
		Patch: `
@ smrfile/grow.go
-	if now, _ := f.sizeOnDisk(); onDisk < now && now <= size { // else others have appended to it
+	if now, _ := f.sizeOnDisk(); onDisk < now {
`,
	},
	{
		Name:    "drop-by-the-next-version",
		Why:     "a file ends with the version that it was dropped from, though an older one that has it is held",
		Package: "./smrfile",
		Test:    "TestSet_DroppedFilesStay",
		Patch: `
@ smrfile/set.go
-		if m.versions--; m.versions == 0 {
+		if m.versions--; m.size > 0 {
`,
	},
	{
		Name:    "set-hold-of-another",
		Why:     "files of a version that is held end when the sections have been left",
		Package: "./smrfile",
		Test:    "TestSet_DroppedFilesStay",
		Patch: `
@ smrfile/set.go
-	return HeldView[K]{View[K]{v}, smr.Hold(s, v)}
+	other := *v
+	return HeldView[K]{View[K]{v}, smr.Hold(s, &other)}
`,
	},
	{
		Name:    "set-in-two-steps",
		Why:     "a reader finds a version that has neither what was dropped nor what was added",
		Package: "./smrfile",
		Test:    "TestSet_ReadersBesideReplace",
		Patch: `
@ smrfile/set.go
 	set.publishLocked(list, dropped, what)
+	for range 1000 {
+		set.cur.Store(set.versionOf(list[:len(list)/2]))
+	}
+	set.cur.Store(set.versionOf(list))
 	return nil
`,
	},
	{
		Name:    "set-without-bound",
		Why:     "files that were dropped pile up behind a reader",
		Package: "./smrfile",
		Test:    "TestSet_Bound",
		Patch: `
@ smrfile/set.go
-	err := set.waitLocked(ctx, func() bool { return set.closed || len(drop) == 0 || set.waiting < set.bound })
+	err := set.waitLocked(ctx, func() bool { return true })
`,
	},
	{
		Name:    "quarantine-of-none",
		Why:     "a late use of a view reads another file",
		Package: "./smrfile",
		Test:    "TestQuarantine_LateUseFaults",
		Patch: `
@ smrfile/quarantine_unix.go
-	keep := o.OneIn > 0 && rand.IntN(o.OneIn) == 0 && int64(len(mem)) <= o.MaxBytes && shut(mem) == nil
+	keep := o.OneIn < 0 && rand.IntN(o.OneIn) == 0 && int64(len(mem)) <= o.MaxBytes && shut(mem) == nil
`,
	},
	{
		Name:    "lent-stays",
		Why:     "a use after Leave is not found as long as the file is mapped",
		Package: "./smrfile",
		Test:    "TestInvariants_ViewAfterLeave",
		Tags:    "invariants",
		Patch: `
@ smrfile/lend_on.go
-		Quarantine{OneIn: 1, For: 10 * time.Second}.end(mem)
+		_ = Quarantine{OneIn: 1, For: 10 * time.Second}
`,
	},
	{
		Name:    "close-waits-for-itself",
		Why:     "a Close in a callback of a domain that is being closed waits for a callback, as if its domain had refused for being closed",
		Package: "./smrfile",
		Test:    "TestClose_InCallbackOfClosing",
		Patch: `
@ smrfile/mapping.go
-	if err := f.dom.Synchronize(ctx); errors.Is(err, smr.ErrClosed) { // it goes on as that Close does
+	if err := f.dom.Synchronize(ctx); errors.Is(err, smr.ErrClosed) || err != nil && f.dom.Closed() {
`,
	},
	{
		Name:    "grow-behind-truncate",
		Why:     "a Grow in a section waits for a Truncate that waits for the section",
		Package: "./smrfile",
		Test:    "TestGrow_BeforeTruncate",
		Patch: `
@ smrfile/grow.go
+	if err := f.truncates.lock(f.open, f); err != nil {
+		return err
+	}
+	defer f.truncates.unlock()
 	if err := f.lockOpen("grow"); err != nil {
`,
	},
	{
		Name:    "truncate-what-grew",
		Why:     "a Truncate takes what a Grow has published while it waited",
		Package: "./smrfile",
		Test:    "TestGrow_BeforeTruncate",
		Patch: `
@ smrfile/truncate.go
-	case f.waiting != t:
-		return ErrGrown
-	case waited != nil:
+	case waited != nil && f.waiting == t:
`,
	},
	{
		Name:    "sync-what-is-shown",
		Why:     "Sync of a file in memory leaves out what a Truncate waits to take, which then is undone",
		Package: "./smrfile",
		Test:    "TestGrow_BeforeTruncate",
		Patch: `
@ smrfile/memory.go
-	_, err := f.file.WriteAt(f.cur.LoadSerialized().sp.mem[:f.sizeLocked()], 0)
+	_, err := f.file.WriteAt(f.cur.LoadSerialized().data, 0)
`,
	},
	{
		Name:    "truncate-extends",
		Why:     "a Truncate extends what others have made shorter, and readers see zeros for what was lost",
		Package: "./smrfile",
		Test:    "TestTruncate_ForeignTruncation",
		Patch: `
@ smrfile/truncate.go
-	case before < size && !f.inMemory():
+	case before < 0:
`,
	},
	{
		Name:    "truncate-fails-halfway",
		Why:     "an error of the disk, after it has truncated, and views of what is gone fault",
		Package: "./smrfile",
		Test:    "TestTruncate_SystemFails",
		Patch: `
@ smrfile/truncate.go
-		return unknown != nil || after < before, err
+		return unknown != nil || after < 0, err
`,
	},
	{
		Name:    "read-behind-truncate",
		Why:     "a ReadAt finds the end that a Truncate has made, where it has seen a longer file, and says that others truncated it",
		Package: "./smrfile",
		Test:    "TestReadAt_HoldsBackTruncate",
		Patch: `
@ smrfile/readat.go
+		h.Release()
 		n, err = m.readOn(p[:want], n, off)
-		h.Release()
`,
	},
	{
		Name:    "forget-what-is-refused",
		Why:     "addresses that the system did not unmap are lost",
		Package: "./smrfile",
		Test:    "TestQuarantine_Refused",
		Patch: `
@ smrfile/quarantine_unix.go
-		refusedLocked(k.mem, e)
`,
	},
	{
		Name:    "ask-for-ever",
		Why:     "addresses that the system will never unmap are asked for each time that a mapping ends",
		Package: "./smrfile",
		Test:    "TestQuarantine_RefusedForGood",
		Patch: `
@ smrfile/quarantine_unix.go
-	if errors.Is(err, unix.ENOMEM) {
+	if errors.Is(err, unix.ENOMEM) || err != nil {
`,
	},
	{
		Name:    "second-truncate-waits",
		Why:     "a Truncate in a callback waits for another, which may wait for the callback",
		Package: "./smrfile",
		Test:    "TestTruncate_InCallback",
		Patch: `
@ smrfile/file.go
-	if err := mayWait(f.dom); err != nil { // its holder waits for the caller's callback, or section
+	if err := mayWait(f.dom); err != nil && ctx == nil {
`,
	},
	{
		Name:    "grow-too-far-undoes",
		Why:     "a Grow beyond what a file in memory may have ends a Truncate, and then fails",
		Package: "./smrfile",
		Test:    "TestGrow_BeforeTruncate",
		Patch: `
@ smrfile/grow.go
-	case f.inMemory() && size > mostMemory:
+	case f.inMemory() && size < 0:
`,
	},
	{
		Name:    "set-errors-dropped",
		Why:     "a Close of a Set that gives up does not return the errors of the files that have ended",
		Package: "./smrfile",
		Test:    "TestSet_CloseGivesUp",
		Patch: `
@ smrfile/set.go
-	return errors.Join(slices.Insert(slices.Clone(set.errs), 0, err)...)
+	if err != nil {
+		return err
+	}
+	return errors.Join(slices.Insert(slices.Clone(set.errs), 0, err)...)
`,
	},
	{
		Name:    "set-waits-for-nothing",
		Why:     "a Close of a Set waits for sections though all files have ended",
		Package: "./smrfile",
		Test:    "TestSet_CloseOfEnded",
		Patch: `
@ smrfile/set.go
+	if err := set.dom.Synchronize(ctx); err != nil {
+		return err
+	}
 	err := set.waitLocked(ctx, func() bool { return set.unended == 0 })
`,
	},
	{
		Name:    "allocate-all-again",
		Why:     "a profiler's signals end each try to allocate what takes longer than from one to the next",
		Package: "./smrfile",
		Test:    "TestGrow_Interrupted",
		Patch: `
@ smrfile/map_linux.go
-			most = max(n/2, leastAllocated)
+			most = max(n, leastAllocated)
`,
	},
	{
		Name:    "held-reads-what-is-now",
		Why:     "a ReadAt of a hold ends where a Truncate that waits for the hold would have the file end",
		Package: "./smrfile",
		Test:    "TestReadAt_Held",
		Patch: `
@ smrfile/hold.go
 	want, err := h.f.toRead(m, p, off)
+	if now := h.f.cur.LoadUnserialized(); now != nil {
+		want, err = h.f.toRead(now, p, off)
+	}
`,
	},
	{
		Name:    "end-unheard",
		Why:     "a Close that gives up as the file ends does not return its error, and nothing logs it",
		Package: "./smrfile",
		Test:    "TestClose_GivesUpTooLate",
		Patch: `
@ smrfile/close.go
-		return true, f.endErr
+		return false, nil
`,
	},
	{
		Name:    "read-in-no-section",
		Why:     "a ReadAt copies what a Truncate unmaps meanwhile, or finds the end that it has made",
		Package: "./smrfile",
		Test:    "TestReadAt_BesideWriters",
		Patch: `
@ smrfile/readat.go
-	"github.com/gosmr/gosmr/smr"
+	"time"
@
-	if err != nil || want == 0 {
-		s.Leave()
-	} else if n = m.readCached(p[:min(want, mostCached)], off); n == want {
-		s.Leave()
-	} else {
-		h := smr.Hold(s, m) // else a Truncate could come first, and its end be taken for one by others
-		s.Leave()
-		n, err = m.readOn(p[:want], n, off)
-		h.Release()
+	s.Leave()
+	time.Sleep(time.Millisecond)
+	if err == nil && want > 0 {
+		if n = m.readCached(p[:min(want, mostCached)], off); n < want {
+			n, err = m.readOn(p[:want], n, off)
+		}
`,
	},
	{
		Name:    "set-close-wakes-nobody",
		Why:     "a Replace that waits for readers goes on waiting for them in a Set that is closed",
		Package: "./smrfile",
		Test:    "TestSet_CloseEndsReplace",
		Patch: `
@ smrfile/set.go
 	set.publishLocked(nil, dropped, CloseDropped)
-	set.wakeLocked()
`,
	},
}
