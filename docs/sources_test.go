package docs

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each row of sources.md has a verdict. The names and tests that it cites are there, and its tests
// are at least one if it claims that a promise holds. The table of verdicts counts right.
func TestSources_RowsHold(t *testing.T) {
	page, err := os.ReadFile("sources.md")
	require.NoError(t, err)
	c := newCitations(t, "..")
	counts := make(map[string]int)
	for _, row := range sourceRows(string(page)) {
		require.NoError(t, c.check(row), row)
		counts[verdictOf(row[4])]++
	}
	for _, verdict := range verdicts {
		line := fmt.Sprintf("| %s | %d |", verdict, counts[verdict])
		require.True(t, strings.Contains(string(page), "\n"+line), "the table of verdicts should have: %s", line)
	}
}

// A check that finds nothing is worth nothing.
func TestSources_CheckFindsWhatIsWrong(t *testing.T) {
	c := newCitations(t, "..")
	good := []string{"XNU `smr_enter`", "A section.", "`smr.Domain.Pin`", "`smr.TestSection_NoAllocation`", "better: why"}
	require.NoError(t, c.check(good))
	for _, name := range []string{"smr.Call", "smr.Expedite", "smr.ErrSeq", "smr.Options.Name", "smr.Section", "smrq.TailQ.Remove"} {
		require.NoError(t, c.name(name))
	}
	for what, change := range map[string]func(row []string) []string{
		"5 cells":       func(row []string) []string { return row[:4] },
		"verdict":       func(row []string) []string { row[4] = "good"; return row },
		"promise":       func(row []string) []string { row[1] = ""; return row },
		"no test":       func(row []string) []string { row[3] = ""; return row },
		"no reason":     func(row []string) []string { row[4] = "different"; return row },
		"smr.Domain.No": func(row []string) []string { row[2] = "`smr.Domain.No`"; return row },
		"smr.call":      func(row []string) []string { row[2] = "`smr.call`"; return row },
		"TestNo":        func(row []string) []string { row[3] = "`smr.TestNo`"; return row },
		"TestSection":   func(row []string) []string { row[3] = "`smr.TestSection`"; return row },
		"stw.TestSecti": func(row []string) []string { row[3] = "`stw.TestSection_NoAllocation`"; return row },
		"but no test":   func(row []string) []string { row[4] = "missing"; return row },
	} {
		require.ErrorContains(t, c.check(change(append([]string(nil), good...))), what)
	}
	require.Len(t, sourceRows("| source | promise | here | tests | verdict |\n|---|---|---|---|---|\n| a | b | c | d | e |\n| f |\n\n| g |\n"), 2)
}

var verdicts = []string{"same", "better", "different", "missing"}

// verdictOf returns the word before the reason.
func verdictOf(cell string) string {
	word, _, _ := strings.Cut(cell, " ")
	return strings.TrimRight(word, ":,;")
}

// sourceRows returns the cells of each row of the tables of promises.
func sourceRows(page string) (rows [][]string) {
	inside := false
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "| source | promise |"):
			inside = true
		case !strings.HasPrefix(line, "|"):
			inside = false
		case inside && !strings.HasPrefix(line, "|---"):
			row := strings.Split(strings.Trim(line, "|"), "|")
			for i := range row {
				row[i] = strings.TrimSpace(row[i])
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// citations know the exported names of the library, and the tests of each directory.
type citations struct {
	t     *testing.T
	root  string
	names map[string]bool   // as in smr.Domain.Enter
	tests map[string]string // the text of a directory's tests
}

func newCitations(t *testing.T, root string) *citations {
	c := &citations{t: t, root: root, names: make(map[string]bool), tests: make(map[string]string)}
	for _, storey := range storeys {
		for _, pkg := range storey {
			c.addPackage(pkg)
		}
	}
	require.Greater(t, len(c.names), 300)
	return c
}

// check returns what is wrong with a row.
func (c *citations) check(row []string) error {
	if len(row) != 5 {
		return fmt.Errorf("it has not 5 cells, but %d", len(row))
	}
	source, promise, here, tests, verdict := row[0], row[1], row[2], row[3], row[4]
	if source == "" || promise == "" {
		return fmt.Errorf("no source or promise")
	}
	for _, name := range spans(here) {
		if err := c.name(name); err != nil {
			return err
		}
	}
	for _, test := range spans(tests) {
		if err := c.test(test); err != nil {
			return err
		}
	}
	n := len(spans(tests))
	switch verdictOf(verdict) {
	case "same", "better":
		if n == 0 {
			return fmt.Errorf("no test")
		}
	case "different":
		if !strings.HasPrefix(verdict, "different: ") {
			return fmt.Errorf("no reason")
		}
	case "missing":
		if n > 0 {
			return fmt.Errorf("missing, but no test can show that")
		}
	default:
		return fmt.Errorf("%q is no verdict", verdict)
	}
	return nil
}

// name returns an error unless the library exports that name.
func (c *citations) name(name string) error {
	if !c.names[name] {
		return fmt.Errorf("nothing is exported as %s", name)
	}
	return nil
}

// test returns an error unless there is that test, as in smr.TestCall_Misuse.
func (c *citations) test(test string) error {
	dir, name, _ := strings.Cut(test, ".")
	text, read := c.tests[dir]
	if !read {
		files, err := filepath.Glob(filepath.Join(c.root, dir, "*_test.go"))
		require.NoError(c.t, err)
		for _, file := range files {
			b, err := os.ReadFile(file)
			require.NoError(c.t, err)
			text += string(b)
		}
		c.tests[dir] = text
	}
	if !regexp.MustCompile(`^(Test|Example)\w+$`).MatchString(name) || !strings.Contains(text, "\nfunc "+name+"(") {
		return fmt.Errorf("no test %s", test)
	}
	return nil
}

// spans returns what a cell has in backquotes.
func spans(cell string) (found []string) {
	for _, m := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(cell, -1) {
		found = append(found, m[1])
	}
	return found
}

// addPackage adds the exported names of a package, those of all its builds.
func (c *citations) addPackage(pkg string) {
	files, err := filepath.Glob(filepath.Join(c.root, pkg, "*.go"))
	require.NoError(c.t, err)
	fset := token.NewFileSet()
	var parsed []*ast.File
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
		require.NoError(c.t, err)
		parsed = append(parsed, f)
	}
	// AllDecls, as else methods of unexported types that are embedded twice over do not show.
	p, err := doc.NewFromFiles(fset, parsed, "github.com/gosmr/gosmr/"+pkg, doc.AllDecls)
	require.NoError(c.t, err)
	add := func(names ...string) {
		for _, name := range names {
			if !slices.ContainsFunc(strings.Split(name, "."), func(part string) bool { return !token.IsExported(part) }) {
				c.names[pkg+"."+name] = true
			}
		}
	}
	addAll := func(values []*doc.Value, funcs []*doc.Func, prefix string) {
		for _, v := range values {
			add(v.Names...)
		}
		for _, f := range funcs {
			add(prefix + f.Name)
		}
	}
	addAll(append(p.Consts, p.Vars...), p.Funcs, "")
	for _, typ := range p.Types {
		add(typ.Name)
		addAll(append(typ.Consts, typ.Vars...), typ.Funcs, "")
		addAll(nil, typ.Methods, typ.Name+".")
		for _, spec := range typ.Decl.Specs {
			if s, ok := spec.(*ast.TypeSpec).Type.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					for _, name := range field.Names {
						add(typ.Name + "." + name.Name)
					}
				}
			}
		}
	}
}
