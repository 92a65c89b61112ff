package smrvet

import (
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// Rules dropped, unleft, deferinloop, storedsection and hold: what is opened is ended, once.

// checkSpan checks one section, hold or share.
func (e *engine) checkSpan(sp *span) {
	if e.unused(sp) {
		if e.whole(sp) || sp.ok != nil && !decides(sp.ok) {
			e.suspect(sp.rule("dropped"), sp.open.Pos(), "the %s that %s opens is dropped", sp.kind.what(), e.calleeName(sp.call))
			return
		}
		e.report(sp.rule("dropped"), sp.open.Pos(), "the %s that %s opens is dropped: it is never %s",
			sp.kind.what(), e.calleeName(sp.call), sp.kind.ended())
		return
	}
	e.checkTwice(sp)
	e.checkUsesOf(sp)
	e.checkDefers(sp)
	if len(sp.escapes) == 0 {
		e.checkLeft(sp)
	} else {
		e.checkStored(sp)
	}
}

// rule returns the rule's name, for a hold "hold".
func (sp *span) rule(name string) string {
	if sp.kind == opensHold {
		return "hold"
	}
	return name
}

func (e *engine) calleeName(c *ssa.CallCommon) string {
	if fn := callee(c); fn != nil {
		return fn.Name()
	}
	return "the function"
}

// unused reports whether nothing at all is done with the span.
func (e *engine) unused(sp *span) bool {
	for _, at := range *sp.value.Referrers() {
		switch at := at.(type) {
		case *ssa.DebugRef:
		case *ssa.Extract:
			if sp.value != sp.open.(ssa.Value) || at != sp.ok && !isError(at.Type()) && !isBool(at.Type()) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// whole reports whether the opening is all that a function literal does: tests have such, which are to
// panic.
func (e *engine) whole(sp *span) bool {
	fn := sp.open.Parent()
	if fn.Parent() == nil || len(fn.Blocks) != 1 {
		return false
	}
	instrs := fn.Blocks[0].Instrs
	return instrs[len(instrs)-2] == sp.open
}

// decides reports whether a condition is tested, rather than passed on.
func decides(ok ssa.Value) bool {
	for _, at := range *ok.Referrers() {
		switch at.(type) {
		case *ssa.If, *ssa.UnOp, *ssa.DebugRef:
		default:
			return false
		}
	}
	return true
}

func isError(t types.Type) bool { return types.Identical(t, types.Universe.Lookup("error").Type()) }

// checkLeft reports a way from the opening to a return, or back to itself, on which it is not ended.
func (e *engine) checkLeft(sp *span) {
	if !e.clear(sp) {
		return
	}
	w := &walk{span: sp, seen: make(map[*ssa.BasicBlock]bool), known: make(map[ssa.Value]bool)}
	to := w.from(sp.open.Block(), index(sp.open)+1)
	if to == nil {
		return
	}
	text := "the %s is not %s on the way that returns"
	if to == sp.open {
		text = "the %s is still open where the loop comes back here: it is not %s on each way through"
	} else if to.Pos().IsValid() {
		text += " at " + e.line(to.Pos())
	}
	e.note(&finding{
		rule: sp.rule("unleft"), pos: sp.open.Pos(), text: fmt.Sprintf(text, sp.kind.what(), sp.kind.ended()), fixes: e.deferLeave(sp),
	})
}

// clear reports whether all that decides about the span's end can be followed: whether it was opened
// is tested at once, and no variable remembers whether it was ended.
func (e *engine) clear(sp *span) bool {
	if sp.ok != nil {
		if !decides(sp.ok) {
			return false
		}
	}
	for at := range sp.ends {
		b := at.Block().Idom()
		if b == nil {
			continue
		}
		if branch, ok := b.Instrs[len(b.Instrs)-1].(*ssa.If); ok && remembered(branch.Cond) && reaches(sp.open, branch) {
			return false
		}
	}
	return true
}

// remembered reports whether a condition is a variable.
func remembered(cond ssa.Value) bool {
	switch c := cond.(type) {
	case *ssa.Phi:
		return true
	case *ssa.UnOp:
		return c.Op == token.MUL || c.Op == token.NOT && remembered(c.X)
	}
	return false
}

// A walk seeks a way on which a span stays open. It remembers how it has decided each condition.
type walk struct {
	*span
	seen  map[*ssa.BasicBlock]bool
	known map[ssa.Value]bool
}

// from walks on from an instruction of a block, and returns the return, or the opening, that it comes
// to; nil if there is no way.
func (w *walk) from(b *ssa.BasicBlock, i int) ssa.Instruction {
	for _, at := range b.Instrs[i:] {
		if w.ends[at] || w.defers[at] {
			return nil
		}
		switch at := at.(type) {
		case *ssa.Return:
			return at
		case *ssa.If:
			return w.branch(b, at)
		}
		if at == w.open {
			return at
		}
	}
	for _, next := range b.Succs {
		if to := w.into(next); to != nil {
			return to
		}
	}
	return nil
}

func (w *walk) into(b *ssa.BasicBlock) ssa.Instruction {
	if w.seen[b] {
		return nil
	}
	w.seen[b] = true
	return w.from(b, 0)
}

func (w *walk) branch(b *ssa.BasicBlock, branch *ssa.If) ssa.Instruction {
	cond, holds := branch.Cond, true
	if not, ok := cond.(*ssa.UnOp); ok && not.Op == token.NOT {
		cond, holds = not.X, false
	}
	if same, flips := w.comparison(cond); same != nil {
		cond, holds = same, holds != flips
	}
	for i, next := range b.Succs {
		value := holds == (i == 0)
		if was, ok := w.known[cond]; ok && was != value || cond == w.ok && !value {
			continue
		}
		_, had := w.known[cond]
		w.known[cond] = value
		to := w.into(next)
		if !had {
			delete(w.known, cond)
		}
		if to != nil {
			return to
		}
	}
	return nil
}

// comparison returns the comparison decided before of which cond is the same or the opposite.
func (w *walk) comparison(cond ssa.Value) (same ssa.Value, flips bool) {
	cmp, ok := cond.(*ssa.BinOp)
	if !ok {
		return nil, false
	}
	opposite := map[token.Token]token.Token{
		token.EQL: token.NEQ, token.NEQ: token.EQL, token.LSS: token.GEQ, token.GEQ: token.LSS, token.GTR: token.LEQ, token.LEQ: token.GTR,
	}
	for v := range w.known {
		was, ok := v.(*ssa.BinOp)
		if ok && equal(was.X, cmp.X) && equal(was.Y, cmp.Y) && (was.Op == cmp.Op || was.Op == opposite[cmp.Op]) {
			return was, was.Op != cmp.Op
		}
	}
	return nil, false
}

// equal reports whether two operands are one value, or one constant.
func equal(a, b ssa.Value) bool {
	c, ok := a.(*ssa.Const)
	d, also := b.(*ssa.Const)
	if ok && also {
		return types.Identical(c.Type(), d.Type()) && c.String() == d.String()
	}
	return a == b
}

// checkTwice reports a second end.
func (e *engine) checkTwice(sp *span) {
	const text = "the %s is %s twice: it was %s before, on each way here"
	for _, b := range sp.open.Parent().Blocks {
		for _, at := range b.Instrs {
			_, runs := at.(*ssa.RunDefers)
			switch {
			case sp.ends[at] && e.at(sp, at).must(isEnded):
				e.report(sp.rule("useafterleave"), at.Pos(), text, sp.kind.what(), sp.kind.ended(), sp.kind.ended())
			case runs && e.at(sp, at).must(endedDeferred):
				for end := range sp.ends {
					if reaches(end, at) && e.at(sp, end).must(openDeferred) {
						e.report(sp.rule("useafterleave"), end.Pos(), "the %s is %s twice: here, and by the defer statement as the function returns",
							sp.kind.what(), sp.kind.ended())
					}
				}
			}
		}
	}
}

// checkUsesOf reports uses of an ended section or hold itself.
func (e *engine) checkUsesOf(sp *span) {
	for _, at := range sp.uses {
		if e.at(sp, at).must(isEnded) {
			e.report(sp.rule("useafterleave"), posOf(at), "%s is called with a %s that was %s before", e.calleeName(common(at)), sp.kind.what(), sp.kind.ended())
		}
	}
}

// checkDefers reports defer statements that each turn of a loop adds to.
func (e *engine) checkDefers(sp *span) {
	for at := range sp.defers {
		b, from := at.Block(), sp.open.Block()
		loops := between(b, b) != nil && between(b, from) != nil && between(from, b) != nil && !few(b)
		if d, ok := at.(*ssa.Defer); ok && d.DeferStack != nil && strings.Contains(at.Parent().Synthetic, "range-over-func") {
			loops = true
		}
		if loops {
			e.report("deferinloop", at.Pos(), "a deferred %s in a loop runs when the function returns: until then each turn's %s stays open",
				sp.kind.ender(), sp.kind.what())
		}
	}
}

// few reports whether a loop around the block counts to a small constant.
func few(b *ssa.BasicBlock) bool {
	for loop := range between(b, b) {
		branch, ok := loop.Instrs[len(loop.Instrs)-1].(*ssa.If)
		if !ok || between(loop, b) == nil {
			continue
		}
		if cmp, ok := branch.Cond.(*ssa.BinOp); ok && cmp.Op == token.LSS && isFew(cmp.Y) {
			return true
		}
	}
	return false
}

// isFew reports whether a number is a small constant, or the length of a small literal.
func isFew(n ssa.Value) bool {
	const small = 16
	switch n := n.(type) {
	case *ssa.Const:
		return n.Value != nil && n.Value.Kind() == constant.Int && n.Int64() <= small
	case *ssa.Call:
		if b, ok := n.Call.Value.(*ssa.Builtin); !ok || b.Name() != "len" {
			return false
		}
		if sl, ok := n.Call.Args[0].(*ssa.Slice); ok {
			if p, ok := sl.X.Type().Underlying().(*types.Pointer); ok {
				array, ok := p.Elem().Underlying().(*types.Array)
				return ok && array.Len() <= small
			}
		}
	}
	return false
}

// checkDiscarded reports openings that are deferred, or made in a goroutine of their own.
func (e *engine) checkDiscarded(fn *ssa.Function) {
	instructions(fn, func(at ssa.Instruction) {
		if _, call := at.(*ssa.Call); call || common(at) == nil {
			return
		}
		c := common(at)
		kind := opensNothing
		if a, _ := apiOf(c); a.opens != opensNothing {
			kind = a.opens
		} else if o := e.summaryOf(c).Opens; len(o) > 0 {
			kind = opened(o[0].Kind)
		}
		if kind != opensNothing {
			e.report((&span{kind: kind}).rule("dropped"), at.Pos(), "the %s that %s opens is dropped: it is never %s", kind.what(), e.calleeName(c), kind.ended())
		}
	})
}

// checkStored reports sections stored where they outlive the function, if nothing takes them from there.
func (e *engine) checkStored(sp *span) {
	if sp.kind == opensHold || len(sp.ends)+len(sp.defers) > 0 {
		return // a hold is for that; what is left here may be stored meanwhile
	}
	for _, at := range sp.escapes {
		st, ok := at.(*ssa.Store)
		if !ok || st.Val != sp.value {
			continue
		}
		switch addr := e.canon(st.Addr).(type) {
		case *ssa.Global:
			if !e.takenFrom(func(from ssa.Value) bool { return from == addr }) {
				e.report("storedsection", sp.open.Pos(), "the %s is stored in %s, and stays open: nothing here takes it from there", sp.kind.what(), addr.Name())
			}
		case *ssa.FieldAddr:
			e.checkField(sp, addr)
		}
	}
}

func (e *engine) checkField(sp *span, addr *ssa.FieldAddr) {
	local, ok := e.root(addr).(*ssa.Alloc)
	n := named(addr.X.Type())
	if ok && !local.Heap || n == nil {
		return
	}
	field := n.Underlying().(*types.Struct).Field(addr.Field)
	if field.Exported() {
		return
	}
	method := false
	taken := e.takenFrom(func(from ssa.Value) bool {
		fa, ok := from.(*ssa.FieldAddr)
		if !ok || fa.Field != addr.Field || named(fa.X.Type()) == nil || named(fa.X.Type()).Origin() != n.Origin() {
			return false
		}
		if _, param := e.root(fa).(*ssa.Parameter); param {
			method = true
		}
		return true
	})
	const text = "the %s is stored in field %s of %s, and stays open as long as that lives: "
	switch {
	case !taken:
		e.report("storedsection", sp.open.Pos(), text+"nothing here takes it from there", sp.kind.what(), field.Name(), n.Obj().Name())
	case !method:
		e.suspect("storedsection", sp.open.Pos(), text+"no method ends it", sp.kind.what(), field.Name(), n.Obj().Name())
	}
}

// takenFrom reports whether a function of the package does more with a section that is stored at an
// address, of those that is picks, than to load in it.
func (e *engine) takenFrom(is func(addr ssa.Value) bool) bool {
	found := false
	for _, fn := range e.funcs {
		instructions(fn, func(at ssa.Instruction) {
			load, ok := at.(*ssa.UnOp)
			if !ok || load.Op != token.MUL || !is(load.X) {
				return
			}
			for _, use := range *load.Referrers() {
				if c := common(use); c == nil || !e.onlyUses(c, load) {
					found = true
				}
			}
		})
	}
	return found
}

// onlyUses reports whether the call leaves the section v as it is.
func (e *engine) onlyUses(c *ssa.CallCommon, v ssa.Value) bool {
	a, name := apiOf(c)
	return a.section != 0 && arg(c, a.section) == v || name == "smr.Section.Active" || !a.ends && e.keeps(c, v)
}
