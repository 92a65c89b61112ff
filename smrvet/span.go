package smrvet

import (
	"go/token"

	"golang.org/x/tools/go/ssa"
)

// A span is what is to be ended: a section, a hold, a processor's share of a pool. It is an opening
// call, or a parameter that the caller opened, with all that its function does to it.
type span struct {
	value ssa.Value // the Section, say
	open  ssa.Instruction
	call  *ssa.CallCommon // nil for a parameter
	kind  opened
	pins  bool
	may   bool      // it is opened only if ok
	ok    ssa.Value // nil if nothing takes it

	// domain names the domain of a section, as engine.key does; "" if unknown.
	domain string

	ends    map[ssa.Instruction]bool // it is left there
	defers  map[ssa.Instruction]bool // its leaving is deferred there
	escapes []ssa.Instruction        // from then on others may leave it
	uses    []ssa.Instruction        // where it must be open
	in      map[*ssa.BasicBlock]state
}

// A state is the set of what may be so at a place.
type state uint8

const (
	unopened state = 1 << iota
	open
	openDeferred // open, and its end is deferred
	ended
	endedDeferred // ended, and will be again

	isOpen  = open | openDeferred
	isEnded = ended | endedDeferred
)

// must reports whether it is certain that s is one of those in want.
func (s state) must(want state) bool { return s&want != 0 && s&^want == 0 }

// spansIn returns the spans that a function opens.
func (e *engine) spansIn(fn *ssa.Function) []*span {
	if spans, ok := e.spans[fn]; ok {
		return spans
	}
	e.spans[fn] = nil
	var spans []*span
	instructions(fn, func(at ssa.Instruction) {
		if call, ok := at.(*ssa.Call); ok {
			if sp := e.opening(call); sp != nil {
				spans = append(spans, sp)
			}
		}
	})
	e.spans[fn] = spans
	for _, sp := range spans {
		e.spanOf[sp.value] = sp
		e.follow(sp)
		e.flow(sp)
	}
	return spans
}

// opening returns the span that a call opens, or nil.
func (e *engine) opening(call *ssa.Call) *span {
	sp := &span{open: call, call: &call.Call}
	result := -1
	a, _ := apiOf(&call.Call)
	if a.opens != opensNothing {
		sp.kind, sp.pins, result = a.opens, a.pins, 0
	} else {
		for _, o := range e.summaryOf(&call.Call).Opens {
			sp.kind, sp.pins, a.may, result = opened(o.Kind), o.Pins, o.May, o.Result
		}
	}
	if result < 0 {
		return nil
	}
	sp.may = a.may
	sp.value = call
	if call.Call.Signature().Results().Len() > 1 {
		sp.value = nil
		for _, at := range *call.Referrers() {
			if x, ok := at.(*ssa.Extract); ok {
				if x.Index == result {
					sp.value = x
				} else if a.may && isBool(x.Type()) {
					sp.ok = x
				}
			}
		}
	}
	if sp.value == nil {
		sp.value = call // nobody takes it
	}
	sp.domain = e.sectionDomain(&call.Call)
	return sp
}

// follow finds all that is done to the span.
func (e *engine) follow(sp *span) {
	sp.ends, sp.defers = make(map[ssa.Instruction]bool), make(map[ssa.Instruction]bool)
	e.followValue(sp, sp.value, nil)
}

// followValue finds what is done to v, which is the span's value, and does it at the instruction
// made, if v is in a closure that is made there.
func (e *engine) followValue(sp *span, v ssa.Value, made *ssa.MakeClosure) {
	for _, at := range *v.Referrers() {
		switch at := at.(type) {
		case *ssa.DebugRef, *ssa.BinOp, *ssa.Extract:
			// Its other results are not it.
		case *ssa.Store:
			e.followStore(sp, v, at, made)
		case *ssa.Call, *ssa.Defer, *ssa.Go:
			e.followCall(sp, v, at, made)
		case *ssa.ChangeType:
			e.followValue(sp, at, made)
		default:
			sp.escapes = append(sp.escapes, outer(at, made))
		}
	}
}

