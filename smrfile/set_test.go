package smrfile

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/smr"
)

// entries returns files, of 100 bytes each, for keys.
func entries(t testing.TB, set *Set[int], keys ...int) (list []Entry[int]) {
	for _, k := range keys {
		list = append(list, Entry[int]{k, openedAt(t, set.dom, tempFile(t, 100), Options{})})
	}
	return list
}

func keysOf(v View[int]) (keys []int) {
	for k, f := range v.All() {
		if f != v.File(k) {
			panic("another file by its key")
		}
		keys = append(keys, k)
	}
	return keys
}

// releaseHeld releases what a test that has failed has held.
func releaseHeld(h HeldView[int]) {
	if h.h.Active() {
		h.Release()
	}
}

func requireKeys(t testing.TB, set *Set[int], want ...int) {
	t.Helper()
	s := set.Enter()
	defer s.Leave()
	require.Equal(t, want, keysOf(set.Load(s)))
}

// What is added takes the place of what is dropped, so a compaction's output is where its input was.
func TestSet_Order(t *testing.T) {
	set := NewSet[int](testkit.Domain(t))
	ctx := testkit.Context(t)
	requireKeys(t, set)
	require.NoError(t, set.Replace(ctx, entries(t, set, 1, 2, 3), nil, CloseDropped))
	requireKeys(t, set, 1, 2, 3)
	require.NoError(t, set.Replace(ctx, entries(t, set, 4, 5), []int{3, 2}, CloseDropped))
	requireKeys(t, set, 1, 4, 5)
	require.NoError(t, set.Replace(ctx, entries(t, set, 4), []int{4}, CloseDropped)) // the same key, another file
	requireKeys(t, set, 1, 4, 5)
	require.NoError(t, set.Replace(ctx, entries(t, set, 6), nil, CloseDropped))
	requireKeys(t, set, 1, 4, 5, 6)
	s := set.Enter()
	require.Nil(t, set.Load(s).File(2))
	require.Nil(t, View[int]{}.File(1))
	require.Zero(t, View[int]{}.Len())
	for range set.Load(s).All() {
		break
	}
	s.Leave()
	require.NoError(t, set.Close(ctx))
}

// A Replace that fails changes nothing.
func TestSet_ReplaceFails(t *testing.T) {
	set := NewSet[int](testkit.Domain(t))
	ctx := testkit.Context(t)
	first := entries(t, set, 1, 2)
	require.NoError(t, set.Replace(ctx, first, nil, CloseDropped))
	alien := Entry[int]{7, opened(t, 1, Options{})}
	for _, c := range []struct {
		add  []Entry[int]
		drop []int
		text string
	}{
		{entries(t, set, 3), []int{4}, "no file of key 4"},
		{entries(t, set, 3), []int{1, 1}, "no file of key 1"},
		{entries(t, set, 1), nil, "key 1 is there"},
		{entries(t, set, 3, 3), nil, "key 3 is there"},
		{[]Entry[int]{{3, nil}}, []int{1}, "without a file"},
		{[]Entry[int]{alien}, []int{1}, "of domain"},
		{[]Entry[int]{{3, first[1].File}}, []int{2}, "in the set"},
	} {
		require.ErrorContains(t, set.Replace(ctx, c.add, c.drop, RemoveDropped), c.text)
		requireKeys(t, set, 1, 2)
	}
	gone := entries(t, set, 8)
	require.NoError(t, gone[0].File.Close(ctx))
	require.ErrorIs(t, set.Replace(ctx, gone, nil, CloseDropped), fs.ErrClosed)
	two := entries(t, set, 3)[0]
	require.ErrorContains(t, set.Replace(ctx, []Entry[int]{two, {4, two.File}}, nil, CloseDropped), "in the set")
	require.NoError(t, set.Close(ctx))
	require.ErrorIs(t, set.Close(ctx), fs.ErrClosed)
	require.ErrorIs(t, set.Replace(ctx, nil, nil, CloseDropped), fs.ErrClosed)
	requireKeys(t, set)
}

