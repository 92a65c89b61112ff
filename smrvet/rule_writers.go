package smrvet

import (
	"go/types"
	"slices"

	"golang.org/x/tools/go/ssa"
)

// Rules doublefree, unlinkfirst, relink, unguarded and wrongdomain: what writers do with objects.

// A gift is a place where an object is given up to be freed.
type gift struct {
	at   ssa.Instruction
	obj  ssa.Value
	name string
	pool ssa.Value // it goes back to, or nil
}

// giftsIn returns where a function gives objects up.
func (e *engine) giftsIn(fn *ssa.Function) []gift {
	var gifts []gift
	instructions(fn, func(at ssa.Instruction) {
		call, ok := at.(*ssa.Call)
		if !ok {
			return
		}
		c := &call.Call
		a, _ := apiOf(c)
		if a.gives != 0 && !isZeroSize(c, a) {
			g := gift{at: at, obj: e.canon(arg(c, a.gives)), name: e.calleeName(c)}
			if a.later == 0 {
				g.pool = c.Args[0]
			}
			gifts = append(gifts, g)
		}
		for _, i := range e.summaryOf(c).Gives {
			if i < len(c.Args) {
				gifts = append(gifts, gift{at: at, obj: e.canon(c.Args[i]), name: e.calleeName(c)})
			}
		}
	})
	return gifts
}

// checkGiven reports objects that are given up twice, or before they are unlinked, or to another
// pool than their own.
func (e *engine) checkGiven(fn *ssa.Function) {
	gifts := e.giftsIn(fn)
	for _, second := range gifts {
		if _, constant := second.obj.(*ssa.Const); constant {
			continue
		}
		for _, first := range gifts {
			if first.at != second.at && first.obj == second.obj && dominates(first.at, second.at) && !e.calledBack(first, second) {
				e.report("doublefree", posOf(second.at), "%s gives up an object that was given up at %s, by %s: it would be freed twice",
					second.name, e.line(first.at.Pos()), first.name)
				break
			}
		}
		e.checkUnlinked(fn, second)
		e.checkShared(fn, second)
		e.checkPool(second)
		e.checkAfterClose(fn, second)
	}
}

// calledBack reports whether the callback of a first Call may have run before the second: then it may
// have made the object ready for its next use. What a pool was given back is its own.
func (e *engine) calledBack(first, second gift) bool {
	if first.pool != nil {
		return false
	}
	found := false
	instructions(first.at.Parent(), func(at ssa.Instruction) {
		found = found || e.mayWait(at) && reaches(first.at, at) && reaches(at, second.at)
	})
	return found
}

// checkUnlinked reports an object that is given up first and unlinked then.
func (e *engine) checkUnlinked(fn *ssa.Function, g gift) {
	load, ok := g.obj.(*ssa.Call)
	if !ok {
		return
	}
	if _, name := apiOf(&load.Call); name != "smr.Pointer.LoadSerialized" && name != "smr.Pointer.Load" {
		return
	}
	source := e.key(load.Call.Args[0])
	var after ssa.Instruction
	unlinked := false // perhaps, before
	instructions(fn, func(at ssa.Instruction) {
		c := common(at)
		if c == nil || at == g.at {
			return
		}
		a, _ := apiOf(c)
		_, ours := nameOf(callee(c))
		changes := false
		for i, v := range c.Args {
			if a.takes == i+1 {
				changes = changes || e.canon(v) == g.obj
			} else if a.puts && i == 0 || !ours {
				changes = changes || e.key(v) == source || !ours && e.canon(v) == g.obj
			}
		}
		switch {
		case changes && reaches(load, at) && reaches(at, g.at):
			unlinked = true
		case a.puts && changes && dominates(g.at, at) && after == nil:
			after = at
		}
	})
	switch {
	case unlinked:
	case after != nil:
		e.report("unlinkfirst", posOf(g.at), "%s comes before the object is unlinked, at %s: a reader that finds it in between is not waited for",
			g.name, e.line(after.Pos()))
	default:
		e.suspect("unlinkfirst", posOf(g.at), "%s of an object that was loaded, and not unlinked here", g.name)
	}
}

