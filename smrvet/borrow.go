package smrvet

import (
	"fmt"
	"go/token"
	"go/types"
	"maps"
	"slices"

	"golang.org/x/tools/go/ssa"
)

// Borrowed values: what a value is a part of, and until when it may be used.

// A loan is where something borrowed comes from: a call that lends it in a section, or a parameter.
type loan struct {
	value   ssa.Value // the call's result, or the parameter
	section ssa.Value // until it is left; nil if until scope returns
	scope   *ssa.Function
	lends   lender
	param   int // of a function's parameter, else -1
}

// loans returns what v is certainly a part of: whichever way control came, v is a part of one of
// them, or nil. It returns none for a copy.
func (e *engine) loans(v ssa.Value) []*loan {
	ls, ok := (&tracer{engine: e, busy: make(map[ssa.Value]bool)}).trace(v)
	if !ok {
		return nil
	}
	return ls
}

// holdsLoans is loans for a value that may also be a struct or array with a borrowed part, or lead to
// a new one.
func (e *engine) holdsLoans(v ssa.Value) []*loan {
	t := &tracer{engine: e, busy: make(map[ssa.Value]bool), inside: true}
	ls, ok := t.trace(v)
	if !ok {
		return nil
	}
	return ls
}

type tracer struct {
	*engine
	busy   map[ssa.Value]bool
	inside bool // parts of new structs count
	depth  int
}

// trace returns the loans of v. It fails if v may be something else. A loop that leads back to v
// adds nothing.
func (t *tracer) trace(v ssa.Value) ([]*loan, bool) {
	if isNil(v) || t.busy[v] {
		return nil, true
	}
	if !hasPointers(v.Type()) || t.depth > 200 {
		return nil, false
	}
	if l := t.loanOf(v); l != nil {
		return []*loan{l}, true
	}
	t.busy[v] = true
	t.depth++
	defer func() { delete(t.busy, v); t.depth-- }()
	switch v := v.(type) {
	case *ssa.FieldAddr:
		return t.trace(v.X)
	case *ssa.IndexAddr:
		return t.trace(v.X)
	case *ssa.Field:
		return t.part(v.X, v.Type())
	case *ssa.Slice:
		return t.trace(v.X)
	case *ssa.ChangeType:
		return t.trace(v.X)
	case *ssa.SliceToArrayPointer:
		return t.trace(v.X)
	case *ssa.MakeInterface:
		return t.trace(v.X)
	case *ssa.TypeAssert:
		return t.trace(v.X)
	case *ssa.Convert:
		return t.convert(v)
	case *ssa.Extract:
		if call, ok := v.Tuple.(*ssa.Call); ok {
			return t.call(call, v.Index)
		}
	case *ssa.Call:
		return t.call(v, 0)
	case *ssa.Phi:
		return t.all(v.Edges)
	case *ssa.FreeVar:
		if b := t.bound(v); b != nil {
			return t.trace(b)
		}
	case *ssa.UnOp:
		if v.Op == token.MUL {
			return t.load(v)
		}
	case *ssa.Alloc:
		if t.inside {
			return t.parts(v)
		}
	}
	return nil, false
}

// all is trace for a value that is one of several.
func (t *tracer) all(vals []ssa.Value) (sum []*loan, ok bool) {
	for _, v := range vals {
		ls, ok := t.trace(v)
		if !ok {
			return nil, false
		}
		sum = append(sum, ls...)
	}
	return sum, true
}

// part is trace for a field of a struct that is a value: bytes of it are borrowed, a string is a copy.
func (t *tracer) part(x ssa.Value, field types.Type) ([]*loan, bool) {
	ls, ok := t.trace(x)
	if !ok || !isBytes(field) && !t.strict {
		return nil, false
	}
	return ls, true
}

// convert is trace for a conversion: those between bytes and strings copy.
func (t *tracer) convert(v *ssa.Convert) ([]*loan, bool) {
	from, to := v.X.Type().Underlying(), v.Type().Underlying()
	if isPointer(from) && isPointer(to) {
		return t.trace(v.X)
	}
	return nil, false
}

