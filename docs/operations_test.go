package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// operations.md explains each field of smrdebug's JSON, and each finding, and no other.
func TestOperations_ExplainsEachField(t *testing.T) {
	page, err := os.ReadFile("operations.md")
	require.NoError(t, err)
	files, err := filepath.Glob("../smrdebug/*.go")
	require.NoError(t, err)
	tag := regexp.MustCompile("`json:\"(\\w+)[,\"]")
	what := regexp.MustCompile(`What: +"([^"]+)"`)
	fields, findings := make(map[string]bool), make(map[string]bool)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		code, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range tag.FindAllSubmatch(code, -1) {
			fields[string(m[1])] = true
		}
		for _, m := range what.FindAllSubmatch(code, -1) {
			findings[string(m[1])] = true
		}
	}
	require.Greater(t, len(fields), 60)
	require.Greater(t, len(findings), 5)

	_, table, ok := strings.Cut(string(page), "\n| field | meaning |\n")
	require.True(t, ok)
	explained := make(map[string]bool)
	for row := range strings.Lines(table) {
		for _, name := range spans(strings.SplitN(row, "|", 3)[1]) {
			explained[name] = true
		}
	}
	require.Equal(t, fields, explained)

	_, table, ok = strings.Cut(string(page), "\n| finding | do now | then |\n|---|---|---|\n")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n\n")
	listed := make(map[string]bool)
	for row := range strings.Lines(table) {
		listed[strings.TrimSpace(strings.SplitN(row, "|", 3)[1])] = true
	}
	require.Equal(t, findings, listed)
}
