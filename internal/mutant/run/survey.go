package main

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/build"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/internal/mutant"
	"github.com/gosmr/gosmr/internal/mutant/generate"
)

// A survey tries the mutants that package generate makes of the library, rather than bugs that
// somebody thought of. For each it goes through the checks of its package, the quick ones first,
// until one fails.
//
// What no check fails with is a survivor: a check is missing, or the line is not needed, or
// the mutant does what the original does, if more slowly. Those last are listed in package
// generate with the reason, and are not tried.
type survey struct {
	sample  int     // mutants of each package; 0: all
	seed    uint64  // of the sample
	match   string  // what a mutant's line of the report must match
	results string  // the file that verdicts are kept in, or ""
	most    int     // steps to go through; 0: all
	least   float64 // the part that must be killed

	*runner
	known map[string]verdict // by key

	outMu sync.Mutex // guards out
	out   *json.Encoder
}

// flags has a survey set by flags of the command line.
func (s *survey) flags() {
	flag.IntVar(&s.sample, "sample", 0, "with -generate: how many mutants to draw of each package; 0: all")
	flag.Uint64Var(&s.seed, "seed", 0, "with -generate: the seed of the sample; 0: a new one")
	flag.StringVar(&s.results, "results", "", "with -generate: the `file` that verdicts are kept in; those of files that have not changed are not tried again")
	flag.StringVar(&s.match, "match", "", "with -generate: try only mutants whose line in the report this `pattern` matches")
	flag.IntVar(&s.most, "steps", 0, "with -generate: how many of a package's checks to try, the quick ones first; 0: all")
	flag.Float64Var(&s.least, "least", 0.95, "with -generate: the `part` of the mutants that must be killed")
}

// users are the packages whose tests are tried as well.
var users = map[string][]string{
	"pcpu":                {"clock"},
	"clock":               {"smr", "slab"},
	"smr":                 {"slab", "smrmap"},
	"smrq":                nil,
	"stw":                 nil,
	"smrfile":             nil,
	"slab":                {"smrmap"},
	"smrmap":              nil,
	"smrdebug":            nil,
	"internal/owned":      {"smr", "slab"},
	"internal/pages":      {"slab"},
	"internal/membarrier": {"clock"},
	"internal/asym":       {"internal/owned", "smr", "slab"},
	"internal/relacq":     {"clock", "smr"},
}

// A step is one build of a package's tests, and which of them run.
type step struct {
	pkg   string
	flags []string // of go test -c
	run   string   // pattern of the tests
	env   []string
}

func (st step) String() string {
	return strings.Join(append(slices.Clone(st.flags), st.env...), " ") + " " + st.pkg
}

// steps returns what is tried for a mutant of a package, in order: its own tests, if it has
// some, then those of its users.
func steps(pkg string) (all []step) {
	tests := func(pkg string, flags ...string) {
		all = append(all, step{pkg: pkg, flags: flags, run: "."})
	}
	schedules := func(pkg, part string, tags ...string) {
		flags := []string{"-tags", strings.Join(append(tags, "smr_sched"), ",")}
		all = append(all, step{pkg, flags, "TestSchedules", []string{"SMR_SCHEDULES=" + part}})
	}
	if own, _ := filepath.Glob(filepath.Join(pkg, "*_test.go")); own != nil {
		tests(pkg)
		tests(pkg, "-tags", "smr_portable")
		schedules(pkg, "0.1")
		tests(pkg, "-tags", "invariants")
	}
	for _, user := range users[pkg] {
		tests(user)
		schedules(user, "0.05")
	}
	tests("fuzz")
	schedules(pkg, "0.1", "smr_portable")
	tests(pkg, "-race")
	if pkg == "smrmap" || pkg == "slab" {
		tests("checks/lincheck", "-race")
	}
	return all
}

// stepsOf returns how many steps are tried for a mutant of a package.
func (s *survey) stepsOf(pkg string) int {
	n := len(steps(pkg))
	if s.most > 0 {
		n = min(n, s.most)
	}
	return n
}

