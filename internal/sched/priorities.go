//go:build smr_sched

package sched

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// A priorities chooser gives each thread a priority at random, runs the first one that can
// continue, and at depth-1 steps drawn at random moves the thread that would continue behind all
// others: PCT, by Burckhardt, Kothari, Musuvathi and Nagarakatte (ASPLOS 2010). A bug has depth d
// if d constraints on the order of two steps each are enough to run into it. Of n threads that take
// k steps, a walk finds it with probability 1/(n*k^(d-1)) or more, wherever it is.
//
// What it adds to the random chooser: a thread that is behind stays there, however often the
// others take turns meanwhile.
//
// A goroutine is a thread, and so is the store buffer of a processor: each plain store is delayed,
// until its buffer's turn comes or an instruction drains it. A step is a decision between two
// threads or more.
//
// The theorem knows no polling. A goroutine that yields lets each other one that can continue take
// a step, and keeps its priority: moved behind the others for good, it would come too late for what
// it waits for.
type priorities struct {
	history
	rng     *rand.Rand
	of      map[thread]float64 // the highest runs
	changes map[int]int        // to the new priority, below all initial ones, by the step
	steps   int
	behind  [64]uint64 // by a goroutine's id: those that take a step before it
}

// A thread is a goroutine or, if g is nil, a processor's store buffer.
type thread struct {
	g    *goroutine
	proc int
}

// Priorities walk at these depths in turn. The search and the random walks are for lesser ones.
const minDepth, maxDepth = 4, 5

func newPriorities(seed uint64, depth, steps int) *priorities {
	p := &priorities{rng: rand.New(rand.NewPCG(seed, 1)), of: make(map[thread]float64), changes: make(map[int]int)}
	for i := 1; i < depth; i++ {
		p.changes[p.rng.IntN(max(steps, 1))] = -i
	}
	return p
}

func (p *priorities) choose(options []option) int {
	c := 1 // of a store: it is delayed
	if !options[1].delay {
		c = p.first(options)
		if n, ok := p.changes[p.steps]; ok {
			p.of[options[c].thread()] = float64(n)
			c = p.first(options)
		}
		p.steps++
		p.took(options, c)
	}
	p.history = append(p.history, c)
	return c
}

func (o option) thread() thread {
	if o.g != nil {
		return thread{g: o.g}
	}
	return thread{proc: o.proc}
}

// first returns the option of the highest priority among those that need not wait for others.
func (p *priorities) first(options []option) int {
	best, bestOf := 0, math.Inf(-1)
	ids := present(options)
	for i, o := range options {
		t := o.thread()
		of, ok := p.of[t]
		if !ok {
			of = p.rng.Float64()
			p.of[t] = of
		}
		if o.g != nil && (o.g.yielded || p.behind[o.g.id%64]&ids != 0) {
			of -= math.MaxInt32
		}
		if of > bestOf {
			best, bestOf = i, of
		}
	}
	return best
}

// took notes whose turn it is, and who yielded.
func (p *priorities) took(options []option, chosen int) {
	ids := present(options)
	for _, o := range options {
		if o.g != nil && o.g.yielded {
			p.behind[o.g.id%64] = ids &^ o.g.bit()
		}
	}
	if g := options[chosen].g; g != nil {
		for i := range p.behind {
			p.behind[i] &^= g.bit()
		}
	}
}

// present returns a set of the goroutines that can continue.
func present(options []option) (ids uint64) {
	for _, o := range options {
		if o.g != nil {
			ids |= o.g.bit()
		}
	}
	return ids
}

func (g *goroutine) bit() uint64 { return 1 << (g.id % 64) }

// prioritize takes walks by priorities.
func (e *explorer) prioritize() {
	if e.o.PCT < 1 {
		return
	}
	began, threads, steps, from := realNow(), 0, e.choices, 0
	for i := range e.o.PCT {
		p := newPriorities(uint64(i), minDepth+i%(maxDepth-minDepth+1), steps)
		e.turn(i / 2)
		if _, failure := e.execute(p, false); failure != "" {
			e.failed(p.schedule(), failure)
		}
		threads = max(threads, len(p.of))
		if p.steps > steps { // the walks before were drawn for too few
			steps, from = p.steps+p.steps/8, i+1
		}
	}
	e.report = append(e.report, fmt.Sprintf(
		"%d walks by priorities at depths %d and %d in %v: each of %d finds a bug of its depth d with probability 1/(%d*%d^(d-1)) or more",
		e.o.PCT, minDepth, maxDepth, since(began), e.o.PCT-from, threads, steps))
}
