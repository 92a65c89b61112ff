package stw

// A State says where a domain is between Spawn and its end.
type State uint8

const (
	Starting  State = iota // not part of the world yet
	Running                // runs user code, or is at a safe point
	Blocked                // in Blocking: a stand-in acts for it
	Suspended              // at a safe point until it is resumed
	Dead                   // no longer part of the world
)

func (s State) String() string {
	return [...]string{"starting", "running", "blocked", "suspended", "dead"}[s]
}

// A phase says what a domain's owner does, and whether the owner or a stand-in acts for the
// domain. Domain.mu guards it. A domain moves along these arrows only:
//
//	starting ───▶ running ◀───▶ serving ◀───▶ suspended
//	              │ │ ▲ ▲
//	              │ │ │ └──────────────────── returning
//	              │ ▼ │                           ▲
//	              │ blocked ◀──────────▶ served ──┤
//	              │ │                             │
//	              ▼ ▼                             ▼
//	              ending ◀──────────────▶ endingServed
//	                │
//	                ▼
//	               dead
//
//	phase         State      requests to the domain are served by
//	starting      Starting   the owner, later: there are no stops for it yet
//	running       Running    the owner, at its next safe point
//	serving       Running    the owner, at this safe point or the next
//	suspended     Suspended  the owner: it sleeps, and wakes for stops and ragged barriers
//	blocked       Blocked    nothing: there are none, or they wait for Resume
//	served        Blocked    the stand-in
//	returning     Blocked    the stand-in finishes what it has begun, then the owner
//	ending        Blocked    nothing: there are none, or they wait for Resume
//	endingServed  Blocked    the stand-in
//	dead          Dead       nothing: they are refused
//
// The owner enters blocked in EnterBlocking, returning in LeaveBlocking if a stand-in acts, and
// ending in World.leave, where it waits to be dismissed. A request to a blocked or ending domain
// begins a service; the stand-in ends it, and makes a returning domain running. Stops count on
// the domains in the set: all but the starting and the dead.
//
// noted.held is not a phase, because it lasts through several. It is set while suspends > 0 and
// the domain runs no user code until it is resumed, except handlers of stops and functions of
// ragged barriers, for which a suspended domain becomes serving or served. A domain that is
// suspended, blocked or ending is held if and only if suspends > 0.
type phase uint8

const (
	starting     phase = iota // not part of the world yet
	running                   // runs user code
	serving                   // at a safe point: serves requests, or leads a stop
	suspended                 // at a safe point: sleeps until it is resumed, or wanted
	blocked                   // in Blocking
	served                    // in Blocking, and a stand-in acts for it
	returning                 // in LeaveBlocking: waits for the end of the service
	ending                    // in World.leave
	endingServed              // in World.leave, and a stand-in acts for it
	dead                      // no longer part of the world
)

// phases has the name of each phase, its State, and the phases that may follow.
var phases = [...]struct {
	name  string
	state State
	next  []phase
}{
	starting:     {"starting", Starting, []phase{running}},
	running:      {"running", Running, []phase{serving, blocked, ending}},
	serving:      {"serving", Running, []phase{running, suspended}},
	suspended:    {"suspended", Suspended, []phase{serving}},
	blocked:      {"blocked", Blocked, []phase{running, served, ending}},
	served:       {"served", Blocked, []phase{blocked, returning, endingServed}},
	returning:    {"returning", Blocked, []phase{running}},
	ending:       {"ending", Blocked, []phase{endingServed, dead}},
	endingServed: {"ending, served", Blocked, []phase{ending}},
	dead:         {"dead", Dead, nil},
}

func (p phase) String() string { return phases[p].name }

// refuses reports whether the domain no longer accepts interrupts and suspensions.
func (p phase) refuses() bool { return p >= ending }

// inService reports whether the domain is at a safe point where its requests are served. The
// owner's methods do nothing there, or panic.
func (p phase) inService() bool {
	return p == serving || p == suspended || p == served || p == returning || p == endingServed
}

// mustRun panics unless the domain runs user code.
func (p phase) mustRun(op string) {
	switch {
	case p == running:
	case p.inService():
		panic("stw: " + op + " inside a stop handler or an interrupt function")
	default:
		panic("stw: " + op + " of a domain that is " + phases[p].state.String())
	}
}

// become moves the domain to a phase.
func (d *Domain) become(p phase) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.becomeLocked(p)
	d.checkLocked()
}

// becomeLocked is the only function that writes the phase.
func (d *Domain) becomeLocked(p phase) {
	d.checkNext(p)
	d.phase = p
}

func (d *Domain) currentPhase() phase {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.phase
}
