package docs

import (
	"encoding/json"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The README's Go blocks are formatted, and joined as they stand they are a program that
// compiles, and in which -tags invariants finds no mistake: no section of one domain protects
// a read of another's.
func TestREADME_BlocksAreOneProgram(t *testing.T) {
	out, program := run(t, before+goBlocks(t, "../README.md", 2)+after)
	require.Equal(t, "body\n", out, program)
}

// goBlocks returns the Go blocks of a page, of which there are at least a number, as they stand.
func goBlocks(t *testing.T, page string, least int) string {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	var blocks strings.Builder
	rest := string(text)
	n := 0
	for {
		_, after, found := strings.Cut(rest, "```go\n")
		if !found {
			break
		}
		block, next, ended := strings.Cut(after, "```\n")
		require.True(t, ended, "a block without an end")
		formatted, err := format.Source([]byte(block))
		require.NoError(t, err)
		require.Equal(t, string(formatted), block)
		blocks.WriteString(block)
		rest = next
		n++
	}
	require.GreaterOrEqual(t, n, least)
	return blocks.String()
}

// run runs a program with -tags invariants and returns what it prints.
func run(t *testing.T, program string) (out, source string) {
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(file, []byte(program), 0o600))
	here, err := os.Getwd()
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(here, "readme", "main.go"): file},
	})
	require.NoError(t, err)
	list := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(list, overlay, 0o600))

	cmd := exec.Command("go", "run", "-overlay", list, "-tags", "invariants", "./readme")
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOOS=", "GOARCH=")
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", text, program)
	return string(text), program
}

// A README that is read to its end is short.
func TestREADME_IsShort(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	require.LessOrEqual(t, strings.Count(string(readme), "\n"), 160)
}

// before and after make a program of the blocks: what they use, and what checks them.
const before = `package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

type Table struct{ rows int }

func (t *Table) Size() int { return 8 }
func (t *Table) Unmap()    {}

type Row struct{ Price int }

type Node struct{ key uint64 }

func use(*Table) {}

func main() {
	var (
		first     = &Table{1}
		fresh     = &Table{2}
		key, body = []byte("key"), []byte("body\n")
		at        = int64(1) << 60
		conn      = os.Stdout
	)
`

const after = `
	if err != nil || !ok || row.Price != 995 || n != len(body) {
		fmt.Println(err, ok, row, n)
	}
}
`