// A verdict is what became of a mutant.
type verdict struct {
	Package string
	Key     string // file, hash of its text, and mutant
	Mutant  string // with its line
	Result  string // killed, survived, or invalid: it does not build
	By      string // step and test that killed it
	Steps   int    // that it went through
	Seconds float64
}

const (
	killed   = "killed"
	survived = "survived"
	invalid  = "invalid"
)

// try tries all mutants of the packages, or a sample, and reports which survive.
func (s *survey) try(only []string) error {
	pkgs := slices.Sorted(maps.Keys(users))
	for _, pkg := range only {
		if _, ok := users[pkg]; !ok {
			return fmt.Errorf("no mutants are made of package %s; they are made of %s", pkg, strings.Join(pkgs, ", "))
		}
	}
	if len(only) > 0 {
		pkgs = only
	}
	match, err := regexp.Compile(s.match)
	if err != nil {
		return err
	}
	if s.seed == 0 {
		s.seed = rand.Uint64()
	}
	if err := s.open(); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	var all []generated
	for _, pkg := range pkgs {
		made, err := mutantsOf(pkg)
		if err != nil {
			return err
		}
		made = slices.DeleteFunc(made, func(m generated) bool { return !match.MatchString(m.String()) })
		if s.sample > 0 {
			rng := rand.New(rand.NewPCG(s.seed, 0))
			rng.Shuffle(len(made), func(i, j int) { made[i], made[j] = made[j], made[i] })
			made = made[:min(s.sample, len(made))]
			fmt.Printf("%-20s %d mutants drawn, seed %d\n", pkg, len(made), s.seed)
		} else {
			fmt.Printf("%-20s %d mutants\n", pkg, len(made))
		}
		all = append(all, made...)
	}
	verdicts, err := s.tryEach(all)
	if err != nil {
		return err
	}
	return s.summary(pkgs, all, verdicts)
}

// open reads the verdicts of earlier runs, and makes room for what is built.
func (s *survey) open() (err error) {
	s.known = make(map[string]verdict)
	if s.results != "" {
		f, err := os.OpenFile(s.results, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666)
		if err != nil {
			return err
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			var v verdict
			err := json.Unmarshal(lines.Bytes(), &v) // the last line may be cut short
			if err == nil && (v.Result != survived || v.Steps >= s.stepsOf(v.Package)) {
				s.known[v.Key] = v
			}
		}
		s.out = json.NewEncoder(f)
	}
	s.runner, err = newRunner()
	return err
}

// A generated mutant knows its package, and the file's text.
type generated struct {
	generate.Mutant
	pkg, text string
	key       string
	tags      []string // without which the file is not built
}

