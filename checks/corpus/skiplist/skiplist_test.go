package skiplist

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

func TestList(t *testing.T) {
	ctx := t.Context()
	dom, err := smr.New(smr.Options{Name: "skiplist"})
	if err != nil {
		t.Fatal(err)
	}
	l := New[int, [2]int](dom, slab.Options{})
	const n = 80
	for i := range n {
		if err := l.Set(i*37%n, [2]int{i * 37 % n, 0}); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := range 20 {
				s := dom.Enter()
				last := -1
				for k, v := range l.From(s, i) {
					if v[0] != k || k <= last {
						t.Error(k, *v)
					}
					last = k
				}
				s.Leave()
				if v, ok := l.Get(2 * i); !ok || v[0] != 2*i {
					t.Error(v, ok)
				}
				seen := 0
				for range l.Range(10, 20) {
					seen++
				}
				if seen < 5 || seen > 10 {
					t.Error(seen)
				}
			}
		})
	}
	for round := range 3 {
		for i := range n {
			if i%2 == 1 {
				l.Delete(i)
			}
			err := l.Update(i, func(old *[2]int) [2]int {
				if old == nil {
					return [2]int{i, round}
				}
				return [2]int{old[0], round}
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
	wg.Wait()
	if d := l.DeleteFunc(func(k int, _ *[2]int) bool { return k%2 == 0 }); d != n/2 || l.Len() != n/2 {
		t.Fatal(d, l.Len())
	}
	if k, v, ok := l.Min(); k != 1 || v != [2]int{1, 2} || !ok {
		t.Fatal(k, v, ok)
	}
	count := 0
	for range l.Range(0, n) {
		count++
	}
	if count != n/2 {
		t.Fatal(count)
	}
	names := New[string, *int](dom, slab.Options{})
	for i := range 10 {
		if err := names.Set(fmt.Sprint(i), &i); err != nil {
			t.Fatal(err)
		}
	}
	if v, ok := names.Get("7"); !ok || *v != 7 {
		t.Fatal(ok)
	}
	if err := errors.Join(names.Close(ctx), l.Close(ctx), dom.Close(ctx)); err != nil {
		t.Fatal(err)
	}
}
