// Package docs checks the pages for readers: README, CONTRIBUTING, and those in this directory.
package docs

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each test that proof.md and CONTRIBUTING.md name is there.
func TestProof_NamesWhatThereIs(t *testing.T) {
	text, err := os.ReadFile("proof.md")
	require.NoError(t, err)
	contributing, err := os.ReadFile("../CONTRIBUTING.md")
	require.NoError(t, err)
	var code strings.Builder
	root := os.DirFS("..")
	require.NoError(t, fs.WalkDir(root, ".", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			var file []byte
			file, err = fs.ReadFile(root, path)
			code.Write(file)
		}
		return err
	}))
	claims, _, _ := strings.Cut(string(text), "## Commands")
	names := regexp.MustCompile(`\b[A-Z][a-z]+(Against|Enters|And|Gives|Reaches|Leader|On)[A-Z]\w+|\b(Fuzz|Test)[A-Z]\w+|LastLeaver|TwoPollers|SeenIsSeen|BarrierPhases|GracePeriodInStop|StopFromOutside`)
	found := names.FindAllString(claims, -1)
	require.Greater(t, len(found), 40)
	more := regexp.MustCompile(`\b(Benchmark|Fuzz|Test)[A-Z]\w+`).FindAllString(string(contributing), -1)
	require.Greater(t, len(more), 30)
	found = append(found, more...)
	for _, name := range found {
		if !regexp.MustCompile("^(Benchmark|Fuzz|Test)").MatchString(name) {
			name = "TestSchedules_" + name
		}
		require.Contains(t, code.String(), "func "+strings.TrimSuffix(name, "_"), name)
	}
}
