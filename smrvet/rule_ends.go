package smrvet

import (
	"strings"

	"golang.org/x/tools/go/ssa"
)

// Rules afterclose, wronggoroutine and callbackpanic.

// checkEnds reports sections that are entered on a domain which was closed.
func (e *engine) checkEnds(fn *ssa.Function) {
	var closed []*ssa.Call
	instructions(fn, func(at ssa.Instruction) {
		call, ok := at.(*ssa.Call)
		if !ok {
			return
		}
		_, name := apiOf(&call.Call)
		switch name {
		case "smr.Domain.Close":
			closed = append(closed, call)
		case "smr.Domain.Enter", "smr.Domain.Pin", "smr.Domain.Read", "smr.Reader.Enter", "smr.Call", "smr.Domain.CallFunc":
			for _, c := range closed {
				if dominates(c, call) && e.canon(call.Call.Args[0]) == e.canon(c.Call.Args[0]) {
					e.report("afterclose", posOf(call), "%s panics: the domain was closed at %s", e.calleeName(&call.Call), e.line(c.Pos()))
				}
			}
		}
		e.checkCallback(call)
		e.checkClosed(fn, call)
	})
}

// checkClosed notes what is asked of a map or pool that was closed: it fails, or finds nothing.
func (e *engine) checkClosed(fn *ssa.Function, call *ssa.Call) {
	a, name := apiOf(&call.Call)
	if !a.closes || name == "smr.Domain.Close" || !e.strict {
		return
	}
	target := e.key(call.Call.Args[0])
	instructions(fn, func(at ssa.Instruction) {
		late, ok := at.(*ssa.Call)
		if !ok || !dominates(call, at) || len(late.Call.Args) == 0 {
			return
		}
		if b, name := apiOf(&late.Call); (b.writes || strings.HasSuffix(name, ".Get")) && e.key(late.Call.Args[0]) == target {
			e.suspect("afterclose", posOf(at), "%s fails: it was closed at %s", e.calleeName(&late.Call), e.line(call.Pos()))
		}
	})
}

// checkCallback reports a callback that does nothing but panic.
func (e *engine) checkCallback(call *ssa.Call) {
	a, _ := apiOf(&call.Call)
	if a.later == 0 {
		return
	}
	fn := literal(arg(&call.Call, a.later))
	if fn == nil || fn.Parent() == nil || fn.Recover != nil || len(fn.Blocks) != 1 {
		return
	}
	last := fn.Blocks[0].Instrs[len(fn.Blocks[0].Instrs)-1]
	if p, ok := last.(*ssa.Panic); ok && !isExit(p) {
		e.report("callbackpanic", posOf(p), "the callback panics, and so ends the program")
	}
}

// isExit reports whether SSA has put a panic where a call does not return.
func isExit(p *ssa.Panic) bool {
	x, ok := p.X.(*ssa.MakeInterface)
	if !ok {
		return false
	}
	c, ok := x.X.(*ssa.Const)
	return ok && c.Value != nil && c.Value.ExactString() == `"noreturn"`
}

// literal returns the function literal that v is, or nil.
func literal(v ssa.Value) *ssa.Function {
	switch v := v.(type) {
	case *ssa.Function:
		return v
	case *ssa.MakeClosure:
		return v.Fn.(*ssa.Function)
	}
	return nil
}

// onlyOwner has methods that the goroutine calls which owns the receiver.
var onlyOwner = map[string]bool{
	"stw.Domain.Poll": true, "stw.Domain.Blocking": true, "stw.Domain.EnterBlocking": true, "stw.Domain.LeaveBlocking": true,
	"stw.Domain.Section": true, "stw.Domain.Deregister": true,
}

// checkGoroutines reports what is used by two goroutines and belongs to one.
func (e *engine) checkGoroutines(fn *ssa.Function) {
	instructions(fn, func(at ssa.Instruction) {
		g, ok := at.(*ssa.Go)
		if !ok {
			return
		}
		inner := literal(g.Call.Value)
		if inner == nil || len(inner.Blocks) == 0 {
			return
		}
		instructions(inner, func(at ssa.Instruction) {
			c := common(at)
			if c == nil || len(c.Args) == 0 {
				return
			}
			ours, name := apiOfAny(c)
			if !ours {
				return
			}
			e.checkLateInit(g, c, name)
			recv := e.canon(c.Args[0])
			if p, ok := recv.(*ssa.Parameter); ok && onlyOwner[name] && p.Parent() == fn && isLib(p.Type(), "stw", "Domain") {
				e.report("wronggoroutine", posOf(at), "%s by another goroutine than the worker's own", strings.TrimPrefix(name, "stw.Domain."))
			}
			if !strings.HasPrefix(name, "smr.Reader.") || recv.Parent() != fn || !e.usedAfter(g, recv) {
				return
			}
			if returns(inner) {
				e.suspect("wronggoroutine", posOf(at), "the Reader is used by this goroutine and by the one that starts it: make one for each")
				return
			}
			e.report("wronggoroutine", posOf(at), "the Reader is used by this goroutine, which does not end, and by the one that starts it: make one for each")
		})
	})
}

// checkLateInit reports a Pointer that a goroutine initializes by a plain store, while the function that
// starts it reads it.
func (e *engine) checkLateInit(g *ssa.Go, c *ssa.CallCommon, name string) {
	if name != "smr.Pointer.Init" && name != "smr.Pointer.StoreUnserialized" {
		return
	}
	target := e.key(c.Args[0])
	instructions(g.Parent(), func(at ssa.Instruction) {
		load := common(at)
		if load == nil || len(load.Args) == 0 || !reaches(g, at) {
			return
		}
		if _, name := apiOf(load); name != "smr.Pointer.Load" || e.key(load.Args[0]) != target {
			return
		}
		waited := false
		instructions(g.Parent(), func(w ssa.Instruction) {
			waited = waited || e.mayWait(w) && reaches(g, w) && dominates(w, at)
		})
		if !waited {
			e.report("wronggoroutine", c.Pos(), "%s stores without order, though a reader may come, at %s: use Store", e.calleeName(c), e.line(at.Pos()))
		}
	})
}

// returns reports whether a function can return.
func returns(fn *ssa.Function) bool {
	found := false
	instructions(fn, func(at ssa.Instruction) {
		if _, ok := at.(*ssa.Return); ok {
			found = true
		}
	})
	return found
}

// usedAfter reports whether the function that starts a goroutine uses a Reader after that.
func (e *engine) usedAfter(g *ssa.Go, reader ssa.Value) bool {
	found := false
	instructions(g.Parent(), func(at ssa.Instruction) {
		if call, ok := at.(*ssa.Call); ok && len(call.Call.Args) > 0 && reaches(g, at) {
			_, name := apiOf(&call.Call)
			if strings.HasPrefix(name, "smr.Reader.") && strings.HasSuffix(name, "Enter") && e.canon(call.Call.Args[0]) == reader {
				found = true
			}
		}
	})
	return found
}
