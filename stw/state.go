package stw

// A State says where a domain is between Spawn and its end.
type State uint8

// What there is besides a state, under mu: suspends (how many suspend it), held (they may
// rely on it), served (a stand-in acts for it), returning (the owner waits in
// LeaveBlocking), ending (the owner waits in World.leave). y: may be, Y: must be.
//
//	state      held  served  returning  ending  what is asked of it is done by
//	Starting   -     -       -          -       the owner, later; stops count on it not yet
//	Running    y     -       -          -       the owner, at its next safe point or at this
//	Suspended  Y(1)  -       -          -       the owner: stops and ragged barriers only
//	Blocked    Y(2)  -       -          y       nobody: nothing is asked, or it is suspended
//	Blocked    y     Y       -          y       the stand-in
//	Blocked    y     Y       Y          -       the stand-in what it began, then the owner
//	Blocked    y     -       Y          -       the owner, which is about to be Running
//	Dead       -     -       -          Y       nobody: it is refused
//
// (1) if suspends > 0: Resume has taken the last one back, and the owner is about to see it.
// (2) if suspends > 0.
//
// held is there only while suspends > 0, and no code of the domain's user runs then: Running
// and held is a domain in a stop, in a function of a ragged barrier, or on its way from
// Blocking to Suspended. A domain waits to lead while it is Blocked; suspended, it is passed
// over: see World.turnLocked. Stops count on the domains of the set, which are those that
// are Running, Suspended or Blocked.
const (
	Starting  State = iota // waits to become part of the world
	Running                // runs its user's code, or is at a safe point
	Blocked                // in Blocking: others act for it
	Suspended              // at a safe point until resumed
	Dead                   // part of the world no more
)

func (s State) String() string {
	return [...]string{"starting", "running", "blocked", "suspended", "dead"}[s]
}
