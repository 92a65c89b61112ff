//go:build !invariants

package stw

import (
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

// Poll is a load and a branch where it is called, if the compiler says so.
func TestPoll_Inlines(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("on 32-bit processors an atomic load is a call, of which Poll has one too many")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command: ", err)
	}
	out, err := exec.Command("go", "build", "-gcflags=-m", ".").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Regexp(t, regexp.MustCompile(`(?m)can inline \(\*Domain\)\.Poll$`), string(out))
	require.Regexp(t, regexp.MustCompile(`inlining call to \(\*Domain\)\.Poll`), string(out))
}

func TestPoll_NoAllocations(t *testing.T) {
	w := newWorld(t, Options{SMR: []*smr.Domain{newDomain(t)}})
	asDomain(t, w, func(d *Domain) {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			d.Poll()
			d.EnterBlocking()
			d.LeaveBlocking()
			frame := d.PushRoots(3)
			frame[0] = 1
			d.PopRoots()
		}))
	})
}