func isPointer(t types.Type) bool {
	if _, ok := t.(*types.Pointer); ok {
		return true
	}
	b, ok := t.(*types.Basic)
	return ok && b.Kind() == types.UnsafePointer
}

// load is trace for what is loaded from an address.
func (t *tracer) load(v *ssa.UnOp) ([]*loan, bool) {
	switch a := t.outward(v.X).(type) {
	case *ssa.Alloc:
		stored, ok := t.stores(a)
		if ok && len(stored) > 0 {
			return t.all(stored)
		}
		if t.inside {
			return t.parts(a)
		}
		return nil, false
	case *ssa.FieldAddr:
		if cell, ok := t.outward(a.X).(*ssa.Alloc); ok {
			return t.field(cell, a.Field, v.Type())
		}
	}
	ls, ok := t.trace(v.X)
	if !ok {
		return nil, false
	}
	// A word of an object is a copy. Bytes that it leads to are borrowed with it, if they are freed with
	// it. Whether the rest is, only its callback knows.
	if t.strict {
		return ls, true
	}
	for _, l := range ls {
		if l.lends != lendsObject || l.param >= 0 || !isBytes(v.Type()) || !t.freed(v.X) {
			return nil, false
		}
	}
	return ls, true
}

// freed reports whether the slice in a field is freed, unmapped or given back by a function that is
// given such an object.
func (t *tracer) freed(addr ssa.Value) bool {
	field, ok := addr.(*ssa.FieldAddr)
	if !ok || named(field.X.Type()) == nil {
		return false
	}
	n := named(field.X.Type())
	key := fmt.Sprint(n.Origin(), field.Field)
	if was, ok := t.freedFields[key]; ok {
		return was
	}
	found := false
	for _, fn := range t.funcs {
		instructions(fn, func(at ssa.Instruction) {
			c := common(at)
			if c == nil || !frees(c) {
				return
			}
			for _, v := range c.Args {
				load, ok := v.(*ssa.UnOp)
				if !ok {
					continue
				}
				fa, ok := load.X.(*ssa.FieldAddr)
				found = found || ok && fa.Field == field.Field && named(fa.X.Type()) != nil && named(fa.X.Type()).Origin() == n.Origin()
			}
		})
	}
	t.freedFields[key] = found
	return found
}

// outward returns what a captured variable is outside.
func (t *tracer) outward(v ssa.Value) ssa.Value {
	for {
		free, ok := v.(*ssa.FreeVar)
		if !ok {
			return v
		}
		if v = t.bound(free); v == nil {
			return free
		}
	}
}

// field is trace for a field of a local struct: all that is stored there counts.
func (t *tracer) field(cell *ssa.Alloc, field int, typ types.Type) (sum []*loan, ok bool) {
	ok = true
	add := func(ls []*loan, certain bool) { sum, ok = append(sum, ls...), ok && certain }
	t.cellUses(cell, func(at ssa.Instruction, address ssa.Value) {
		switch at := at.(type) {
		case *ssa.UnOp:
		case *ssa.Store:
			if at.Addr != address {
				ok = false
			} else if !isNil(at.Val) {
				add(t.part(at.Val, typ))
			}
		case *ssa.FieldAddr:
			if at.Field != field {
				return
			}
			for _, use := range *at.Referrers() {
				switch use := use.(type) {
				case *ssa.UnOp, *ssa.DebugRef:
				case *ssa.Store:
					if use.Addr != at {
						ok = false
					} else {
						add(t.trace(use.Val))
					}
				default:
					ok = false
				}
			}
		default:
			ok = false
		}
	})
	return sum, ok && len(sum) > 0
}

