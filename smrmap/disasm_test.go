//go:build linux && amd64 && gc && go1.25 && !go1.28 && !race && !smr_portable && !invariants

package smrmap

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What an optimistic Load relies on is not promised by the language, so this test looks at
// what the compiler made of it: the copy of the entry is loaded before the second look at
// the version, and nothing of the entry after it; also where counters of coverage come between.
func TestDisassembly_CopyBeforeSecondLook(t *testing.T) {
	testCopies(t)
	for _, mode := range []string{"set", "atomic"} {
		testCopies(t, "-cover", "-covermode="+mode, "-coverpkg=github.com/gosmr/gosmr/...")
	}
}

// testCopies checks the program in a build with these flags.
func testCopies(t *testing.T, flags ...string) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command to build and disassemble: ", err)
	}
	bin := filepath.Join(t.TempDir(), "disasm")
	args := append(append([]string{"build", "-o", bin}, flags...), "./testdata/disasm")
	out, err := exec.Command("go", args...).CombinedOutput()
	require.NoError(t, err, string(out))
	for _, shape := range []string{"uint64,go.shape.[4]uint64", "uint64,go.shape.uint64", "[2]uint64,go.shape.[3]uint64"} {
		for _, copies := range []struct{ method, file, line string }{
			{"Load", "map.go", "value = e.value"},
			{"load", "map.go", "value := e.value"},
			{"loadGroup", "group.go", "values[i] = e.value"},
		} {
			name := "smrmap.(*Map[go.shape." + shape + "])." + copies.method
			code := disassemble(t, bin, name)
			require.NoError(t, checkCopy(code, fmt.Sprintf("%s:%d", copies.file, lineOf(t, copies.file, copies.line))), "%s %v", name, flags)
		}
	}
}

// An instruction is "file:line:instruction". A load of the entry keeps the line of the
// copy; the look at the version is a load, an exclusive or, and a shift by stateShift.
var (
	fromMemory = regexp.MustCompile(`:(MOV\w+) (0x[0-9a-f]+|0)?\(\w+\), \w+$`)
	secondLook = regexp.MustCompile(fmt.Sprintf(`:SHRQ \$0x%x, \w+$`, stateShift))
)

// checkCopy reports what is wrong with the order of the instructions; those of the copy
// are at the given place in the source.
func checkCopy(code []string, copies string) error {
	isCopy := func(in string) bool {
		return strings.HasPrefix(in, copies+":") && fromMemory.MatchString(in) && !strings.Contains(in, "(SP)")
	}
	first := slices.IndexFunc(code, isCopy)
	if first < 0 {
		return errors.New("there is no copy")
	}
	last := first
	for i, in := range code {
		if isCopy(in) {
			last = i
		}
	}
	look := slices.IndexFunc(code[first:], secondLook.MatchString)
	if look < 0 {
		return errors.New("there is no second look")
	}
	look += first
	if last > look {
		return errors.New("the entry is loaded after the second look")
	}
	// The version is loaded anew, behind the copy.
	if !slices.ContainsFunc(code[last+1:look], func(in string) bool {
		return strings.Contains(in, ":MOVQ 0(") && fromMemory.MatchString(in)
	}) {
		return errors.New("the version was loaded before the copy")
	}
	if i := slices.IndexFunc(code[first:look], func(in string) bool { return strings.Contains(in, ":CALL ") }); i >= 0 {
		return errors.New("a call in between: " + code[first+i])
	}
	return nil
}

// The check is worth something only if it fails where it should.
func TestDisassembly_CheckFindsWrongOrder(t *testing.T) {
	const (
		entry   = "map.go:10:MOVUPS 0x8(R8), X14"
		version = "type.go:181:MOVQ 0(AX), DX"
		xor     = "bucket.go:78:XORQ CX, DX"
	)
	look := fmt.Sprintf("bucket.go:78:SHRQ $0x%x, DX", stateShift)
	for _, c := range []struct {
		code []string
		err  string
	}{
		{[]string{entry, entry, version, xor, look}, ""},
		{[]string{version, entry, xor, look}, "the version was loaded before"},
		{[]string{entry, version, entry, xor, look}, "the version was loaded before"},
		{[]string{entry, version, xor, look, entry}, "after the second look"},
		{[]string{version, xor, look, entry}, "there is no second look"},
		{[]string{version, xor, look}, "there is no copy"},
		{[]string{entry, "map.go:11:CALL f(SB)", version, xor, look}, "a call in between"},
	} {
		if err := checkCopy(c.code, "map.go:10"); c.err == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, c.err)
		}
	}
}

// lineOf returns the number of the one line of a file that is the given statement.
func lineOf(t *testing.T, file, statement string) (line int) {
	src, err := os.ReadFile(file)
	require.NoError(t, err)
	n := 0
	for l := range strings.Lines(string(src)) {
		if n++; strings.TrimSpace(l) == statement {
			require.Zero(t, line, "%q is there twice", statement)
			line = n
		}
	}
	require.NotZero(t, line, "%q is not there", statement)
	return line
}

// disassemble returns the instructions of one function.
func disassemble(t *testing.T, bin, name string) (code []string) {
	out, err := exec.Command("go", "tool", "objdump", "-s", regexp.QuoteMeta(name)+"$", bin).Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		// file.go:line  address  bytes  instruction
		if fields := strings.Fields(line); len(fields) >= 4 && fields[0] != "TEXT" {
			code = append(code, fields[0]+":"+strings.Join(fields[3:], " "))
		}
	}
	require.NotEmpty(t, code, "%s is not in the binary", name)
	return code
}
