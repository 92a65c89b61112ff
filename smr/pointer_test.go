package smr

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A reader that finds a target sees what was written to it before Store, Swap or CompareAndSwap:
// under -race, also when the processor would make it so anyway.
func TestPointer_PublishesWhatWasWrittenBefore(t *testing.T) {
	type payload struct{ a, b int } // plain
	for name, publish := range map[string]func(p *Pointer[payload], fresh *payload){
		"Store":          func(p *Pointer[payload], fresh *payload) { p.Store(fresh) },
		"Swap":           func(p *Pointer[payload], fresh *payload) { p.Swap(fresh) },
		"CompareAndSwap": func(p *Pointer[payload], fresh *payload) { p.CompareAndSwap(p.LoadSerialized(), fresh) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDomain(t, Options{})
			var p Pointer[payload]
			n := rounds(20_000)
			var wrong, last atomic.Int64
			var reader sync.WaitGroup
			reader.Go(func() {
				for last.Load() < int64(n) {
					s := d.Enter()
					if found := p.Load(s); found != nil {
						if found.a != found.b {
							wrong.Add(1)
						}
						last.Store(int64(found.a))
					}
					s.Leave()
					runtime.Gosched()
				}
			})
			for i := 1; i <= n; i++ {
				publish(&p, &payload{i, i})
				if i%100 == 0 {
					runtime.Gosched()
				}
			}
			reader.Wait()
			require.Zero(t, wrong.Load())
		})
	}
}

// Writers without a lock: each target that was published is one writer's to retire, and no two's.
func TestPointer_EachTargetGoesToOneWriter(t *testing.T) {
	for name, replace := range map[string]func(d *Domain, p *Pointer[object], fresh *object) (old *object){
		"Swap": func(_ *Domain, p *Pointer[object], fresh *object) *object { return p.Swap(fresh) },
		"CompareAndSwap": func(d *Domain, p *Pointer[object], fresh *object) *object {
			s := d.Enter()
			defer s.Leave()
			for {
				if old := p.Load(s); p.CompareAndSwap(old, fresh) {
					return old
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDomain(t, Options{})
			var p Pointer[object]
			retire := func(old *object) {
				if old != nil {
					Call(d, old, 8, func(o *object) { o.runs.Add(1) })
				}
			}
			objects := make([][]object, 4)
			var wg sync.WaitGroup
			for w := range objects {
				objects[w] = make([]object, rounds(20_000))
				wg.Go(func() {
					for i := range objects[w] {
						retire(replace(d, &p, &objects[w][i]))
					}
				})
			}
			wg.Wait()
			retire(p.Swap(nil))
			require.NoError(t, d.Barrier(watchdogContext(t)))
			for w := range objects {
				for i := range objects[w] {
					require.EqualValues(t, 1, objects[w][i].runs.Load(), "retirements of target %d of writer %d", i, w)
				}
			}
		})
	}
}
