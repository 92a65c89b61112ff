package stw

// A State says where a domain is between Spawn and its end.
type State uint8

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

// A phase says what a domain's owner does and who acts for the domain: the owner or a
// stand-in. Domain.mu guards it. These are all the ways from one to the next:
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
//	phase         State      what is asked of the domain is done by
//	starting      Starting   the owner, later: no stop counts on it yet
//	running       Running    the owner, at its next safe point
//	serving       Running    the owner, at this safe point or the next
//	suspended     Suspended  the owner, which sleeps: stops and ragged barriers only
//	blocked       Blocked    nobody: nothing is asked but to be suspended, and what that holds back
//	served        Blocked    the stand-in
//	returning     Blocked    the stand-in, what it has begun; then the owner
//	ending        Blocked    nobody: as for blocked
//	endingServed  Blocked    the stand-in
//	dead          Dead       nobody: it is refused
//
// The owner makes a domain blocked (EnterBlocking), returning (LeaveBlocking while it is
// served) and ending (World.leave, which then waits). Whoever asks something of a blocked or
// ending domain begins a service, and the stand-in ends it: of a returning domain by making it
// running. Domains in the set, on which stops count, are all but the starting and the dead.
//
// Across the phases goes noted.held: it is set while suspends > 0 and no code of the user's
// runs for the domain until it is resumed, but handlers of stops and functions of ragged
// barriers. A suspended domain takes part in these as serving, returning or served, and is
// held all the while; in suspended, blocked and ending, held is the same as suspends > 0.
type phase uint8

const (
	starting     phase = iota // not part of the world yet
	running                   // runs its user's code
	serving                   // at a safe point: does what is asked, or leads a stop
	suspended                 // at a safe point: sleeps until it is resumed, or asked
	blocked                   // in Blocking
	served                    // in Blocking, and a stand-in acts for it
	returning                 // waits in LeaveBlocking for the end of the service
	ending                    // waits in World.leave
	endingServed              // waits in World.leave, and a stand-in acts for it
	dead                      // not part of the world any more
)

// phases has the name of each, the State that others see, and what may follow.
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

func (p phase) state() State { return phases[p].state }

// refuses reports whether the domain accepts no interrupts and no suspensions any more.
func (p phase) refuses() bool { return p >= ending }

// inService reports whether the domain is at a safe point at which what is asked of it is done.
// Its owner's methods do nothing there, or panic.
func (p phase) inService() bool {
	return p == serving || p == suspended || p == served || p == returning || p == endingServed
}

// mustRun panics unless the domain runs code of its user's.
func (p phase) mustRun(op string) {
	switch {
	case p == running:
	case p.inService():
		panic("stw: " + op + " inside a stop handler or an interrupt function")
	default:
		panic("stw: " + op + " of a domain that is " + p.state().String())
	}
}

// become takes the domain to a phase.
func (d *Domain) become(p phase) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.becomeLocked(p)
	d.checkLocked()
}

// becomeLocked is the only one that writes the phase.
func (d *Domain) becomeLocked(p phase) {
	d.checkNext(p)
	d.phase = p
}

func (d *Domain) currentPhase() phase {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.phase
}

func (d *Domain) mustRun(op string) { d.currentPhase().mustRun(op) }
