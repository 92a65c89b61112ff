//go:build invariants && !race

package smr

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

//go:noinline
func enterBoth(r *Reader) Section { return r.Enter() }

// Two goroutines in the methods of one reader: the first to come panics, and shows both.
func TestInvariants_TwoGoroutinesInOneReader(t *testing.T) {
	d := newDomain(t, Options{Name: "shared"})
	r := d.NewReader()
	text := panicText(t, func() {
		defer r.only("Reader.Enter", d)() // this goroutine is inside
		var other sync.WaitGroup
		for range 2 { // a third one is not remembered
			other.Go(func() { enterBoth(r).Leave() })
		}
		other.Wait()
	})
	containsAll(t, text, "smr: Reader.Enter by two goroutines at once, in domain shared", "Make one for each goroutine",
		"is in Reader.Enter at:", "TestInvariants_TwoGoroutinesInOneReader", "came into Reader.Enter at:", "enterBoth")
	enterBoth(r).Leave() // both are gone
	r.Close()

	q := d.NewQuiescent(nil)
	require.Panics(t, func() { q.Section() }, "it is offline, and then nothing is in it")
	text = panicText(t, func() {
		defer q.only("Quiescent.Quiesce", d)()
		var other sync.WaitGroup
		other.Go(q.Online)
		other.Wait()
	})
	containsAll(t, text, "Quiescent.Quiesce by two goroutines", "came into Quiescent.Online at:", "TestInvariants_TwoGoroutinesInOneReader")
	q.Close()
}

// Really at the same time: where the two take the record for their own, it is always found.
func TestInvariants_ReaderEnteredAtOnce(t *testing.T) {
	d := newDomain(t, Options{})
	found := 0
	for range rounds(20_000) {
		r := d.NewReader()
		var both sync.WaitGroup
		var sections [2]Section
		var told [2]bool
		begin := make(chan struct{})
		for i := range sections {
			both.Go(func() {
				defer func() { told[i] = recover() != nil }()
				<-begin
				sections[i] = r.Enter()
			})
		}
		close(begin)
		both.Wait()
		if told[0] || told[1] {
			found++
			require.False(t, told[0] && told[1], "the first to come panics")
			for _, info := range d.debug.sections() {
				if info.rec.Active(info.gen) { // not the other's
					info.rec.Leave(info.gen)
				}
			}
			d.debug.mu.Lock() // the cleanup of a section that was dropped may be looking
			clear(d.debug.open)
			clear(d.debug.sites)
			d.debug.mu.Unlock()
			continue
		}
		require.False(t, sections[0].in.Rec == sections[1].in.Rec, "both entered on one record, and neither was told")
		sections[0].Leave()
		sections[1].Leave()
		r.Close()
	}
	t.Logf("%d overlaps found", found)
}

// A Reader that is handed over, with its section or without, or that is closed or refused, is not
// used by two at once.
func TestInvariants_ReaderHandedOver(t *testing.T) {
	d := newDomain(t, Options{})
	r := d.NewReader()
	outer := r.Enter()
	for range 3 {
		var wg sync.WaitGroup
		wg.Go(func() {
			inner := r.Enter()
			outer.Active()
			inner.Leave()
		})
		wg.Wait()
		r.Enter().Leave()
	}
	require.Panics(t, r.Close, "its section is open")
	outer.Leave()
	r.Close()
	require.Panics(t, func() { r.Enter() })
	require.Panics(t, func() { r.Enter() })
}
