//go:build linux && amd64 && gc && go1.25 && !go1.28 && !race && !smr_portable && !invariants

package disasm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A path is a function and what must be in it.
type path struct {
	name     string
	sequence []string // these instructions, in this order
	stores   int      // how many stores through relacq there are; -1: any number
	loads    bool     // it stores nothing, but to its stack
}

// Instructions are matched as "file:instruction". A store through relacq keeps
// its place in the source when it is inlined; a load may lose it.
const (
	store    = `^plain\.go:MOVQ \w+, (0x[0-9a-f]+|0)?\(\w+\)$`
	storeNil = `^plain\.go:MOVQ \$0x0, (0x[0-9a-f]+|0)?\(\w+\)$`
	storeOne = `^plain\.go:MOVQ \$0x1, (0x[0-9a-f]+|0)?\(\w+\)$`
	load     = `:MOVQ (0x[0-9a-f]+|0)?\(\w+\), \w+$`
	loadFlag = `:MOVL (0x[0-9a-f]+|0)?\(\w+\), \w+$`
	sealed   = `^slots\.go:CMPB 0x[0-9a-f]+\(\w+\), \$0x0$`
	fence    = `^plain\.go:LOCK XADDL`
	preempt  = `:CMPQ SP, 0x10\(R14\)$` // the prologue's look at the stack's bound
	pin      = `CALL runtime\.procPin`
	unpin    = `CALL runtime\.procUnpin`
	follow   = `^(main|late)\.go:MOVQ 0\(\w+\), \w+$`
)

var (
	anyStore = regexp.MustCompile(strings.Join([]string{store, storeNil, storeOne}, "|"))
	locked   = regexp.MustCompile(`:(XCHG|LOCK )`)
	// toMemory matches an instruction that writes what its last operand names.
	toMemory = regexp.MustCompile(`:(MOV|ADD|SUB|INC|DEC|AND|OR|XOR|SET|XADD)\w* ([^(]*, )?[^, ]*\(\w+\)(\(\w+\*\d\))?$`)
)

// check reports what is wrong with the instructions of the path.
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
		if anyStore.MatchString(in) {
			stores++
		}
		// The one lock prefix allowed is the fence: for kernels without
		// membarrier, behind a branch, and of quiescent readers.
		if locked.MatchString(in) && !strings.HasPrefix(in, "plain.go:LOCK XADDL") {
			return fail("locked instruction %s", in)
		}
		if p.loads && toMemory.MatchString(in) && !strings.HasSuffix(in, "(SP)") {
			return fail("a store, %s,", in)
		}
	}
	if p.stores >= 0 && stores != p.stores {
		return fail("%d stores through relacq, want %d,", stores, p.stores)
	}
	return nil
}

// build builds the programs, and returns the instructions of their functions by name. Names in
// main are of one program only.
func build(t *testing.T, flags ...string) func(name string) (code []string) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command to build and disassemble: ", err)
	}
	functions := make(map[string][]string)
	for _, program := range []string{"smr", "users"} {
		bin := filepath.Join(t.TempDir(), program)
		args := append(append([]string{"build", "-o", bin}, flags...), "./testdata/"+program)
		out, err := exec.Command("go", args...).CombinedOutput()
		require.NoError(t, err, string(out))
		disassemble(t, bin, functions)
	}
	return func(name string) []string {
		require.NotEmpty(t, functions[name], "%s is in no program: was it inlined?", name)
		return functions[name]
	}
}

// disassemble adds the instructions of a program's functions.
func disassemble(t *testing.T, bin string, functions map[string][]string) {
	out, err := exec.Command("go", "tool", "objdump", "-s", `^(main|.*/(owned|clock|smr|slab|stw))\.`, bin).Output()
	require.NoError(t, err)
	var code []string
	function := ""
	keep := func() {
		if functions[function] == nil { // a program has what it uses of smr
			functions[function] = code
		}
		code = nil
	}
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(line, "TEXT "); ok {
			keep()
			name, _, _ = strings.Cut(name, "(SB) ")
			function = strings.TrimPrefix(name, module)
		} else if fields := strings.Fields(line); len(fields) >= 4 { // file.go:line  address  bytes  instruction
			file, _, _ := strings.Cut(fields[0], ":")
			code = append(code, file+":"+strings.Join(fields[3:], " "))
		}
	}
	keep()
}

const module = "github.com/gosmr/gosmr/"