// parts is trace for a new struct or array: it holds a loan if all that is stored in one of its
// places does.
func (t *tracer) parts(v *ssa.Alloc) ([]*loan, bool) {
	places := make(map[int][]ssa.Value)
	var whole []ssa.Value
	for _, at := range *v.Referrers() {
		place := -1
		var addr ssa.Value
		switch at := at.(type) {
		case *ssa.FieldAddr:
			place, addr = at.Field, at
		case *ssa.IndexAddr:
			if c, ok := at.Index.(*ssa.Const); ok && at.X == v {
				place, addr = int(c.Int64()), at
			}
		case *ssa.Store:
			if at.Addr == v {
				whole = append(whole, at.Val)
			}
		}
		if addr == nil {
			continue
		}
		for _, use := range *addr.Referrers() {
			if st, ok := use.(*ssa.Store); ok && st.Addr == addr {
				places[place] = append(places[place], st.Val)
			}
		}
	}
	if len(whole) > 0 {
		if len(places) > 0 {
			return nil, false // which of its parts is the borrowed one?
		}
		return t.all(whole)
	}
	var sum []*loan
	for _, place := range slices.Sorted(maps.Keys(places)) {
		if ls, ok := t.all(places[place]); ok {
			sum = append(sum, ls...)
		}
	}
	return sum, len(sum) > 0
}

// returned returns the result i of a return statement. A function with a defer statement has its
// results in cells; what counts is what this statement puts there.
func (e *engine) returned(r *ssa.Return, i int) ssa.Value {
	load, ok := r.Results[i].(*ssa.UnOp)
	if !ok {
		return r.Results[i]
	}
	cell, ok := load.X.(*ssa.Alloc)
	if !ok {
		return load
	}
	for _, at := range *cell.Referrers() {
		if made, ok := at.(*ssa.MakeClosure); ok && isDeferred(made) {
			return load
		}
	}
	for _, at := range slices.Backward(r.Block().Instrs) {
		if st, ok := at.(*ssa.Store); ok && st.Addr == cell {
			return st.Val
		}
	}
	return load
}

func isDeferred(made *ssa.MakeClosure) bool {
	for _, use := range *made.Referrers() {
		if _, ok := use.(*ssa.Defer); ok {
			return true
		}
	}
	return false
}

// call is trace for a result of a call.
func (t *tracer) call(call *ssa.Call, i int) ([]*loan, bool) {
	if b, ok := call.Call.Value.(*ssa.Builtin); ok {
		return t.builtin(b.Name(), call.Call.Args)
	}
	var sum []*loan
	for _, d := range t.summaryOf(&call.Call).Derives {
		if d.Result != i || d.Param >= len(call.Call.Args) {
			continue
		}
		from := call.Call.Args[d.Param]
		if isSection(from.Type()) {
			return []*loan{t.lent(call, from, lender(d.Lends))}, true
		}
		ls, ok := t.trace(from)
		if !ok {
			return nil, false
		}
		sum = append(sum, ls...)
	}
	return sum, len(sum) > 0
}

func (t *tracer) builtin(name string, args []ssa.Value) ([]*loan, bool) {
	switch name {
	case "append":
		if t.inside && len(args) == 2 && !isBytes(args[0].Type()) {
			if ls, ok := t.trace(args[1]); ok && len(ls) > 0 {
				return ls, true // elements that are borrowed
			}
		}
		if sl, ok := args[0].(*ssa.Slice); ok && sl.Max == nil && sl.High != nil {
			return t.trace(args[0])
		}
		return nil, false
	case "String", "Slice", "StringData", "SliceData", "Add", "ssa:wrapnilchk": // of package unsafe
		return t.trace(args[0])
	}
	return nil, false
}

// lent returns the loan of a value that is lent until a section is left. There is one for each value.
func (e *engine) lent(v, section ssa.Value, lends lender) *loan {
	if l := e.loanAt[v]; l != nil {
		return l
	}
	l := &loan{value: v, section: e.canon(section), lends: lends, param: -1}
	e.loanAt[v] = l
	return l
}

// loanOf returns the loan that begins with v, or nil.
func (e *engine) loanOf(v ssa.Value) *loan {
	if l, ok := e.loanAt[v]; ok {
		return l
	}
	var l *loan
	switch v := v.(type) {
	case *ssa.Parameter:
		l = e.loanOfParam(v)
	case *ssa.Call, *ssa.Extract:
		call, i := made(v)
		if call == nil || i != 0 || isTuple(v.Type()) {
			return nil
		}
		if a, _ := apiOf(&call.Call); a.section != 0 && a.fn == 0 && a.lends != lendsNothing {
			l = &loan{value: v, section: e.canon(arg(&call.Call, a.section)), lends: a.lends, param: -1}
		}
	}
	e.loanAt[v] = l
	return l
}

