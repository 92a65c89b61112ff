//go:build amd64 && !smr_sched && !race

package atomic

import (
	"os/exec"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// No package calls a method of sync/atomic or sync that a direct import of those would inline.
func TestMethods_Inline(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command: ", err)
	}
	calls := regexp.MustCompile(`CALL\s+sync(/atomic\.\(\*\w+\)|\.\(\*Mutex\))\.\w+`)
	for _, pkg := range []string{"pcpu", "clock", "smr", "smrq", "stw", "slab", "smrmap"} {
		cmd := exec.Command("go", "build", "-gcflags=-S", "../../../"+pkg)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Contains(t, string(out), "TEXT", "no assembly to look at")
		require.Empty(t, calls.FindAllString(string(out), -1), pkg)
	}
}