// counter matches what counts in a coverage build: a word addressed from the instruction pointer,
// or a locked instruction on one of 32 bits. None of the stores through relacq is either.
var counter = regexp.MustCompile(`\(IP\)|\.goCover_|:(XCHGL|LOCK XADDL) \w+, 0\(\w+\)$`)

// inlined returns the instructions of a function, with those of its callees that match in place of
// the calls.
func inlined(code func(name string) []string, name string, callees *regexp.Regexp) (all []string) {
	for _, in := range code(name) {
		_, called, ok := strings.Cut(in, ":CALL ")
		if called = strings.TrimSuffix(called, "(SB)"); ok && callees.MatchString(called) {
			all = append(all, inlined(code, strings.TrimPrefix(called, module), callees)...)
		} else {
			all = append(all, in)
		}
	}
	return all
}

// uncounted returns the instructions that are not a counter's.
func uncounted(code []string) (rest []string) {
	for _, in := range code {
		if !counter.MatchString(in) {
			rest = append(rest, in)
		}
	}
	return rest
}

// profile returns the flag of a build with a profile in which these calls are hot, on whatever
// line of the caller they are. A caller and what it calls are separated by a space. What makes up
// the last hundredth of a profile is not hot, so there are some other calls.
func profile(t *testing.T, hot []string) (flag string) {
	var b strings.Builder
	b.WriteString("GO PREPROFILE V1\n") // as go tool preprofile writes it
	for _, call := range hot {
		caller, callee, _ := strings.Cut(call, " ")
		if !strings.HasPrefix(caller, "main.") {
			caller = module + caller
		}
		for line := range 60 {
			fmt.Fprintf(&b, "%s\n%s\n%d 100\n", caller, module+callee, line)
		}
	}
	for line := range 2 * len(hot) {
		fmt.Fprintf(&b, "main.main\nmain.main\n%d 99\n", line)
	}
	path := filepath.Join(t.TempDir(), "hot")
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
	return "-gcflags=" + module + "...=-pgoprofile=" + path
}

// A check is worth something only if it fails where it should.
func TestCheck(t *testing.T) {
	code := []string{"slots.go:CALL runtime.procPin(SB)", "type.go:MOVQ 0x8(AX), CX", "plain.go:MOVQ $0x1, 0x8(DX)",
		"asym.go:JE 0x10", "plain.go:LOCK XADDL CX, 0(SI)", "type.go:MOVQ 0(AX), CX", "main.go:MOVQ AX, 0x8(SP)"}
	for _, c := range []struct {
		path path
		err  string
	}{
		{path{sequence: []string{pin, load, storeOne, load}, stores: 1}, ""},
		{path{sequence: []string{pin, load, load, storeOne}, stores: 1}, "not in order"},
		{path{sequence: []string{unpin}, stores: 1}, "is missing"},
		{path{stores: 2}, "1 stores through relacq, want 2"},
		{path{stores: 1, loads: true}, "a store, plain.go:MOVQ $0x1, 0x8(DX)"},
	} {
		if err := c.path.check(code); c.err == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, c.err)
		}
	}
	for _, in := range []string{"type.go:XCHGQ AX, 0x8(CX)", "slot.go:LOCK XADDL AX, 0(CX)", "type.go:LOCK CMPXCHGQ BX, 0(CX)"} {
		require.ErrorContains(t, path{}.check([]string{in}), "locked instruction")
	}
	for _, in := range []string{"a.go:INCQ 0(CX)", "a.go:MOVL $0x1, 0x10(AX)", "a.go:MOVQ SI, 0x8(CX)(DX*8)", "a.go:MOVUPS X15, 0x8(AX)", "a.go:SETE 0(AX)"} {
		require.ErrorContains(t, path{loads: true}.check([]string{in}), "a store")
	}
	for _, in := range []string{"a.go:MOVQ 0(CX), AX", "a.go:CMPQ 0x168(AX), $0x0", "a.go:LEAQ 0x8(AX), CX", "a.go:MOVQ AX, 0x18(SP)", "a.go:TESTB AL, 0(AX)", "a.go:MOVQ 0(SI)(AX*8), SI"} {
		require.NoError(t, path{loads: true}.check([]string{in}))
	}
	counters := []string{"a.go:MOVL $0x1, 0x1a1f9f(IP)", "a.go:MOVL github.com/x.goCover_43d15ca3c5e9_P(SB), AX",
		"a.go:LEAQ 0x1a38dd(IP), CX", "a.go:XCHGL AX, 0(CX)", "a.go:LOCK XADDL AX, 0(CX)"}
	require.Equal(t, code[:4], uncounted(append(counters, code[:4]...)))
}