// checkPool reports an object that goes to another pool than the one it is from.
func (e *engine) checkPool(g gift) {
	get, i := made(g.obj)
	if g.pool == nil || get == nil || i != 0 {
		return
	}
	if _, name := apiOf(&get.Call); name != "slab.Pool.Get" && name != "slab.Blocks.Get" {
		return
	}
	from, to := e.canon(get.Call.Args[0]), e.canon(g.pool)
	if from != to && isNew(from) && isNew(to) {
		e.report("wrongdomain", posOf(g.at), "%s of an object into a pool that it is not from", g.name)
	}
}

// isNew reports whether v is a pool that is made there.
func isNew(v ssa.Value) bool {
	call, ok := v.(*ssa.Call)
	if !ok {
		return false
	}
	_, name := apiOf(&call.Call)
	return name == "slab.New" || name == "slab.NewBlocks"
}

// checkAfterClose reports uses of an object that was given back, after its pool was closed.
func (e *engine) checkAfterClose(fn *ssa.Function, g gift) {
	if g.pool == nil || e.heldToo(fn, g) {
		return
	}
	pool := e.key(g.pool)
	instructions(fn, func(at ssa.Instruction) {
		c := common(at)
		if c == nil || len(c.Args) == 0 || !dominates(g.at, at) {
			return
		}
		if a, _ := apiOf(c); !a.closes || e.key(c.Args[0]) != pool {
			return
		}
		instructions(fn, func(use ssa.Instruction) {
			if !dominates(at, use) {
				return
			}
			for _, v := range dereferenced(use) {
				if e.root(v) == g.obj {
					e.report("useafterleave", posOf(use), "an object is used after it was given back, at %s, and its pool was closed", e.line(g.at.Pos()))
				}
			}
		})
	})
}

// checkShared reports a Free of what was just swapped out of a Pointer, in a section in which the same
// Pointer was read: its reader, and others, may hold the object.
func (e *engine) checkShared(fn *ssa.Function, g gift) {
	swap, _ := g.obj.(*ssa.Call)
	if g.pool == nil || g.name != "Free" || swap == nil {
		return
	}
	if _, name := apiOf(&swap.Call); name != "smr.Pointer.Swap" {
		return
	}
	source := e.key(swap.Call.Args[0])
	for f := fn; f != nil; f = f.Parent() {
		for _, sp := range e.spansIn(f) {
			if sp.kind != opensSection || !e.mustBeOpen(sp, g.at) {
				continue
			}
			for _, use := range sp.uses {
				if c := common(use); c != nil && e.key(c.Args[0]) == source {
					e.report("doublefree", posOf(g.at), "Free gives an object to the next user while readers may hold it, in the section that was entered at %s: use Retire",
						e.line(sp.open.Pos()))
				}
			}
		}
	}
}

// heldToo reports whether the function may hold an object that it gives back.
func (e *engine) heldToo(fn *ssa.Function, g gift) bool {
	held := false
	instructions(fn, func(at ssa.Instruction) {
		c := common(at)
		if c == nil || at == g.at {
			return
		}
		a, _ := apiOf(c)
		s := e.summaryOf(c)
		held = held || a.opens == opensHold // perhaps of a part of it
		for _, o := range s.Opens {
			held = held || opened(o.Kind) == opensHold
		}
		for i, v := range c.Args {
			held = held || e.canon(v) == g.obj && (a.takes == i+1 || s.Takes[i])
		}
	})
	return held
}

