package docs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The Go blocks of all pages are formatted. One program has them all, as they stand: it compiles,
// prints what it should, and -tags invariants finds no mistake in it.
//
// What a page's blocks need is in testdata, in a Go file named after the page, where
//
//	// block 2
//
// stands for the page's second block: among declarations or among statements. Its Run runs the blocks,
// and prints what the comment after "// Output:" says. So a block that stands nowhere, or that does not
// compile, fails; the compiler names the line of the page.
func TestBlocks_AreOneProgram(t *testing.T) {
	here, err := os.Getwd()
	require.NoError(t, err)
	p := program{t: t, here: here, dir: t.TempDir(), replace: make(map[string]string)}
	for _, page := range pages(t) {
		p.add(page)
	}
	require.Greater(t, len(p.names), 1)
	p.run()
}

// pages returns the paths of all pages for readers.
func pages(t *testing.T) (pages []string) {
	for _, pattern := range []string{"../*.md", "*.md", "benchmarks/*.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, found)
		pages = append(pages, found...)
	}
	return pages
}

// A program has a package for each page with Go blocks.
type program struct {
	t         *testing.T
	here, dir string
	replace   map[string]string // for -overlay
	names     []string          // of packages
	pages     []string
	outputs   []string
}

// A block is a Go block of a page.
type block struct {
	line int // of the page, its first
	text string
}

// blocksOf returns the Go blocks of a page.
func blocksOf(t *testing.T, page string) (blocks []block) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	for _, at := range regexp.MustCompile("(?m)^```go\n").FindAllIndex(text, -1) {
		code, _, ended := strings.Cut(string(text[at[1]:]), "\n```")
		require.True(t, ended, "%s: a block without an end", page)
		b := block{1 + bytes.Count(text[:at[1]], []byte("\n")), code + "\n"}
		formatted, err := format.Source([]byte(b.text))
		require.NoError(t, err, "%s:%d", page, b.line)
		require.Equal(t, string(formatted), b.text, "%s:%d", page, b.line)
		blocks = append(blocks, b)
	}
	return blocks
}

// add adds the package of a page, if it has Go blocks.
func (p *program) add(page string) {
	blocks := blocksOf(p.t, page)
	if len(blocks) == 0 {
		return
	}
	name := strings.ReplaceAll(strings.ToLower(strings.TrimSuffix(filepath.Base(page), ".md")), "-", "_")
	frame := filepath.Join(p.here, "testdata", name+".go")
	text, err := os.ReadFile(frame)
	require.NoError(p.t, err, "%s has Go blocks", page)
	source, output, ok := strings.Cut(string(text), "\n// Output:\n")
	require.True(p.t, ok, "%s says not what it prints", frame)
	p.outputs = append(p.outputs, regexp.MustCompile(`(?m)^// ?`).ReplaceAllString(output, ""))
	p.names, p.pages = append(p.names, name), append(p.pages, page)

	placed := 0
	var code strings.Builder
	line := 0
	for text := range strings.Lines(source + "\n") {
		line++
		var n int
		if _, err := fmt.Sscanf(strings.TrimSpace(text), "// block %d", &n); err != nil {
			code.WriteString(text)
			continue
		}
		placed++
		require.Equal(p.t, placed, n, "%s:%d: blocks stand in their order", frame, line)
		require.LessOrEqual(p.t, n, len(blocks), "%s:%d: %s has fewer", frame, line, page)
		fmt.Fprintf(&code, "//line %s:%d\n%s//line %s:%d\n",
			filepath.Join(p.here, page), blocks[n-1].line, blocks[n-1].text, frame, line+1)
	}
	require.Equal(p.t, len(blocks), placed, "the blocks of %s that stand in %s", page, frame)
	p.write(filepath.Join("blocks", name, name+".go"), code.String())
}

// write adds a file that the compiler finds at a path in this directory.
func (p *program) write(path, text string) {
	file := filepath.Join(p.dir, strings.ReplaceAll(path, string(filepath.Separator), "+"))
	require.NoError(p.t, os.WriteFile(file, []byte(text), 0o600))
	p.replace[filepath.Join(p.here, path)] = file
}

// run builds the program and compares what it prints.
func (p *program) run() {
	var imports, calls, expected strings.Builder
	for i, name := range p.names {
		fmt.Fprintf(&imports, "\t%q\n", "github.com/gosmr/gosmr/docs/blocks/"+name)
		fmt.Fprintf(&calls, "\tfmt.Println(%q)\n\t%s.Run()\n", "-- "+p.pages[i], name)
		fmt.Fprintf(&expected, "-- %s\n%s", p.pages[i], p.outputs[i])
	}
	p.write(filepath.Join("blocks", "main.go"),
		"package main\n\nimport (\n\t\"fmt\"\n\n"+imports.String()+")\n\nfunc main() {\n"+calls.String()+"}\n")
	overlay, err := json.Marshal(map[string]any{"Replace": p.replace})
	require.NoError(p.t, err)
	list := filepath.Join(p.dir, "overlay.json")
	require.NoError(p.t, os.WriteFile(list, overlay, 0o600))

	cmd := exec.Command("go", "run", "-overlay", list, "-tags", "invariants", "./blocks")
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOOS=", "GOARCH=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(p.t, err, "%s\n%s", out, &stderr)
	require.Equal(p.t, expected.String(), string(out), "%s", &stderr)
	require.Empty(p.t, stderr.String())
}
