//go:build smr_sched

package sched_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gosmr/gosmr/internal/membarrier"
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched"
)

// A litmus program is one line of operations for each processor, on the words x, y,
// z and w, which begin as 0:
//
//	x=1   store, released
//	x:=1  swap
//	x     load
//	|     fence
//	M     membarrier
//
// An outcome is what each load found, in order, processor by processor, and what the
// words are in the end.
type litmus []string

const words = "xyzw"

type litmusTest struct {
	name    string
	prog    litmus
	outcome string
	allowed bool
}

// litmusTests are the classics. Each lists the outcome it is about, and whether x86 allows that;
// all other outcomes are compared with those of the model below.
var litmusTests = []litmusTest{
	{"SB", litmus{"x=1 y", "y=1 x"}, "0 0 | 1 1 0 0", true},
	{"SB, fences", litmus{"x=1 | y", "y=1 | x"}, "0 0 | 1 1 0 0", false},
	{"SB, one fence", litmus{"x=1 | y", "y=1 x"}, "0 0 | 1 1 0 0", true},
	{"SB, swaps", litmus{"x:=1 y", "y:=1 x"}, "0 0 | 1 1 0 0", false},
	{"SB, membarrier", litmus{"x=1 M y", "y=1 x"}, "0 0 | 1 1 0 0", false},
	{"SB, membarrier after a store", litmus{"z=1 x=1 y", "y=1 M x"}, "0 0 | 1 1 1 0", false},
	{"SB, membarrier of the first", litmus{"x=1 M y", "z=1 y=1 x"}, "0 0 | 1 1 1 0", false},
	{"SB, two membarriers", litmus{"x=1 M y", "y=1 M x"}, "0 0 | 1 1 0 0", false},
	{"SB, forwarded", litmus{"x=1 x y", "y=1 y x"}, "1 0 1 0 | 1 1 0 0", true},
	{"SB, half a swap", litmus{"x=1 z:=1 y", "y=1 x"}, "0 0 | 1 1 1 0", true},
	{"SB, visible in the end", litmus{"x=1 z y", "z:=1 x x y:=1"}, "0 1 0 1 | 1 1 1 0", true},
	{"MP", litmus{"x=1 y=1", "y x"}, "1 0 | 1 1 0 0", false},
	{"LB", litmus{"x y=1", "y x=1"}, "1 1 | 1 1 0 0", false},
	{"WRC", litmus{"x=1", "x y=1", "y x"}, "1 1 0 | 1 1 0 0", false},
	{"RWC", litmus{"x=1", "x y", "y=1 x"}, "1 0 0 | 1 1 0 0", true},
	{"RWC, membarrier", litmus{"x=1", "x M y", "y=1 x"}, "1 0 0 | 1 1 0 0", false},
	{"2+2W", litmus{"x=1 y=2", "y=1 x=2"}, "| 1 1 0 0", false},
	{"R", litmus{"x=1 y=1", "y=2 x"}, "0 | 1 2 0 0", true},
	{"R, fence", litmus{"x=1 y=1", "y=2 | x"}, "0 | 1 2 0 0", false},
	{"S", litmus{"x=2 y=1", "y x=1"}, "1 | 2 1 0 0", false},
	{"n5", litmus{"x=1 x", "x=2 x"}, "2 1 | 1 0 0 0", false},
	{"n6", litmus{"x=1 x y", "y=2 x=2"}, "1 0 | 1 2 0 0", true},
	{"CoRR", litmus{"x=1 x=2", "x x"}, "2 1 | 2 0 0 0", false},
}

// bigLitmusTests have too many schedules to try all of them.
var bigLitmusTests = []litmusTest{
	{"IRIW", litmus{"x=1", "y=1", "x y", "y x"}, "1 0 1 0 | 1 1 0 0", false},
	// The fences of a membarrier come in any order: here that of the third processor
	// before the first's, when it has stored nothing yet, or something.
	{"late fence", litmus{"x=1 y", "y:=1 M z x", "z=1 x"}, "0 0 1 0 | 1 1 1 0", true},
	{"late fence of one that stores", litmus{"x=1 y", "y:=1 M z x", "w=1 z=1 x"}, "0 0 1 0 | 1 1 1 1", true},
}

