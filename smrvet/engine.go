package smrvet

import (
	"fmt"
	"go/token"
	"go/types"
	"reflect"
	"sort"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/buildssa"
	"golang.org/x/tools/go/analysis/passes/ctrlflow"
	"golang.org/x/tools/go/ssa"
)

// base finds everything in one pass over a package; each rule's analyzer reports its own share. It
// infers the summaries, so it runs on dependencies, too.
var base = &analysis.Analyzer{
	Name:       "smrbase",
	Doc:        "infer what functions do to sections and borrowed values, for the rules of smrvet",
	Run:        runBase,
	Requires:   []*analysis.Analyzer{ctrlflow.Analyzer},
	FactTypes:  []analysis.Fact{new(Summary)},
	ResultType: reflect.TypeFor[*result](),
}

// A result is what base found.
type result struct {
	findings []*finding
	unused   []analysis.Diagnostic // directives that silence nothing, or give no reason
}

// A finding is one mistake.
type finding struct {
	rule   string
	pos    token.Pos
	text   string
	strict bool
	fixes  []analysis.SuggestedFix
}

// Strict adds findings that are mistakes perhaps: only on some path, or only if another function
// does something that is not known. Set it before the analyzers run.
var Strict bool

// An engine holds what is known of one package.
type engine struct {
	pass   *analysis.Pass
	funcs  []*ssa.Function
	strict bool

	made      map[*ssa.Function]*ssa.MakeClosure // where a function literal becomes a closure
	sums      map[*ssa.Function]*Summary
	spans     map[*ssa.Function][]*span
	spanOf    map[ssa.Value]*span
	loanAt    map[ssa.Value]*loan
	callbacks map[*ssa.Function]*callback
	locks     map[*ssa.Function]map[*ssa.BasicBlock]bool

	freedFields map[string]bool

	findings []*finding
	seen     map[string]bool
}

func runBase(pass *analysis.Pass) (any, error) {
	if !concerned(pass.Pkg) {
		return new(result), nil
	}
	built, err := buildssa.Analyzer.Run(pass) // not by Requires: it would build all of the standard library
	if err != nil {
		return nil, err
	}
	e := &engine{
		pass: pass, funcs: built.(*buildssa.SSA).SrcFuncs, strict: Strict,
		made: make(map[*ssa.Function]*ssa.MakeClosure), sums: make(map[*ssa.Function]*Summary),
		spans: make(map[*ssa.Function][]*span), spanOf: make(map[ssa.Value]*span),
		loanAt: make(map[ssa.Value]*loan), callbacks: make(map[*ssa.Function]*callback),
		locks: make(map[*ssa.Function]map[*ssa.BasicBlock]bool), seen: make(map[string]bool), freedFields: make(map[string]bool),
	}
	for _, fn := range e.funcs {
		instructions(fn, func(at ssa.Instruction) {
			if m, ok := at.(*ssa.MakeClosure); ok && m.Fn.(*ssa.Function).Parent() == fn {
				e.made[m.Fn.(*ssa.Function)] = m
			}
		})
	}
	for _, fn := range e.funcs {
		s := e.summary(fn)
		if obj, ok := fn.Object().(*types.Func); ok && s != noSummary {
			pass.ExportObjectFact(obj.Origin(), s)
		}
	}
	e.stateMethods()
	if !uses(pass.Pkg) {
		return e.silence(), nil
	}
	for _, fn := range e.funcs {
		e.spansIn(fn)
	}
	for _, fn := range e.funcs {
		if len(fn.Blocks) > 0 {
			e.check(fn)
		}
	}
	return e.silence(), nil
}

// concerned reports whether a package may use sections: it has the library among its dependencies, or
// is no part of the standard library, so that what blocks in it is of interest.
func concerned(pkg *types.Package) bool {
	first, _, _ := strings.Cut(pkg.Path(), "/")
	return strings.Contains(first, ".") || uses(pkg)
}

// uses reports whether a package imports the library.
func uses(pkg *types.Package) bool {
	if strings.HasPrefix(pkg.Path(), module) {
		return true
	}
	for _, p := range pkg.Imports() {
		if strings.HasPrefix(p.Path(), module) {
			return true
		}
	}
	return false
}

// check applies the rules to a function.
func (e *engine) check(fn *ssa.Function) {
	for _, sp := range e.spansIn(fn) {
		e.checkSpan(sp)
	}
	e.checkDiscarded(fn)
	e.checkUses(fn)
	e.checkEscapes(fn)
	e.checkPins(fn)
	e.checkWaits(fn)
	e.checkWorkers(fn)
	e.checkWrites(fn)
	e.checkGiven(fn)
	e.checkDomains(fn)
	e.checkWriters(fn)
	e.checkEnds(fn)
	e.checkGoroutines(fn)
}

// report notes a mistake. One place has one of each rule.
func (e *engine) report(rule string, pos token.Pos, format string, args ...any) {
	e.note(&finding{rule: rule, pos: pos, text: fmt.Sprintf(format, args...)})
}

// suspect notes what may be a mistake.
func (e *engine) suspect(rule string, pos token.Pos, format string, args ...any) {
	if e.strict {
		e.note(&finding{rule: rule, pos: pos, text: fmt.Sprintf(format, args...), strict: true})
	}
}

func (e *engine) note(f *finding) {
	key := fmt.Sprint(f.rule, f.pos)
	if !f.pos.IsValid() || e.seen[key] {
		return
	}
	e.seen[key] = true
	e.findings = append(e.findings, f)
}

// line says where something is, for a message.
func (e *engine) line(pos token.Pos) string {
	return fmt.Sprintf("line %d", e.pass.Fset.Position(pos).Line)
}

// sorted returns the findings in the order of the source.
func (e *engine) sorted() []*finding {
	sort.SliceStable(e.findings, func(i, j int) bool { return e.findings[i].pos < e.findings[j].pos })
	return e.findings
}

// posOf returns a position for an instruction that may have none.
func posOf(at ssa.Instruction) token.Pos {
	if at.Pos().IsValid() {
		return at.Pos()
	}
	for _, v := range at.Operands(nil) {
		if v != nil && *v != nil && (*v).Pos().IsValid() {
			if _, param := (*v).(*ssa.Parameter); !param {
				return (*v).Pos()
			}
		}
	}
	return at.Parent().Pos()
}
