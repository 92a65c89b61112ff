package generate

import (
	"go/ast"
	"go/token"
	"strconv"
)

// visit applies each operator that fits a node.
func (g *generator) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		g.binary(n)
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			g.replace("not", n, g.source(n.X))
		}
	case *ast.BasicLit:
		g.literal(n)
	case *ast.Ident:
		if n.Name == "true" || n.Name == "false" {
			g.replace("bool", n, strconv.FormatBool(n.Name == "false"))
		}
	case *ast.CallExpr:
		if isText(n) || isTuning(n) {
			return false
		}
		g.call(n)
	case *ast.IfStmt:
		g.replace("never", n.Cond, "false && ("+g.source(n.Cond)+")")
		g.replace("always", n.Cond, "true || ("+g.source(n.Cond)+")")
	case *ast.ForStmt:
		g.firstOnly(n.Body)
	case *ast.RangeStmt:
		g.firstOnly(n.Body)
	case *ast.BranchStmt:
		g.branch(n)
	case *ast.ReturnStmt:
		g.returned(n)
	case *ast.BlockStmt:
		g.statements(n.List)
	case *ast.CaseClause:
		g.statements(n.Body)
	case *ast.CommClause:
		g.statements(n.Body)
	}
	return true
}

// isText reports whether a call makes text for people: what is wrong in it corrupts nothing.
func isText(call *ast.CallExpr) bool {
	switch fn := call.Fun.(type) {
	case *ast.Ident:
		return fn.Name == "panic" || fn.Name == "print" || fn.Name == "println"
	case *ast.SelectorExpr:
		pkg, ok := fn.X.(*ast.Ident)
		return ok && (pkg.Name == "fmt" || pkg.Name == "errors" && fn.Sel.Name == "New")
	}
	return false
}

// isSymmetric reports whether a call's arguments may change places.
func isSymmetric(call *ast.CallExpr) bool {
	fn, ok := call.Fun.(*ast.Ident)
	return ok && (fn.Name == "min" || fn.Name == "max")
}

// isTuning reports whether a call says how long to spin: any number is correct.
func isTuning(call *ast.CallExpr) bool {
	fn, ok := call.Fun.(*ast.SelectorExpr)
	return ok && fn.Sel.Name == "Spins"
}

// operators are what stands in for an operator: one that is wrong at the boundary, or in the
// other direction.
var operators = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.EQL: token.NEQ, token.NEQ: token.EQL,
	token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.ADD, token.QUO: token.MUL, token.REM: token.QUO,
	token.SHL: token.SHR, token.SHR: token.SHL, token.AND: token.OR, token.OR: token.AND,
	token.XOR: token.OR, token.AND_NOT: token.AND,
}

// assignments are the same for operators that assign.
var assignments = map[token.Token]token.Token{
	token.ADD_ASSIGN: token.SUB_ASSIGN, token.SUB_ASSIGN: token.ADD_ASSIGN,
	token.OR_ASSIGN: token.AND_ASSIGN, token.AND_ASSIGN: token.OR_ASSIGN, token.AND_NOT_ASSIGN: token.OR_ASSIGN,
	token.INC: token.DEC, token.DEC: token.INC,
}

func (g *generator) binary(e *ast.BinaryExpr) {
	switch e.Op {
	case token.LAND, token.LOR: // each side is evaluated as before
		neutral := strconv.FormatBool(e.Op == token.LAND)
		other := "||"
		if e.Op == token.LOR {
			other = "&&"
		}
		g.replace("operand", e.X, "("+g.source(e.X)+" "+other+" "+neutral+")")
		g.replace("operand", e.Y, "("+g.source(e.Y)+" "+other+" "+neutral+")")
		return
	case token.SUB, token.QUO, token.SHL:
		g.replace("swap operands", e, g.source(e.Y)+" "+e.Op.String()+" "+g.source(e.X))
	}
	if op, ok := operators[e.Op]; ok {
		g.add("operator", e.OpPos, e.OpPos+token.Pos(len(e.Op.String())), op.String())
	}
}

