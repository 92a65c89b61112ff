// Package mutant lists deliberate bugs: one for each fence, clamp and second check on which the
// library's correctness rests. Each is a patch of the sources, and names the test that must fail
// with it: that shows what the test is worth. Bugs of ordering name two tests: one meets the
// interleaving by chance, the other searches for it under package sched.
//
// go build's flag -overlay applies a bug: no file of the tree changes, and the library's sources
// do not mention it. go run ./internal/mutant/run tries them all.
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

	// The tests that catch it, as patterns for go test -run: by chance in a normal build, and by
	// searching the schedules in a build with -tags smr_sched. Either may be "".
	Test      string
	Schedules string

	// Also are other tests, run as Test is, each of which catches it as well: it shows what they
	// are worth.
	Also []string

	// The build in which it is looked for: Tags of go build, beside smr_sched where Schedules run, and
	// GOARCH. Elsewhere it may do no harm.
	Tags, Arch string

	// Race says that Test runs with the race detector, which catches the bug (on amd64 nothing
	// else can see a reordered store) or widens its window.
	Race bool

	// Patch is the bug's change of the sources, in lines like a diff's: "@ file" begins a change of
	// that file, named from the root of the repository, and a bare "@" another change of it; then
	// come context, "-" and "+" lines. The context and "-" lines must occur exactly once.
	Patch string
}

// Bugs returns them all.
func Bugs() []Bug {
	return slices.Concat(clockBugs, ownedBugs, smrBugs, holdBugs, smrqBugs, stwBugs, slabBugs, heldSlabBugs, smrfileBugs, smrmapBugs,
		smrkvBugs, pubsubBugs, smrdebugBugs, eventBugs, misuseBugs, portableBugs, shortBugs, compiledBugs)
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

// WriteOverlay writes the patched files into dir, and the file for go build's flag -overlay, whose
// path it returns. root is the repository's root.
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

// WriteOverlay does the same for changed: texts by the path, from the root, of the file that each
// replaces. name begins the names of the files that it writes.
func WriteOverlay(root, dir, name string, changed map[string]string) (path string, err error) {
	if root, err = filepath.Abs(root); err != nil {
		return "", err
	}
	replace := make(map[string]string) // the changed file by the one it replaces
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
