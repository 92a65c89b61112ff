package mutant

type Name string

const (
	NoLightFence         Name = "no-light-fence"
	NoHeavyFence         Name = "no-heavy-fence"
	NoDeferredFence      Name = "no-deferred-fence"
	DoubleLeave          Name = "double-leave"
	NoWake               Name = "no-wake"
	ForeignGoal          Name = "foreign-goal"
	FutureGoal           Name = "future-goal"
	UncommittedGoal      Name = "uncommitted-goal"
	LateCandidate        Name = "late-candidate"
	StaleIsIdle          Name = "stale-is-idle"
	ReachedGoesBack      Name = "reached-goes-back"
	NoNextLeader         Name = "no-next-leader"
	SealByStore          Name = "seal-by-store"
	StopWithoutLook      Name = "stop-without-look"
	NoDrainFence         Name = "no-drain-fence"
	NoBusyWait           Name = "no-busy-wait"
	PanicLosesRest       Name = "panic-loses-rest"
	BarrierIsSynchronize Name = "barrier-is-synchronize"
	BarrierWithoutDrain  Name = "barrier-without-drain"
	NoThrottle           Name = "no-throttle"
	NoSecondLook         Name = "no-second-look"
)
