package smrvet

import (
	"go/ast"
	"go/token"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/astutil"
)

// Fixes, where one is safe.

// deferLeave returns the fix for a section that is never left: a defer statement after the one that
// opens it. It is none if that statement is more than s := d.Enter(), or in a loop.
func (e *engine) deferLeave(sp *span) []analysis.SuggestedFix {
	b := sp.open.Block()
	if len(sp.ends)+len(sp.defers) > 0 || sp.may || between(b, b) != nil {
		return nil
	}
	for _, f := range e.pass.Files {
		if sp.open.Pos() < f.FileStart || sp.open.Pos() >= f.FileEnd {
			continue
		}
		path, _ := astutil.PathEnclosingInterval(f, sp.open.Pos(), sp.open.Pos())
		for _, n := range path {
			stmt, ok := n.(*ast.AssignStmt)
			if !ok {
				continue
			}
			name, ok := stmt.Lhs[0].(*ast.Ident)
			if !ok || len(stmt.Lhs) != 1 || stmt.Tok != token.DEFINE || ast.Unparen(stmt.Rhs[0]) != path[0] {
				return nil
			}
			text := "defer " + name.Name + "." + sp.kind.ender() + "()"
			return []analysis.SuggestedFix{{
				Message:   "Add " + text,
				TextEdits: []analysis.TextEdit{{Pos: stmt.End(), End: stmt.End(), NewText: []byte("\n" + text)}},
			}}
		}
	}
	return nil
}

// remove returns the fix for a directive that does nothing.
func remove(s *silencer) []analysis.SuggestedFix {
	return []analysis.SuggestedFix{{
		Message:   "Remove it",
		TextEdits: []analysis.TextEdit{{Pos: s.pos, End: s.end}},
	}}
}
