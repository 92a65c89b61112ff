//go:build invariants

package smr

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A deferred Leave in a loop: the sections pile up until the function returns.
func TestInvariants_LeaveDeferredInLoop(t *testing.T) {
	d := newDomain(t, Options{Name: "piles"})
	entered := 0
	text := panicText(t, func() {
		for range 10 * maxFromSite {
			s := d.Enter()
			defer s.Leave()
			entered++
		}
	})
	require.Equal(t, maxFromSite-1, entered)
	containsAll(t, text, "has 1000 sections of domain piles open that it entered at ", "repeat_test.go:", "A deferred Leave runs when its function returns",
		"make the round a function", "TestInvariants_LeaveDeferredInLoop")
	require.Zero(t, d.Stats().Sections)
	require.Empty(t, d.debug.sites)
}

// A container enters sections of its domain for others.
type container struct{ d *Domain }

//go:noinline
func (c container) Enter() Section { return c.d.Enter() }

// No such loop: sections of a recursion, which a container may enter for it, those that are left,
// those of several lines or Readers, and those that other goroutines use.
func TestInvariants_ManySectionsFromOneLine(t *testing.T) {
	d := newDomain(t, Options{})
	var p Pointer[int]
	var descend func(n int)
	descend = func(n int) {
		if n == 0 {
			return
		}
		s := d.Enter()
		defer s.Leave()
		descend(n - 1)
	}
	descend(2*maxFromSite + 10)
	var read func(n int)
	read = func(n int) {
		if n > 0 {
			d.Read(func(Section) { read(n - 1) })
		}
	}
	read(maxFromSite + 10)
	deep := container{d}
	var by func(n int)
	by = func(n int) {
		if n > 0 {
			s := deep.Enter()
			defer s.Leave()
			by(n - 1)
		}
	}
	by(maxFromSite + 10)
	var open []Section
	for range maxFromSite + 10 {
		r := d.NewReader()
		defer r.Close()
		open = append(open, r.Enter())
	}
	for _, s := range open {
		s.Leave()
	}
	for range 2 * maxFromSite {
		s := d.Enter()
		p.Load(s)
		s.Leave()
	}

	sections := make(chan Section)
	var users sync.WaitGroup
	hold := make(chan struct{})
	for range 2 * maxFromSite {
		used := make(chan struct{})
		users.Go(func() {
			s := <-sections
			p.Load(s)
			close(used)
			<-hold
			s.Leave()
		})
		sections <- d.Enter()
		<-used
	}
	close(hold)
	users.Wait()
	require.Empty(t, d.debug.sites)
}
