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
	for _, page := range pages(t) {
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

// What a page names in backquotes as a package's, as in smr.Domain.Enter, the library exports.
func TestNames_AreExported(t *testing.T) {
	c := newCitations(t, "..")
	name := regexp.MustCompile("`[*&]?((?:pcpu|clock|smr|smrq|stw|slab|smrmap|smrfile|smrdebug)(?:\\.[A-Z]\\w*)+)")
	n := 0
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range name.FindAllStringSubmatch(string(text), -1) {
			if regexp.MustCompile(`\.(Test|Example)[A-Z_]`).MatchString(m[1]) {
				require.NoError(t, c.test(m[1]), page)
			} else {
				require.NoError(t, c.name(m[1]), page)
			}
			n++
		}
	}
	require.Greater(t, n, 200)
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