func TestLitmus(t *testing.T) {
	for _, l := range litmusTests {
		t.Run(l.name, func(t *testing.T) { l.check(t, compare(t, l.prog, sched.Options{All: true})) })
	}
	for _, l := range bigLitmusTests {
		t.Run(l.name, func(t *testing.T) { l.check(t, compare(t, l.prog, sched.Options{Bound: 4, Schedules: 50_000})) })
	}
}

func (l *litmusTest) check(t *testing.T, found map[string]bool) {
	t.Helper()
	if allowed := l.allowed && relacq.Plain; found[l.outcome] != allowed {
		t.Errorf("%q ends in %s: %v, want %v", l.prog, l.outcome, found[l.outcome], allowed)
	}
}

// Programs at random have the outcomes of the model, and no other.
func TestLitmus_Random(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		threads, length := 2, 3
		if i%3 == 0 {
			threads, length = 3, 1
		}
		prog := randomProgram(rng, threads, length)
		t.Run(strings.Join(prog, ";"), func(t *testing.T) { compare(t, prog, sched.Options{All: true}) })
	}
}

func randomProgram(rng *rand.Rand, threads, length int) litmus {
	var prog litmus
	stored := 0
	for range threads {
		var ops []string
		for range length {
			word := words[rng.IntN(2) : 1+rng.IntN(2)]
			if len(word) != 1 {
				word = "x"
			}
			stored++
			switch n := rng.IntN(20); {
			case n < 8:
				ops = append(ops, fmt.Sprintf("%s=%d", word, stored))
			case n < 16:
				ops = append(ops, word)
			case n < 17:
				ops = append(ops, fmt.Sprintf("%s:=%d", word, stored))
			case n < 18:
				ops = append(ops, "|")
			default:
				ops = append(ops, "M")
			}
		}
		prog = append(prog, strings.Join(ops, " "))
	}
	return prog
}

// compare explores a program and compares its outcomes with the model's: unless all
// schedules are tried, only that there are no others.
func compare(t *testing.T, prog litmus, o sched.Options) (found map[string]bool) {
	t.Helper()
	code, all := parse(prog), o.All
	found = make(map[string]bool)
	o.Procs = len(code)
	sched.Explore(t, o, func(x *sched.Exec) func() {
		var mem [len(words)]relacq.Uint64
		seen := make([][]uint64, len(code))
		for p, ops := range code {
			x.Go(fmt.Sprintf("P%d", p), p, func() {
				for _, op := range ops {
					switch op.kind {
					case store:
						mem[op.word].Store(op.value)
					case swap:
						mem[op.word].Swap(op.value)
					case load:
						seen[p] = append(seen[p], mem[op.word].Load())
					case fence:
						sched.Locked("fence", nil) // relacq's is none in the portable build
					case heavy:
						membarrier.Barrier()
					}
				}
			})
		}
		return func() {
			var end []uint64
			for i := range mem {
				end = append(end, mem[i].Load())
			}
			found[outcome(seen, end)] = true
		}
	})
	want := make(map[string]bool)
	newMachine(code).outcomes(want, make(map[string]bool))
	for _, o := range slices.Sorted(maps.Keys(want)) {
		if all && !found[o] {
			t.Errorf("%v: %s is allowed, and was not found", prog, o)
		}
	}
	for _, o := range slices.Sorted(maps.Keys(found)) {
		if !want[o] {
			t.Errorf("%v: %s was found, and is not allowed", prog, o)
		}
	}
	return found
}

func outcome(seen [][]uint64, end []uint64) string {
	s := fmt.Sprint(slices.Concat(seen...), " | ", end)
	s = strings.NewReplacer("[", "", "]", "").Replace(s)
	return strings.TrimSpace(s)
}

