package smrvet

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

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
	"lookUp":                      "unleft",               // sectionDropped
	"connect":                     "strict storedsection", // sectionInStruct
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
	tool := build(t)
	definite, strict := mistakesFound(t, tool), mistakesFound(t, tool, "-strict")
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

// The repository itself has no mistakes, but for those that are made on purpose.
func TestRepository(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute at first")
	}
	modules := []string{"./...", "./smrvet/...", "./checks/...", "./bench/...", "./cmd/smrkv/...", "./examples/...", "./smrprom/..."}
	list, err := command("go", append([]string{"list"}, modules...)...)
	require.NoError(t, err, "%s", list)
	pkgs := slices.DeleteFunc(strings.Fields(list), func(pkg string) bool { return strings.Contains(pkg, "checks/mistakes") })
	require.Greater(t, len(pkgs), 30)
	out, err := command("go", append([]string{"vet", "-vettool=" + build(t)}, pkgs...)...)
	require.NoError(t, err, "%s", out)
}

// build returns the command's executable.
func build(t *testing.T) string {
	tool := filepath.Join(t.TempDir(), "smrvet")
	out, err := command("go", "build", "-o", tool, "./smrvet/cmd/smrvet")
	require.NoError(t, err, "%s", out)
	return tool
}

// command runs a command in the root of the repository, and returns what it prints.
func command(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "GOWORK=") // that of the repository
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// mistakesFound returns the reports on checks/mistakes, by the function that they are in.
func mistakesFound(t *testing.T, tool string, flags ...string) map[string]string {
	out, err := command("go", append(append([]string{"vet", "-vettool=" + tool}, flags...), "./checks/mistakes")...)
	require.Error(t, err, "it has mistakes")
	found := make(map[string]string)
	for line := range strings.Lines(out) {
		at := strings.SplitN(line, ":", 4) // file, line, column, text
		if len(at) == 4 {
			n, err := strconv.Atoi(at[1])
			require.NoError(t, err, "%s", line)
			found[function(t, filepath.Join("..", at[0]), n)] += at[3]
		}
	}
	return found
}

// function returns the name of the function declaration at a line of a file.
func function(t *testing.T, file string, line int) string {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, 0)
	require.NoError(t, err)
	for _, d := range f.Decls {
		if d, ok := d.(*ast.FuncDecl); ok && fset.Position(d.Pos()).Line <= line && line <= fset.Position(d.End()).Line {
			return d.Name.Name
		}
	}
	return ""
}
