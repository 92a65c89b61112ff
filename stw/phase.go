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

// A phase says what a domain's owner does, and whether the owner or a stand-in acts for the domain.
// Domain.mu guards it. A domain moves along these arrows only:
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
// noted.held is not a phase, because it lasts through several. It is set while suspends > 0 and the
// domain runs no user code until it is resumed, except stop handlers and the functions of ragged
// barriers: for these a suspended domain becomes serving, a blocked one served. A domain that is
// suspended, blocked or ending is held if and only if suspends > 0.
type phase uint8

const (
	starting     phase = iota // not in the set yet: no stop counts on it, other requests wait
	running                   // runs user code: serves requests at its next safe point
	serving                   // at a safe point: serves requests, or leads a stop
	suspended                 // at a safe point: sleeps until Resume, a stop or a ragged barrier
	blocked                   // in Blocking: no requests, or they wait for Resume
	served                    // in Blocking: a stand-in serves
	returning                 // in LeaveBlocking: waits for the stand-in, then serves what is left
	ending                    // in World.leave: no requests, or they wait for Resume
	endingServed              // in World.leave: a stand-in serves
	dead                      // no longer in the set: requests are refused
)

// phases has the name of each phase, the State that others see, and the phases that may follow.
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

// standsIn reports whether a stand-in acts for the domain.
func (p phase) standsIn() bool { return p == served || p == returning || p == endingServed }

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
