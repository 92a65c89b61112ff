package symtab

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gosmr/gosmr/smr"
)

func TestTable(t *testing.T) {
	ctx := t.Context()
	dom, err := smr.New(smr.Options{Name: "symtab"})
	if err != nil {
		t.Fatal(err)
	}
	var ended atomic.Int64
	table := New(dom, func(y *Symbol) {
		y.Number = -1
		ended.Add(1)
	})
	keep := table.Ref("keep")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if n, ok := table.Number("keep"); n != keep.Number || !ok {
					t.Error(n, ok)
				}
				s := dom.Enter()
				seen := 0
				for y := range table.All(s) {
					if y.Number < 0 {
						t.Error(y.Name)
					}
					if y.Name == "keep" {
						seen++
					}
				}
				s.Leave()
				if seen != 1 {
					t.Error(seen)
				}
			}
		})
	}
	const n = 60
	refs := make([]*Symbol, 0, 2*n)
	for range 2 {
		for i := range n {
			refs = append(refs, table.Ref(fmt.Sprint("name", i)))
		}
	}
	if refs[3] != refs[n+3] {
		t.Error("a name has two symbols")
	}
	if symbols, chains := table.Len(); symbols != n+1 || chains < n/2 {
		t.Error(symbols, chains)
	}
	for _, y := range refs {
		table.Unref(y)
	}
	close(stop)
	wg.Wait()
	if symbols, chains := table.Len(); symbols != 1 || chains > 4 {
		t.Error(symbols, chains)
	}
	table.Unref(keep)
	if err := dom.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if ended.Load() != n+1 {
		t.Fatal(ended.Load())
	}
}