func isTuple(t types.Type) bool { _, ok := t.(*types.Tuple); return ok }

// loanOfParam returns what is lent by a parameter: to a function that is called with something
// borrowed, until it returns or its section is left; to any other, by its caller.
func (e *engine) loanOfParam(p *ssa.Parameter) *loan {
	fn := p.Parent()
	for i, q := range fn.Params {
		if q != p {
			continue
		}
		if by := e.lentTo(fn); by != nil && !isSection(p.Type()) && (by.params == nil || by.params[i]) {
			return &loan{value: p, section: by.section, scope: fn, lends: by.lends, param: -1}
		}
		if isSection(p.Type()) {
			return nil
		}
		return &loan{value: p, scope: fn, param: i}
	}
	return nil
}

// A callback is how a function literal is called: with something borrowed.
type callback struct {
	at      ssa.CallInstruction
	call    *ssa.CallCommon
	lends   lender
	section ssa.Value    // which lends; nil if the loan ends as the function returns
	params  map[int]bool // that are lent; nil for all
	scoped  bool         // it gets a section instead
	keeps   bool         // what it returns may be borrowed
}

// lentTo returns how fn is called with something borrowed, if it is a function literal in its only
// use.
func (e *engine) lentTo(fn *ssa.Function) *callback {
	if cb, ok := e.callbacks[fn]; ok {
		return cb
	}
	e.callbacks[fn] = nil
	at, i := e.passedTo(fn)
	if at == nil {
		return nil
	}
	c := at.Common()
	a, name := apiOf(c)
	var cb *callback
	switch {
	case a.fn == i+1 && i >= 0:
		cb = &callback{lends: a.lends, scoped: a.scoped, keeps: name == "smrmap.Bytes.Compute" || name == "smrmap.Bytes.ComputeEvicting"}
		if a.section != 0 && a.lends != lendsFile { // outside of a Read a fault is no error
			cb.section = e.canon(arg(c, a.section))
		}
	case i >= 0:
		for _, l := range e.summaryOf(c).Lends {
			if l.Func == i {
				if cb == nil {
					cb = &callback{lends: lender(l.Lends), params: make(map[int]bool)}
				}
				cb.params[l.Param] = true
			}
		}
	default: // called itself: the body of a range statement
		if walk, ok := e.canon(c.Value).(*ssa.Call); ok {
			if b, _ := apiOf(&walk.Call); b.iter {
				cb = &callback{lends: b.lends}
				if b.section != 0 {
					cb.section = e.canon(arg(&walk.Call, b.section))
				}
			}
		}
	}
	if cb != nil {
		cb.at, cb.call = at, c
	}
	e.callbacks[fn] = cb
	return cb
}

// passedTo returns the only call that a function literal is passed to, and as which argument; -1 for
// the body of a range statement over a function.
func (e *engine) passedTo(fn *ssa.Function) (ssa.CallInstruction, int) {
	if fn.Parent() == nil {
		return nil, 0
	}
	var v ssa.Value = fn
	if m := e.made[fn]; m != nil {
		v = m
	}
	var found ssa.CallInstruction
	at, n := 0, 0
	look := func(use ssa.Instruction) {
		c, ok := use.(ssa.CallInstruction)
		if !ok {
			return
		}
		for i, a := range c.Common().Args {
			if a == v || e.canon(a) == v {
				found, at, n = c, i, n+1
			}
		}
	}
	instructions(fn.Parent(), look)
	if n != 1 {
		return nil, 0
	}
	if fn.Synthetic != "" && found.Common().StaticCallee() == nil && !found.Common().IsInvoke() {
		return found, -1
	}
	if apiFn, _ := apiOf(found.Common()); apiFn.fn == 0 && found.Common().StaticCallee() == nil {
		return found, -1
	}
	return found, at
}
