// Package mutant holds deliberate bugs, one for each fence, clamp and second
// look that the library's correctness rests on. Each is a branch on [Is], which
// is the constant false in a normal build. Built with -tags smr_mutant, the
// environment variable SMR_MUTANT switches one of them on.
//
// For each there is a test that fails when it is on: that is what shows that
// the test is worth something. Bugs of ordering have two, one of which meets the
// interleaving by chance and one that looks for it. go run ./internal/mutant/run tries
// them all.
package mutant

// Env is the environment variable that names the bug to switch on, in a build with -tags
// smr_mutant.
const Env = "SMR_MUTANT"

// A Name names a bug.
type Name string

// A Bug says what one does and which test must catch it.
type Bug struct {
	Name    Name
	Why     string // the interleaving, or the wrong answer, that it allows
	Package string

	// What catches it, passed to go test -run: chance, in a normal build, and the
	// controlled scheduler, in one with -tags smr_sched. Either may be "".
	Test      string
	Schedules string
}

// Race reports whether b is looked for in a build with the race detector: since that is
// what catches it (a bug by the language's memory model, and on processors that reorder
// stores), or since it makes the moment longer in which the bug shows.
func (b Bug) Race() bool { return b.Name == NoRelease || b.Name == SlotBeforeTag }

// The bugs.
const (
	NoHeavyFence         Name = "no-heavy-fence"
	NoLightFence         Name = "no-light-fence"
	NoDeferredFence      Name = "no-deferred-fence"
	LateCandidate        Name = "late-candidate"
	StaleIsIdle          Name = "stale-is-idle"
	ReachedGoesBack      Name = "reached-goes-back"
	ForeignGoal          Name = "foreign-goal"
	FutureGoal           Name = "future-goal"
	UncommittedGoal      Name = "uncommitted-goal"
	DoubleLeave          Name = "double-leave"
	NoWake               Name = "no-wake"
	NoSecondLook         Name = "no-second-look"
	NoArmFence           Name = "no-arm-fence"
	NoLeaveFence         Name = "no-leave-fence"
	NoNextLeader         Name = "no-next-leader"
	ReachedForgetsLead   Name = "reached-forgets-lead"
	ParkedTooLate        Name = "parked-too-late"
	ToldTooLate          Name = "told-too-late"
	NoSealedLook         Name = "no-sealed-look"
	LostSlots            Name = "lost-slots"
	SealByStore          Name = "seal-by-store"
	NoDrainFence         Name = "no-drain-fence"
	NoBusyWait           Name = "no-busy-wait"
	StopWithoutLook      Name = "stop-without-look"
	PatientTooLate       Name = "patient-too-late"
	CloseWakesNobody     Name = "close-wakes-nobody"
	PanicLosesRest       Name = "panic-loses-rest"
	BarrierIsSynchronize Name = "barrier-is-synchronize"
	BarrierWithoutDrain  Name = "barrier-without-drain"
	NoThrottle           Name = "no-throttle"
	EarlyRun             Name = "early-run"
	NoAppendFence        Name = "no-append-fence"
	NoRelease            Name = "no-release"
	PublishBeforeNext    Name = "publish-before-next"
	RemoveClearsNext     Name = "remove-clears-next"
	ReplaceByTurns       Name = "replace-by-turns"
	TailKept             Name = "tail-kept"
	AppendLosesBackLink  Name = "append-loses-back-link"
	StaleCursor          Name = "stale-cursor"
	ClearedAfter         Name = "cleared-after"
	ReturnsInService     Name = "returns-in-service"
	SenseBeforeReset     Name = "sense-before-reset"
	LeaveWithoutLock     Name = "leave-without-lock"
	LeaderEnds           Name = "leader-ends"
	OrphansDropped       Name = "orphans-dropped"
	QuietBeforeClear     Name = "quiet-before-clear"
	EntersAlone          Name = "enters-alone"
	LeaderReads          Name = "leader-reads"
	SuspendWakesNobody   Name = "suspend-wakes-nobody"
	ResumeWakesNobody    Name = "resume-wakes-nobody"
	ServedStays          Name = "served-stays"
	RetireIsFree         Name = "retire-is-free"
	SlabBeforeReaders    Name = "slab-before-readers"
	WholeOnce            Name = "whole-once"
	NoCacheFence         Name = "no-cache-fence"
	NoCacheWait          Name = "no-cache-wait"
	DepotKeeps           Name = "depot-keeps"
	RetireBlocks         Name = "retire-blocks"
	StampBeforeArrival   Name = "stamp-before-arrival"
	OfferByStore         Name = "offer-by-store"
	BarrenAfterwards     Name = "barren-afterwards"
	UnpinnedSwap         Name = "unpinned-swap"
	MovedBeforeCopied    Name = "moved-before-copied"
	NoVersion            Name = "no-version"
	NoParkFence          Name = "no-park-fence"
	SlotBeforeTag        Name = "slot-before-tag"
	MissInMoved          Name = "miss-in-moved"
	ClaimIgnored         Name = "claim-ignored"
	ExecNotAlone         Name = "exec-not-alone"
	WatchBesideWriters   Name = "watch-beside-writers"
	EvictionInExec       Name = "eviction-in-exec"
	NoMovedCheck         Name = "no-moved-check"
	MovedFirst           Name = "moved-first"
	FreeBeforeVersion    Name = "free-before-version"
	CutFromMiddle        Name = "cut-from-middle"
)

