package leases

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestService(t *testing.T) {
	ctx := t.Context()
	var clock atomic.Int64
	sv, err := New(clock.Load)
	if err != nil {
		t.Fatal(err)
	}
	token, err := sv.Take("leader", 1, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sv.Take("leader", 2, time.Second); !errors.Is(err, ErrTaken) {
		t.Fatal(err)
	}
	w, ok := sv.Watch("leader")
	if !ok || w.Over() {
		t.Fatal("no lease")
	}
	told := make(chan error, 1)
	w.Notify(ctx, func(err error) { told <- err })
	clock.Add(int64(time.Second / 2))
	if err := sv.Renew("leader", token, time.Second); err != nil {
		t.Fatal(err)
	}
	if owner, left, ok := sv.Owner("leader"); owner != 1 || left != time.Second || !ok {
		t.Fatal(owner, left, ok)
	}
	clock.Add(int64(2 * time.Second))
	if err := sv.Renew("leader", token, time.Second); !errors.Is(err, ErrLost) {
		t.Fatal(err)
	}
	if n := sv.Expire(); n != 1 {
		t.Fatal(n)
	}
	if err := <-told; err != nil {
		t.Fatal(err)
	}
	if err := w.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	for !sv.Settled() {
		time.Sleep(time.Millisecond) // it has no event
	}

	var wg sync.WaitGroup
	var inside, taken atomic.Int64
	for id := range uint64(4) {
		wg.Go(func() {
			for range 100 {
				token, err := sv.Take("job", id, time.Hour)
				if err != nil {
					continue
				}
				if inside.Add(1) != 1 {
					t.Error("two have the lease")
				}
				taken.Add(1)
				inside.Add(-1)
				if err := sv.GiveBack("job", token); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 100 {
		if w, ok := sv.Watch("job"); ok {
			w.Over()
			w.Close()
		}
	}
	wg.Wait()
	if taken.Load() == 0 {
		t.Fatal("nobody had the lease")
	}
	if _, err := sv.Take("left", 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := sv.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
