package smrvet

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/packages"
)

// analyze returns the reports of all rules on the packages of a module, tests included, by the name
// of the package.
func analyze(t *testing.T, dir string) map[string][]string {
	reports := make(map[string][]string)
	for _, act := range actions(t, dir, "./...") {
		for _, d := range act.Diagnostics {
			reports[act.Package.Name] = append(reports[act.Package.Name], d.Message)
		}
	}
	return reports
}

func actions(t *testing.T, dir string, patterns ...string) []*checker.Action {
	cfg := &packages.Config{Mode: packages.LoadAllSyntax, Dir: dir, Tests: true, Env: append(os.Environ(), "GOWORK=off")}
	pkgs, err := packages.Load(cfg, patterns...)
	require.NoError(t, err)
	require.Zero(t, packages.PrintErrors(pkgs))
	graph, err := checker.Analyze([]*analysis.Analyzer{all}, pkgs, nil)
	require.NoError(t, err)
	for _, act := range graph.Roots {
		require.NoError(t, act.Err, "%s", act)
	}
	return graph.Roots
}

// visible has the mistakes of checks/mistakes, and the rule that reports each, by the function that
// makes it; "" for those that no rule sees.
var visible = map[string]string{
	"pointerInOtherDomain":        "wrongdomain",
	"queueInOtherDomain":          "wrongdomain",
	"mapInOtherDomain":            "wrongdomain",
	"bytesInOtherDomain":          "wrongdomain",
	"pointerAfterLeave":           "useafterleave",
	"poolObjectAfterLeave":        "useafterleave",
	"poolObjectWrittenAfterLeave": "useafterleave",
	"mapValueAfterLeave":          "useafterleave",
	"find":                        "returnborrowed", // bytesValueKept
	"queueElementAfterLeave":      "useafterleave",
	"walkKeyKept":                 "walkescape",
	"mapOfPointersLoad":           "",
	"writeToBorrowed":             "writeborrowed",
	"appendToBorrowed":            "writeborrowed",
	"leftTwice":                   "useafterleave",
	"leftByAnother":               "",
	"lookUp":                      "unleft",        // sectionDropped
	"connect":                     "storedsection", // sectionInStruct
	"deferInLoop":                 "deferinloop",
	"waitInSection":               "waitinside",
	"throttleInSection":           "waitinside",
	"closeInSection":              "waitinside",
	"blockInPin":                  "pinblock",
	"panicInPin":                  "",
	"readerInTwoGoroutines":       "strict wronggoroutine",
	"quiescentNeverQuiesces":      "",
	"callBeforeUnlink":            "unlinkfirst",
	"callTwice":                   "doublefree",
	"callAndFree":                 "doublefree",
	"retireTwice":                 "doublefree",
	"freeInsteadOfRetire":         "doublefree",
	"retireIntoAnotherPool":       "wrongdomain",
	"serializedLoadWithoutLock":   "unguarded",
	"storeWithoutLock":            "unguarded",
	"initAfterPublication":        "wronggoroutine",
	"callbackWaits":               "waitinside",
	"callbackPanics":              "callbackpanic",
	"callbackUsesBorrowed":        "walkescape",
	"mapWriteInCompute":           "waitinside",
	"queueWithoutLock":            "unguarded",
	"elementInTwoQueues":          "relink",
	"reinsertedEarly":             "",
	"domainAfterClose":            "afterclose",
	"mapAfterClose":               "strict afterclose",
	"poolAfterClose":              "strict afterclose",
	"poolObjectAfterClose":        "useafterleave",
	"goalOfAnotherDomain":         "wrongdomain",
	"goPointerByUnsafe":           "",
	"lockOutsideBlocking":         "strict worldblock",
	"domainInTwoGoroutines":       "wronggoroutine",
}

// The mistakes that are made on purpose: most of those that the source shows are found.
func TestMistakes(t *testing.T) {
	definite := found(t)
	Strict = true
	defer func() { Strict = false }()
	strict := found(t)
	n := 0
	for fn, rule := range visible {
		only, isStrict := strings.CutPrefix(rule, "strict ")
		switch {
		case rule == "":
		case isStrict:
			require.Contains(t, strict[fn], "(smr"+only+")", "the mistake in %s", fn)
			require.NotContains(t, definite[fn], "(smr"+only+")", "the mistake in %s is found without -strict", fn)
		default:
			require.Contains(t, definite[fn], "(smr"+rule+")", "the mistake in %s", fn)
			n++
		}
	}
	require.GreaterOrEqual(t, n, 30)
	t.Logf("%d of %d are found", n, len(visible)+2) // sizeZero is legal, and vet finds the copy
}

// found returns the reports on checks/mistakes, by the function that they are in.
func found(t *testing.T) map[string]string {
	reports := make(map[string]string)
	for _, act := range actions(t, filepath.Join("..", "checks"), "./mistakes") {
		for _, d := range act.Diagnostics {
			reports[function(act.Package, d.Pos)] += d.Message + "\n"
		}
	}
	return reports
}

// function returns the name of the function declaration around a position.
func function(pkg *packages.Package, pos token.Pos) string {
	for _, f := range pkg.Syntax {
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Pos() <= pos && pos < d.End() {
				return d.Name.Name
			}
		}
	}
	return ""
}

// The repository itself has no mistakes, but for those that are made on purpose.
func TestRepository(t *testing.T) {
	if testing.Short() {
		t.Skip("the gate runs go vet -vettool")
	}
	for _, dir := range []string{"..", "../checks", "../bench", "../cmd/smrkv"} {
		for _, act := range actions(t, dir, "./...") {
			if act.Package.Name == "mistakes" {
				continue
			}
			for _, d := range act.Diagnostics {
				t.Errorf("%s: %s", act.Package.Fset.Position(d.Pos), d.Message)
			}
		}
	}
}
