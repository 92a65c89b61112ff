// Package simworld simulates cells in parallel. Each worker owns some of the cells; the rules are read
// by all and replaced while the simulation runs; snapshots and moves of cells stop the workers.
package simworld

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/stw"
)

// Rules are a version of the rules. They do not change.
type Rules struct {
	Growth, Limit int
	Kinds         map[string]int
}

func (r *Rules) step(c *cell) {
	c.value = min(c.value+r.Growth+r.Kinds[c.kind], r.Limit)
	c.steps++
}

type cell struct {
	id    int
	kind  string
	value int
	steps int
}

// A shard is the cells of one worker, which it changes without a lock.
type shard struct {
	cells    []*cell
	round    int
	balanced int // how often the cells were given to other workers
}

// A World is a simulation.
type World struct {
	world  *stw.World
	config *smr.Domain // of the rules
	data   *smr.Domain // of the map of marks
	rules  smr.Pointer[Rules]
	marks  *smrmap.Map[int, int]
	shards *stw.Key[*shard]
	quit   atomic.Bool
	next   atomic.Int64

	mu      sync.Mutex
	retired int
}

// New starts workers without cells.
func New(workers int, rules *Rules) (_ *World, err error) {
	w := new(World)
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close(context.Background()))
		}
	}()
	if w.config, err = smr.New(smr.Options{Name: "rules"}); err != nil {
		return nil, err
	}
	if w.data, err = smr.New(smr.Options{Name: "marks"}); err != nil {
		return nil, err
	}
	if w.marks, err = smrmap.New[int, int](smrmap.Options{Domain: w.data}); err != nil {
		return nil, err
	}
	w.rules.Init(rules)
	w.shards = stw.NewKey(func(*stw.Domain) *shard { return new(shard) })
	w.world, err = stw.NewWorld(stw.Options{
		SMR:     []*smr.Domain{w.config, w.data},
		OnStart: func(d *stw.Domain) error { w.shards.Get(d); return nil },
		OnEnd:   w.leave,
	})
	if err != nil {
		return nil, err
	}
	for range workers {
		if _, err := w.world.Spawn(w.run); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// run is a worker.
func (w *World) run(d *stw.Domain) {
	sh := w.shards.Get(d)
	for !w.quit.Load() {
		if len(sh.cells) == 0 {
			d.Relax()
			continue
		}
		w.round(d, sh)
		d.Relax()
	}
}

// round makes a step of each cell. It loads the rules anew after each safe point.
func (w *World) round(d *stw.Domain, sh *shard) {
	rules := w.rules.Load(d.Section())
	for i, c := range sh.cells {
		if i%16 == 15 && d.Pending() {
			balanced := sh.balanced
			d.Poll()
			if sh.balanced != balanced {
				return // some of the cells are another worker's now
			}
			rules = w.rules.Load(d.Section())
		}
		rules.step(c)
		if bonus, ok := w.marks.LoadIn(d.SectionOf(w.data), c.id); ok {
			c.value += *bonus
		}
	}
	sh.round++
}

// leave gives the cells of a worker that ends to nobody.
func (w *World) leave(d *stw.Domain) { w.shards.Get(d).cells = nil }

// SetRules replaces the rules.
func (w *World) SetRules(r *Rules) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.rules.LoadSerialized()
	w.rules.Store(r)
	w.config.CallFunc(len(old.Kinds)*32, func() {
		w.mu.Lock()
		w.retired++
		w.mu.Unlock()
	})
}

// Mark gives a cell a bonus in each round; 0 takes it away.
func (w *World) Mark(id, bonus int) error {
	if bonus == 0 {
		w.marks.Delete(id)
		return nil
	}
	return w.marks.Store(id, bonus)
}

// Add adds a cell to the worker that has the fewest. It returns the cell's number.
func (w *World) Add(kind string) (int, error) {
	id := int(w.next.Add(1))
	c := &cell{id: id, kind: kind}
	workers := w.world.Domains()
	if len(workers) == 0 {
		return 0, errors.New("simworld: no worker")
	}
	d := workers[id%len(workers)]
	done := make(chan struct{})
	err := d.Interrupt(func(d *stw.Domain) {
		sh := w.shards.Get(d)
		sh.cells = append(sh.cells, c)
		close(done)
	})
	if err != nil {
		return 0, fmt.Errorf("simworld: %v: %w", d, err)
	}
	<-done
	return id, nil
}