type kind int

const (
	store kind = iota
	swap
	load
	fence
	heavy
)

type op struct {
	kind  kind
	word  int
	value uint64
}

func parse(prog litmus) (code [][]op) {
	for _, line := range prog {
		var ops []op
		for _, s := range strings.Fields(line) {
			o := op{word: strings.IndexByte(words, s[0])}
			switch _, value, stores := strings.Cut(s, "="); {
			case s == "|":
				o.kind = fence
			case s == "M":
				o.kind = heavy
			case !stores:
				o.kind = load
			default:
				if o.kind = store; s[1] == ':' {
					o.kind = swap
				}
				fmt.Sscan(value, &o.value)
			}
			ops = append(ops, o)
		}
		code = append(code, ops)
	}
	return code
}

// A machine is the abstract machine of x86-TSO (Owens, Sarkar and Sewell, 2009), with
// membarrier(2): a fence of the caller's, and then, at some moment each, before it
// returns, one on every other processor. It is written without a thought of how package
// sched does it.
type machine struct {
	code  [][]op
	mem   []uint64
	procs []processor
}

type processor struct {
	at     int
	buffer []op
	seen   []uint64
	awaits []int // processors that are yet to fence for its membarrier
}

func newMachine(code [][]op) *machine {
	return &machine{code: code, mem: make([]uint64, len(words)), procs: make([]processor, len(code))}
}

// outcomes adds those of all executions from here on. known are the states that were
// there before.
func (m *machine) outcomes(all, known map[string]bool) {
	state := fmt.Sprint(m.mem, m.procs)
	if known[state] {
		return
	}
	known[state] = true
	over := true
	for p := range m.procs {
		for _, step := range m.steps(p) {
			over = false
			next := m.clone()
			step(next, &next.procs[p])
			next.outcomes(all, known)
		}
	}
	if over {
		var seen [][]uint64
		for _, p := range m.procs {
			seen = append(seen, p.seen)
		}
		all[outcome(seen, m.mem)] = true
	}
}

func (m *machine) clone() *machine {
	c := &machine{code: m.code, mem: slices.Clone(m.mem), procs: slices.Clone(m.procs)}
	for i := range c.procs {
		p := &c.procs[i]
		p.buffer, p.seen, p.awaits = slices.Clone(p.buffer), slices.Clone(p.seen), slices.Clone(p.awaits)
	}
	return c
}

// steps returns what processor i can do next.
func (m *machine) steps(i int) (steps []func(m *machine, p *processor)) {
	p := &m.procs[i]
	if len(p.buffer) > 0 {
		steps = append(steps, func(m *machine, p *processor) {
			m.mem[p.buffer[0].word] = p.buffer[0].value
			p.buffer = p.buffer[1:]
		})
	}
	for k, other := range p.awaits {
		if len(m.procs[other].buffer) == 0 {
			steps = append(steps, func(m *machine, p *processor) { p.awaits = slices.Delete(p.awaits, k, k+1) })
		}
	}
	if len(p.awaits) > 0 || p.at == len(m.code[i]) {
		return steps
	}
	o := m.code[i][p.at]
	if o.kind == store && !relacq.Plain {
		o.kind = swap
	}
	if o.kind != store && o.kind != load && len(p.buffer) > 0 {
		return steps
	}
	return append(steps, func(m *machine, p *processor) {
		p.at++
		switch o.kind {
		case store:
			p.buffer = append(p.buffer, o)
		case swap:
			m.mem[o.word] = o.value
		case load:
			v := m.mem[o.word]
			for _, b := range p.buffer {
				if b.word == o.word {
					v = b.value
				}
			}
			p.seen = append(p.seen, v)
		case heavy:
			for other := range m.procs {
				if other != i {
					p.awaits = append(p.awaits, other)
				}
			}
		}
	})
}
