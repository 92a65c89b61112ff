package count

import (
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosmr/gosmr/bench/internal/family"
)

func needValgrind(t *testing.T) {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip(err)
	}
}

// build builds a program with a compiler, and skips the test if there is none.
func build(t *testing.T, compiler string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(compiler); err != nil {
		t.Skip("needs a compiler: ", err)
	}
	bin := filepath.Join(t.TempDir(), "program")
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "BIN", bin)
	}
	if out, err := exec.Command(compiler, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

func measure(t *testing.T, program string, args ...string) float64 {
	t.Helper()
	n, err := Measure(t.Context(), program, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %.3f", strings.Join(args, " "), n)
	return n
}

func requireSame(t *testing.T, a, b float64) {
	t.Helper()
	if math.Abs(a-b) > 0.01 {
		t.Errorf("%v and %v are not the same", a, b)
	}
}

func requireMore(t *testing.T, more, less float64) {
	t.Helper()
	if more < less+1 {
		t.Errorf("%v is not more than %v", more, less)
	}
}

func TestMeasure_Go(t *testing.T) {
	needValgrind(t)
	program := build(t, "go", "build", "-o", "BIN", "../../counted")
	empty := measure(t, program, family.Instructions, "empty-loop")
	requireSame(t, measure(t, program, family.Instructions, "empty-loop"), empty)
	requireMore(t, empty, 1)
	reader := measure(t, program, family.Instructions, "gosmr-reader")
	requireSame(t, measure(t, program, family.Instructions, "gosmr-reader"), reader)
	requireSame(t, reader, math.Round(reader))
	requireMore(t, reader, empty)
	requireMore(t, measure(t, program, family.Instructions, "gosmr-reader+load"), reader)
}

// In the peers, only the operation counts, too.
func TestMeasure_Peer(t *testing.T) {
	needValgrind(t)
	program := build(t, "gcc", "-O2", "-pthread", "-o", "BIN", "../../peers/plain.c", "../../peers/bench.c", "-lm")
	if region(program) != "counted_loop" {
		t.Fatal("the function that counts is not there")
	}
	section := measure(t, program, family.Instructions, "pthread-rwlock")
	requireSame(t, measure(t, program, family.Instructions, "pthread-rwlock"), section)
	requireSame(t, section, math.Round(section))
	requireMore(t, measure(t, program, family.Instructions, "pthread-rwlock+load"), section)
}

// Both ways to count come to the same.
func TestMeasure_C(t *testing.T) {
	needValgrind(t)
	alone := build(t, "cc", "-O1", "-o", "BIN", "testdata/loop.c")
	whole := build(t, "cc", "-O1", "-DINLINED", "-o", "BIN", "testdata/loop.c")
	if region(alone) != "counted_loop" || region(whole) != "" {
		t.Fatal("the functions are not what this test is about")
	}
	n := measure(t, alone, "stores")
	requireMore(t, n, 8)
	requireSame(t, measure(t, alone, "stores"), n)
	requireSame(t, measure(t, whole, "stores"), n)
}

func TestMeasure_Fails(t *testing.T) {
	needValgrind(t)
	program := build(t, "go", "build", "-o", "BIN", "../../counted")
	if _, err := Measure(t.Context(), program, family.Instructions, "no-such-path"); err == nil || !strings.Contains(err.Error(), "no-such-path") {
		t.Errorf("got %v", err)
	}
}
