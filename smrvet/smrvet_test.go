package smrvet

import (
	"fmt"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"
	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/packages"
)

// all reports what all rules do.
var all = &analysis.Analyzer{
	Name: "smrall", Doc: "all rules at once", Requires: []*analysis.Analyzer{base},
	Run: func(pass *analysis.Pass) (any, error) {
		for _, a := range Analyzers {
			if _, err := a.Run(pass); err != nil {
				return nil, err
			}
		}
		return nil, nil
	},
}

// The packages in testdata have mistakes, each with the report that it gets, and what is right and
// similar to them. They use the library itself.
func TestRules(t *testing.T) {
	var patterns []string
	for _, dir := range subdirectories(t, analysistest.TestData()) {
		if dir != "strict" && dir != "fixes" { // they have tests of their own
			patterns = append(patterns, "./"+dir)
		}
	}
	analysistest.Run(t, analysistest.TestData(), all, patterns...)
}

func TestRules_Strict(t *testing.T) {
	Strict = true
	defer func() { Strict = false }()
	analysistest.Run(t, analysistest.TestData(), all, "./strict")
}

func TestFixes(t *testing.T) {
	analysistest.RunWithSuggestedFixes(t, analysistest.TestData(), all, "./fixes")
}

func subdirectories(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// Each rule has mistakes in testdata that only it reports.
func TestRules_EachHasTests(t *testing.T) {
	var text strings.Builder
	files, err := filepath.Glob("testdata/*/*.go")
	require.NoError(t, err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		text.Write(b)
	}
	for _, rule := range []string{"dropped", "unleft", "deferinloop", "useafterleave", "returnborrowed", "walkescape",
		"doublefree", "waitinside", "writeborrowed", "storedsection", "hold", "wrongdomain", "pinblock", "unguarded",
		"relink", "afterclose", "wronggoroutine"} {
		require.Contains(t, text.String(), "smr"+rule, "no test expects a report of the rule")
	}
	require.NoError(t, analysis.Validate(Analyzers))
}

// The pages' wrong code gets a report of its rule and no other, the right code none. It is in a module
// of its own, beside declarations that all pages share.
func TestPages(t *testing.T) {
	dir := t.TempDir()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	mod, err := os.ReadFile("testdata/go.mod")
	require.NoError(t, err)
	write(t, filepath.Join(dir, "go.mod"), strings.Replace(string(mod), "../../", filepath.ToSlash(root), 1))
	sum, err := os.ReadFile("testdata/go.sum")
	require.NoError(t, err)
	write(t, filepath.Join(dir, "go.sum"), string(sum))
	code := regexp.MustCompile("(?s)```go\n(.*?)```")
	var names []string
	for _, rule := range rules {
		text, err := os.ReadFile("doc/" + rule + ".md")
		require.NoError(t, err)
		blocks := code.FindAllStringSubmatch(string(text), -1)
		require.Len(t, blocks, 2, "page %s has wrong code, and right code", rule)
		for i, kind := range []string{"wrong", "right"} {
			names = append(names, rule+kind)
			write(t, filepath.Join(dir, rule+kind, "page.go"), withImports(rule+kind, blocks[i][1]))
			write(t, filepath.Join(dir, rule+kind, "common.go"), withImports(rule+kind, declarations))
		}
	}
	pkgs := load(t, dir)
	definite, strict := reports(t, pkgs, false), reports(t, pkgs, true)
	for _, name := range names {
		found := definite[name]
		if strings.HasPrefix(name, "blockinside") || strings.HasPrefix(name, "worldblock") {
			found = strict[name]
		}
		rule, wrong := strings.CutSuffix(name, "wrong")
		if !wrong {
			require.Empty(t, found, "the right code of page %s", name)
			continue
		}
		require.NotEmpty(t, found, "the wrong code of page %s", rule)
		for text := range strings.Lines(found) {
			require.Contains(t, text, "(smr"+rule+")", "the wrong code of page %s", rule)
		}
	}
}

// load reads the packages of a module, and all that they import.
func load(t *testing.T, dir string) []*packages.Package {
	cfg := &packages.Config{Mode: packages.LoadAllSyntax, Dir: dir, Env: append(os.Environ(), "GOWORK=off")}
	pkgs, err := packages.Load(cfg, "./...")
	require.NoError(t, err)
	require.Zero(t, packages.PrintErrors(pkgs))
	return pkgs
}

// reports returns the reports of all rules, by the name of the package.
func reports(t *testing.T, pkgs []*packages.Package, strict bool) map[string]string {
	Strict = strict
	defer func() { Strict = false }()
	graph, err := checker.Analyze([]*analysis.Analyzer{all}, pkgs, nil)
	require.NoError(t, err)
	found := make(map[string]string)
	for _, act := range graph.Roots {
		require.NoError(t, act.Err, "%s", act)
		for _, d := range act.Diagnostics {
			found[act.Package.Name] += d.Message + "\n"
		}
	}
	return found
}

const declarations = `
type node struct {
	value int
	link  smrq.Link[node]
}

var (
	dom        = smr.Default()
	root       smr.Pointer[node]
	pool       *slab.Pool[node]
	cache      *smrmap.Bytes
	errMissing = errors.New("missing")
)

func use(int) {}
`

// withImports makes a file of declarations, by the names of packages that they use.
func withImports(pkg, decls string) string {
	var imports []string
	for _, path := range []string{"bytes", "context", "errors", "sync", module + "smr", module + "smrmap", module + "smrq", module + "slab", module + "stw"} {
		if regexp.MustCompile(`\b` + filepath.Base(path) + `\.`).MatchString(decls) {
			imports = append(imports, fmt.Sprintf("import %q\n", path))
		}
	}
	return "package " + pkg + "\n\n" + strings.Join(imports, "") + "\n" + decls
}

func write(t *testing.T, path, text string) {
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

// The table of the library's functions names functions that there are, and has positions of
// arguments that they have.
func TestAPI(t *testing.T) {
	cfg := &packages.Config{
		Mode: packages.NeedName | packages.NeedTypes | packages.NeedImports, Dir: "testdata",
		Env: append(os.Environ(), "GOWORK=off"),
	}
	pkgs, err := packages.Load(cfg, module+"smr", module+"smrq", module+"slab", module+"smrmap", module+"smrfile", module+"stw")
	require.NoError(t, err)
	funcs := make(map[string]*types.Func)
	for _, p := range pkgs {
		require.Empty(t, p.Errors)
		for _, name := range p.Types.Scope().Names() {
			switch obj := p.Types.Scope().Lookup(name).(type) {
			case *types.Func:
				name, _ := nameOf(obj)
				funcs[name] = obj
			case *types.TypeName:
				if n := named(obj.Type()); n != nil {
					for m := range n.Methods() {
						name, _ := nameOf(m)
						funcs[name] = m
					}
				}
			}
		}
	}
	listed := slices.Collect(maps.Keys(apis))
	for name := range onlyOwner {
		listed = append(listed, name)
	}
	for _, name := range listed {
		fn := funcs[name]
		require.NotNil(t, fn, "%s is no function of the library", name)
		var args []types.Type
		if recv := fn.Signature().Recv(); recv != nil {
			args = append(args, recv.Type())
		}
		for v := range fn.Signature().Params().Variables() {
			args = append(args, v.Type())
		}
		a := apis[name]
		if a.section != 0 {
			require.True(t, isSection(args[a.section-1]) || isHold(args[a.section-1]), "%s: argument %d is no Section, nor a hold", name, a.section)
		}
		for _, f := range []int{a.fn, a.later} {
			if f != 0 {
				require.IsType(t, new(types.Signature), args[f-1].Underlying(), "%s: argument %d is no function", name, f)
			}
		}
		for _, p := range []int{a.gives, a.takes, a.inserts} {
			require.LessOrEqual(t, p, len(args), name)
		}
	}

	// What takes or gives a section or a hold is in the table, or has no rule.
	none := map[string]bool{
		"smr.Quiescent.Section": true, "stw.Domain.Section": true, "stw.Domain.SectionOf": true, // nobody leaves them
		"smrfile.Held.ReadAt": true, // an error, if it was released
	}
	for name, fn := range funcs {
		sig := fn.Signature()
		takes := sig.Recv() != nil && isHold(sig.Recv().Type())
		for v := range sig.Params().Variables() {
			takes = takes || isSection(v.Type())
		}
		for v := range sig.Results().Variables() {
			takes = takes || isSection(v.Type()) || isHold(v.Type())
		}
		if _, ok := apis[name]; fn.Exported() && takes && !none[name] {
			require.True(t, ok || harmless[name], "%s is not in the table", name)
		}
	}
}

// isHold reports whether t is one of the library's holds.
func isHold(t types.Type) bool {
	return isLib(t, "smr", "Held") || isLib(t, "smrmap", "HeldItem") || isLib(t, "smrfile", "Held") || isLib(t, "smrfile", "HeldView")
}