// A State is a copy of a cell.
type State struct {
	ID, Value, Steps int
	Kind             string
}

// Snapshot returns the state of all cells at one moment.
func (w *World) Snapshot(ctx context.Context) ([]State, error) {
	var all []State
	s, err := w.world.Suspend(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Resume()
	var mu sync.Mutex
	w.world.ForEach(func(d *stw.Domain) { // at once, as it is suspended
		mu.Lock()
		defer mu.Unlock()
		for _, c := range w.shards.Get(d).cells {
			all = append(all, State{c.id, c.value, c.steps, c.kind})
		}
	})
	slices.SortFunc(all, func(a, b State) int { return a.ID - b.ID })
	return all, nil
}

// Rounds returns how many rounds each worker has made. No worker waits for another.
func (w *World) Rounds() map[int]int {
	rounds := make(map[int]int)
	var mu sync.Mutex
	w.world.ForEach(func(d *stw.Domain) {
		n := w.shards.Get(d).round
		mu.Lock()
		rounds[d.Slot()] = n
		mu.Unlock()
	})
	return rounds
}

// Balance gives each worker about as many cells.
func (w *World) Balance() error {
	d, err := w.world.Register()
	if err != nil {
		return err
	}
	defer d.Deregister()
	var mu sync.Mutex
	var cells []*cell
	w.world.RunOnAll(d, func(p *stw.Domain, s *stw.Stop) {
		sh := w.shards.Get(p)
		mu.Lock()
		cells = append(cells, sh.cells...)
		mu.Unlock()
		s.Barrier(func() {
			slices.SortFunc(cells, func(a, b *cell) int { return a.id - b.id })
		})
		sh.cells = nil
		sh.balanced++
		workers := slices.DeleteFunc(slices.Clone(s.Participants()), func(q *stw.Domain) bool { return q == d })
		me := slices.Index(workers, p)
		for i, c := range cells {
			if me >= 0 && i%len(workers) == me {
				sh.cells = append(sh.cells, c)
			}
		}
	}, stw.StopOptions{})
	return nil
}

// Edit calls fn with the cells of all workers, while those are suspended.
func (w *World) Edit(ctx context.Context, fn func(id int, value *int)) error {
	d, err := w.world.Register()
	if err != nil {
		return err
	}
	defer d.Deregister()
	others, err := d.SuspendOthers(ctx)
	if err != nil {
		return err
	}
	defer others.Resume()
	var mu sync.Mutex
	d.ForEach(func(o *stw.Domain) {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range w.shards.Get(o).cells {
			fn(c.id, &c.value)
		}
	})
	return nil
}

// Settle waits until no worker uses rules that were replaced before, and returns how many versions
// were.
func (w *World) Settle(ctx context.Context) (int, error) {
	if err := w.config.Barrier(ctx); err != nil {
		return 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.retired, nil
}

// Wait waits until each worker that has cells has made so many rounds more.
func (w *World) Wait(ctx context.Context, rounds int) error {
	first := w.Rounds()
	for ctx.Err() == nil {
		ready := true
		for slot, n := range w.Rounds() {
			if n < first[slot]+rounds {
				ready = false
			}
		}
		if ready {
			return nil
		}
		runtime.Gosched()
	}
	return ctx.Err()
}

// Close ends the simulation, also one that New has not completed.
func (w *World) Close(ctx context.Context) error {
	w.quit.Store(true)
	var errs []error
	if w.world != nil {
		errs = append(errs, w.world.Close(ctx))
	}
	if w.marks != nil {
		errs = append(errs, w.marks.Close(ctx))
	}
	for _, dom := range []*smr.Domain{w.data, w.config} {
		if dom != nil {
			errs = append(errs, dom.Close(ctx))
		}
	}
	return errors.Join(errs...)
}
