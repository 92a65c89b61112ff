package smrvet

import (
	"fmt"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// Rules useafterleave, returnborrowed and writeborrowed: what is borrowed is used in its section, and
// not written to.

// checkUses reports uses of what was borrowed in a section that was left, and writes to what is only
// lent to be read.
func (e *engine) checkUses(fn *ssa.Function) {
	told := make(map[*loan]bool)
	instructions(fn, func(at ssa.Instruction) {
		for _, v := range e.usedBy(at) {
			ls := e.loans(v)
			if len(ls) == 0 || told[ls[0]] {
				continue
			}
			if !e.allLeft(ls, at) {
				e.suspectUse(ls, at)
				continue
			}
			told[ls[0]] = true
			e.report("useafterleave", posOf(at), "%s is used after %s%s", e.describe(ls[0]), e.ended(ls[0]), e.leftWhere(ls[0]))
		}
		if r, ok := at.(*ssa.Return); ok {
			e.checkReturn(r)
		}
	})
}

// usedBy returns the values whose memory an instruction reads or writes, by itself or in a function
// that it calls.
func (e *engine) usedBy(at ssa.Instruction) []ssa.Value {
	vals := dereferenced(at)
	c := common(at)
	if c == nil {
		return vals
	}
	if _, builtin := c.Value.(*ssa.Builtin); builtin {
		return vals
	}
	a, _ := apiOf(c)
	fn := callee(c)
	s := e.summaryOf(c)
	_, ours := nameOf(fn)
	for i, v := range c.Args {
		switch {
		case a.gives == i+1, a.takes == i+1, s.Takes[i]:
		case s.Derefs[i]:
			vals = append(vals, v)
		case fn != nil && !ours && s == noSummary && isBytes(v.Type()) && !concerned(fn.Pkg()):
			vals = append(vals, v) // the standard library's, which reads it
		}
	}
	return vals
}

// describe says what was borrowed, for a message.
func (e *engine) describe(l *loan) string {
	if call, _ := made(l.value); call != nil {
		return fmt.Sprintf("what %s returned at %s", e.calleeName(&call.Call), e.line(call.Pos()))
	}
	return "what is borrowed by " + l.value.Name()
}

// ended says what ended the loan.
func (e *engine) ended(l *loan) string {
	kind := e.spanOf[l.section].kind
	return fmt.Sprintf("its %s was %s", kind.what(), kind.ended())
}

// leftWhere says where that ended, if it is one place.
func (e *engine) leftWhere(l *loan) string {
	sp := e.spanOf[l.section]
	if len(sp.ends) != 1 {
		return ""
	}
	for end := range sp.ends {
		return " at " + e.line(end.Pos())
	}
	return ""
}

// allLeft reports whether the section of each loan was left when control comes to the instruction,
// and nothing else may keep what was borrowed.
func (e *engine) allLeft(ls []*loan, at ssa.Instruction) bool {
	for _, l := range ls {
		sp := e.spanOf[l.section]
		if l.section == nil || sp == nil || !e.at(sp, at).must(isEnded) || e.kept(l, sp, at) {
			return false
		}
	}
	return !e.locked(at)
}

// suspectUse notes a use of what may be borrowed in a section that was left, on some way.
func (e *engine) suspectUse(ls []*loan, at ssa.Instruction) {
	for _, l := range ls {
		if sp := e.spanOf[l.section]; e.strict && l.section != nil && sp != nil && e.at(sp, at)&isEnded != 0 && !e.owned(l, sp.open.Parent()) {
			e.suspect("useafterleave", posOf(at), "%s may be used after %s", e.describe(l), e.ended(l))
		}
	}
}

// kept reports whether something else may keep what was borrowed: this function has unlinked it, or
// holds it, or another section is open.
func (e *engine) kept(l *loan, sp *span, at ssa.Instruction) bool {
	if e.owned(l, sp.open.Parent()) {
		return true
	}
	for _, p := range sp.open.Parent().Params {
		if isSection(p.Type()) {
			return true
		}
	}
	for _, other := range e.spansIn(sp.open.Parent()) {
		if other == sp || other.kind != opensSection || e.at(other, at)&isOpen == 0 {
			continue
		}
		if len(sp.defers) > 0 {
			return true
		}
		for end := range sp.ends {
			if e.at(other, end)&isOpen != 0 {
				return true
			}
		}
	}
	return e.insideSection(sp.open.Parent())
}

// insideSection reports whether a function literal may run in a section of the function around it.
func (e *engine) insideSection(fn *ssa.Function) bool {
	for ; fn.Parent() != nil; fn = fn.Parent() {
		for _, p := range fn.Parent().Params {
			if isSection(p.Type()) {
				return true
			}
		}
		for _, sp := range e.spansIn(fn.Parent()) {
			if made := e.made[fn]; sp.kind == opensSection && (made == nil || e.at(sp, made)&isOpen != 0) {
				return true
			}
		}
	}
	return false
}

// owned reports whether the function may be the one that unlinks what was borrowed, so that it is its
// own until it gives it up; or has one count references to it, which keep it.
func (e *engine) owned(l *loan, fn *ssa.Function) bool {
	source := ""
	if call, _ := made(l.value); call != nil && l.lends == lendsObject && len(call.Call.Args) > 0 {
		source = e.key(call.Call.Args[0])
	}
	found := false
	instructions(fn, func(at ssa.Instruction) {
		c := common(at)
		if c == nil || found {
			return
		}
		if _, goes := at.(*ssa.Go); goes {
			return
		}
		a, _ := apiOf(c)
		if a.puts && source != "" && e.key(c.Args[0]) == source && after(l, at) {
			found = true
			return
		}
		s := e.summaryOf(c)
		for i, v := range c.Args {
			if a.takes != i+1 && a.gives != i+1 && !s.Takes[i] && !s.Counts[i] {
				continue
			}
			if e.canon(v) == l.value {
				found = true
			}
			for _, other := range e.loans(v) {
				found = found || other == l
			}
		}
	})
	return found
}

// after reports whether control can come from where the loan begins to the instruction.
func after(l *loan, at ssa.Instruction) bool {
	from, ok := l.value.(ssa.Instruction)
	return !ok || from.Parent() != at.Parent() || reaches(from, at)
}

// checkReturn reports a result that was borrowed in a section of the function's own, which is left as
// it returns.
func (e *engine) checkReturn(r *ssa.Return) {
	for i := range r.Results {
		ls := e.holdsLoans(e.returned(r, i))
		if len(ls) == 0 || !e.allLeft(ls, r) {
			continue
		}
		pos := r.Pos()
		if !pos.IsValid() {
			pos = ls[0].value.Pos()
		}
		e.report("returnborrowed", pos, "%s is returned, but its section is left: return a copy", e.describe(ls[0]))
	}
}

// checkWrites reports writes to what is lent to be read.
func (e *engine) checkWrites(fn *ssa.Function) {
	instructions(fn, func(at ssa.Instruction) {
		switch at := at.(type) {
		case *ssa.Store:
			if _, cell := e.root(at.Addr).(*ssa.Alloc); !cell && e.lentToRead(at.Addr) {
				e.report("writeborrowed", posOf(at), "a write to a value that is borrowed from a map: others read it. Change a copy")
			}
		case *ssa.Call:
			b, ok := at.Call.Value.(*ssa.Builtin)
			if !ok || len(at.Call.Args) == 0 {
				return
			}
			into := at.Call.Args[0]
			switch {
			case b.Name() == "append" && extends(into) && e.lentToRead(into):
				e.report("writeborrowed", posOf(at), "append to a part of a borrowed value writes to the rest of it: clone it, or cut its capacity, as in v[:n:n]")
			case (b.Name() == "copy" || b.Name() == "clear") && e.lentToRead(into):
				e.report("writeborrowed", posOf(at), "%s into a value that is borrowed from a map: others read it. Change a copy", b.Name())
			}
		}
	})
}

// lentToRead reports whether v is certainly a part of what must not be written to.
func (e *engine) lentToRead(v ssa.Value) bool {
	ls := e.loans(v)
	for _, l := range ls {
		if !l.lends.readOnly() {
			return false
		}
	}
	return len(ls) > 0
}

// extends reports whether an append to v writes behind its end: v is a part, cut off by an index.
func extends(v ssa.Value) bool {
	sl, ok := v.(*ssa.Slice)
	if !ok || sl.High == nil || sl.Max != nil {
		return false
	}
	if length, ok := sl.High.(*ssa.Call); ok {
		if b, ok := length.Call.Value.(*ssa.Builtin); ok && b.Name() == "len" {
			return false
		}
	}
	_, slice := sl.X.Type().Underlying().(*types.Slice)
	return slice
}
