package pcpu

import (
	"fmt"
	"go/build"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A Go release, or a compiler, that this was not tested with gets the portable
// files by itself: slower, never unsound.
func TestBuild_UnknownToolchainIsPortable(t *testing.T) {
	known := build.Default
	known.GOOS, known.GOARCH, known.Compiler = "linux", "amd64", "gc"
	known.ReleaseTags = nil
	for i := 1; i <= 27; i++ {
		known.ReleaseTags = append(known.ReleaseTags, fmt.Sprintf("go1.%d", i))
	}
	known.BuildTags = nil
	newer := known
	newer.ReleaseTags = append(slices.Clone(known.ReleaseTags), "go1.28")
	other := known
	other.Compiler = "gccgo"
	tagged := known
	tagged.BuildTags = []string{"smr_portable"}
	arm := known
	arm.GOARCH = "arm64"

	for _, c := range []struct {
		name   string
		ctx    build.Context
		pinned bool
		plain  bool
	}{
		{"a tested release", known, true, true},
		{"another processor", arm, true, false},
		{"a newer release", newer, false, false},
		{"another compiler", other, false, false},
		{"smr_portable", tagged, false, false},
	} {
		for file, want := range map[string]bool{
			"pin_linkname.go":                      c.pinned,
			"pin_portable.go":                      !c.pinned,
			"../internal/relacq/plain.go":          c.plain,
			"../internal/relacq/atomic.go":         !c.plain,
			"../internal/relacq/guarded_norace.go": !c.plain,
		} {
			got, err := c.ctx.MatchFile(filepath.Split(file))
			require.NoError(t, err)
			require.Equal(t, want, got, "%s with %s", file, c.name)
		}
	}
}
