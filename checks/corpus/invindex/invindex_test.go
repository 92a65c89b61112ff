package invindex

import (
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/gosmr/gosmr/slab"
)

func TestIndex(t *testing.T) {
	ctx := t.Context()
	x, err := New(slab.NewBudget(32 << 20))
	if err != nil {
		t.Fatal(err)
	}
	add := func(i int) {
		t.Helper()
		text := fmt.Sprintf("Document %d, the %s one. The end", i, []string{"even", "odd"}[i%2])
		if doc, err := x.Add(ctx, text); doc != i || err != nil {
			t.Fatal(doc, err)
		}
	}
	for i := range 10 {
		add(i)
	}
	it := x.Iterate("even")
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 100 {
				hits := x.And("even", "the", "document")
				for i, h := range hits {
					if h.Doc != 2*i || h.Score != 4 {
						t.Error(h)
					}
				}
				if len(hits) < 5 {
					t.Error(len(hits))
				}
			}
		})
	}
	for i := 10; i < 60; i++ {
		add(i)
	}
	wg.Wait()
	n := 0
	for doc, ok := it.Next(); ok; doc, ok = it.Next() {
		if doc != 2*n {
			t.Fatal(doc)
		}
		n++
	}
	it.Close()
	if n != 5 || x.Count("Even") != 30 {
		t.Fatal(n, x.Count("even"))
	}
	if hits := x.Or("odd", "7", "none"); len(hits) != 30 || hits[0] != (Hit{7, 2}) {
		t.Fatal(hits)
	}
	if w := x.Prefix("e"); !reflect.DeepEqual(w, []string{"end", "even"}) {
		t.Fatal(w)
	}
	if !x.Forget("the") || x.Forget("the") || x.And("the") != nil || x.Iterate("the") != nil {
		t.Fatal("the word is there")
	}
	if err := x.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
