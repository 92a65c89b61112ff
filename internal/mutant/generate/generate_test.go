package generate

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each operator, where it fits.
func TestFile_Operators(t *testing.T) {
	for _, c := range []struct {
		code string
		want []string // operator: old -> new
	}{
		{"if a < b { f() }", []string{"never: a < b -> false && (a < b)", "always: a < b -> true || (a < b)", "operator: < -> <=", "leave out: f() -> if false { f() }"}},
		{"_ = a && !b", []string{"leave out: _ = a && !b -> if false { _ = a && !b }", "operand: a -> (a || true)", "operand: !b -> (!b || true)", "not: !b -> b"}},
		{"_ = a || b", []string{"leave out: _ = a || b -> if false { _ = a || b }", "operand: a -> (a && false)", "operand: b -> (b && false)"}},
		{"x := a - 1", []string{"swap operands: a - 1 -> 1 - a", "operator: - -> +", "off by one: 1 -> 2"}},
		{"x := a.Before(b)", []string{"swap operands: a.Before(b) -> b.Before(a)", "operator: a.Before(b) -> !b.Before(a)"}},
		{"x := w.CompareAndSwap(o, n)", []string{"blind swap: w.CompareAndSwap(o, n) -> func() bool { w.Store(n); return true }()", "swap arguments: o, n -> n, o"}},
		{"x := mu.TryLock()", []string{"blind lock: mu.TryLock() -> func() bool { mu.TryLock(); return true }()"}},
		{"x.Store(1)\nmu.Unlock()", []string{
			"leave out: x.Store(1) -> if false { x.Store(1) }", "exchange: x.Store(1) mu.Unlock() -> mu.Unlock() x.Store(1)", "off by one: 1 -> 2",
			"leave out: mu.Unlock() -> if false { mu.Unlock() }",
		}},
		{"defer f()\ngo g()", []string{"leave out: defer f() -> if false { defer f() }", "leave out: go g() -> if false { go g() }"}},
		{"for c { continue }", []string{"branch: continue -> break"}},
		{"for range c { break }", []string{"branch: break -> continue"}},
		{"for { return }", nil},
		{"for c { f() }", []string{"leave out: f() -> if false { f() }", "first only:  -> break"}},
		{"x := min(a, b)", []string{"bound: min -> max"}},
		{"n++\nn |= f", []string{
			"leave out: n++ -> if false { n++ }", "exchange: n++ n |= f -> n |= f n++", "operator: ++ -> --",
			"leave out: n |= f -> if false { n |= f }", "operator: |= -> &=",
		}},
		{"switch { case true: f() }", []string{"bool: true -> false", "leave out: f() -> if false { f() }"}},
		{"return x, err", []string{"no error: err -> nil"}},
		{"panic(fmt.Sprint(a - b))", []string{"leave out: panic(fmt.Sprint(a - b)) -> if false { panic(fmt.Sprint(a - b)) }"}},
		{"x := fmt.Errorf(f, a+1)", nil},
	} {
		all, err := File("f.go", "package p\nfunc (t *T[K]) F() {\n"+c.code+"\n}\n")
		require.NoError(t, err, c.code)
		var got []string
		for _, m := range all {
			require.Equal(t, "T.F", m.Func)
			require.Equal(t, 3, m.Line-strings.Count(c.code[:min(len(c.code), m.start-len("package p\nfunc (t *T[K]) F() {\n"))], "\n"), c.code)
			got = append(got, strings.TrimPrefix(m.ID(), "f.go:T.F: "))
		}
		require.ElementsMatch(t, c.want, got, c.code)
	}
}

// A mutant changes the file, and what comes of it can be parsed.
func TestFile_MutantsParse(t *testing.T) {
	files, err := filepath.Glob("../../../clock/*.go")
	require.NoError(t, err)
	n := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		all, err := File(file, string(b))
		require.NoError(t, err)
		for i := 0; i < len(all); i += 9 { // some of each operator
			m := all[i]
			changed := m.Apply(string(b))
			require.NotEqual(t, string(b), changed, m)
			_, err := parser.ParseFile(token.NewFileSet(), file, changed, parser.SkipObjectResolution)
			require.NoError(t, err, m)
			n++
		}
	}
	require.Greater(t, n, 50)
}

func TestFile_Malformed(t *testing.T) {
	_, err := File("f.go", "package p\nfunc {")
	require.ErrorContains(t, err, "f.go:2")
}

// What is listed as equivalent is there, and once.
func TestEquivalent_AreOfTheTree(t *testing.T) {
	found := make(map[string]bool)
	for id := range equivalents {
		file, _, _ := strings.Cut(id, ":")
		b, err := os.ReadFile(filepath.Join("../../..", file))
		require.NoError(t, err, id)
		all, err := File(file, string(b))
		require.NoError(t, err)
		for _, m := range all {
			if m.ID() == id {
				found[id] = true
			}
		}
		require.True(t, found[id], "there is no such mutant: %s", id)
	}
}
