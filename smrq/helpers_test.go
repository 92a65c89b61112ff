package smrq_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/internal/testkit/queuetest"
)

// newDomain returns a domain that is closed when the test ends.
var newDomain = testkit.Domain

// rounds scales a test's length. With -tags invariants each load looks up its
// goroutine.
func rounds(n int) int {
	if testing.Short() {
		n /= 10
	}
	if invariants.Enabled {
		n /= 20
	}
	return max(n, 1)
}

// An elemSource makes n elements, which last until the test ends.
type elemSource func(t testing.TB, n int) []*queuetest.Elem

var sources = map[string]elemSource{
	"OnHeap": func(_ testing.TB, n int) []*queuetest.Elem { return queuetest.OnHeap(n) },
	"OffHeap": func(t testing.TB, n int) []*queuetest.Elem {
		all, free, err := queuetest.OffHeap(n)
		if err != nil {
			t.Skip("no elements off the Go heap: ", err)
		}
		t.Cleanup(free)
		return all
	},
}

// forEach runs a test on each kind of queue.
func forEach(t *testing.T, test func(t *testing.T, k queuetest.Kind)) {
	for _, k := range queuetest.Kinds {
		t.Run(k.Name, func(t *testing.T) { test(t, k) })
	}
}

// forEachSource runs a test on each kind of queue with each kind of memory.
func forEachSource(t *testing.T, test func(t *testing.T, k queuetest.Kind, make elemSource)) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		for name, source := range sources {
			t.Run(name, func(t *testing.T) { test(t, k, source) })
		}
	})
}

// insertAll inserts elements so that they stand in the queue in their order.
func insertAll(q queuetest.Queue, elems ...*queuetest.Elem) {
	for i, e := range elems {
		if i == 0 {
			q.InsertHead(e)
		} else {
			q.InsertAfter(elems[i-1], e)
		}
	}
}

// keys returns what a writer finds in the queue.
func keys(q queuetest.Queue) []int {
	got := []int{}
	for e := range q.AllSerialized() {
		got = append(got, e.Key)
	}
	return got
}

// within fails the test if do takes long.
func within(t *testing.T, do func()) {
	t.Helper()
	timer := time.AfterFunc(2*time.Minute, func() { panic("hangs: " + t.Name()) })
	defer timer.Stop()
	do()
}

// panicText returns what fn panics with.
func panicText(t *testing.T, fn func()) (text string) {
	t.Helper()
	defer func() {
		p := recover()
		require.NotNil(t, p, "no panic")
		text = fmt.Sprint(p)
	}()
	fn()
	return ""
}