// A file that was dropped stays while a section, or a hold, has any version with it; also an older one
// than the one it was dropped from.
func TestSet_DroppedFilesStay(t *testing.T) {
	for _, how := range []Drop{CloseDropped, RemoveDropped} {
		set := NewSet[int](testkit.Domain(t))
		ctx := testkit.Context(t)
		all := entries(t, set, 1, 2)
		require.NoError(t, set.Replace(ctx, all, nil, how))
		s := set.Enter()
		h := set.Hold(s)
		s.Leave()
		defer releaseHeld(h)
		require.NoError(t, set.Replace(ctx, entries(t, set, 3), []int{1}, how))
		settle(t, set.dom)
		require.NoError(t, set.Replace(ctx, entries(t, set, 4), []int{2}, how))
		settle(t, set.dom)
		requireKeys(t, set, 3, 4)
		require.Equal(t, []int{1, 2}, keysOf(h.View))
		require.EqualValues(t, 200, set.Waiting())
		for _, f := range h.All() {
			requireView(t, f, 0, pattern(100))
		}
		h.Release()
		for _, e := range all {
			<-e.File.ended
			_, err := os.Stat(e.File.path)
			require.Equal(t, how == RemoveDropped, err != nil)
		}
		require.NoError(t, set.Close(ctx))
		require.Zero(t, set.Waiting())
	}
}

// Replace waits while readers have too much of what was dropped, until its context ends.
func TestSet_Bound(t *testing.T) {
	set := NewSet[int](testkit.Domain(t))
	set.SetMaxWaiting(200)
	ctx := testkit.Context(t)
	require.NoError(t, set.Replace(ctx, entries(t, set, 1, 2, 3), nil, CloseDropped))
	s := set.Enter()
	h := set.Hold(s)
	s.Leave()
	defer releaseHeld(h)
	for _, none := range []int64{-1, 0} {
		set.SetMaxWaiting(none)
		require.Equal(t, int64(math.MaxInt64), set.bound)
	}
	set.SetMaxWaiting(200)
	require.NoError(t, set.Replace(ctx, nil, []int{1}, CloseDropped))
	require.NoError(t, set.Replace(ctx, nil, []int{2}, CloseDropped))
	require.NoError(t, set.Replace(ctx, entries(t, set, 4), nil, CloseDropped)) // drops nothing
	err := set.Replace(over(), entries(t, set, 5), []int{3}, CloseDropped)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "200 bytes of 2 files")
	requireKeys(t, set, 3, 4)
	done := make(chan error)
	go func() { done <- set.Replace(ctx, nil, []int{3}, CloseDropped) }()
	h.Release()
	require.NoError(t, <-done)
	requireKeys(t, set, 4)
	require.NoError(t, set.Close(ctx))
}

// A Close that gives up returns also the errors of the files that have ended.
func TestSet_CloseGivesUp(t *testing.T) {
	set := NewSet[int](testkit.Domain(t))
	ctx := testkit.Context(t)
	all := entries(t, set, 1, 2)
	require.NoError(t, set.Replace(ctx, all, nil, CloseDropped))
	require.NoError(t, os.Remove(all[1].File.path))
	require.NoError(t, set.Replace(ctx, nil, []int{2}, RemoveDropped))
	awaitEnd(t, set)
	s := set.Enter()
	h := set.Hold(s)
	s.Leave()
	defer releaseHeld(h)
	err := set.Close(over())
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "1 files (100 bytes)")
	require.ErrorIs(t, err, fs.ErrNotExist)
	requireView(t, all[0].File, 0, pattern(100))
	h.Release()
	<-all[0].File.ended
}

// awaitEnd returns when all files that were dropped have ended.
func awaitEnd(t *testing.T, set *Set[int]) {
	t.Helper()
	set.mu.Lock()
	defer set.mu.Unlock()
	require.NoError(t, set.waitLocked(testkit.Context(t), func() bool { return set.unended == 0 }))
}

// A Close lets a Replace go that waits until fewer files have readers, though these stay.
func TestSet_CloseEndsReplace(t *testing.T) {
	set := NewSet[int](testkit.Domain(t))
	set.SetMaxWaiting(100)
	ctx := testkit.Context(t)
	require.NoError(t, set.Replace(ctx, entries(t, set, 1, 2), nil, CloseDropped))
	s := set.Enter()
	h := set.Hold(s)
	s.Leave()
	defer releaseHeld(h)
	require.NoError(t, set.Replace(ctx, nil, []int{1}, CloseDropped))
	done := make(chan error)
	go func() { done <- set.Replace(context.Background(), nil, []int{2}, CloseDropped) }()
	for waits := false; !waits; runtime.Gosched() {
		set.mu.Lock()
		waits = set.changed != nil
		set.mu.Unlock()
	}
	require.ErrorIs(t, set.Close(over()), context.Canceled)
	require.ErrorIs(t, <-done, fs.ErrClosed)
}