// checkWriters reports writes without the lock that was named, and elements in two queues.
func (e *engine) checkWriters(fn *ssa.Function) {
	var calls []*ssa.Call
	instructions(fn, func(at ssa.Instruction) {
		if call, ok := at.(*ssa.Call); ok {
			calls = append(calls, call)
		}
	})
	for _, call := range calls {
		a, _ := apiOf(&call.Call)
		if a.guarded {
			e.checkGuarded(fn, call)
			if _, name := apiOf(&call.Call); name == "smr.Pointer.LoadSerialized" && !e.lockedAnywhere(call) {
				e.suspect("unguarded", posOf(call), "%s, and this function takes no lock", e.calleeName(&call.Call))
			}
		}
		if a.inserts != 0 {
			e.checkInsert(calls, call, a)
		}
	}
}

// checkGuarded reports a writer's call without the lock that the function, or the one that has started
// this goroutine, has named by GuardedBy.
func (e *engine) checkGuarded(fn *ssa.Function, call *ssa.Call) {
	target := e.key(call.Call.Args[0])
	for f := fn; f != nil; f = f.Parent() {
		found := false
		instructions(f, func(at ssa.Instruction) {
			c := common(at)
			if c == nil || len(c.Args) != 2 {
				return
			}
			name, ours := nameOf(callee(c))
			if !ours || name != "smr.Pointer.GuardedBy" && name != "smrq.queue.GuardedBy" || e.key(c.Args[0]) != target {
				return
			}
			before := f != fn || dominates(at, call) && !e.mayLock(at, call)
			found = found || before && !e.lockedAnywhere(call)
		})
		if found {
			e.report("unguarded", posOf(call), "%s without the lock that GuardedBy names", e.calleeName(&call.Call))
			return
		}
		if !e.started(f) {
			return // its caller may hold the lock
		}
	}
}

// mayLock reports whether something between two instructions may take a lock.
func (e *engine) mayLock(from, to ssa.Instruction) bool {
	found := false
	instructions(from.Parent(), func(at ssa.Instruction) {
		call, ok := at.(*ssa.Call)
		if !ok || found || !reaches(from, at) || !reaches(at, to) {
			return
		}
		if _, builtin := call.Call.Value.(*ssa.Builtin); builtin {
			return
		}
		fn := callee(&call.Call)
		_, ours := nameOf(fn)
		found = fn == nil || call.Call.IsInvoke() || !ours && e.summaryOf(&call.Call).May != ""
	})
	return found
}

// started reports whether a function literal is a goroutine's.
func (e *engine) started(fn *ssa.Function) bool {
	if fn.Parent() == nil {
		return false
	}
	found := false
	instructions(fn.Parent(), func(at ssa.Instruction) {
		if g, ok := at.(*ssa.Go); ok && literal(g.Call.Value) == fn {
			found = true
		}
	})
	return found
}

// lockedAnywhere reports whether a lock may be held at an instruction, taken by this function or one
// around it.
func (e *engine) lockedAnywhere(at ssa.Instruction) bool {
	if e.locked(at) {
		return true
	}
	for fn := at.Parent(); fn.Parent() != nil; fn = fn.Parent() {
		in := false
		instructions(fn, func(other ssa.Instruction) { in = in || lockStep(false, other) })
		if in {
			return true
		}
	}
	return false
}

// checkInsert reports an element that goes into a second queue by its only Link.
func (e *engine) checkInsert(calls []*ssa.Call, call *ssa.Call, a api) {
	elem := e.canon(arg(&call.Call, a.inserts))
	if links(elem.Type()) != 1 {
		return
	}
	for _, first := range calls {
		b, _ := apiOf(&first.Call)
		if b.inserts == 0 || first == call || !dominates(first, call) || e.canon(arg(&first.Call, b.inserts)) != elem {
			continue
		}
		removed := slices.ContainsFunc(calls, func(c *ssa.Call) bool {
			return reaches(first, c) && reaches(c, call) && e.mayRemove(c)
		})
		if !removed {
			e.report("relink", posOf(call), "the element is in a queue already, since %s, and has one Link", e.line(first.Pos()))
		}
	}
}

