package simworld

import (
	"runtime"
	"testing"
)

func TestWorld(t *testing.T) {
	ctx := t.Context()
	w, err := New(3, &Rules{Growth: 1, Limit: 1000, Kinds: map[string]int{"moss": 1}})
	if err != nil {
		t.Fatal(err)
	}
	for len(w.world.Domains()) < 3 {
		runtime.Gosched()
	}
	for i := range 90 {
		if id, err := w.Add([]string{"moss", "tree"}[i%2]); id != i+1 || err != nil {
			t.Fatal(id, err)
		}
	}
	if err := w.Mark(1, 5); err != nil {
		t.Fatal(err)
	}
	if err := w.Wait(ctx, 3); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		w.SetRules(&Rules{Growth: 2, Limit: 1000})
		if err := w.Balance(); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := w.Settle(ctx); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	err = w.Edit(ctx, func(id int, value *int) {
		if id == 7 {
			*value = 100_000
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	w.SetRules(&Rules{Growth: 0, Limit: 1 << 30})
	if err := w.Mark(1, 0); err != nil {
		t.Fatal(err)
	}
	states, err := w.Snapshot(ctx)
	if err != nil || len(states) != 90 {
		t.Fatal(states, err)
	}
	for i, s := range states {
		if s.ID != i+1 || s.Steps < 3 || s.Value == 0 {
			t.Fatal(s)
		}
	}
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
