//go:build smr_sched

package smrq_test

import (
	"context"
	"testing"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/smr"
)

// A reader looks up what is there throughout while a table of a few entries changes its size: under
// every schedule up to a bound it finds that, and comes to no entry that was freed.

// schedTable returns a table of one bucket, or of two, whose keys stand in the order given when all
// are in one chain.
func schedTable(x *sched.Exec, bits int, keys ...uint64) *table {
	d, err := smr.New(smr.Options{})
	if err != nil {
		x.Fail("New: %v", err)
	}
	t := newTable(d)
	for range bits {
		t.growLocked()
	}
	for i := range keys {
		t.insert(&entry{key: keys[len(keys)-1-i], value: value{alive}})
	}
	return t
}

// Keys of the one and of the other bucket, if there are two.
var lefts, rights = schedKeys(0), schedKeys(1)

func schedKeys(bucket int) (keys []uint64) {
	b := buckets{bits: 1}
	for key := uint64(1); len(keys) < 3; key++ {
		if b.index(key) == bucket {
			keys = append(keys, key)
		}
	}
	return keys
}

// lookUp has a reader find keys, again and again. The clock moves meanwhile, so that a goal which
// was taken too early is reached too early.
func (t *table) lookUp(x *sched.Exec, r *smr.Reader, keys ...uint64) {
	for range 2 {
		t.dom.Advance()
		s := r.Enter()
		for _, key := range keys {
			e := t.get(s, key)
			if e == nil {
				x.Fail("key %d is there, and was not found", key)
			}
			if e.value[0] != alive {
				x.Fail("the entry of key %d was freed", key)
			}
		}
		s.Leave()
	}
}

// free waits for a grace period, and then makes an entry useless to readers.
func free(d *smr.Domain, e *entry) {
	for goal := d.Advance(); !d.Poll(goal); {
		sched.Gosched()
	}
	*e = entry{value: value{poison}}
}

// Two buckets become one, and at once what was the first entry of the second one is removed or
// replaced. Readers may still come by its old head.
func TestSchedules_MergeAgainstReader(t *testing.T) {
	for name, change := range map[string]func(tab *table) (old *entry){
		"remove":  func(tab *table) *entry { return tab.remove(rights[0]) },
		"replace": func(tab *table) *entry { return tab.replace(&entry{key: rights[0], value: value{alive}}) },
	} {
		t.Run(name, func(t *testing.T) {
			sched.Explore(t, sched.Options{Schedules: 20_000}, func(x *sched.Exec) func() {
				tab := schedTable(x, 1, lefts[0], rights[0], rights[1])
				r := tab.dom.NewReader()
				x.Go("reader", 0, func() { tab.lookUp(x, r, rights[1]) })
				x.Go("writer", 1, func() {
					tab.mu.Lock()
					tab.shrinkLocked()
					tab.mu.Unlock()
					free(tab.dom, change(tab))
				})
				return func() { tab.dom.Close(context.Background()) }
			})
		})
	}
}

// One bucket becomes two, whose entries alternate, and at once what was the first entry is removed.
func TestSchedules_SplitAgainstReader(t *testing.T) {
	for name, keys := range map[string][]uint64{
		"left first":  {lefts[0], rights[0], lefts[1]},
		"right first": {rights[0], lefts[0], rights[1]},
	} {
		t.Run(name, func(t *testing.T) {
			sched.Explore(t, sched.Options{Schedules: 20_000}, func(x *sched.Exec) func() {
				tab := schedTable(x, 0, keys...)
				r := tab.dom.NewReader()
				x.Go("reader", 0, func() { tab.lookUp(x, r, keys[1:]...) })
				x.Go("writer", 1, func() {
					tab.mu.Lock()
					for tab.splitLocked(); tab.stepLocked(); {
						sched.Gosched() // Step alone knows whether it may
					}
					tab.mu.Unlock()
					free(tab.dom, tab.remove(keys[0]))
				})
				return func() { tab.dom.Close(context.Background()) }
			})
		})
	}
}
