package mutant

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// Each patch fits the tree as it is, and changes it; each test that a bug names is there.
func TestBugs_FitTheTree(t *testing.T) {
	names := make(map[string]bool)
	for _, b := range Bugs() {
		require.False(t, names[b.Name], "two bugs are named %s", b.Name)
		names[b.Name] = true
		require.NotEmpty(t, b.Why, b.Name)

		overlay := readOverlay(t, b)
		require.NotEmpty(t, overlay, b.Name)
		for from, to := range overlay {
			require.NotEqual(t, read(t, from), read(t, to), b.Name)
		}

		require.NotEmpty(t, b.Test+b.Schedules, b.Name)
		for _, test := range append([]string{b.Test, b.Schedules}, b.Also...) {
			require.True(t, test == "" || declares(t, b.Package, test), "%s: there is no test %s in %s", b.Name, test, b.Package)
		}
	}
}

// The library's text speaks of no bug.
func TestBugs_AreNotInTheLibrary(t *testing.T) {
	out, _ := exec.Command("git", "-C", root, "grep", "-l", "internal/mutant\"", "--", "*.go").Output()
	require.Regexp(t, regexp.MustCompile(`^(cmd/smrtorture/\S+\n|internal/mutant/\S+\n)*$`), string(out))
}

func TestEdit_NeedsItsLinesOnce(t *testing.T) {
	e := edit{"f.go", "\tx()\n", "\ty()\n"}
	got, err := e.apply("a()\n\tx()\n")
	require.NoError(t, err)
	require.Equal(t, "a()\n\ty()\n", got)
	for _, text := range []string{"", "\tx()\n\tx()\n", "\tx()\n}\n\tx()\n", "x()\n", "\t\tx()\n"} {
		_, err := e.apply(text)
		require.ErrorContains(t, err, "f.go must have these lines once")
	}
}

func TestEdits_Malformed(t *testing.T) {
	_, err := Bug{Name: "b", Patch: "\n-x\n"}.edits()
	require.EqualError(t, err, "mutant b: the patch does not begin with a file")
	_, err = Bug{Name: "b", Patch: "\n@ f.go\nx\n"}.edits()
	require.EqualError(t, err, "mutant b: a line of the patch begins with 'x'")
}

func readOverlay(t *testing.T, b Bug) map[string]string {
	path, err := b.WriteOverlay(root, t.TempDir())
	require.NoError(t, err)
	var overlay struct{ Replace map[string]string }
	require.NoError(t, json.Unmarshal([]byte(read(t, path)), &overlay))
	return overlay.Replace
}

func read(t *testing.T, path string) string {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// declares reports whether a package has a test.
func declares(t *testing.T, pkg, test string) bool {
	test, _, _ = strings.Cut(test, "/") // of a subtest
	return slices.ContainsFunc(testsOf(t, pkg), regexp.MustCompile("^("+test+")$").MatchString)
}

// testsOf returns the names of a package's tests.
func testsOf(t *testing.T, pkg string) []string {
	names, ok := tests[pkg]
	if !ok {
		files, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
		require.NoError(t, err)
		for _, file := range files {
			for _, match := range declaration.FindAllStringSubmatch(read(t, file), -1) {
				names = append(names, match[1])
			}
		}
		tests[pkg] = names
	}
	return names
}

var (
	tests       = make(map[string][]string) // by package
	declaration = regexp.MustCompile(`(?m)^func (Test\w+)\(t `)
)
