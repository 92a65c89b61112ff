// Package mutant lists deliberate bugs: one for each fence, clamp and second check that the
// library's correctness rests on. Each is a patch of the sources and names the test that must
// fail with it, which is what shows that the test is worth something. Bugs of ordering name
// two: one meets the interleaving by chance, the other looks for it under package sched.
//
// A bug is built with go build's flag -overlay: no file of the tree changes, and no text of
// the library speaks of it. go run ./internal/mutant/run tries them all.
package mutant

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Bug is a mutant of the library.
type Bug struct {
	Name    string
	Why     string // the interleaving, or the wrong answer, that it allows
	Package string // whose tests catch it

	// What catches it, as a pattern for go test -run: by chance, in a normal build; and under
	// every schedule, in a build with -tags smr_sched. Either may be "".
	Test      string
	Schedules string

	// Race says that Test runs with the race detector: either that is what catches the bug (on
	// amd64 no other test can see a reordered store), or it widens the window.
	Race bool

	// Patch is what the bug does to the sources, in lines like those of a diff: "@ file", with the
	// path from the root of the repository, begins a file, a bare "@" another place in it; then
	// come context, "-" and "+" lines. The lines before must occur exactly once in the file.
	Patch string
}

// Bugs returns them all.
func Bugs() []Bug {
	return slices.Concat(clockBugs, ownedBugs, smrBugs, smrqBugs, stwBugs, slabBugs, smrmapBugs, smrkvBugs)
}

// Named returns the bug of that name, and whether there is one.
func Named(name string) (Bug, bool) {
	for _, b := range Bugs() {
		if b.Name == name {
			return b, true
		}
	}
	return Bug{}, false
}

// WriteOverlay writes the files that the bug changes into dir, and beside them the file that
// go build's -overlay takes, and returns the path of that. root is the repository.
func (b Bug) WriteOverlay(root, dir string) (path string, err error) {
	edits, err := b.edits()
	if err != nil {
		return "", err
	}
	changed := make(map[string]string) // text by file
	for _, e := range edits {
		text, ok := changed[e.file]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return "", err
			}
			text = string(b)
		}
		if changed[e.file], err = e.apply(text); err != nil {
			return "", fmt.Errorf("mutant %s: %w", b.Name, err)
		}
	}
	return WriteOverlay(root, dir, b.Name, changed)
}

// WriteOverlay is the same for other texts of some files, by their paths from the root.
func WriteOverlay(root, dir, name string, changed map[string]string) (path string, err error) {
	if root, err = filepath.Abs(root); err != nil {
		return "", err
	}
	replace := make(map[string]string) // the changed file by the one it stands for
	for file, text := range changed {
		to := filepath.Join(dir, name+"-"+strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(to, []byte(text), 0o666); err != nil {
			return "", err
		}
		replace[filepath.Join(root, file)] = to
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, name+".json")
	return path, os.WriteFile(path, overlay, 0o666)
}

// An edit replaces some lines of a file.
type edit struct {
	file     string
	old, new string
}

// edits parses the patch.
func (b Bug) edits() (edits []edit, err error) {
	file := ""
	for line := range strings.Lines(strings.TrimPrefix(b.Patch, "\n")) {
		kind, rest := line[0], line[1:]
		if kind == '@' {
			if name := strings.TrimSpace(rest); name != "" {
				file = name
			}
			edits = append(edits, edit{file: file})
			continue
		}
		if len(edits) == 0 {
			return nil, fmt.Errorf("mutant %s: the patch does not begin with a file", b.Name)
		}
		e := &edits[len(edits)-1]
		if kind != '+' {
			e.old += rest
		}
		if kind != '-' {
			e.new += rest
		}
		if !strings.ContainsRune(" +-", rune(kind)) {
			return nil, fmt.Errorf("mutant %s: a line of the patch begins with %q", b.Name, kind)
		}
	}
	return edits, nil
}

// apply returns the text with the edit made.
func (e edit) apply(text string) (string, error) {
	old := "\n" + e.old // whole lines only
	before, after, found := strings.Cut("\n"+text, old)
	if e.old == "" || !found || strings.Contains("\n"+after, old) {
		return "", fmt.Errorf("%s must have these lines once, and has not:\n%s", e.file, e.old)
	}
	return (before + "\n" + e.new + after)[1:], nil
}
