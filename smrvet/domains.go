package smrvet

import (
	"fmt"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// Domains: which one is that of a section, a map, a pool.

func isBool(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}

// sectionDomain names the domain in which a call opens a section.
func (e *engine) sectionDomain(c *ssa.CallCommon) string {
	_, name := apiOf(c)
	if len(c.Args) == 0 {
		return ""
	}
	switch name {
	case "smr.Domain.Enter", "smr.Domain.Pin", "smr.Domain.TryEnter":
		return e.domain(c.Args[0])
	case "smr.Reader.Enter", "smr.Reader.TryEnter":
		if made, ok := e.canon(c.Args[0]).(*ssa.Call); ok {
			if _, name := apiOf(&made.Call); name == "smr.Domain.NewReader" {
				return e.domain(made.Call.Args[0])
			}
		}
		return ""
	case "smrmap.Map.Enter", "smrmap.Bytes.Enter", "slab.Pool.Pin", "smrfile.File.Enter", "smrfile.Set.Enter":
		return e.ownDomain(c.Args[0])
	}
	return ""
}

// domain names a domain: the place that makes it, if that is known, or the variable.
func (e *engine) domain(v ssa.Value) string {
	v = e.canon(v)
	if made := e.fresh(v); made != "" {
		return made
	}
	if call, ok := v.(*ssa.Call); ok {
		if name, ours := nameOf(callee(&call.Call)); ours && len(call.Call.Args) == 1 {
			switch name {
			case "smrmap.Map.Domain", "smrmap.Bytes.Domain", "slab.Pool.Domain", "slab.Blocks.Domain",
				"smrfile.File.Domain", "smrfile.Set.Domain":
				return e.ownDomain(call.Call.Args[0])
			}
		}
	}
	return e.key(v)
}

// known reports whether two names of domains that differ are two domains.
func known(name string) bool { return len(name) > 4 && (name[:4] == "new " || name == "default") }

// differ reports whether it is certain that two names are those of two domains.
func differ(a, b string) bool { return a != b && known(a) && known(b) }

// fresh names the call of smr.New that v is a result of, if it is one.
func (e *engine) fresh(v ssa.Value) string {
	i := 0
	if x, ok := v.(*ssa.Extract); ok {
		i, v = x.Index, x.Tuple
	}
	call, ok := v.(*ssa.Call)
	if !ok {
		return ""
	}
	_, name := apiOf(&call.Call)
	if name == "smr.New" && i == 0 {
		return fmt.Sprintf("new %p", call)
	}
	for _, r := range e.summaryOf(&call.Call).Fresh {
		if r == i {
			return fmt.Sprintf("new %p", call)
		}
	}
	return ""
}

// ownDomain names the domain of a map, a pool or the like.
func (e *engine) ownDomain(v ssa.Value) string {
	v = e.canon(v)
	if call, i := made(v); call != nil && i == 0 {
		switch _, name := apiOf(&call.Call); name {
		case "slab.New", "slab.NewBlocks", "smrfile.Open", "smrfile.New", "smrfile.NewSet":
			return e.domain(call.Call.Args[0])
		case "smrmap.New", "smrmap.NewBytes":
			if d, ok := e.optionDomain(call.Call.Args[0]); ok {
				return d
			}
		}
	}
	return "dom(" + e.key(v) + ")"
}

// made returns the call that v is a result of, and which one.
func made(v ssa.Value) (*ssa.Call, int) {
	if x, ok := v.(*ssa.Extract); ok {
		call, _ := x.Tuple.(*ssa.Call)
		return call, x.Index
	}
	call, _ := v.(*ssa.Call)
	return call, 0
}

// optionDomain returns what the field Domain of smrmap.Options is set to, in a literal.
func (e *engine) optionDomain(v ssa.Value) (string, bool) {
	if isNil(v) {
		return "default", true
	}
	load, ok := v.(*ssa.UnOp)
	if !ok || load.Op != token.MUL {
		return "", false
	}
	lit, ok := load.X.(*ssa.Alloc)
	if !ok {
		return "", false
	}
	name := "default"
	for _, at := range *lit.Referrers() {
		switch at := at.(type) {
		case *ssa.UnOp, *ssa.DebugRef:
		case *ssa.FieldAddr:
			field := lit.Type().Underlying().(*types.Pointer).Elem().Underlying().(*types.Struct).Field(at.Field)
			if field.Name() != "Domain" {
				continue
			}
			stored, ok := e.stores(at)
			if !ok || len(stored) != 1 || isNil(stored[0]) {
				return "", false
			}
			name = e.domain(stored[0])
		default:
			return "", false
		}
	}
	return name, true
}
