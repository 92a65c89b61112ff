//go:build smr_sched

package sched

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// A history is the choices made in an execution.
type history []int

// schedule writes a history as NUMBER:CHOICE for each choice that was not the first option.
func (h history) schedule() string {
	var deviations []string
	for i, c := range h {
		if c != 0 {
			deviations = append(deviations, fmt.Sprintf("%d:%d", i, c))
		}
	}
	if deviations == nil {
		return "0:0"
	}
	return strings.Join(deviations, ",")
}

// A depthFirst chooser enumerates: it follows the path of the last execution to the deepest
// choice with an alternative within the bound, takes that, and then the first of everything.
type depthFirst struct {
	bound    int
	path     []node
	at       int
	diverged bool
	cut      bool // the bound excluded something
}

type node struct {
	chosen int
	costs  []uint8
	spent  int // before it
}

func (d *depthFirst) choose(options []option) int {
	if d.at < len(d.path) {
		n := &d.path[d.at]
		d.at++
		if len(n.costs) != len(options) {
			// Scheduled the same, the program did something else. What follows is another subtree.
			d.diverged = true
			d.path = d.path[:d.at]
			n.costs, n.chosen = costs(options), min(n.chosen, len(options)-1)
		}
		return n.chosen
	}
	spent := 0
	if d.at > 0 {
		last := &d.path[d.at-1]
		spent = last.spent + int(last.costs[last.chosen])
	}
	d.path = append(d.path, node{costs: costs(options), spent: spent})
	d.at++
	return 0
}

func costs(options []option) []uint8 {
	c := make([]uint8, len(options))
	for i, o := range options {
		c[i] = uint8(o.cost)
	}
	return c
}

// next goes to the next path, and reports whether there is one.
func (d *depthFirst) next() bool {
	d.path = d.path[:min(d.at, len(d.path))]
	d.at, d.diverged = 0, false
	for len(d.path) > 0 {
		n := &d.path[len(d.path)-1]
		for n.chosen++; n.chosen < len(n.costs); n.chosen++ {
			if n.spent+int(n.costs[n.chosen]) <= d.bound {
				return true
			}
			d.cut = true
		}
		d.path = d.path[:len(d.path)-1]
	}
	return false
}

// reached returns the earliest choice that is not the first option, in the path to go next: all
// schedules that make only later choices have been tried.
func (d *depthFirst) reached() int {
	return slices.IndexFunc(d.path, func(n node) bool { return n.chosen > 0 })
}

func (d *depthFirst) schedule() string {
	var h history
	for _, n := range d.path[:d.at] {
		h = append(h, n.chosen)
	}
	return h.schedule()
}

// A random chooser deviates at a few places, drawn from all the choices of an execution, and
// chooses at random among options that are free. A failure that takes k deviations is found once
// in some n to the power of k walks, wherever it is (Burckhardt et al., 2010); the depth-first
// search tries late deviations first.
type random struct {
	history
	rng *rand.Rand
	at  map[int]bool
}

// maxDeviations bounds the deviations of a walk.
const maxDeviations = 5

func newRandom(seed uint64, choices int) *random {
	r := &random{rng: rand.New(rand.NewPCG(seed, 0)), at: make(map[int]bool)}
	for range 1 + r.rng.IntN(maxDeviations) {
		r.at[r.rng.IntN(max(choices, 1))] = true
	}
	return r
}

func (r *random) choose(options []option) int {
	c, free := 0, 1 // options that cost nothing come first
	for free < len(options) && options[free].cost == 0 {
		free++
	}
	switch {
	case r.at[len(r.history)]:
		c = 1 + r.rng.IntN(len(options)-1)
	case free > 1:
		c = r.rng.IntN(free)
	}
	r.history = append(r.history, c)
	return c
}

// A replay repeats a schedule.
type replay struct {
	turned int         // see Exec.turned
	n      int         // choices so far
	at     map[int]int // the choice by its number
}

// turnedBy begins a schedule of turned processors, before their number.
const turnedBy = "turned"

func newReplay(schedule string) *replay {
	r := &replay{at: make(map[int]int)}
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			panic(fmt.Sprintf("sched: %s=%q: want %sNUMBER,NUMBER:CHOICE,...", ScheduleEnv, schedule, turnedBy))
		}
		return n
	}
	for part := range strings.SplitSeq(schedule, ",") {
		if by, ok := strings.CutPrefix(part, turnedBy); ok {
			r.turned = number(by)
			continue
		}
		n, choice, _ := strings.Cut(part, ":")
		r.at[number(n)] = number(choice)
	}
	return r
}

func (r *replay) choose(options []option) int {
	c := r.at[r.n]
	r.n++
	return min(c, len(options)-1)
}