// literal makes a number too large by one.
func (g *generator) literal(l *ast.BasicLit) {
	if n, err := strconv.ParseInt(l.Value, 0, 64); l.Kind == token.INT && err == nil {
		g.replace("off by one", l, strconv.FormatInt(n+1, 10))
	}
}

func (g *generator) call(call *ast.CallExpr) {
	if len(call.Args) >= 2 && !isSymmetric(call) {
		x, y := call.Args[0], call.Args[1]
		g.add("swap arguments", x.Pos(), y.End(), g.source(y)+", "+g.source(x))
	}
	switch fn := call.Fun.(type) {
	case *ast.Ident:
		if fn.Name == "min" || fn.Name == "max" {
			g.replace("bound", fn, map[string]string{"min": "max", "max": "min"}[fn.Name])
		}
	case *ast.SelectorExpr:
		x := g.source(fn.X)
		switch fn.Sel.Name {
		case "Before":
			if len(call.Args) == 1 {
				y := g.source(call.Args[0])
				g.replace("swap operands", call, y+".Before("+x+")")
				g.replace("operator", call, "!"+y+".Before("+x+")")
			}
		case "CompareAndSwap":
			if len(call.Args) == 2 {
				g.replace("blind swap", call, "func() bool { "+x+".Store("+g.source(call.Args[1])+"); return true }()")
			}
		case "TryLock":
			g.replace("blind lock", call, "func() bool { "+g.source(call)+"; return true }()")
		}
	}
}

// firstOnly has a loop end after its first round, if that comes to its end.
func (g *generator) firstOnly(body *ast.BlockStmt) {
	if len(body.List) == 0 {
		return
	}
	switch body.List[len(body.List)-1].(type) {
	case *ast.ReturnStmt, *ast.BranchStmt:
		return
	}
	g.add("first only", body.Rbrace, body.Rbrace, "\nbreak\n")
}

func (g *generator) branch(b *ast.BranchStmt) {
	switch b.Tok {
	case token.CONTINUE:
		g.add("branch", b.Pos(), b.Pos()+token.Pos(len("continue")), "break")
	case token.BREAK:
		g.add("branch", b.Pos(), b.Pos()+token.Pos(len("break")), "continue")
	}
}

func (g *generator) returned(r *ast.ReturnStmt) {
	for _, x := range r.Results {
		if id, ok := x.(*ast.Ident); ok && id.Name == "err" {
			g.replace("no error", id, "nil")
		}
	}
}

// statements leaves out each statement of a list in turn, and exchanges it with the next.
func (g *generator) statements(list []ast.Stmt) {
	for i, s := range list {
		switch s := s.(type) {
		case *ast.AssignStmt:
			if op, ok := assignments[s.Tok]; ok {
				g.add("operator", s.TokPos, s.TokPos+token.Pos(len(s.Tok.String())), op.String())
			}
		case *ast.IncDecStmt:
			g.add("operator", s.TokPos, s.End(), assignments[s.Tok].String())
		}
		if !removable(s) {
			continue
		}
		g.replace("leave out", s, "if false {\n"+g.source(s)+"\n}")
		if exchangeable(s) && i+1 < len(list) && exchangeable(list[i+1]) {
			next := list[i+1]
			g.add("exchange", s.Pos(), next.End(), g.source(next)+"\n"+g.source(s))
		}
	}
}

// removable reports whether a function without the statement could still build.
func removable(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.ExprStmt, *ast.IncDecStmt, *ast.SendStmt, *ast.GoStmt, *ast.DeferStmt:
		return true
	case *ast.AssignStmt:
		return s.Tok != token.DEFINE
	}
	return false
}

// exchangeable reports whether the statement's place among others matters, and only to what
// others see of it.
func exchangeable(s ast.Stmt) bool {
	switch s.(type) {
	case *ast.DeferStmt, *ast.GoStmt:
		return false
	}
	return removable(s)
}