// mutantsOf returns the mutants of a package but those that are listed as equivalent.
func mutantsOf(pkg string) (all []generated, err error) {
	files, err := filepath.Glob(filepath.Join(pkg, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		tags, ok := tagsOf(file)
		if strings.HasSuffix(file, "_test.go") || !ok {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		made, err := generate.File(filepath.ToSlash(file), string(text))
		if err != nil {
			return nil, err
		}
		hash := sha256.Sum256(text)
		for _, m := range made {
			if _, ok := generate.Equivalent(m); ok {
				continue
			}
			all = append(all, generated{m, pkg, string(text), fmt.Sprintf("%x %s", hash[:4], m.ID()), tags})
		}
	}
	return all, nil
}

// tagsOf returns the tags that a file needs to be built here, and whether there are some.
func tagsOf(file string) (tags []string, ok bool) {
	for _, tags := range [][]string{nil, {"smr_portable"}, {"invariants"}} {
		c := build.Default
		c.BuildTags = tags
		if match, err := c.MatchFile(filepath.Dir(file), filepath.Base(file)); err == nil && match {
			return tags, true
		}
	}
	return nil, false
}

// tryEach tries the mutants, as many at once as there are processors.
func (s *survey) tryEach(all []generated) ([]verdict, error) {
	verdicts, errs := make([]verdict, len(all)), make([]error, len(all))
	var done atomic.Int64
	each(len(all), runtime.GOMAXPROCS(0), func(i int) bool {
		v, ok := s.known[all[i].key]
		if !ok {
			if v, errs[i] = s.tryOne(all[i]); errs[i] != nil {
				return false
			}
			s.keep(v)
		}
		verdicts[i] = v
		if n := done.Add(1); v.Result == survived || n%100 == 0 {
			fmt.Printf("%d of %d  %-8s %s\n", n, len(all), v.Result, v.Mutant)
		}
		return true
	})
	return verdicts, errors.Join(errs...)
}

// keep writes a verdict down.
func (s *survey) keep(v verdict) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	if s.out != nil {
		s.out.Encode(v)
	}
}

// tryOne goes through the steps until one fails.
func (s *survey) tryOne(m generated) (v verdict, err error) {
	began := time.Now()
	v = verdict{Package: m.pkg, Key: m.key, Mutant: m.String()}
	defer func() { v.Seconds = time.Since(began).Seconds() }()
	dir, err := os.MkdirTemp(s.dir, "mutant")
	if err != nil {
		return v, err
	}
	defer os.RemoveAll(dir)
	overlay, err := mutant.WriteOverlay(".", dir, "m", map[string]string{m.File: m.Apply(m.text)})
	if err != nil {
		return v, err
	}
	for i, st := range steps(m.pkg)[:s.stepsOf(m.pkg)] {
		v.Steps = i + 1
		if i == 0 && m.tags != nil {
			st.flags = []string{"-tags", strings.Join(m.tags, ",")}
		}
		some, err := once(s.runner, s.batches, st.String(), func() ([]batch, error) { return s.measure(st) })
		if err != nil {
			return v, err
		}
		if len(some) == 0 {
			continue
		}
		bin := filepath.Join(dir, fmt.Sprint(i, ".test"))
		out, err := buildTest(bin, append(slices.Clone(st.flags), "-overlay", overlay), st.pkg)
		if err != nil {
			if i > 0 {
				return v, fmt.Errorf("%s builds with %v and not in %s: %s", v.Mutant, steps(m.pkg)[0], st, out)
			}
			v.Result = invalid
			return v, nil
		}
		for _, b := range some {
			out, err := s.runBatch(st, bin, b)
			if err != nil {
				v.Result, v.By = killed, st.String()+": "+how(out)
				return v, nil
			}
		}
		os.Remove(bin)
	}
	v.Result = survived
	return v, nil
}

// runBatch runs a batch of a mutant's tests. What is slow only because the machine is does not hang:
// then the tests take as long without the mutant, and get more time.
func (s *survey) runBatch(st step, bin string, b batch) (out string, err error) {
	for limit := 5*time.Second + 5*b.takes; ; limit *= 4 {
		out, err = s.runTests(st, bin, b.pattern, limit)
		if err == nil || !strings.Contains(out, "panic: test timed out") || limit > most || s.passes(st, bin+".sound", b, limit) {
			return out, err
		}
	}
}

// passes reports whether a batch passes within a limit without a mutant. It builds bin.
func (s *survey) passes(st step, bin string, b batch, limit time.Duration) bool {
	if _, err := buildTest(bin, st.flags, st.pkg); err != nil {
		return true
	}
	defer os.Remove(bin)
	_, err := s.runTests(st, bin, b.pattern, limit)
	return err == nil
}

// A batch is some tests that run together: quick ones before slow ones.
type batch struct {
	pattern string
	takes   time.Duration
}

// A batch of the first tests takes so long, each later one four times as long.
const firstBatch = 500 * time.Millisecond

var passLine = regexp.MustCompile(`(?m)^--- PASS: (\S+) \(([0-9.]+)s\)`)

// measure runs the tests of a step without a mutant, which must pass, and makes batches of them.
func (s *survey) measure(st step) ([]batch, error) {
	bin := filepath.Join(s.dir, regexp.MustCompile(`\W+`).ReplaceAllString(st.String(), "-")+".test")
	if out, err := buildTest(bin, st.flags, st.pkg); err != nil {
		return nil, fmt.Errorf("go test -c %s: %w\n%s", st, err, out)
	}
	if _, err := os.Stat(bin); err != nil {
		return nil, nil // no tests
	}
	defer os.Remove(bin)
	var out string
	err := errors.New("")
	for n := 0; n < 3 && err != nil; n++ { // other work may make it slow
		out, err = s.runTests(st, bin, st.run, 5*most, "-test.v")
	}
	if err != nil {
		return nil, fmt.Errorf("%s fails without a mutant: %w\n%s", st, err, out)
	}
	var tests []timed
	for _, match := range passLine.FindAllStringSubmatch(out, -1) {
		takes, err := time.ParseDuration(match[2] + "s")
		if err != nil {
			return nil, err
		}
		tests = append(tests, timed{match[1], takes})
	}
	return batches(tests), nil
}

// A timed test is one, and what it takes.
type timed struct {
	name  string
	takes time.Duration
}

// batches puts tests into batches.
func batches(tests []timed) (all []batch) {
	slices.SortFunc(tests, func(a, b timed) int { return cmp.Compare(a.takes, b.takes) })
	for limit := firstBatch; len(tests) > 0; limit *= 4 {
		var b batch
		var names []string
		for len(tests) > 0 && (len(names) == 0 || b.takes+tests[0].takes <= limit) {
			names, b.takes = append(names, regexp.QuoteMeta(tests[0].name)), b.takes+tests[0].takes
			tests = tests[1:]
		}
		b.pattern = "^(" + strings.Join(names, "|") + ")$"
		all = append(all, b)
	}
	return all
}

// buildTest builds a package's tests.
func buildTest(bin string, flags []string, pkg string) (out string, err error) {
	args := append([]string{"test", "-c", "-ldflags=-w", "-o", bin}, flags...)
	text, err := exec.Command("go", append(args, "./"+pkg)...).CombinedOutput()
	return string(text), err
}

// runTests runs the tests of a binary, in little enough memory: a mutant may take all there is.
func (s *survey) runTests(st step, bin, pattern string, timeout time.Duration, flags ...string) (string, error) {
	args := append([]string{bin, "-test.short", "-test.failfast", "-test.run", pattern, "-test.timeout", timeout.String()}, flags...)
	if runtime.GOOS == "linux" && !slices.Contains(st.flags, "-race") { // which reserves terabytes
		args = append([]string{"sh", "-c", `ulimit -v 12000000 && exec "$@"`, "sh"}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = st.pkg
	cmd.Env = append(os.Environ(), append(st.env, "TMPDIR="+s.dir)...)
	cmd.WaitDelay = 5 * time.Second // for what a test has started
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// summary prints the survivors, and the kill ratio of each package.
func (s *survey) summary(pkgs []string, all []generated, verdicts []verdict) error {
	sum := make(map[string]map[string]int)
	var took float64
	for i, v := range verdicts {
		if sum[all[i].pkg] == nil {
			sum[all[i].pkg] = make(map[string]int)
		}
		sum[all[i].pkg][v.Result]++
		took += v.Seconds
		if v.Result == survived {
			fmt.Println("SURVIVED", v.Mutant)
		}
	}
	var k, n int
	for _, pkg := range pkgs {
		of := sum[pkg]
		k, n = k+of[killed], n+of[killed]+of[survived]
		fmt.Printf("%-20s %4d killed of %4d  %5.1f %%  (%d more do not build)\n", pkg,
			of[killed], of[killed]+of[survived], 100*part(of[killed], of[killed]+of[survived]), of[invalid])
	}
	fmt.Printf("%-20s %4d killed of %4d  %5.1f %%  in %.0f s of one processor\n", "all", k, n, 100*part(k, n), took)
	if part(k, n) < s.least {
		return fmt.Errorf("fewer than %.0f %% of the mutants were killed", 100*s.least)
	}
	return nil
}

func part(k, n int) float64 {
	if n == 0 {
		return 1
	}
	return float64(k) / float64(n)
}