// Bugs lists them all.
var Bugs = []Bug{
	{NoHeavyFence, "a reader's entry is still in its store buffer when the poller scans", "./clock", "TestEnter_FenceOrdersFirstLoad", "TestSchedules_ReaderAgainstPoller"},
	{NoLightFence, "the same, on a kernel without membarrier", "./clock", "TestEnter_FenceOrdersFirstLoad", "TestSchedules_ReaderAgainstPoller"},
	{NoDeferredFence, "the goal is read while the unlinking is still in the writer's store buffer", "./clock", "TestDeferredAdvance_FenceOrdersUnlinking", "TestSchedules_DeferredAgainstCommit"},
	{LateCandidate, "rd moves to a wr read after the scan, past readers that entered between", "./clock", "TestScan_MovesNoFurtherThanWrBefore", "TestSchedules_TwoPollers"},
	{StaleIsIdle, "a reader delayed between loading wr and storing it is not seen", "./clock", "TestScan_DelayedReaderCountsAsReached", "TestSchedules_ReaderAgainstPoller"},
	{ReachedGoesBack, "a scan that ends late takes back what a later one found", "./clock", "TestScan_ReachedStaysReached", "TestSchedules_TwoPollers"},
	{ForeignGoal, "a goal of another clock is compared with this one's moments", "./clock", "TestPoll_GoalNeverIssued", ""},
	{FutureGoal, "a goal from the future counts as one that wrapped around", "./clock", "TestPoll_GoalNeverIssued", ""},
	{UncommittedGoal, "a deferred goal counts as reached while readers may still enter before it", "./clock", "TestPoll_Uncommitted", "TestSchedules_DeferredAgainstCommit"},
	{DoubleLeave, "leaving twice closes the next section on the same record", "./clock", "TestLeave_Misuse", ""},
	{NoWake, "the reader that was waited for leaves without waking the waiter", "./clock", "TestWait_LeaveWakes", "TestSchedules_LeaveAgainstWait"},
	{NoSecondLook, "the reader leaves between the waiter's look and its parking", "./clock", "TestLeave_FenceOrdersWaiterFlag", "TestSchedules_LeaveAgainstWait"},
	{NoArmFence, "the reader's leaving is still in its store buffer at the waiter's second look", "./clock", "TestLeave_FenceOrdersWaiterFlag", "TestSchedules_LeaveAgainstWait"},
	{NoLeaveFence, "the same, on a kernel without membarrier", "./clock", "TestLeave_FenceOrdersWaiterFlag", "TestSchedules_LeaveAgainstWait"},
	{NoNextLeader, "the leader gives up and its followers sleep on", "./clock", "TestWait_CanceledLeaderHandsOver", "TestSchedules_LeaderGivesUp"},
	{ReachedForgetsLead, "a follower woken to lead finds its goal reached and goes, and the others sleep on", "./clock", "TestWait_NextLeaderPassesOn", "TestSchedules_WokenLeaderPassesOn"},
	{ParkedTooLate, "somebody's Poll reaches a follower's goal while the leader decides to park", "./clock", "TestWait_PollThatReachesWakesFollowers", "TestSchedules_PollReachesForFollower"},
	{ToldTooLate, "somebody's Poll reaches the leader's goal between its look and its note of what followers were told", "./clock", "", "TestSchedules_PollReachesForFollower"},
	{NoSealedLook, "a section is entered while the clock is sealed, and Close does not wait for it", "./clock", "TestSeal_FenceOrdersEntry", "TestSchedules_SealAgainstEnter"},
	{LostSlots, "growing the slots forgets those there were", "./pcpu", "TestSlots_GrowKeepsSlots", ""},
	{SealByStore, "owner and drain both take the chunk", "./smr", "TestSeal_DrainTookTheChunk", "TestSchedules_AppendAgainstDrain"},
	{NoDrainFence, "the owner's busy flag is still in its store buffer when drain looks", "./smr", "TestDrain_WaitsForAppend", "TestSchedules_AppendAgainstReclaimer"},
	{NoBusyWait, "drain takes the chunk while its owner appends to it", "./smr", "TestDrain_WaitsForAppend", "TestSchedules_AppendAgainstReclaimer"},
	{NoAppendFence, "the same, on a kernel without membarrier", "./smr", "TestDrain_WaitsForAppend", "TestSchedules_AppendAgainstReclaimer"},
	{StopWithoutLook, "a call made while the reclaimer stops is forgotten", "./smr", "TestReclaimer_NoLostCall", "TestSchedules_CallAgainstBarrier"},
	{PatientTooLate, "a call opens a chunk while the reclaimer decides that it has time, and waits for as long as that lasts", "./smr", "TestReclaimer_PatientOneIsTold", "TestSchedules_CallAgainstPatience"},
	{CloseWakesNobody, "a writer sleeps in Throttle on a domain that is closed, since the last chunk finished while a refused call counted", "./smr", "TestThrottle_CloseWakes", "TestSchedules_ThrottleAgainstClose"},
	{PanicLosesRest, "a panic drops the callbacks behind it", "./smr", "TestCallback_PanicRunsTheOthers", ""},
	{BarrierIsSynchronize, "Barrier waits for readers only, not for callbacks", "./smr", "TestBarrier_Concurrent", "TestSchedules_CallAgainstBarrier"},
	{BarrierWithoutDrain, "Barrier misses what other processors have not handed over", "./smr", "TestBarrier_Concurrent", "TestSchedules_CallAgainstBarrier"},
	{NoThrottle, "Throttle lets writers pass whatever is pending", "./smr", "TestThrottle_Bound", ""},
	{EarlyRun, "chunks run without waiting for their goal", "./smr", "TestCall_NotBeforeReadersLeft", "TestSchedules_CallAgainstReader"},
	{NoRelease, "a reader finds an element before what was written to it", "./smrq", "TestReaders_SeeWhatWasWrittenBefore", ""},
	{PublishBeforeNext, "a reader finds an element before its next is set, and misses the rest", "./smrq", "TestReaders_RandomWriter", "TestSchedules_ReaderAgainstWriter"},
	{RemoveClearsNext, "a reader on a removed element misses the rest", "./smrq", "TestReaders_RandomWriter", "TestSchedules_ReaderAgainstWriter"},
	{ReplaceByTurns, "a reader sees neither the element nor its replacement", "./smrq", "TestReaders_Replace", "TestSchedules_ReaderAgainstWriter"},
	{TailKept, "the tail is still the last element after that was removed", "./smrq", "TestPrograms_Random", ""},
	{AppendLosesBackLink, "the first element appended does not point back", "./smrq", "TestPrograms_Random", ""},
	{StaleCursor, "an element is erased from a predecessor that is not in the queue any more", "./smrq", "TestCursor_Stale", ""},
	{ClearedAfter, "what is asked of a domain while it serves is forgotten", "./stw", "TestInterrupt_NoneIsLost", "TestSchedules_InterruptAgainstPoll"},
	{ReturnsInService, "a blocked domain comes back in the middle of what is done for it", "./stw", "TestBlocking_ServedUntilTheEnd", "TestSchedules_StopAgainstBlocked"},
	{SenseBeforeReset, "a fast party arrives for the next phase while the arrivals of the last one still count", "./stw", "TestBarrier_Phases", "TestSchedules_StopAgainstSpawn"},
	{LeaveWithoutLock, "a domain ends while a stop that counts on it is about to tell it", "./stw", "TestEnd_WaitsForStop", "TestSchedules_StopAgainstStop"},
	{LeaderEnds, "a stop begins while somebody still runs the handler of the last one", "./stw", "TestRunOnAll_LastOneOutEnds", "TestSchedules_LastLeaver"},
	{OrphansDropped, "what was asked of a domain that ends is not done", "./stw", "TestInterrupt_AcceptedIsRun", "TestSchedules_InterruptAgainstEnd"},
	{EntersAlone, "a handler runs while somebody else still runs code of the user's", "./stw", "TestRunOnAll_WaitsForAll", "TestSchedules_StopAgainstStop"},
	{LeaderReads, "a handler waits for a grace period, which waits for the leader, which waits for the handler", "./stw", "TestSMR_SynchronizeInHandler", "TestSchedules_GracePeriodInStop"},
	{SuspendWakesNobody, "those behind a domain that is suspended when it may lead sleep on", "./stw", "TestSuspend_FirstToLeadHoldsUpNobody", "TestSchedules_SuspendAgainstQueue"},
	{ServedStays, "a domain that ends sleeps on when what kept it, something done for it, is over", "./stw", "TestSlot_NotReusedWhileServed", "TestSchedules_InterruptAgainstEnd"},
	{ResumeWakesNobody, "a domain that was suspended while it waited to lead sleeps on when it is resumed", "./stw", "TestSuspend_FirstToLeadHoldsUpNobody", "TestSchedules_SuspendAgainstQueue"},
	{QuietBeforeClear, "a grace period asks between the statement and the clearing, and is forgotten", "./stw", "TestSMR_RequestDuringPoll", "TestSchedules_GracePeriodAgainstPoll"},
	{RetireIsFree, "a retired object is given out while readers may hold it", "./slab", "TestRetire_NotReusedBeforeReadersLeft", ""},
	{SlabBeforeReaders, "a slab goes back to the system while readers look at what was freed in it", "./slab", "TestFree_SlabWaitsForReaders", ""},
	{WholeOnce, "a slab waits for those readers only that were there when it was whole for the first time", "./slab", "TestFree_SlabThatWasWholeWaitsForReaders", ""},
	{NoCacheFence, "the cache's busy flag is still in its holder's store buffer when it is unloaded", "./slab", "TestUnload_WaitsForHolder", "TestSchedules_UnloadAgainstHolder"},
	{NoCacheWait, "a cache is unloaded while its holder is at it", "./slab", "TestUnload_WaitsForHolder", "TestSchedules_UnloadAgainstHolder"},
	{DepotKeeps, "objects of a slab that is being evacuated are given out again, and it never becomes whole", "./slab", "TestEvacuate_NothingIsGivenOut", ""},
	{RetireBlocks, "retiring in a pinned section waits for a lock, and the runtime ends the process", "./slab", "TestRetire_InPinnedSection", "TestSchedules_RetireInPinnedSection"},
	{StampBeforeArrival, "a magazine with an old goal waits behind a newer one, and what says that the last is reached says it of both", "./slab", "TestStamp_ArrivedWaitForReaders", ""},
	{OfferByStore, "bytes that are put back while a claim ends, or beside others, are counted twice, or for good", "./slab", "", "TestSchedules_PutAgainstClaim"},
	{BarrenAfterwards, "an entry that may be evicted is stored while the CLOCK goes round, and never looked for", "./smrmap", "", "TestSchedules_StoreAgainstEvict"},
	{UnpinnedSwap, "an entry that is retired, but not yet unlinked, is handed to the domain", "./smrmap", "TestStore_RetiredUnderOnePin", ""},
	{MovedBeforeCopied, "a reader finds an entry at its new place before it is there", "./smrmap", "TestCompact_ReadersAndWriters", ""},
	{NoVersion, "a reader without a section copies an entry while it becomes another's", "./smrmap", "TestLoad_CopyIsOneValue", ""},
	{NoMovedCheck, "readers and writers go on in a bucket whose entries were moved to the next table", "./lincheck", "TestMaps_Linearizable", ""},
	{MovedFirst, "a reader looks into the next table before the entry is there", "./smrmap", "TestMap_ReadersDuringResizing", "TestSchedules_GrowAgainstUsers"},
	{NoParkFence, "the parked one's count is still in its store buffer when the lock is given up", "./smrmap", "TestPark_NoLostWakeup", "TestSchedules_ParkAgainstUnlock"},
	{MissInMoved, "a Delete without the lock looks into a bucket that was moved, and misses what was stored since", "./smrmap", "TestDelete_FindsWhatIsStoredWhileMoving", "TestSchedules_MissAgainstGrow"},
	{ClaimIgnored, "somebody writes to a key whose large value is on its way", "./smrmap", "TestCompute_LargeIsAtomic", ""},
	{SlotBeforeTag, "a reader with an older look at the tags finds an entry, and a later one misses it", "./smrmap", "TestLoadIn_SeenIsSeen", "TestSchedules_SeenIsSeen"},
	{FreeBeforeVersion, "a walk takes the entries of a bucket that is another chain's by now for those of the chain it is in", "./smrmap", "", "TestSchedules_UnlinkedBucketAgainstWalk"},
	{CutFromMiddle, "a reader is at a bucket that becomes another chain's, and misses the entry behind it", "./smrmap", "TestChain_EmptyBucketStaysBeforeOthers", "TestSchedules_UnlinkedBucketAgainstReader"},
	{ExecNotAlone, "commands of others run between those of a transaction", "./cmd/smrkv/internal/server", "TestExec_NeverTorn", ""},
	{WatchBesideWriters, "a command finds nothing watched, and writes after WATCH has returned", "./cmd/smrkv/internal/server", "TestWatch_WaitsForWriters", ""},
	{EvictionInExec, "a key that one command of a transaction has seen is evicted before the next", "./cmd/smrkv/internal/server", "TestGate_BackgroundWaits", ""},
}
