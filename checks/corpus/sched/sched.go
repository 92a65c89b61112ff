// Package sched runs jobs on workers that can be stopped together. Workers read the policy, which is
// replaced while they run, at the cost of a load.
package sched

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrq"
	"github.com/gosmr/gosmr/stw"
)

// A Class says how the jobs of a class are run.
type Class struct {
	Name   string
	Slice  int // steps at a time
	Paused bool
}

// A policy has the classes. It is closed when no worker can be reading it.
type policy struct {
	version int
	classes map[string]*Class
	closed  *atomic.Int64
}

func (p *policy) close() { p.closed.Add(1) }

func (p *policy) class(name string) *Class {
	if c := p.classes[name]; c != nil {
		return c
	}
	return &fallback
}

var fallback = Class{Name: "default", Slice: 1}

// A Job runs in steps. Step returns false when it is done.
type Job struct {
	Class string
	Step  func() bool

	link smrq.Link[Job]
	done chan struct{}
}

// Done is closed when the job has ended.
func (j *Job) Done() <-chan struct{} { return j.done }

// counters are one worker's own.
type counters struct {
	steps, slices, shelved int
}

// A Scheduler has workers.
type Scheduler struct {
	dom    *smr.Domain
	world  *stw.World
	policy smr.Pointer[policy]
	closed atomic.Int64
	count  *stw.Key[*counters]

	policyMu sync.Mutex

	mu      sync.Mutex
	ready   *smrq.STailQ[Job]
	shelf   *smrq.STailQ[Job] // jobs of classes that are paused
	version int               // of the policy for which they are
	idle    *sync.Cond
	quit    bool
}

// New starts workers.
func New(workers int, classes ...Class) (*Scheduler, error) {
	dom, err := smr.New(smr.Options{Name: "policy"})
	if err != nil {
		return nil, err
	}
	sc := &Scheduler{dom: dom}
	sc.idle = sync.NewCond(&sc.mu)
	for _, q := range []**smrq.STailQ[Job]{&sc.ready, &sc.shelf} {
		*q = smrq.NewSTailQ(func(j *Job) *smrq.Link[Job] { return &j.link })
		(*q).GuardedBy(&sc.mu)
	}
	sc.count = stw.NewKey(func(*stw.Domain) *counters { return new(counters) })
	sc.policy.Init(sc.newPolicy(1, classes))
	if sc.world, err = stw.NewWorld(stw.Options{SMR: []*smr.Domain{dom}}); err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	for range workers {
		if _, err := sc.world.Spawn(sc.work); err != nil {
			return nil, errors.Join(err, sc.Close(context.Background()))
		}
	}
	return sc, nil
}

func (sc *Scheduler) newPolicy(version int, classes []Class) *policy {
	p := &policy{version: version, classes: make(map[string]*Class), closed: &sc.closed}
	for _, c := range classes {
		c.Slice = max(c.Slice, 1)
		p.classes[c.Name] = &c
	}
	return p
}

// SetClasses replaces the policy.
func (sc *Scheduler) SetClasses(classes ...Class) {
	sc.policyMu.Lock()
	defer sc.policyMu.Unlock()
	old := sc.policy.LoadSerialized()
	version := old.version + 1
	sc.policy.Store(sc.newPolicy(version, classes))
	smr.Call(sc.dom, old, 0, (*policy).close)

	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.version = version
	sc.ready.Append(sc.shelf)
	sc.shelf.Init()
	sc.idle.Broadcast()
}

// Submit adds a job.
func (sc *Scheduler) Submit(j *Job) error {
	j.done = make(chan struct{})
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if sc.quit {
		return errors.New("sched: closed")
	}
	sc.ready.InsertTail(j)
	sc.idle.Signal()
	return nil
}

// next waits for a job. It returns nil at the end.
func (sc *Scheduler) next() *Job {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	for !sc.quit {
		if j := sc.ready.FirstSerialized(); j != nil {
			sc.ready.Remove(j)
			return j
		}
		sc.idle.Wait()
	}
	return nil
}

// again queues a job that has more to do.
func (sc *Scheduler) again(j *Job) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.ready.InsertTail(j)
}

// shelve lays a job aside that the policy of a version pauses.
func (sc *Scheduler) shelve(j *Job, version int) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if version < sc.version {
		sc.ready.InsertTail(j)
		return
	}
	sc.shelf.InsertTail(j)
}

// work is a worker.
func (sc *Scheduler) work(d *stw.Domain) {
	n := sc.count.Get(d)
	for {
		var j *Job
		d.Blocking(func() { j = sc.next() })
		if j == nil {
			return
		}
		p := sc.policy.Load(d.Section()) // until the next safe point
		class, version := *p.class(j.Class), p.version
		if class.Paused {
			n.shelved++
			d.Blocking(func() { sc.shelve(j, version) })
			continue
		}
		n.slices++
		if sc.run(d, j, class.Slice, n) {
			d.Blocking(func() { sc.again(j) })
		}
	}
}

// run runs steps of a job, and reports whether it has more.
func (sc *Scheduler) run(d *stw.Domain, j *Job, slice int, n *counters) (more bool) {
	for range slice {
		n.steps++
		if !j.Step() {
			close(j.done)
			return false
		}
		d.Poll()
	}
	return true
}

// A Total sums the counters of the workers.
type Total struct{ Workers, Steps, Slices, Shelved int }

// Total returns a sum at one moment: the workers stand still for it.
func (sc *Scheduler) Total() (t Total, err error) {
	d, err := sc.world.Register()
	if err != nil {
		return t, err
	}
	defer d.Deregister()
	var mu sync.Mutex
	sc.world.RunOnAll(d, func(w *stw.Domain, _ *stw.Stop) {
		if w == d {
			return
		}
		n := sc.count.Get(w)
		mu.Lock()
		defer mu.Unlock()
		t.Workers++
		t.Steps += n.steps
		t.Slices += n.slices
		t.Shelved += n.shelved
	}, stw.StopOptions{})
	return t, nil
}

// Freeze calls fn while no worker runs.
func (sc *Scheduler) Freeze(ctx context.Context, fn func()) error {
	if err := sc.world.StopContext(ctx); err != nil {
		return err
	}
	defer sc.world.Start()
	fn()
	return nil
}

// Version returns the version of the policy, and how many were closed.
func (sc *Scheduler) Version() (version, closed int) {
	s := sc.dom.Enter()
	version = sc.policy.Load(s).version
	s.Leave()
	return version, int(sc.closed.Load())
}

// Close ends the workers, though jobs are left.
func (sc *Scheduler) Close(ctx context.Context) error {
	sc.mu.Lock()
	sc.quit = true
	sc.idle.Broadcast()
	sc.mu.Unlock()
	return errors.Join(sc.world.Close(ctx), sc.dom.Close(ctx))
}
