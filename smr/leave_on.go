//go:build invariants

package smr

import (
	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/internal/goid"
	"github.com/gosmr/gosmr/internal/leave"
	"github.com/gosmr/gosmr/internal/pinned"
)

// endings has what is to be called as a section ends: see package leave.
var endings struct {
	mu pinned.Lock
	of map[sectionKey][]func() string
}

type sectionKey struct {
	rec *clock.Record
	gen uint64
}

func init() {
	leave.At = func(section any, fn func() string) {
		s := section.(Section)
		endings.mu.Lock()
		defer endings.mu.Unlock()
		if endings.of == nil {
			endings.of = make(map[sectionKey][]func() string)
		}
		key := sectionKey{s.in.Rec, s.in.Gen}
		endings.of[key] = append(endings.of[key], fn)
	}
	leave.Pinned = func() bool { return pins.n.Load() > 0 && pins.of(goid.Get()) != nil }
}

// ending calls what is to be called as the section ends, and returns what is found first. The section
// is still open.
func (s Section) ending() (found string) {
	key := sectionKey{s.in.Rec, s.in.Gen}
	endings.mu.Lock()
	fns := endings.of[key]
	delete(endings.of, key)
	endings.mu.Unlock()
	for _, fn := range fns {
		if text := fn(); found == "" {
			found = text
		}
	}
	return found
}

// ending is called as the owner announces a quiescent state. The caller ends the section, then
// panics with what is found.
func (q *Quiescent) ending() (found string) {
	if gen, ok := q.rec.Section(); ok {
		found = Section{in: clock.Section{Rec: q.rec, Gen: gen}}.ending()
	}
	return found
}
