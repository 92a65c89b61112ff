package smrvet

import (
	"strings"

	"golang.org/x/tools/go/ssa"
)

// Rules pinblock and waitinside: what may not be waited for in a section.

// checkPins reports what blocks while the goroutine holds its processor, or is in a section.
func (e *engine) checkPins(fn *ssa.Function) {
	for _, sp := range e.spansIn(fn) {
		if !sp.pins && (!e.strict || sp.kind != opensSection) {
			continue
		}
		for _, b := range fn.Blocks {
			s := sp.in[b]
			for _, at := range b.Instrs {
				if s.must(isOpen) && e.mustBeOpen(sp, at) {
					e.checkPinned(sp, at)
				}
				s = sp.step(s, at)
			}
		}
	}
}

func (e *engine) checkPinned(sp *span, at ssa.Instruction) {
	if sp.ends[at] {
		return
	}
	what := e.blocking(at)
	if !sp.pins {
		if call, ok := at.(*ssa.Call); ok {
			if a, _ := apiOf(&call.Call); a.blocks {
				return // it may be called in a section, or is for waitinside
			}
		}
		if what != "" {
			e.suspect("blockinside", posOf(at), "%s in the section that was entered at %s, which holds back all memory that is retired meanwhile", what, e.line(sp.open.Pos()))
		}
		return
	}
	if what != "" {
		e.report("pinblock", posOf(at), "%s while pinned: what blocks here kills the process. End the pin of %s first, or use Enter", what, e.line(sp.open.Pos()))
		return
	}
	switch at := at.(type) {
	case *ssa.Panic:
		e.suspect("pinblock", posOf(at), "a panic while pinned kills the process, even if it is recovered from")
	case *ssa.Call:
		if what := e.summaryOf(&at.Call).May; what != "" {
			e.suspect("pinblock", posOf(at), "%s, which may call %s, while pinned", e.calleeName(&at.Call), what)
		}
	}
}

// An around is a section, or something like it, that is open while a function literal runs.
type around struct {
	domain string
	what   string
}

// arounds returns what is open around the whole of a function literal.
func (e *engine) arounds(fn *ssa.Function) []around {
	var found []around
	if cb := e.lentTo(fn); cb != nil && cb.section == nil {
		c := cb.call
		if walk, ok := e.canon(c.Value).(*ssa.Call); ok {
			c = &walk.Call
		}
		switch _, name := apiOf(c); name {
		case "smr.Domain.Read":
			found = append(found, around{e.domain(c.Args[0]), "inside Read"})
		case "smrmap.Map.View", "smrmap.Bytes.View", "smrmap.Bytes.Scan", "smrmap.Bytes.All", "smrmap.Bytes.Keys":
			found = append(found, around{e.ownDomain(c.Args[0]), "in a function that runs in a section"})
		}
	}
	if at, i := e.passedTo(fn); at != nil {
		if a, _ := apiOf(at.Common()); a.later == i+1 && i >= 0 {
			found = append(found, around{e.domain(at.Common().Args[0]), "in a callback of the domain"})
		}
	}
	return found
}

// checkWaits reports waits for a section that is open.
func (e *engine) checkWaits(fn *ssa.Function) {
	outer := e.arounds(fn)
	instructions(fn, func(at ssa.Instruction) {
		call, ok := at.(*ssa.Call)
		if !ok {
			return
		}
		name := e.calleeName(&call.Call)
		for _, d := range e.waitsFor(&call.Call) {
			for _, sp := range e.spansIn(fn) {
				if sp.kind == opensSection && sp.domain != "" && sp.domain == d && e.mustBeOpen(sp, at) {
					e.report("waitinside", posOf(at), "%s waits for the section that was entered at %s, which it is called in", name, e.line(sp.open.Pos()))
				}
			}
			for _, o := range outer {
				if o.domain == d {
					e.report("waitinside", posOf(at), "%s waits for the domain, but is called %s", name, o.what)
				}
			}
		}
		e.checkCompute(fn, call)
	})
}

// checkCompute reports a write to a map in the function of its own Compute.
func (e *engine) checkCompute(fn *ssa.Function, call *ssa.Call) {
	at, _ := e.passedTo(fn)
	if at == nil {
		return
	}
	_, name := apiOf(at.Common())
	if name != "smrmap.Map.Compute" && name != "smrmap.Bytes.Compute" && name != "smrmap.Bytes.ComputeEvicting" {
		return
	}
	a, _ := apiOf(&call.Call)
	if !a.writes || len(call.Call.Args) == 0 {
		return
	}
	if e.key(call.Call.Args[0]) == e.key(at.Common().Args[0]) {
		e.report("waitinside", posOf(call), "%s waits for the bucket that is locked while this function runs: do it after Compute", e.calleeName(&call.Call))
	} else {
		e.suspect("waitinside", posOf(call), "%s of a map inside Compute of another, which may be the same", e.calleeName(&call.Call))
	}
}

// checkWorkers reports what blocks in a worker of package stw, outside of Blocking.
func (e *engine) checkWorkers(fn *ssa.Function) {
	worker := false
	for _, p := range fn.Params {
		worker = worker || isLib(p.Type(), "stw", "Domain")
	}
	if !worker || !e.strict || strings.HasPrefix(e.pass.Pkg.Path(), module+"stw") {
		return
	}
	instructions(fn, func(at ssa.Instruction) {
		if what := e.blocking(at); what != "" {
			e.suspect("worldblock", posOf(at), "%s in a worker, outside of Blocking: the world can't stop until that comes", what)
		}
	})
}
