//go:build !invariants

package smr

import (
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Call makes one call, if the compiler says so: TryCall is inlined into it, as package slab has them.
func TestCall_Inlines(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("32-bit builds are not counted")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command: ", err)
	}
	out, err := exec.Command("go", "build", "-gcflags=-m", "../slab").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Regexp(t, regexp.MustCompile(`can inline smr\.TryCall\[go\.shape`), string(out))
}
