package smr

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// kinds are the ways to open a section and to end it.
var kinds = map[string]func(d *Domain) func() (s Section, end func()){
	"Enter": func(d *Domain) func() (Section, func()) {
		return func() (Section, func()) { s := d.Enter(); return s, s.Leave }
	},
	"Pin": func(d *Domain) func() (Section, func()) {
		return func() (Section, func()) { s := d.Pin(); return s, s.Leave }
	},
	"Reader": func(d *Domain) func() (Section, func()) {
		r := d.NewReader()
		return func() (Section, func()) { s := r.Enter(); return s, s.Leave }
	},
	"Quiescent": func(d *Domain) func() (Section, func()) {
		q := d.NewQuiescent(nil)
		return func() (Section, func()) { q.Online(); return q.Section(), q.Offline }
	},
}

func TestSection_HoldsBackGracePeriods(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			d := newDomain(t, Options{})
			enter := kind(d)
			for range 3 {
				s, end := enter()
				active := s.Active()
				goal := d.Advance()
				held := !d.Poll(goal)
				end()
				require.True(t, active)
				require.True(t, held)
				require.False(t, s.Active())
				require.True(t, d.Poll(goal))
			}
		})
	}
}

func TestSection_ZeroIsNotOpen(t *testing.T) {
	var s Section
	require.False(t, s.Active())
	require.PanicsWithValue(t, "smr: Leave of a zero Section: it was never entered", s.Leave)
}

func TestSection_DoubleLeavePanics(t *testing.T) {
	d := newDomain(t, Options{})
	r := d.NewReader()
	for _, enter := range []func() Section{d.Enter, d.Pin, r.Enter} {
		s := enter()
		s.Leave()
		next := d.Enter() // likely on the same record
		require.False(t, s.Active())
		panicked := func() (p any) {
			defer func() { p = recover() }()
			s.Leave()
			return nil
		}()
		active := next.Active()
		next.Leave()
		require.Equal(t, "smr: Leave of a Section that is not open: it was left before", panicked)
		require.True(t, active)
	}
}

func TestSection_NestsInAnyOrder(t *testing.T) {
	d := newDomain(t, Options{})
	r := d.NewReader()
	open := []Section{d.Enter(), r.Enter(), d.Enter(), r.Enter()}
	pinned := d.Pin()
	inner := d.Pin()
	pinned.Leave()
	stillPinned := inner.Active()
	inner.Leave()
	require.True(t, stillPinned)
	goal := d.Advance()
	for _, i := range []int{1, 3, 0, 2} {
		require.False(t, d.Poll(goal))
		open[i].Leave()
	}
	require.True(t, d.Poll(goal))
}

func TestSection_LeftByAnotherGoroutine(t *testing.T) {
	d := newDomain(t, Options{})
	s := d.Enter()
	goal := d.Advance()
	left := make(chan struct{})
	go func() { s.Leave(); close(left) }()
	<-left
	require.True(t, d.Poll(goal))
	require.Panics(t, s.Leave)
}

func TestRead_LeavesAlsoOnPanic(t *testing.T) {
	d := newDomain(t, Options{})
	require.PanicsWithValue(t, "x", func() {
		d.Read(func(s Section) {
			require.True(t, s.Active())
			panic("x")
		})
	})
	require.Zero(t, d.Stats().Sections)
}

func TestReader_CloseWithOpenSectionPanics(t *testing.T) {
	d := newDomain(t, Options{})
	r := d.NewReader()
	s := r.Enter()
	require.Panics(t, r.Close)
	require.True(t, s.Active())
	s.Leave()
	r.Close()
	r.Close()
	require.Panics(t, func() { r.Enter() })

	// Closing does not harm the reader that has the record now.
	r2 := d.NewReader()
	s2 := r2.Enter()
	r.Close()
	require.Panics(t, func() { r.Enter() })
	require.True(t, s2.Active())
	s2.Leave()
	r2.Close()
}

// A reader unregisters while calls made in its sections are pending (ck's
// unregister drops them).
func TestReader_CloseWithCallsPending(t *testing.T) {
	d := newDomain(t, Options{})
	var wg sync.WaitGroup
	ran := 0 // plain: Barrier orders it
	for range 10 {
		wg.Go(func() {
			r := d.NewReader()
			s := r.Enter()
			d.CallFunc(8, func() {})
			s.Leave()
			r.Close()
		})
	}
	wg.Wait()
	d.CallFunc(8, func() { ran++ })
	require.NoError(t, d.Barrier(context.Background()))
	require.Equal(t, 1, ran)
	require.Zero(t, d.Stats().PendingCalls)
}

func TestQuiescent_SectionOfflinePanics(t *testing.T) {
	d := newDomain(t, Options{})
	q := d.NewQuiescent(nil)
	require.Panics(t, func() { q.Section() })
	q.Online()
	s := q.Section()
	q.Quiesce()
	require.False(t, s.Active())
	require.True(t, q.Section().Active())
	q.Close()
	require.Panics(t, func() { q.Section() })
}

// A closed Quiescent does not act on the record that is another's by now.
func TestQuiescent_UseAfterCloseHarmsNobody(t *testing.T) {
	d := newDomain(t, Options{})
	q1 := d.NewQuiescent(nil)
	q1.Close()
	q2 := d.NewQuiescent(nil)
	q1.Online()
	require.Panics(t, func() { q1.Section() })
	require.True(t, d.Poll(d.Advance()), "a closed one does not go online")
	q2.Online()
	s := q2.Section()
	goal := d.Advance()
	q1.Quiesce()
	q1.Offline()
	q1.Close()
	require.True(t, s.Active())
	require.False(t, d.Poll(goal))
	q2.Close()
	require.True(t, d.Poll(goal))
}

func TestPointer_Accessors(t *testing.T) {
	d := newDomain(t, Options{})
	var p Pointer[int]
	a, b, c := 1, 2, 3
	s := d.Enter()
	defer s.Leave()
	require.Nil(t, p.Load(s))
	p.Init(&a)
	require.Same(t, &a, p.Load(s))
	p.Store(&b)
	require.Same(t, &b, p.LoadSerialized())
	require.Same(t, &b, p.Swap(&c))
	require.Same(t, &c, p.LoadUnserialized())
	p.StoreRelaxed(&b)
	require.Same(t, &b, p.Load(s))
	p.StoreUnserialized(&a)
	require.NotZero(t, p.LoadUnsafe())
	p.Clear()
	require.Zero(t, p.LoadUnsafe())
	require.Nil(t, p.Load(s))
}

func TestSection_NoAllocation(t *testing.T) {
	if debugging || instrumented {
		t.Skip("this build allocates to check")
	}
	d := newDomain(t, Options{})
	r := d.NewReader()
	var p Pointer[int]
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		s := d.Enter()
		p.Load(s)
		s.Leave()
		s = d.Pin()
		s.Leave()
		s = r.Enter()
		s.Leave()
	}))
}
