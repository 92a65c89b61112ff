package docs

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// CONTRIBUTING says what each stage of the gate is for, and names no other.
func TestContributing_HasTheStages(t *testing.T) {
	gate, err := os.ReadFile("../.ci/run")
	require.NoError(t, err)
	page, err := os.ReadFile("../CONTRIBUTING.md")
	require.NoError(t, err)
	stages := regexp.MustCompile(`\nstages="([^"]*)"`).FindSubmatch(gate)
	require.NotNil(t, stages)

	_, rows, ok := strings.Cut(string(page), "| stage | what must pass |\n|---|---|\n")
	require.True(t, ok)
	rows, _, _ = strings.Cut(rows, "\n\n")
	var named []string
	for row := range strings.Lines(rows) {
		for _, name := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(strings.SplitN(row, "|", 3)[1], -1) {
			named = append(named, name[1])
		}
	}
	require.ElementsMatch(t, strings.Fields(string(stages[1])), named)
}