// outer returns the instruction in the function that opens the span: at, or the one that makes the
// closure it is in.
func outer(at ssa.Instruction, made *ssa.MakeClosure) ssa.Instruction {
	if made != nil {
		return made
	}
	return at
}

func (e *engine) followStore(sp *span, v ssa.Value, at *ssa.Store, made *ssa.MakeClosure) {
	cell, ok := e.canon(at.Addr).(*ssa.Alloc)
	if ok {
		var stored []ssa.Value
		if stored, ok = e.stores(cell); len(stored) != 1 {
			ok = false
		}
	}
	if !ok || at.Val != v {
		sp.escapes = append(sp.escapes, outer(at, made))
		return
	}
	e.cellUses(cell, func(use ssa.Instruction, _ ssa.Value) {
		load, ok := use.(*ssa.UnOp)
		if !ok {
			return
		}
		in := made
		if load.Parent() != sp.open.Parent() {
			in = e.closureIn(sp.open.Parent(), load.Parent())
			if in == nil {
				sp.escapes = append(sp.escapes, sp.open)
				return
			}
		}
		e.followValue(sp, load, in)
	})
}

// closureIn returns where the function makes the closure that inner is, or is in.
func (e *engine) closureIn(fn, inner *ssa.Function) *ssa.MakeClosure {
	for made := e.made[inner]; made != nil; made = e.made[made.Parent()] {
		if made.Parent() == fn {
			return made
		}
	}
	return nil
}

func (e *engine) followCall(sp *span, v ssa.Value, at ssa.Instruction, made *ssa.MakeClosure) {
	c := common(at)
	a, name := apiOf(c)
	_, deferred := at.(*ssa.Defer)
	_, goes := at.(*ssa.Go)
	first := len(c.Args) > 0 && c.Args[0] == v
	switch {
	case goes && (a.ends || !e.keeps(c, v)):
		sp.escapes = append(sp.escapes, outer(at, made))
	case a.ends && first, e.leaves(c, v):
		e.end(sp, at, deferred, made)
	case a.using && first, a.section != 0 && arg(c, a.section) == v, e.needs(c, v):
		if made == nil && !deferred {
			sp.uses = append(sp.uses, at)
		}
	case harmless[name], e.keeps(c, v):
	default:
		sp.escapes = append(sp.escapes, outer(at, made))
	}
}

// harmless has methods that take a section or hold in any state, and change nothing.
var harmless = map[string]bool{"smr.Section.Active": true, "smr.Held.Active": true, "smrfile.Held.Active": true, "smrfile.Held.Size": true,
	"smrmap.HeldItem.Active": true, "smr.Domain.CheckSection": true}

// end notes that the span ends at an instruction, or, in a closure, where that is called.
func (e *engine) end(sp *span, at ssa.Instruction, deferred bool, made *ssa.MakeClosure) {
	if made == nil {
		if d, ok := at.(*ssa.Defer); ok && d.DeferStack != nil && at.Parent() != sp.open.Parent() {
			sp.escapes = append(sp.escapes, at)
			return
		}
		if deferred {
			sp.defers[at] = true
		} else {
			sp.ends[at] = true
		}
		return
	}
	if always(at) && made.Fn == at.Parent() && made.Parent() == sp.open.Parent() && len(*made.Referrers()) == 1 {
		switch use := (*made.Referrers())[0].(type) {
		case *ssa.Defer:
			if use.Call.Value == made {
				sp.defers[use] = true
				return
			}
		case *ssa.Call:
			if use.Call.Value == made {
				sp.ends[use] = true
				return
			}
		}
	}
	sp.escapes = append(sp.escapes, made)
}

// leaves reports whether the call ends v, because of what its function does.
func (e *engine) leaves(c *ssa.CallCommon, v ssa.Value) bool {
	for _, i := range e.summaryOf(c).Ends {
		if i < len(c.Args) && c.Args[i] == v {
			return true
		}
	}
	return false
}

