package smrvet

import (
	"fmt"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// Values: which of them are the same, and where a local variable's come from.
//
// SSA has a variable that a closure uses in a cell, an Alloc that is stored to and loaded from. Most
// such cells are stored to once. A load of one is what was stored, in all functions that share it.

// canon follows a value to where it was made: through cells that are stored to once, captured
// variables, conversions that keep the value, and functions that return an argument as it is.
func (e *engine) canon(v ssa.Value) ssa.Value {
	for range 100 { // cells may lead in a circle
		next := e.before(v)
		if next == nil {
			return v
		}
		v = next
	}
	return v
}

// before returns the value that v is the same as, or nil.
func (e *engine) before(v ssa.Value) ssa.Value {
	switch v := v.(type) {
	case *ssa.ChangeType:
		return v.X
	case *ssa.FreeVar:
		return e.bound(v)
	case *ssa.UnOp:
		if v.Op != token.MUL {
			return nil
		}
		if cell, ok := e.canon(v.X).(*ssa.Alloc); ok {
			if stored, ok := e.stores(cell); ok && len(stored) == 1 {
				return stored[0]
			}
		}
	case *ssa.Call:
		return e.same(v, 0)
	case *ssa.Extract:
		if call, ok := v.Tuple.(*ssa.Call); ok {
			return e.same(call, v.Index)
		}
	}
	return nil
}

// same returns the argument that a call returns as its result i, or nil.
func (e *engine) same(call *ssa.Call, i int) ssa.Value {
	for _, s := range e.summaryOf(&call.Call).Same {
		if s.Result == i && s.Param < len(call.Call.Args) {
			return call.Call.Args[s.Param]
		}
	}
	return nil
}

// bound returns what a captured variable is in the function that makes the closure, nil if several
// places do.
func (e *engine) bound(v *ssa.FreeVar) ssa.Value {
	made := e.made[v.Parent()]
	if made == nil {
		return nil
	}
	for i, free := range v.Parent().FreeVars {
		if free == v {
			return made.Bindings[i]
		}
	}
	return nil
}

// stores returns the values that are stored in a cell, as a whole. It fails if there may be others:
// the cell's address goes elsewhere, or a part of it is stored to.
func (e *engine) stores(cell ssa.Value) (vals []ssa.Value, ok bool) {
	ok = true
	e.cellUses(cell, func(at ssa.Instruction, address ssa.Value) {
		switch at := at.(type) {
		case *ssa.Store:
			if at.Addr != address {
				ok = false // the address itself is stored
			} else {
				vals = append(vals, at.Val)
			}
		case *ssa.UnOp:
		case *ssa.FieldAddr, *ssa.IndexAddr:
			if !onlyLoaded(at.(ssa.Value)) {
				ok = false
			}
		default:
			ok = false
		}
	})
	return vals, ok
}

// onlyLoaded reports whether nothing is done by an address but loads.
func onlyLoaded(addr ssa.Value) bool {
	for _, at := range *addr.Referrers() {
		switch at := at.(type) {
		case *ssa.UnOp, *ssa.DebugRef:
		case *ssa.FieldAddr, *ssa.IndexAddr:
			if !onlyLoaded(at.(ssa.Value)) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// cellUses calls fn with each use of a cell's address, in its function and in the closures that
// capture it.
func (e *engine) cellUses(address ssa.Value, fn func(at ssa.Instruction, address ssa.Value)) {
	refs := address.Referrers()
	if refs == nil {
		return
	}
	for _, at := range *refs {
		switch made := at.(type) {
		case *ssa.DebugRef:
		case *ssa.MakeClosure:
			inner := made.Fn.(*ssa.Function)
			for i, b := range made.Bindings {
				if b == address && i < len(inner.FreeVars) {
					if inner.Blocks == nil || inner.Synthetic != "" && e.made[inner] == nil {
						fn(at, address)
					} else {
						e.cellUses(inner.FreeVars[i], fn)
					}
				}
			}
		default:
			fn(at, address)
		}
	}
}

// key returns a name of what v is, such that two values of one name are the same, if no one stores
// to the fields that the name leads through.
func (e *engine) key(v ssa.Value) string {
	v = e.canon(v)
	switch v := v.(type) {
	case *ssa.FieldAddr:
		t := v.X.Type().Underlying().(*types.Pointer).Elem()
		f := t.Underlying().(*types.Struct).Field(v.Field)
		if f.Embedded() && f.Pkg() != nil && strings.HasPrefix(f.Pkg().Path(), module) {
			return e.key(v.X)
		}
		return e.key(v.X) + "." + f.Name()
	case *ssa.Field:
		return e.key(v.X) + "." + v.X.Type().Underlying().(*types.Struct).Field(v.Field).Name()
	case *ssa.UnOp:
		if v.Op == token.MUL {
			return "*" + e.key(v.X)
		}
	case *ssa.Global:
		return v.String()
	case *ssa.Parameter:
		for i, p := range v.Parent().Params {
			if p == v {
				return paramKey(v.Parent(), i)
			}
		}
	case *ssa.Call:
		name, ours := nameOf(callee(&v.Call))
		if ours && strings.HasSuffix(name, ".Domain") && len(v.Call.Args) == 1 {
			return "dom(" + e.key(v.Call.Args[0]) + ")"
		}
		if ours && name == "smr.Default" {
			return "default"
		}
	}
	return fmt.Sprintf("%p", v)
}

func paramKey(fn *ssa.Function, i int) string { return fmt.Sprintf("<%p:%d>", fn, i) }

// isNil reports whether v is nil, or the zero value.
func isNil(v ssa.Value) bool {
	c, ok := v.(*ssa.Const)
	return ok && c.Value == nil
}

// root follows an address to the variable or pointer that it is a part of.
func (e *engine) root(v ssa.Value) ssa.Value {
	for range 100 {
		v = e.canon(v)
		switch x := v.(type) {
		case *ssa.FieldAddr:
			v = x.X
		case *ssa.IndexAddr:
			v = x.X
		case *ssa.Slice:
			v = x.X
		default:
			return v
		}
	}
	return v
}

// hasPointers reports whether a value of type t can refer to memory.
func hasPointers(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return u.Kind() == types.UnsafePointer || u.Info()&types.IsString != 0
	case *types.Struct:
		for f := range u.Fields() {
			if hasPointers(f.Type()) {
				return true
			}
		}
		return false
	case *types.Array:
		return hasPointers(u.Elem())
	case *types.Tuple:
		for v := range u.Variables() {
			if hasPointers(v.Type()) {
				return true
			}
		}
		return false
	}
	return true
}

// isBytes reports whether t is a slice of bytes.
func isBytes(t types.Type) bool {
	s, ok := t.Underlying().(*types.Slice)
	if !ok {
		return false
	}
	b, ok := s.Elem().Underlying().(*types.Basic)
	return ok && b.Kind() == types.Uint8
}

// reaches reports whether control can come from after a to b.
func reaches(a, b ssa.Instruction) bool {
	if a.Block() == b.Block() && index(a) < index(b) {
		return true
	}
	return len(between(a.Block(), b.Block())) > 0
}

// between returns the blocks that control can come to from the end of a, if b is one of them.
func between(a, b *ssa.BasicBlock) map[*ssa.BasicBlock]bool {
	seen := make(map[*ssa.BasicBlock]bool)
	queue := append([]*ssa.BasicBlock(nil), a.Succs...)
	for len(queue) > 0 {
		at := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if !seen[at] {
			seen[at] = true
			queue = append(queue, at.Succs...)
		}
	}
	if !seen[b] {
		return nil
	}
	return seen
}

// dominates reports whether control comes to b by a only.
func dominates(a, b ssa.Instruction) bool {
	if a.Block() == b.Block() {
		return index(a) < index(b)
	}
	return a.Block().Dominates(b.Block())
}

func index(at ssa.Instruction) int {
	for i, other := range at.Block().Instrs {
		if other == at {
			return i
		}
	}
	return -1
}

// always reports whether each return from the function comes by the instruction.
func always(at ssa.Instruction) bool {
	returns := false
	for _, b := range at.Parent().Blocks {
		if len(b.Instrs) == 0 || b == at.Parent().Recover {
			continue
		}
		if _, ok := b.Instrs[len(b.Instrs)-1].(*ssa.Return); !ok {
			continue
		}
		returns = true
		if b != at.Block() && !at.Block().Dominates(b) {
			return false
		}
	}
	return returns || at.Block().Index == 0
}

// instructions calls fn for each instruction of a function.
func instructions(f *ssa.Function, fn func(ssa.Instruction)) {
	for _, b := range f.Blocks {
		for _, at := range b.Instrs {
			fn(at)
		}
	}
}

// common returns the call of a call, defer or go statement.
func common(at ssa.Instruction) *ssa.CallCommon {
	if c, ok := at.(ssa.CallInstruction); ok {
		return c.Common()
	}
	return nil
}