// mayRemove reports whether a call may remove an element from a queue.
func (e *engine) mayRemove(c *ssa.Call) bool {
	if _, builtin := c.Call.Value.(*ssa.Builtin); builtin {
		return false
	}
	a, name := apiOf(&c.Call)
	fn := callee(&c.Call)
	if _, ours := nameOf(fn); ours {
		return a.takes != 0 || name == "smrq.queue.Init" || name == "smrq.Cursor.Erase" || name == "smrq.Split.Step"
	}
	return fn == nil || concerned(fn.Pkg())
}

// links returns how many fields of type smrq.Link an element has.
func links(t types.Type) int {
	p, ok := t.Underlying().(*types.Pointer)
	if !ok {
		return 0
	}
	s, ok := p.Elem().Underlying().(*types.Struct)
	if !ok {
		return 0
	}
	n := 0
	for f := range s.Fields() {
		if isLib(f.Type(), "smrq", "Link") {
			n++
		} else if f.Embedded() {
			n += links(types.NewPointer(f.Type()))
		}
	}
	return n
}

// checkDomains reports what is used in a domain that is not its own, where both are made in sight.
func (e *engine) checkDomains(fn *ssa.Function) {
	instructions(fn, func(at ssa.Instruction) {
		call, ok := at.(*ssa.Call)
		if !ok {
			return
		}
		c := &call.Call
		a, name := apiOf(c)
		switch {
		case a.section != 0:
			e.checkLender(fn, call, a, name)
		case name == "smr.Call" || name == "smr.TryCall":
			for _, l := range e.loans(c.Args[1]) {
				if sp := e.spanOf[l.section]; sp != nil && differ(sp.domain, e.domain(c.Args[0])) {
					e.report("wrongdomain", posOf(at), "the object was found in a section of another domain, entered at %s, than the one that is to free it",
						e.line(sp.open.Pos()))
				}
			}
		case name == "smr.Domain.Wait" || name == "smr.Domain.Poll" || name == "smr.Domain.Commit" || name == "smr.Domain.Passed":
			goal, _ := made(e.canon(c.Args[len(c.Args)-1]))
			if goal == nil {
				return
			}
			if _, from := apiOfAny(&goal.Call); from != "smr.Domain.Advance" && from != "smr.Domain.DeferredAdvance" {
				return
			}
			if differ(e.domain(goal.Call.Args[0]), e.domain(c.Args[0])) {
				e.report("wrongdomain", posOf(at), "the goal is one of another domain: %s", e.line(goal.Pos()))
			}
		}
	})
}

func apiOfAny(c *ssa.CallCommon) (bool, string) {
	name, ours := nameOf(callee(c))
	return ours, name
}

// checkLender reports a load in a section of another domain.
func (e *engine) checkLender(fn *ssa.Function, call *ssa.Call, a api, name string) {
	sp := e.spanOf[e.canon(arg(&call.Call, a.section))]
	if sp == nil || sp.domain == "" {
		return
	}
	owner := ""
	switch name {
	case "smrmap.Map.LoadIn", "smrmap.Bytes.LoadIn", "smrfile.File.View":
		owner = e.ownDomain(call.Call.Args[0])
	case "smr.Pointer.Load":
		target := e.key(call.Call.Args[0])
		for f := fn; f != nil; f = f.Parent() {
			instructions(f, func(at ssa.Instruction) {
				if c := common(at); c != nil && len(c.Args) == 2 {
					if ours, name := apiOfAny(c); ours && name == "smr.Pointer.In" && e.key(c.Args[0]) == target {
						owner = e.domain(c.Args[1])
					}
				}
			})
		}
	}
	if differ(owner, sp.domain) {
		e.report("wrongdomain", posOf(call), "%s in a section of another domain, entered at %s", e.calleeName(&call.Call), e.line(sp.open.Pos()))
	}
}
