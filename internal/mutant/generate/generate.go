// Package generate makes bugs that nobody thought of: it goes through a file and applies each
// operator wherever that fits. The bugs of package mutant show that a check catches what it was
// written for; these show what no check was written for.
//
// The operators are those of the field (Budd and others, 1978; Offutt and others, 1996), and
// those that matter where memory is shared: a store, a wake or an unlock that is left out, a
// second check left out, two statements in the other order, a compare-and-swap that always
// succeeds, a loop that stops at the first. No types are known here, so some mutants do not
// build: the compiler tells.
//
// An atomic operation can't be made a plain one: the words are of types that have none.
package generate

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// A Mutant is one change of one file.
type Mutant struct {
	File     string // from the root of the repository
	Line     int
	Func     string // the function that it is in
	Operator string
	Old, New string // the text that it changes

	start, end int // of Old, in the file
	nth        int // of those in the function that read the same, from 1
}

// ID names the mutant. It stays while the mutants before it in its function that read the same do.
func (m Mutant) ID() string {
	id := m.reads()
	if m.nth > 1 {
		id += fmt.Sprint(" #", m.nth)
	}
	return id
}

func (m Mutant) reads() string {
	return fmt.Sprintf("%s:%s: %s: %s -> %s", m.File, m.Func, m.Operator, flat(m.Old), flat(m.New))
}

// String tells where it is, and what it does.
func (m Mutant) String() string {
	return strings.Replace(m.ID(), ":", fmt.Sprintf(":%d: ", m.Line), 1)
}

// flat returns code on one line, and no more than tells it from other code.
func flat(code string) string {
	code = strings.Join(strings.Fields(code), " ")
	const most = 70
	if len(code) > most {
		code = code[:most-3] + "..."
	}
	return code
}

// Apply returns the file's text with the mutant in it.
func (m Mutant) Apply(text string) string { return text[:m.start] + m.New + text[m.end:] }

// File returns the mutants of a file, in the order of its text.
func File(name, text string) ([]Mutant, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	g := &generator{file: fset.File(f.FileStart), name: name, text: text}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil && !forPeople(fn.Name.Name) {
			g.fn = nameOf(fn)
			ast.Inspect(fn.Body, g.visit)
		}
	}
	slices.SortStableFunc(g.all, func(a, b Mutant) int { return cmp.Compare(a.start, b.start) })
	seen := make(map[string]int)
	for i := range g.all {
		seen[g.all[i].reads()]++
		g.all[i].nth = seen[g.all[i].reads()]
	}
	return g.all, nil
}

// nameOf returns a function's name, with its receiver's type.
func nameOf(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	for t := fn.Recv.List[0].Type; ; {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "." + fn.Name.Name
		default:
			return fn.Name.Name
		}
	}
}

// forPeople reports whether a function of this name makes text: its faults corrupt nothing.
func forPeople(name string) bool {
	return slices.Contains([]string{"String", "Error", "Format", "GoString", "LogValue"}, name)
}

// A generator goes through one file.
type generator struct {
	file *token.File
	name string
	text string
	fn   string
	all  []Mutant
}

func (g *generator) offset(p token.Pos) int { return g.file.Offset(p) }

// source returns the text of a node.
func (g *generator) source(n ast.Node) string { return g.text[g.offset(n.Pos()):g.offset(n.End())] }

// add adds a mutant that has text in place of what stands between two positions.
func (g *generator) add(operator string, from, to token.Pos, text string) {
	start, end := g.offset(from), g.offset(to)
	if old := g.text[start:end]; old != text {
		g.all = append(g.all, Mutant{
			File: g.name, Line: g.file.Line(from), Func: g.fn, Operator: operator,
			Old: old, New: text, start: start, end: end,
		})
	}
}

// replace adds a mutant that has text in place of a node.
func (g *generator) replace(operator string, n ast.Node, text string) {
	g.add(operator, n.Pos(), n.End(), text)
}
