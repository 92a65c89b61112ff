package smrvet

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// Directives. On a function, or a method of an interface:
//
//	//smr:borrows s        its first result is borrowed until the section s is left
//	//smr:borrows b        ... is a part of b
//	//smr:holds b          it keeps b, or ends it: its caller need not
//
// On a line, or alone on the line before it:
//
//	//smr:ok reason        no report of this line

// A silencer is an //smr:ok.
type silencer struct {
	pos    token.Pos
	end    token.Pos
	file   string
	line   int // that it silences
	reason string
	used   bool
}

// silence takes the findings away that an //smr:ok is for.
func (e *engine) silence() *result {
	var oks []*silencer
	for _, f := range e.pass.Files {
		oks = append(oks, e.silencers(f)...)
	}
	res := new(result)
	for _, f := range e.sorted() {
		at := e.pass.Fset.Position(f.pos)
		i := slices.IndexFunc(oks, func(s *silencer) bool { return s.line == at.Line && s.file == at.Filename })
		if i < 0 {
			res.findings = append(res.findings, f)
		} else {
			oks[i].used = true
		}
	}
	for _, s := range oks {
		switch {
		case s.reason == "":
			res.unused = append(res.unused, analysis.Diagnostic{Pos: s.pos, Message: "//smr:ok needs a reason: //smr:ok why this is right"})
		case !s.used && !e.strict && strings.HasPrefix(s.reason, "strict:"):
			// It silences a rule that is off.
		case !s.used:
			res.unused = append(res.unused, analysis.Diagnostic{Pos: s.pos, Message: "this //smr:ok silences nothing: remove it", SuggestedFixes: remove(s)})
		}
	}
	return res
}

// silencers returns the //smr:ok comments of a file.
func (e *engine) silencers(f *ast.File) []*silencer {
	var oks []*silencer
	code := make(map[int]bool) // lines with code
	for _, group := range f.Comments {
		for _, c := range group.List {
			reason, ok := strings.CutPrefix(c.Text, "//smr:ok")
			if !ok || reason != "" && reason[0] != ' ' && reason[0] != '\t' {
				continue
			}
			if len(code) == 0 {
				e.markCode(f, code)
			}
			at := e.pass.Fset.Position(c.Pos())
			s := &silencer{pos: c.Pos(), end: c.End(), file: at.Filename, line: at.Line, reason: strings.TrimSpace(reason)}
			if i := strings.Index(s.reason, "// want"); i >= 0 { // a test's
				s.reason = strings.TrimSpace(s.reason[:i])
			}
			if !code[at.Line] {
				s.line++
			}
			oks = append(oks, s)
		}
	}
	return oks
}

func (e *engine) markCode(f *ast.File, code map[int]bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n.(type) {
		case nil, *ast.Comment, *ast.CommentGroup:
			return false
		case *ast.File:
			return true
		}
		code[e.pass.Fset.Position(n.Pos()).Line] = true
		code[e.pass.Fset.Position(n.End()).Line] = true
		return true
	})
}

// directives adds to a summary what the function's doc states.
func (e *engine) directives(fn *types.Func, s *Summary) {
	for _, f := range e.pass.Files {
		if fn.Pos() < f.FileStart || fn.Pos() >= f.FileEnd {
			continue
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Name.Pos() == fn.Pos() {
				e.state(fn, d.Doc, s)
			}
		}
	}
}

// stateMethods exports what directives state of the methods of interfaces.
func (e *engine) stateMethods() {
	for _, f := range e.pass.Files {
		ast.Inspect(f, func(n ast.Node) bool {
			field, ok := n.(*ast.Field)
			if !ok || field.Doc == nil || len(field.Names) != 1 {
				return true
			}
			if fn, ok := e.pass.TypesInfo.Defs[field.Names[0]].(*types.Func); ok {
				s := new(Summary)
				if e.state(fn, field.Doc, s) {
					e.pass.ExportObjectFact(fn, s)
				}
			}
			return true
		})
	}
}

// state adds what a doc comment states, and reports whether that is anything.
func (e *engine) state(fn *types.Func, doc *ast.CommentGroup, s *Summary) bool {
	if doc == nil {
		return false
	}
	found := false
	for _, c := range doc.List {
		verb, rest, _ := strings.Cut(c.Text, " ")
		if verb != "//smr:borrows" && verb != "//smr:holds" {
			continue
		}
		for name := range strings.FieldsSeq(rest) {
			if strings.HasPrefix(name, "//") {
				break
			}
			i := paramIndex(fn, name)
			if i < 0 {
				e.report("directive", c.Pos(), "%s has no parameter %s", fn.Name(), strconv.Quote(name))
				continue
			}
			found = true
			if verb == "//smr:borrows" {
				s.Derives = append(s.Derives, Flow{Param: i, Lends: int(lendsBytes)})
			} else {
				delete(s.Keeps, i)
				if s.Takes == nil {
					s.Takes = make(map[int]bool)
				}
				s.Takes[i] = true
			}
		}
	}
	return found
}

// paramIndex returns the position of a parameter among the arguments in SSA, or -1.
func paramIndex(fn *types.Func, name string) int {
	sig, i := fn.Signature(), 0
	if recv := sig.Recv(); recv != nil && !types.IsInterface(recv.Type()) {
		if recv.Name() == name {
			return 0
		}
		i = 1
	}
	for j := range sig.Params().Len() {
		if sig.Params().At(j).Name() == name {
			return i + j
		}
	}
	return -1
}
