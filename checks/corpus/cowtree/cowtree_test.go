package cowtree

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/gosmr/gosmr/smr"
)

func TestTree(t *testing.T) {
	ctx := t.Context()
	dom, err := smr.New(smr.Options{Name: "cowtree"})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := Create(dom, filepath.Join(t.TempDir(), "tree"))
	if err != nil {
		t.Fatal(err)
	}
	const n = 250
	for i := range uint64(n) {
		if err := tree.Put(i*7919%n, 1); err != nil {
			t.Fatal(err)
		}
	}
	snap := tree.Snapshot()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := range uint64(n) {
				if v, ok, err := tree.Get(i); v == 0 || !ok || err != nil {
					t.Error(i, v, ok, err)
				}
			}
		})
	}
	for i := range uint64(n) {
		if err := tree.Put(i, 2); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if _, ok, err := tree.Get(n); ok || err != nil {
		t.Fatal(ok, err)
	}
	seen, sum := 0, uint64(0)
	for k, v := range snap.Range(10, 109, &err) {
		seen++
		sum += v
		if k < 10 || k > 109 {
			t.Fatal(k)
		}
	}
	if err != nil || seen != 100 || sum != 100 || snap.Len() != n {
		t.Fatal(seen, sum, snap.Len(), err)
	}
	snap.Close()
	if err := tree.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if used, free := tree.Pages(); used-free > 2*n/(fanout/2)+2 {
		t.Fatal(used, free)
	}
	if err := dom.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
