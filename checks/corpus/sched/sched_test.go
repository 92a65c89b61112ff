package sched

import (
	"sync/atomic"
	"testing"
)

func TestScheduler(t *testing.T) {
	ctx := t.Context()
	sc, err := New(3, Class{Name: "batch", Slice: 10}, Class{Name: "late", Paused: true})
	if err != nil {
		t.Fatal(err)
	}
	var steps atomic.Int64
	submit := func(class string, n int) *Job {
		t.Helper()
		j := &Job{Class: class, Step: func() bool {
			steps.Add(1)
			n--
			return n > 0
		}}
		if err := sc.Submit(j); err != nil {
			t.Fatal(err)
		}
		return j
	}
	late := submit("late", 5)
	for range 20 {
		batch, other := submit("batch", 50), submit("", 5)
		<-batch.Done()
		<-other.Done()
	}
	select {
	case <-late.Done():
		t.Fatal("a paused job has run")
	default:
	}
	sc.SetClasses(Class{Name: "late", Slice: 2})
	<-late.Done()
	total, err := sc.Total()
	if err != nil || total.Steps != 1105 || int64(total.Steps) != steps.Load() {
		t.Fatal(total, err)
	}
	if err := sc.Freeze(ctx, func() { submit("", 1) }); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		sc.SetClasses()
	}
	if err := sc.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if n := sc.closed.Load(); n != 11 {
		t.Fatal(n)
	}
}
