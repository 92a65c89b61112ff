//go:build linux && amd64 && gc && go1.25 && !go1.28 && !race && !smr_portable && !invariants

package smr

import (
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

// What package relacq relies on is not promised by the language, so this test
// looks at what the compiler made of it. It disassembles the entry and exit
// paths of testdata/disasm and checks that their plain stores are there, in
// order, not locked, and on the right side of the loads and calls around them.
func TestDisassembly_StoresOfEntryAndExit(t *testing.T) {
	bin := buildDisasm(t)
	for _, p := range paths {
		require.NoError(t, p.check(disassemble(t, bin, p.name)))
	}
}

// The check is worth something only if it fails where stores are locked.
func TestDisassembly_CheckFindsLockedStores(t *testing.T) {
	bin := buildDisasm(t, "-tags", "smr_portable")
	for _, p := range paths {
		switch p.name {
		case "clock.(*Clock).Enter", "clock.(*Record).Leave", "main.publish":
			require.Error(t, p.check(disassemble(t, bin, p.name)), p.name)
		}
	}
}

// A build with a profile inlines what is hot in it, whatever it costs. The stores must be in
// the same order in the callers, and the entries that must keep their prologue are called.
func TestDisassembly_InlinedByProfile(t *testing.T) {
	profile := filepath.Join(t.TempDir(), "hot")
	require.NoError(t, os.WriteFile(profile, []byte(hotProfile()), 0o644))
	bin := buildDisasm(t, "-gcflags=github.com/gosmr/gosmr/...=-pgoprofile="+profile)
	for _, p := range inlinedPaths {
		require.NoError(t, p.check(disassemble(t, bin, p.name)))
	}
}

// hotProfile returns a profile, as go tool preprofile writes it, in which each of these calls
// is hot, on whatever line of its caller it is.
func hotProfile() string {
	const module = "github.com/gosmr/gosmr/"
	var b strings.Builder
	b.WriteString("GO PREPROFILE V1\n")
	hot := func(caller, callee string) {
		for line := range 60 {
			fmt.Fprintf(&b, "%s\n%s\n%d 100\n", caller, callee, line)
		}
	}
	for _, caller := range []string{"main.read", "main.visit"} {
		hot(caller, module+"smr.Section.Leave")
	}
	for _, c := range []struct{ caller, of, method, clock string }{
		{"main.read", "Reader", "Enter", "Record"},
		{"main.visit", "Domain", "Enter", "Clock"},
		{"main.visit", "Domain", "Pin", "Clock"},
		{"main.report", "Quiescent", "Online", "Record"},
		{"main.report", "Quiescent", "Quiesce", "Record"},
		{"main.report", "Quiescent", "Offline", "Record"},
	} {
		method := module + "smr.(*" + c.of + ")." + c.method
		hot(c.caller, method)
		hot(method, module+"clock.(*"+c.clock+")."+c.method)
	}
	hot(module+"smr.Section.Leave", module+"clock.(*Record).Leave")
	return b.String()
}

// leave is what each of them is where Leave is inlined: see the path of that.
var (
	leave        = []string{load, store, storeNil, loadFlag, load, store, storeNil, unpin, loadFlag}
	inlinedPaths = []path{
		{`clock.(*Clock).Enter`, []string{preempt, pin, load, store, unpin}, 1},
		{`clock.(*Clock).Pin`, []string{preempt, pin, load, store}, 1},
		// Enter's store comes before the load of the pointer, and Leave's after it was followed.
		{`main.read`, append([]string{load, store, load, follow}, leave...), 5},
		{`main.visit`, slices.Concat([]string{`CALL .*Clock\)\.Enter`, load, follow}, leave,
			[]string{`CALL .*Clock\)\.Pin`, load}, leave), 8},
		// Online and the Offline in it, Quiesce, Offline.
		{`main.report`, []string{load, store, loadFlag, store, storeNil, loadFlag,
			load, store, load, store, loadFlag, load, store, storeNil, loadFlag}, 7},
	}
)

// A path is a function and what must be in it.
type path struct {
	name     string
	sequence []string // these instructions, in this order
	stores   int      // how many stores through relacq there are; -1: any number
}

// Instructions are matched as "file:instruction". A store through relacq keeps
// its place in the source when it is inlined; a load may lose it.
const (
	store    = `^plain\.go:MOVQ \w+, (0x[0-9a-f]+|0)?\(\w+\)$`
	storeNil = `^plain\.go:MOVQ \$0x0, (0x[0-9a-f]+|0)?\(\w+\)$`
	storeOne = `^plain\.go:MOVQ \$0x1, (0x[0-9a-f]+|0)?\(\w+\)$`
	load     = `:MOVQ (0x[0-9a-f]+|0)?\(\w+\), \w+$`
	loadFlag = `:MOVL (0x[0-9a-f]+|0)?\(\w+\), \w+$`
	preempt  = `:CMPQ SP, 0x10\(R14\)$` // the prologue's look at the stack's bound
	pin      = `CALL runtime\.procPin`
	unpin    = `CALL runtime\.procUnpin`
	follow   = `^main\.go:MOVQ 0\(\w+\), \w+$`
)

var paths = []path{
	// A look whether to be preempted. Then wr is loaded, and stored to the record, all of
	// it pinned.
	{`clock.(*Clock).Enter`, []string{preempt, pin, load, store, unpin}, 1},
	// The same; the section keeps the processor.
	{`clock.(*Clock).Pin`, []string{preempt, pin, load, store}, 1},
	{`clock.(*Record).Enter`, []string{load, load, store}, 1},
	// The generation, then the record, and only then the look at waiters; once for a plain
	// section, and once for a pinned one.
	{`clock.(*Record).Leave`, []string{load, store, storeNil, loadFlag, load, store, storeNil, unpin, loadFlag}, 4},
	{`clock.(*Record).Online`, []string{load, store}, 1},
	{`clock.(*Record).Quiesce`, []string{load, store, load, store, loadFlag}, 2},
	{`clock.(*Record).Offline`, []string{load, store, storeNil, loadFlag}, 2},
	// busy is set before the chunk is loaded, and cleared after the last store
	// to the chunk, all of it pinned. The counters are stored between.
	{`smr.(*Domain).call`, []string{pin, storeOne, load, `call\.go:MOVQ \w+, 0x8\(`, store, store, storeNil, unpin}, -1},
	// In the caller: enter, load the pointer, follow it, leave.
	{`main.read`, []string{`CALL .*Record\)\.Enter`, load, follow, `CALL .*Record\)\.Leave`}, 0},
	// The target is written, then published.
	{`main.publish`, []string{`^main\.go:MOVQ \$0x1, 0\(\w+\)$`, `^plain\.go:MOVQ \w+, 0\(\w+\)$`}, -1},
}

func (p path) check(code []string) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%s: %s in\n\t%s", p.name, fmt.Sprintf(format, args...), strings.Join(code, "\n\t"))
	}
	at := 0
	for _, want := range p.sequence {
		re := regexp.MustCompile(want)
		for at < len(code) && !re.MatchString(code[at]) {
			at++
		}
		if at == len(code) {
			return fail("%q is missing, or not in order,", want)
		}
		at++
	}
	stores := 0
	for _, in := range code {
		if regexp.MustCompile(store).MatchString(in) || regexp.MustCompile(storeNil).MatchString(in) {
			stores++
		}
		// The one lock prefix allowed is the fence for kernels without
		// membarrier, which is behind a branch.
		if strings.Contains(in, ":XCHG") || strings.Contains(in, ":LOCK") && !strings.HasPrefix(in, "plain.go:LOCK XADDL") {
			return fail("locked instruction %s", in)
		}
	}
	if p.stores >= 0 && stores != p.stores {
		return fail("%d stores through relacq, want %d,", stores, p.stores)
	}
	return nil
}

func buildDisasm(t *testing.T, flags ...string) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command to build and disassemble: ", err)
	}
	bin := filepath.Join(t.TempDir(), "disasm")
	args := append(append([]string{"build", "-o", bin}, flags...), "./testdata/disasm")
	out, err := exec.Command("go", args...).CombinedOutput()
	require.NoError(t, err, string(out))
	return bin
}

// disassemble returns the instructions of one function, as "file:instruction".
func disassemble(t *testing.T, bin, name string) []string {
	t.Helper()
	out, err := exec.Command("go", "tool", "objdump", "-s", regexp.QuoteMeta(name)+"$", bin).Output()
	require.NoError(t, err)
	var code []string
	for line := range strings.Lines(string(out)) {
		// file.go:line  address  bytes  instruction
		fields := strings.Fields(line)
		if len(fields) < 4 || strings.HasPrefix(line, "TEXT") {
			continue
		}
		file, _, _ := strings.Cut(fields[0], ":")
		code = append(code, file+":"+strings.Join(fields[3:], " "))
	}
	require.NotEmpty(t, code, "%s is not in the binary: was it inlined?", name)
	return code
}
