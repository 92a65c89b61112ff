package docs

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The library's packages from the ground up: each may import those of the rows before its own.
var storeys = [][]string{{"pcpu"}, {"clock"}, {"smr"}, {"slab", "smrq", "stw", "smrfile"}, {"smrmap"}, {"smrdebug"}}

// Imports point one way. Packages in internal stand below all but pcpu; those in
// internal/testkit are for tests only.
func TestImports_PointOneWay(t *testing.T) {
	const module = "github.com/gosmr/gosmr/"
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOOS=", "GOARCH=")
	out, err := cmd.Output()
	require.NoError(t, err)
	storey := func(pkg string) int {
		return slices.IndexFunc(storeys, func(row []string) bool { return slices.Contains(row, pkg) })
	}
	n := 0
	for line := range strings.Lines(string(out)) {
		names := strings.Fields(line)
		pkg := strings.TrimPrefix(names[0], module)
		here := storey(pkg)
		internal := strings.HasPrefix(pkg, "internal/") && !strings.HasPrefix(pkg, "internal/testkit")
		if here < 0 && !internal {
			continue
		}
		n++
		for _, name := range names[1:] {
			name, ours := strings.CutPrefix(name, module)
			switch there := storey(name); {
			case !ours:
			case there < 0:
				require.True(t, strings.HasPrefix(name, "internal/"), "%s imports %s", pkg, name)
				require.False(t, strings.HasPrefix(name, "internal/testkit"), "%s imports %s", pkg, name)
			case internal:
				require.Equal(t, "pcpu", name, "%s imports it", pkg)
			default:
				require.Less(t, there, here, "%s imports %s", pkg, name)
			}
		}
	}
	require.Greater(t, n, 15)
}
