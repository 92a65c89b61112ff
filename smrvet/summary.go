package smrvet

import (
	"fmt"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// A Summary says what a function does to its arguments. It is inferred from its body, or stated by
// a directive, and travels to other packages as a fact.
type Summary struct {
	Opens   []Opening    // results that the caller must end
	Ends    []int        // parameters that it ends, whichever way it returns
	Keeps   map[int]bool // parameters that it neither ends nor keeps
	Needs   map[int]bool // parameters that must be open
	Derives []Flow       // results that are a part of what a parameter refers to
	Same    []Flow       // results that are a parameter
	Derefs  map[int]bool // parameters whose memory it reads or writes
	Gives   []int        // parameters that it gives up to be freed, whichever way it returns
	Takes   map[int]bool // parameters that it unlinks or gives up, perhaps
	Counts  map[int]bool // parameters in whose memory it counts atomically: references, perhaps
	Puts    bool         // it calls smr.Call or the like
	Fresh   []int        // results that are a new domain
	Lends   []Lending    // functions among its parameters that it calls with something borrowed
	Waits   []string     // domains, by key, for whose sections it waits
	Blocks  string       // what it always does that blocks
	May     string       // what it may do that blocks
}

// An Opening is a result that is a section, hold or the like.
type Opening struct {
	Result, Kind int
	Pins, May    bool
}

// A Flow is from a parameter to a result.
type Flow struct{ Result, Param, Lends int }

// A Lending is a parameter of a function that is itself a parameter.
type Lending struct{ Func, Param, Lends int }

func (*Summary) AFact() {}

func (s *Summary) String() string {
	var parts []string
	add := func(name string, n int) {
		if n > 0 {
			parts = append(parts, name)
		}
	}
	add("opens", len(s.Opens))
	add("ends", len(s.Ends))
	add("derives", len(s.Derives))
	add("gives", len(s.Gives))
	add("fresh", len(s.Fresh))
	add("lends", len(s.Lends))
	add("waits", len(s.Waits))
	add("blocks", len(s.Blocks))
	return fmt.Sprintf("smr(%s)", strings.Join(parts, " "))
}

var noSummary = new(Summary)

// summaryOf returns what is known of the function that a call calls.
func (e *engine) summaryOf(c *ssa.CallCommon) *Summary {
	if c.IsInvoke() {
		return e.stated(c.Method)
	}
	fn := c.StaticCallee()
	if fn == nil {
		return noSummary
	}
	return e.summary(origin(fn))
}

// stated returns what directives say of a method of an interface.
func (e *engine) stated(fn *types.Func) *Summary {
	s := new(Summary)
	if fn != nil && fn.Pkg() != nil && e.pass.ImportObjectFact(fn.Origin(), s) {
		return s
	}
	return noSummary
}

// summary returns the summary of a function, and infers it if need be. A function that is being
// inferred, since it calls itself, is as one that nothing is known of.
func (e *engine) summary(fn *ssa.Function) *Summary {
	if s, ok := e.sums[fn]; ok {
		return s
	}
	e.sums[fn] = noSummary
	obj, _ := fn.Object().(*types.Func)
	if name, ours := nameOf(obj); ours {
		if _, listed := apis[name]; listed {
			return noSummary
		}
	}
	s := new(Summary)
	if fn.Blocks == nil {
		if obj != nil && obj.Pkg() != e.pass.Pkg && e.pass.ImportObjectFact(obj.Origin(), s) {
			e.sums[fn] = s
		}
		return e.sums[fn]
	}
	s = e.infer(fn)
	if obj != nil {
		e.directives(obj, s)
	}
	e.sums[fn] = s
	return s
}

func (e *engine) infer(fn *ssa.Function) *Summary {
	s := &Summary{
		Keeps: make(map[int]bool), Needs: make(map[int]bool), Derefs: make(map[int]bool), Takes: make(map[int]bool), Counts: make(map[int]bool),
	}
	for i, p := range fn.Params {
		e.inferParam(s, fn, i, p)
	}
	var returns []*ssa.Return
	instructions(fn, func(at ssa.Instruction) {
		if r, ok := at.(*ssa.Return); ok {
			returns = append(returns, r)
		}
		e.inferAt(s, fn, at)
	})
	if len(returns) > 0 {
		for i := range returns[0].Results {
			e.inferResult(s, fn, returns, i)
		}
	}
	return s
}

// inferParam finds what becomes of a parameter that is to be ended.
func (e *engine) inferParam(s *Summary, fn *ssa.Function, i int, p *ssa.Parameter) {
	if !isSection(p.Type()) && !isLib(p.Type(), "smr", "Held") && !isLib(p.Type(), "smrfile", "Held") && !isLib(p.Type(), "slab", "Local") || len(fn.Blocks) == 0 {
		return
	}
	sp := &span{value: p, open: fn.Blocks[0].Instrs[0]}
	e.follow(sp)
	for at := range sp.ends {
		if always(at) {
			s.Ends = append(s.Ends, i)
		}
	}
	for at := range sp.defers {
		if always(at) {
			s.Ends = append(s.Ends, i)
		}
	}
	s.Needs[i] = len(sp.uses) > 0
	s.Keeps[i] = len(sp.ends)+len(sp.defers)+len(sp.escapes) == 0
}

// inferAt finds what an instruction does to the parameters.
func (e *engine) inferAt(s *Summary, fn *ssa.Function, at ssa.Instruction) {
	for _, v := range dereferenced(at) {
		for _, l := range e.loans(v) {
			if l.param >= 0 && l.scope == fn {
				s.Derefs[l.param] = true
			}
		}
	}
	if what := e.blocking(at); what != "" {
		s.May = what
		if always(at) {
			s.Blocks = what
		}
	} else if call, ok := at.(*ssa.Call); ok {
		if what := e.summaryOf(&call.Call).May; what != "" && s.May == "" {
			s.May = what
		}
	}
	c := common(at)
	if c == nil {
		return
	}
	if _, goes := at.(*ssa.Go); goes {
		return
	}
	a, _ := apiOf(c)
	if a.waits || len(e.summaryOf(c).Waits) > 0 {
		if always(at) {
			for _, d := range e.waitsFor(c) {
				if strings.Contains(d, "<") {
					s.Waits = append(s.Waits, parametric(fn, d))
				}
			}
		}
	}
	if a.gives != 0 {
		s.Puts = true
	}
	callee := e.summaryOf(c)
	for i, v := range c.Args {
		gives := a.gives == i+1 && !isZeroSize(c, a) || slices.Contains(callee.Gives, i)
		takes := a.takes == i+1 || a.gives == i+1 || callee.Takes[i] || gives
		for _, l := range e.loans(v) {
			if l.param < 0 || l.scope != fn {
				continue
			}
			if takes {
				s.Takes[l.param] = true
			}
			if callee.Counts[i] || i == 0 && countsAtomically(c) {
				s.Counts[l.param] = true
			}
			if callee.Derefs[i] {
				s.Derefs[l.param] = true
			}
			if gives && always(at) && e.canon(v) == l.value {
				s.Gives = append(s.Gives, l.param)
			}
		}
	}
	e.inferLending(s, fn, c)
}

// countsAtomically reports whether a call adds to, or compares and swaps, what its first argument
// points to.
func countsAtomically(c *ssa.CallCommon) bool {
	fn := c.StaticCallee()
	if fn == nil || fn.Object() == nil || fn.Object().Pkg() == nil || fn.Object().Pkg().Path() != "sync/atomic" {
		return false
	}
	return strings.HasPrefix(fn.Name(), "Add") || strings.HasPrefix(fn.Name(), "CompareAndSwap")
}

// inferLending notes that the function calls one of its parameters with something borrowed.
func (e *engine) inferLending(s *Summary, fn *ssa.Function, c *ssa.CallCommon) {
	if c.IsInvoke() {
		return
	}
	p, ok := e.canon(c.Value).(*ssa.Parameter)
	if !ok || p.Parent() != fn {
		return
	}
	f := slices.Index(fn.Params, p)
	for i, v := range c.Args {
		for _, l := range e.loans(v) {
			if l.param < 0 && l.lends != lendsNothing {
				s.Lends = append(s.Lends, Lending{Func: f, Param: i, Lends: int(l.lends)})
			}
		}
	}
}

// inferResult finds what result i is.
func (e *engine) inferResult(s *Summary, fn *ssa.Function, returns []*ssa.Return, i int) {
	var vals []ssa.Value
	for _, r := range returns {
		if r.Block() != fn.Recover {
			vals = append(vals, e.returned(r, i))
		}
	}
	e.inferSame(s, vals, i)
	e.inferOpening(s, fn, vals, i)
	t := &tracer{engine: e, busy: make(map[ssa.Value]bool), inside: true}
	if ls, ok := t.all(vals); ok {
		for _, l := range ls {
			switch p, _ := l.section.(*ssa.Parameter); {
			case l.param >= 0 && l.scope == fn:
				s.Derives = append(s.Derives, Flow{Result: i, Param: l.param})
			case p != nil && p.Parent() == fn:
				s.Derives = append(s.Derives, Flow{Result: i, Param: slices.Index(fn.Params, p), Lends: int(l.lends)})
			}
		}
	}
	fresh := len(vals) > 0
	for _, v := range vals {
		fresh = fresh && (e.fresh(e.canon(v)) != "" || isNil(v))
	}
	if fresh && isLib(fn.Signature.Results().At(i).Type(), "smr", "Domain") {
		s.Fresh = append(s.Fresh, i)
	}
}

// inferSame notes that result i is always the same parameter.
func (e *engine) inferSame(s *Summary, vals []ssa.Value, i int) {
	var same *ssa.Parameter
	for _, v := range vals {
		p, ok := e.canon(v).(*ssa.Parameter)
		if !ok || same != nil && same != p {
			return
		}
		same = p
	}
	if same != nil && same.Parent() != nil {
		if j := slices.Index(same.Parent().Params, same); j >= 0 {
			s.Same = append(s.Same, Flow{Result: i, Param: j})
		}
	}
}

// inferOpening notes that result i is a section that the function has opened.
func (e *engine) inferOpening(s *Summary, fn *ssa.Function, vals []ssa.Value, i int) {
	var found *span
	certain := true
	for _, v := range vals {
		v = e.canon(v)
		if isNil(v) {
			certain = false
			continue
		}
		var sp *span
		for _, other := range e.spansIn(fn) {
			if other.value == v {
				sp = other
			}
		}
		if sp == nil || len(sp.ends)+len(sp.defers) > 0 || !onlyReturned(sp) {
			return
		}
		found = sp
	}
	if found == nil {
		return
	}
	if !certain || found.ok != nil {
		if fn.Signature.Results().Len() < 2 {
			return
		}
		last := fn.Signature.Results().At(fn.Signature.Results().Len() - 1)
		if !isBool(last.Type()) {
			return // with an error, say: a caller's test of it is not understood
		}
		s.Opens = append(s.Opens, Opening{Result: i, Kind: int(found.kind), Pins: found.pins, May: true})
		return
	}
	s.Opens = append(s.Opens, Opening{Result: i, Kind: int(found.kind), Pins: found.pins})
}

// onlyReturned reports whether only the caller gets the span.
func onlyReturned(sp *span) bool {
	for _, at := range sp.escapes {
		switch at := at.(type) {
		case *ssa.Return:
		case *ssa.Store: // to a result
			if _, ok := at.Addr.(*ssa.Alloc); !ok {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// parametric makes the name of a domain independent of the function's parameters.
func parametric(fn *ssa.Function, key string) string {
	for i := range fn.Params {
		key = strings.ReplaceAll(key, paramKey(fn, i), fmt.Sprintf("<param %d>", i))
	}
	return key
}

// waitsFor returns the names of the domains for whose sections a call waits.
func (e *engine) waitsFor(c *ssa.CallCommon) []string {
	a, name := apiOf(c)
	if a.waits {
		if strings.HasPrefix(name, "smr.") {
			return []string{e.domain(c.Args[0])}
		}
		return []string{e.ownDomain(c.Args[0])}
	}
	var names []string
	for _, w := range e.summaryOf(c).Waits {
		for i, v := range c.Args {
			if p := fmt.Sprintf("<param %d>", i); w == p {
				w = e.domain(v)
			} else if w == "dom("+p+")" {
				w = e.ownDomain(v)
			} else {
				w = strings.ReplaceAll(w, p, e.key(v))
			}
		}
		if !strings.Contains(w, "<param ") {
			names = append(names, w)
		}
	}
	return names
}

// isZeroSize reports whether an object is passed to smr.Call with size 0, which may be done as often
// as one likes.
func isZeroSize(c *ssa.CallCommon, a api) bool {
	if a.later == 0 || a.gives == 0 {
		return false
	}
	size, ok := c.Args[2].(*ssa.Const)
	return ok && size.Value != nil && size.Int64() == 0
}

// dereferenced returns the addresses whose memory an instruction reads or writes.
func dereferenced(at ssa.Instruction) []ssa.Value {
	switch at := at.(type) {
	case *ssa.UnOp:
		if at.Op.String() == "*" {
			return []ssa.Value{at.X}
		}
	case *ssa.Store:
		return []ssa.Value{at.Addr}
	case *ssa.Index:
		if isString(at.X.Type()) {
			return []ssa.Value{at.X}
		}
	case *ssa.Lookup:
		if isString(at.X.Type()) {
			return []ssa.Value{at.X}
		}
	case *ssa.Convert:
		if isBytes(at.X.Type()) && isString(at.Type()) || isString(at.X.Type()) && isBytes(at.Type()) {
			return []ssa.Value{at.X}
		}
	case *ssa.Call:
		if b, ok := at.Call.Value.(*ssa.Builtin); ok {
			switch b.Name() {
			case "copy":
				return at.Call.Args
			case "append":
				return at.Call.Args[1:]
			}
		}
	}
	return nil
}

func isString(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsString != 0
}
