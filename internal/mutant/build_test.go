package mutant

import (
	"bytes"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each bug builds, where its tests do: a patch may fit a tree whose functions have changed.
func TestBugs_Build(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the library with each tag")
	}
	builds := make(map[string]types.Importer) // by tags
	for _, b := range Bugs() {
		if b.Arch != "" || strings.HasPrefix(b.Package, "./cmd/") || b.Package == "./smrprom" {
			continue // by the compiler of another architecture, or in another module
		}
		var all []string
		if b.Test != "" || b.Also != nil {
			all = append(all, b.Tags)
		}
		if b.Schedules != "" {
			all = append(all, strings.TrimPrefix(b.Tags+",smr_sched", ","))
		}
		overlay := readOverlay(t, b)
		for _, tags := range all {
			if builds[tags] == nil {
				builds[tags] = newImporter(t, tags)
			}
			for _, dir := range dirs(overlay) {
				assert.NoError(t, check(builds[tags], tags, dir, overlay), "%s with tags %q", b.Name, tags)
			}
		}
	}
}

// dirs returns the directories of an overlay's files.
func dirs(overlay map[string]string) []string {
	set := make(map[string]bool)
	for file := range overlay {
		set[filepath.Dir(file)] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// check type-checks the package in a directory.
func check(imports types.Importer, tags, dir string, overlay map[string]string) error {
	context := build.Default
	context.BuildTags = strings.Split(tags, ",")
	pkg, err := context.ImportDir(dir, 0)
	if err != nil {
		return err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range pkg.GoFiles {
		path := filepath.Join(dir, name)
		if to := overlay[path]; to != "" {
			path = to
		}
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	_, err = (&types.Config{Importer: imports}).Check(dir, fset, files, nil)
	return err
}

// newImporter returns an importer of all packages that the library needs, as built with tags.
func newImporter(t *testing.T, tags string) types.Importer {
	cmd := exec.Command("go", "list", "-export", "-deps", "-tags", tags, "-f", "{{.ImportPath}}={{.Export}}", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err)
	export := make(map[string]string)
	for line := range bytes.Lines(out) {
		path, file, _ := strings.Cut(strings.TrimSpace(string(line)), "=")
		export[path] = file
	}
	return importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(export[path]) })
}
