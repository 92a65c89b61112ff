package smr_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/gosmr/gosmr/smr"
)

// A segment is a sorted run of a log-structured store: a file, in a real one.
type segment struct {
	name string
	keys []string
	refs int // versions that have it; guarded by store.mu
}

// A version is a list of segments that does not change. It owns them: its callback gives up those
// that no other version has.
type version struct {
	store    *store
	segments []*segment
}

// A store replaces its version as a whole.
type store struct {
	dom     *smr.Domain
	current smr.Pointer[version]
	mu      sync.Mutex // the writers' lock
}

// install makes segments the current version, and retires the one before.
func (st *store) install(segments ...*segment) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, s := range segments {
		s.refs++
	}
	old := st.current.LoadSerialized()
	st.current.Store(&version{st, segments})
	if old != nil {
		smr.Call(st.dom, old, 1<<20, (*version).free)
	}
}

func (v *version) free() {
	v.store.mu.Lock()
	defer v.store.mu.Unlock()
	for _, s := range v.segments {
		if s.refs--; s.refs == 0 {
			fmt.Println("segment", s.name, "is deleted")
			s.keys = nil
		}
	}
}

// An iterator sees the version that was current when it was made, for as long as it likes. It holds
// the version, which owns all else.
type iterator struct {
	held smr.Held[version]
	at   int
}

func (st *store) iterate() *iterator {
	s := st.dom.Enter()
	defer s.Leave()
	return &iterator{held: smr.Hold(s, st.current.Load(s))}
}

func (it *iterator) next() (keys []string, ok bool) {
	all := it.held.Get().segments
	if it.at == len(all) {
		return nil, false
	}
	it.at++
	return all[it.at-1].keys, true
}

func (it *iterator) close() { it.held.Release() }

// Iterators that live for seconds keep their snapshot, and hold up nothing else.
func ExampleHold() {
	dom, err := smr.New(smr.Options{})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	st := &store{dom: dom}
	a := &segment{name: "a", keys: []string{"ant", "bee"}}
	b := &segment{name: "b", keys: []string{"cat"}}
	c := &segment{name: "c", keys: []string{"ant", "bee", "cat"}}
	st.install(a, b)

	it := st.iterate()
	it.next()
	st.install(c) // a and b are compacted into c
	st.install(c, &segment{name: "d", keys: []string{"dog"}})
	keys, _ := it.next()
	fmt.Println("the iterator is at", keys)
	it.close()

	if err := dom.Barrier(ctx); err != nil {
		panic(err)
	}
	fmt.Println("held:", dom.Stats().Holds)
	// Output:
	// the iterator is at [cat]
	// segment a is deleted
	// segment b is deleted
	// held: 0
}
