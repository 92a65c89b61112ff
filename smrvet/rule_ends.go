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
			recv := e.canon(c.Args[0])
			if p, ok := recv.(*ssa.Parameter); ok && onlyOwner[name] && p.Parent() == fn && isLib(p.Type(), "stw", "Domain") {
				e.report("wronggoroutine", posOf(at), "%s by another goroutine than the worker's own", strings.TrimPrefix(name, "stw.Domain."))
			}
			if strings.HasPrefix(name, "smr.Reader.") && !returns(inner) && recv.Parent() == fn && e.usedAfter(g, recv) {
				e.report("wronggoroutine", posOf(at), "the Reader is used by this goroutine, which does not end, and by the one that starts it: make one for each")
			}
		})
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
