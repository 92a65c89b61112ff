package docs

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each exported type has an example with an output, of its own name or of one of its methods. Those
// below are parts of another type, or what a method takes or returns, and are shown by that one's.
var shownBy = map[string]string{
	"clock.Kind":    "ExampleBlocker",
	"clock.Options": "ExampleClock",

	"smr.Bucket": "ExampleDiagnosis", "smr.Histogram": "ExampleDiagnosis", "smr.Lateness": "ExampleDiagnosis", "smr.OpenSection": "ExampleDiagnosis",
	"smr.Stage": "ExampleDiagnosis", "smr.StalledReader": "ExampleStall",
	"smr.Reader": "ExampleDomain_NewReader", "smr.Quiescent": "ExampleDomain_NewQuiescent",
	"smr.CallbacksInfo": "ExampleEvents", "smr.CloseInfo": "ExampleEvents", "smr.GraceInfo": "ExampleEvents", "smr.Misuse": "ExampleEvents",
	"smr.Seq": "ExampleDomain_Poll", "smr.TryLocker": "ExamplePointer",

	"smrq.TryLocker": "Example_subscribers",

	"stw.Handler": "ExampleWorld_RunOnAll", "stw.StalledDomain": "ExampleStall",

	"smrmap.HeldItem": "ExampleBytes_Hold",

	"smrfile.Drop": "ExampleSet", "smrfile.Entry": "ExampleSet", "smrfile.HeldView": "ExampleSet",
	"smrfile.FaultError": "ExampleFile_Read", "smrfile.Held": "ExampleFile_Hold",
}

func TestExamples_EachTypeHasOne(t *testing.T) {
	types := 0
	for _, storey := range storeys {
		for _, pkg := range storey {
			examples := examplesOf(t, pkg)
			for _, name := range typesOf(t, pkg) {
				types++
				if one, ok := shownBy[pkg+"."+name]; ok {
					require.Contains(t, examples, one, "%s.%s", pkg, name)
					continue
				}
				has := false
				for example := range examples {
					has = has || example == "Example"+name || strings.HasPrefix(example, "Example"+name+"_")
				}
				require.True(t, has, "%s.%s has no example with an output", pkg, name)
			}
		}
	}
	require.Greater(t, types, 70)
}

// examplesOf returns the names of a package's examples that have an output.
func examplesOf(t *testing.T, pkg string) map[string]bool {
	names := make(map[string]bool)
	for _, file := range parseFiles(t, pkg, true) {
		for _, e := range doc.Examples(file) {
			if e.Output != "" {
				names["Example"+e.Name] = true
			}
		}
	}
	return names
}

// typesOf returns the names of a package's exported types, those of all its builds.
func typesOf(t *testing.T, pkg string) (names []string) {
	seen := make(map[string]bool)
	for _, file := range parseFiles(t, pkg, false) {
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.TYPE {
				continue
			}
			for _, spec := range gen.Specs {
				if name := spec.(*ast.TypeSpec).Name.Name; ast.IsExported(name) && !seen[name] {
					seen[name] = true
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// parseFiles parses a package's tests, or its other files.
func parseFiles(t *testing.T, pkg string, tests bool) (parsed []*ast.File) {
	files, err := filepath.Glob(filepath.Join("..", pkg, "*.go"))
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") == tests {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
			require.NoError(t, err)
			parsed = append(parsed, f)
		}
	}
	return parsed
}