// keeps reports whether the call neither ends v nor keeps it.
func (e *engine) keeps(c *ssa.CallCommon, v ssa.Value) bool {
	for i, a := range c.Args {
		if a == v && !e.summaryOf(c).Keeps[i] {
			return false
		}
	}
	return true
}

// needs reports whether v must be open in the call, and is still open after it.
func (e *engine) needs(c *ssa.CallCommon, v ssa.Value) bool {
	for i, a := range c.Args {
		if s := e.summaryOf(c); a == v && s.Needs[i] && s.Keeps[i] {
			return true
		}
	}
	return false
}

// flow finds what may be so at the start of each block.
func (e *engine) flow(sp *span) {
	fn := sp.open.Parent()
	sp.in = make(map[*ssa.BasicBlock]state)
	sp.in[fn.Blocks[0]] = unopened
	work := []*ssa.BasicBlock{fn.Blocks[0]}
	if fn.Recover != nil {
		sp.in[fn.Recover] = unopened | isOpen | isEnded
	}
	for len(work) > 0 {
		b := work[len(work)-1]
		work = work[:len(work)-1]
		s := sp.in[b]
		for _, at := range b.Instrs {
			s = sp.step(s, at)
		}
		for i, next := range b.Succs {
			if after := sp.in[next] | sp.edge(s, b, i); after != sp.in[next] {
				sp.in[next] = after
				work = append(work, next)
			}
		}
	}
}

// step returns what is so after the instruction.
func (sp *span) step(s state, at ssa.Instruction) state {
	switch {
	case at == sp.open:
		if sp.may {
			return unopened | open
		}
		return open
	case sp.ends[at]:
		return s&unopened | when(s, open, ended) | when(s, openDeferred, endedDeferred) | s&isEnded
	case sp.defers[at]:
		return s&unopened | when(s, open|openDeferred, openDeferred) | when(s, isEnded, endedDeferred)
	}
	if _, ok := at.(*ssa.RunDefers); ok {
		return s&unopened | s&open | when(s, openDeferred|isEnded, ended)
	}
	return s
}

func when(s, is, then state) state {
	if s&is != 0 {
		return then
	}
	return 0
}

// edge returns what is so on the way from the end of b to a successor: where opening it has failed,
// there is nothing to end.
func (sp *span) edge(s state, b *ssa.BasicBlock, succ int) state {
	branch, ok := b.Instrs[len(b.Instrs)-1].(*ssa.If)
	if !ok || sp.ok == nil {
		return s
	}
	cond, failed := branch.Cond, 1
	if not, ok := cond.(*ssa.UnOp); ok && not.Op == token.NOT {
		cond, failed = not.X, 0
	}
	if cond != sp.ok {
		return s
	}
	if succ == failed {
		return s&^isOpen | when(s, isOpen, unopened)
	}
	if s&isOpen != 0 {
		return s &^ unopened
	}
	return s
}

// mustBeOpen reports whether the span is open for certain at an instruction: it was not ended, and did
// not go where others may have ended it.
func (e *engine) mustBeOpen(sp *span, at ssa.Instruction) bool {
	if !e.at(sp, at).must(isOpen) {
		return false
	}
	for _, esc := range sp.escapes {
		if esc.Parent() != at.Parent() || esc == at || reaches(esc, at) {
			return false
		}
	}
	return true
}

// at returns what is so just before the instruction, which is in the span's function or in a
// closure that is made there; then what is so where it is made.
func (e *engine) at(sp *span, at ssa.Instruction) state {
	if at.Parent() != sp.open.Parent() {
		made := e.closureIn(sp.open.Parent(), at.Parent())
		if made == nil {
			return unopened | isOpen | isEnded
		}
		at = made
	}
	s := sp.in[at.Block()]
	for _, before := range at.Block().Instrs {
		if before == at {
			break
		}
		s = sp.step(s, before)
	}
	return s
}
