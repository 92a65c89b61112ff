package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each link of a page to a file, and to a heading of a page, leads somewhere.
func TestLinks_LeadSomewhere(t *testing.T) {
	for _, page := range []string{
		"../README.md", "../CONTRIBUTING.md", "limits.md", "mistakes.md", "performance.md", "proof.md", "sources.md", "which.md",
		"benchmarks/README.md",
	} {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(string(text), -1) {
			path, heading, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, "://") {
				continue
			}
			to := page
			if path != "" {
				to = filepath.Join(filepath.Dir(page), path)
			}
			target, err := os.ReadFile(to)
			require.NoError(t, err, "%s: %s", page, m[1])
			if heading != "" {
				require.Contains(t, headings(string(target)), heading, "%s: %s", page, m[1])
			}
		}
	}
}

// headings are the anchors of a page's headings, as GitHub makes them.
func headings(page string) (anchors []string) {
	for line := range strings.Lines(page) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			title = regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			anchors = append(anchors, strings.ReplaceAll(title, " ", "-"))
		}
	}
	return anchors
}
