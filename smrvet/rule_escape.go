package smrvet

import (
	"go/token"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// Rule walkescape: what is borrowed does not outlive the function, walk or section that lends it, by
// way of a variable, a map, a channel or another goroutine.

// checkEscapes looks for ways out of a function.
func (e *engine) checkEscapes(fn *ssa.Function) {
	instructions(fn, func(at ssa.Instruction) {
		switch at := at.(type) {
		case *ssa.Store:
			e.checkStore(fn, at)
		case *ssa.MapUpdate:
			e.checkMapUpdate(fn, at)
		case *ssa.Send:
			e.checkHandover(at, at.X, "is sent to another goroutine")
		case *ssa.Go:
			for _, v := range passed(&at.Call) {
				e.checkHandover(at, v, "is used by another goroutine")
			}
		case *ssa.Call:
			e.checkLater(at)
		}
	})
}

// passed returns what a call passes: its arguments, and what its closure captures.
func passed(c *ssa.CallCommon) []ssa.Value {
	vals := append([]ssa.Value(nil), c.Args...)
	if made, ok := c.Value.(*ssa.MakeClosure); ok {
		vals = append(vals, made.Bindings...)
	}
	return vals
}

// captured returns the loans of a value, or of what is in a captured variable.
func (e *engine) captured(v ssa.Value) []*loan {
	if ls := e.holdsLoans(v); len(ls) > 0 {
		return ls
	}
	if cell, ok := e.canon(v).(*ssa.Alloc); ok {
		if stored, ok := e.stores(cell); ok && len(stored) == 1 {
			return e.loans(stored[0])
		}
	}
	return nil
}

// endsWith reports whether all the loans end when fn returns: it is called with what it borrows.
func (e *engine) endsWith(ls []*loan, fn *ssa.Function) bool {
	cb := e.lentTo(fn)
	for _, l := range ls {
		if cb == nil || cb.keeps {
			return false
		}
		lent := l.scope == fn && l.param < 0 && l.section == nil
		if p, ok := l.section.(*ssa.Parameter); ok && cb.scoped && p.Parent() == fn {
			lent = true
		}
		if !lent || e.owned(l, fn) {
			return false
		}
	}
	return len(ls) > 0
}

// checkStore reports a borrowed value that is stored in a variable outside of the function that it is
// lent to, if that is used later.
func (e *engine) checkStore(fn *ssa.Function, at *ssa.Store) {
	if _, ok := at.Addr.(*ssa.FreeVar); !ok && !e.outside(fn, at.Addr) {
		return
	}
	ls := e.holdsLoans(at.Val)
	if !e.endsWith(ls, fn) || e.locked(at) {
		return
	}
	cell, ok := e.root(at.Addr).(*ssa.Alloc)
	if ok && e.readLater(fn, cell, at) {
		e.report("walkescape", posOf(at), "what is borrowed until this function returns is kept in a variable outside of it: keep a copy")
		return
	}
	e.suspect("walkescape", posOf(at), "what is borrowed until this function returns is stored outside of it: store a copy, or clear it before")
}

// outside reports whether an address is that of memory which outlives the function.
func (e *engine) outside(fn *ssa.Function, addr ssa.Value) bool {
	switch r := e.root(addr).(type) {
	case *ssa.Alloc:
		return r.Parent() != fn
	case *ssa.Global:
		return true
	}
	return false
}

// readLater reports whether a variable of an outer function is read after the function literal fn is
// done with, or in it before it is stored to again.
func (e *engine) readLater(fn *ssa.Function, cell *ssa.Alloc, store *ssa.Store) bool {
	call := e.lentTo(fn).at
	later := false
	var uses func(addr ssa.Value)
	uses = func(addr ssa.Value) {
		for _, use := range *addr.Referrers() {
			switch use := use.(type) {
			case *ssa.FieldAddr:
				uses(use)
			case *ssa.IndexAddr:
				uses(use)
			case *ssa.Store, *ssa.DebugRef, *ssa.MakeClosure:
			default:
				if use.Parent() == call.Parent() && reaches(call, use) {
					later = true
				}
			}
		}
	}
	uses(cell)
	if load, ok := accumulates(store.Val); ok && e.canon(load.X) == ssa.Value(cell) {
		later = true
	}
	return later
}

// accumulates reports whether v is what was loaded from a variable, and more.
func accumulates(v ssa.Value) (*ssa.UnOp, bool) {
	call, ok := v.(*ssa.Call)
	if !ok {
		return nil, false
	}
	if b, ok := call.Call.Value.(*ssa.Builtin); !ok || b.Name() != "append" {
		return nil, false
	}
	load, ok := call.Call.Args[0].(*ssa.UnOp)
	return load, ok && load.Op == token.MUL
}

// checkMapUpdate reports a borrowed value that is put into a map from outside.
func (e *engine) checkMapUpdate(fn *ssa.Function, at *ssa.MapUpdate) {
	if m, ok := e.canon(at.Map).(ssa.Instruction); ok && m.Parent() == fn {
		if _, load := m.(*ssa.UnOp); !load {
			return
		}
	}
	for _, v := range []ssa.Value{at.Key, at.Value} {
		if e.endsWith(e.holdsLoans(v), fn) && !e.locked(at) {
			e.report("walkescape", posOf(at), "what is borrowed until this function returns is kept in a map outside of it: keep a copy")
		}
	}
}

// checkHandover reports a borrowed value that another goroutine gets, if nothing waits for that
// goroutine before the loan ends.
func (e *engine) checkHandover(at ssa.Instruction, v ssa.Value, what string) {
	ls := e.captured(v)
	if len(ls) == 0 || e.locked(at) {
		return
	}
	for _, l := range ls {
		if e.owned(l, at.Parent()) || e.ownedBy(l, at) {
			return
		}
	}
	switch {
	case e.endsWith(ls, at.Parent()):
		if e.waitsAfter(at, nil) {
			return
		}
	case e.allOpen(ls, at):
		for _, l := range ls {
			sp := e.spanOf[l.section]
			if len(sp.escapes) > 0 || e.waitsAfter(at, sp) || e.kept(l, sp, at) || len(sp.ends)+len(sp.defers) == 0 {
				return
			}
		}
	default:
		return
	}
	e.report("walkescape", posOf(at), "%s %s, and nothing waits for that before the loan ends: pass a copy", e.describe(ls[0]), what)
}

// ownedBy reports whether the goroutine that is started unlinks or frees what it gets, so that it may
// be its own.
func (e *engine) ownedBy(l *loan, at ssa.Instruction) bool {
	c := common(at)
	if c == nil {
		return false
	}
	if made, ok := c.Value.(*ssa.MakeClosure); ok {
		return e.owned(l, made.Fn.(*ssa.Function))
	}
	for i := range c.Args {
		if e.summaryOf(c).Takes[i] {
			return true
		}
	}
	return false
}

// allOpen reports whether the section of each loan is open for certain.
func (e *engine) allOpen(ls []*loan, at ssa.Instruction) bool {
	for _, l := range ls {
		sp := e.spanOf[l.section]
		if l.section == nil || sp == nil || sp.open.Parent() != at.Parent() || !e.mustBeOpen(sp, at) {
			return false
		}
	}
	return true
}

// waitsAfter reports whether the function may wait for something after an instruction; while the span
// is open, if one is given.
func (e *engine) waitsAfter(at ssa.Instruction, sp *span) bool {
	found := false
	instructions(at.Parent(), func(other ssa.Instruction) {
		if _, deferred := other.(*ssa.Defer); deferred && common(other) != nil && sp != nil && !sp.defers[other] {
			found = true // it may wait
		}
		if found || other == at || !e.mayWait(other) || !reaches(at, other) {
			return
		}
		if sp == nil || e.at(sp, other)&isOpen != 0 {
			found = true
		}
	})
	return found
}

// checkLater reports a borrowed value in a function that runs after a grace period, or at a later
// time.
func (e *engine) checkLater(call *ssa.Call) {
	a, name := apiOf(&call.Call)
	var fn ssa.Value
	switch {
	case a.later != 0:
		fn = arg(&call.Call, a.later)
	case name == "time.AfterFunc":
		fn = call.Call.Args[1]
	}
	made, ok := fn.(*ssa.MakeClosure)
	if !ok || e.locked(call) {
		return
	}
	inner := made.Fn.(*ssa.Function)
	for _, v := range made.Bindings {
		ls := e.captured(v)
		if len(ls) == 0 || !e.endsWith(ls, call.Parent()) && !e.allOpen(ls, call) {
			continue
		}
		own := false
		for _, l := range ls {
			own = own || e.owned(l, call.Parent()) || e.owned(l, inner) || e.freesAny(inner)
			if sp := e.spanOf[l.section]; sp != nil && (len(sp.escapes) > 0 || e.kept(l, sp, call)) {
				own = true
			}
		}
		if !own {
			e.report("walkescape", call.Pos(), "%s is used by a function that runs later, when it may be freed: pass a copy", e.describe(ls[0]))
			return
		}
	}
}

// freesAny reports whether a callback may be what frees an object.
func (e *engine) freesAny(fn *ssa.Function) bool {
	found := false
	instructions(fn, func(at ssa.Instruction) {
		if c := common(at); c != nil {
			found = found || frees(c) || callee(c) == nil
		}
	})
	return found
}

// frees reports whether a call gives something up, by its name.
func frees(c *ssa.CallCommon) bool {
	if a, _ := apiOf(c); a.gives != 0 {
		return true
	}
	fn := callee(c)
	if fn == nil {
		return false
	}
	name := strings.ToLower(fn.Name())
	for _, verb := range []string{"free", "close", "unmap", "release", "put", "destroy", "retire", "recycle", "drop"} {
		if strings.Contains(name, verb) {
			return true
		}
	}
	return false
}
