package mistakes

import (
	"context"
	"fmt"
	"runtime"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/smr"
)

// Sections that end twice, too late or never, and what must not happen inside them.

func leftTwice() {
	s := quiet("tables").Enter()
	defer s.Leave()
	s.Leave() // early, on one of several paths
}

func leftByAnother() {
	dom := quiet("tables")
	var p smr.Pointer[record]
	p.Init(&record{good})
	s := dom.Enter()
	elsewhere(s.Leave) // a helper that was to share the section
	v := p.Load(s)
	replace(dom, &p)
	overwritten(&v.value, good)
	read(&v.value)
}

// pend makes a call that waits for the sections that are open.
func pend(dom *smr.Domain) { smr.Call(dom, &record{good}, 8, (*record).free) }

//go:noinline
func lookUp(dom *smr.Domain) bool {
	s := dom.Enter()
	return s.Active() // and no Leave
}

// leaked picks the reports of leaks, if the build has these.
func leaked(s smr.Stall) bool { return !invariants.Enabled || s.Readers[0].Leaked }

func sectionDropped() {
	dom := stalling("tables", leaked)
	elsewhere(func() { lookUp(dom) })
	pend(dom)
	for {
		runtime.GC()
	}
}

// A connection stays in its section until it is closed.
type connection struct{ section smr.Section }

//go:noinline
func connect(dom *smr.Domain) *connection { return &connection{dom.Enter()} }

func sectionInStruct() {
	dom := stalling("tables", nil)
	conn := connect(dom)
	elsewhere(func() {
		pend(dom)
		check(dom.Barrier(ctx))
	})
	conn.section.Leave()
}

func deferInLoop() {
	dom := quiet("tables")
	var p smr.Pointer[record]
	p.Init(&record{good})
	for range 10000 {
		s := dom.Enter()
		defer s.Leave()
		_ = p.Load(s).value
		replace(dom, &p)
	}
	st := dom.Stats()
	unnoticed("%d sections are open and %d calls pending", st.Sections, st.PendingCalls)
}

func waitInSection() {
	dom := stalling("tables", nil)
	s := dom.Enter()
	defer s.Leave()
	told(dom.Synchronize(ctx))
}

func throttleInSection() {
	dom := stalling("tables", func(smr.Stall) bool { return waiting("smr.(*Domain).Throttle") != "" })
	s := dom.Enter()
	defer s.Leave()
	for {
		check(dom.Throttle(ctx))
		smr.Call(dom, &record{good}, 16<<20, (*record).free)
	}
}

func closeInSection() {
	dom := quiet("tables")
	s := dom.Enter()
	defer s.Leave()
	over, cancel := context.WithCancel(ctx) // the time that a shutdown has
	cancel()
	told(dom.Close(over))
}

func blockInPin() {
	dom := quiet("tables")
	c := make(chan int)
	s := dom.Pin()
	<-c
	s.Leave()
}

func panicInPin() {
	dom := stalling("tables", leaked)
	handle := func() {
		defer func() { fmt.Println("the handler recovers", recover()) }()
		s := dom.Pin()
		parse(nil)
		s.Leave()
	}
	handle()
	for {
		runtime.GC()
	}
}

func parse(request []byte) byte { return request[0] }

func readerInTwoGoroutines() {
	r := quiet("tables").NewReader()
	var used uint64
	lucky := !raceEnabled && !invariants.Enabled // they take turns: by chance a second Leave may be noticed
	go func() {
		for again := true; again; again = !lucky {
			r.Enter().Leave()
			set(&used)
		}
	}()
	overwritten(&used, 0)
	for r.Enter().Leave(); invariants.Enabled; r.Enter().Leave() { // not synchronized with the other
	}
	unnoticed("the two were lucky")
}

// An event loop that is busy, or waits for an event without going offline.
func quiescentNeverQuiesces() {
	dom := stalling("tables", nil)
	q := dom.NewQuiescent(nil)
	q.Describe(func() string { return "event loop 3" })
	q.Online()
	defer q.Close()
	pend(dom)
	events := make(chan int)
	<-events
}