// A Close for which all files have ended does not wait: not for a section, and not until its context ends.
func TestSet_CloseOfEnded(t *testing.T) {
	set := NewSet[int](testkit.Domain(t))
	ctx := testkit.Context(t)
	all := entries(t, set, 1)
	require.NoError(t, set.Replace(ctx, all, nil, CloseDropped))
	require.NoError(t, os.Remove(all[0].File.path))
	require.NoError(t, set.Replace(ctx, nil, []int{1}, RemoveDropped))
	awaitEnd(t, set)
	s := testkit.Enter(set.dom)
	defer s.Leave()
	err := set.Close(over())
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NotErrorIs(t, err, context.Canceled)
}

// What goes wrong when a file ends is told by Close.
func TestSet_Errors(t *testing.T) {
	set := NewSet[int](testkit.Domain(t))
	ctx := testkit.Context(t)
	all := entries(t, set, 1, 2)
	require.NoError(t, set.Replace(ctx, all, nil, CloseDropped))
	require.NoError(t, os.Remove(all[0].File.path))
	require.NoError(t, all[1].File.Close(ctx)) // against the rules
	require.NoError(t, set.Replace(ctx, nil, []int{1}, RemoveDropped))
	err := set.Close(ctx)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorIs(t, err, fs.ErrClosed)
}

// A Replace that would wait in a callback, perhaps for what that callback holds up, fails.
func TestSet_ReplaceInCallback(t *testing.T) {
	set := NewSet[int](testkit.Domain(t))
	ctx := testkit.Context(t)
	require.NoError(t, set.Replace(ctx, entries(t, set, 1, 2), nil, CloseDropped))
	set.SetMaxWaiting(1)
	s := set.Enter()
	h := set.Hold(s)
	s.Leave()
	require.NoError(t, set.Replace(ctx, nil, []int{1}, CloseDropped))
	failed := make(chan error, 1)
	set.dom.CallFunc(0, func() { failed <- set.Replace(ctx, nil, []int{2}, CloseDropped) })
	require.ErrorIs(t, <-failed, smr.ErrInCallback)
	h.Release()
	require.NoError(t, set.Close(ctx))
}

// Readers always find a version whose files agree, and are open.
func TestSet_ReadersBesideReplace(t *testing.T) {
	spins(t)
	set := NewSet[string](testkit.Domain(t))
	ctx := testkit.Context(t)
	version := func(n int) (list []Entry[string]) {
		for _, k := range []string{"a", "b", "c"} {
			path := tempFile(t, 0)
			require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "%06d%s", n, k), 0o666))
			list = append(list, Entry[string]{k, openedAt(t, set.dom, path, Options{})})
		}
		return list
	}
	require.NoError(t, set.Replace(ctx, version(0), nil, CloseDropped))
	check := func(v View[string]) bool {
		var first string
		for k, f := range v.All() {
			s := set.Enter()
			b, err := f.View(s, 0, 7)
			text := string(b)
			s.Leave()
			if err != nil || text[6:] != k || first != "" && text[:6] != first {
				t.Errorf("%s: %q beside %s: %v", k, text, first, err)
				return false
			}
			first = text[:6]
		}
		if n := v.Len(); n != 0 && n != 3 {
			t.Errorf("a version of %d files", n)
		}
		return v.Len() > 0
	}
	var readers sync.WaitGroup
	for i := range 3 {
		readers.Go(func() {
			for more := true; more; {
				s := set.Enter()
				if i == 0 {
					h := set.Hold(s)
					s.Leave()
					more = check(h.View)
					h.Release()
				} else {
					more = check(set.Load(s))
					s.Leave()
				}
				runtime.Gosched()
			}
		})
	}
	for n := range testkit.Rounds(50) {
		require.NoError(t, set.Replace(testkit.Context(t), version(n), []string{"a", "b", "c"}, RemoveDropped))
	}
	require.NoError(t, set.Close(testkit.Context(t)))
	readers.Wait()
}
