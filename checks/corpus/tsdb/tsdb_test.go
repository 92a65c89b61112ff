package tsdb

import (
	"os"
	"sync"
	"testing"

	"github.com/gosmr/gosmr/slab"
)

func TestDB(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	db, err := Open(dir, slab.NewBudget(16<<20))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for id := range uint32(3) {
		wg.Go(func() {
			for i := range 300 {
				if err := db.Append(id, Point{int64(i), float64(id)}); err != nil {
					t.Error(err)
				}
				if i%50 != 0 {
					continue
				}
				if err := db.Flush(ctx, 100); err != nil {
					t.Error(err)
				}
				mean, n, err := db.Mean(id, 0, 1000)
				if mean != float64(id) || n != i+1 || err != nil {
					t.Error(id, mean, n, i, err)
				}
				if p, ok := db.Last(id); !ok || p.At != int64(i) {
					t.Error(p, ok)
				}
			}
		})
	}
	wg.Wait()
	if _, n, err := db.Mean(1, 10, 19); n != 10 || err != nil {
		t.Fatal(n, err)
	}
	if _, n, err := db.Mean(7, 0, 1000); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	before := db.Blocks()
	for i := range 40 {
		if err := db.Append(1, Point{int64(300 + i), 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Flush(ctx, 2); err != nil || before < 3 || db.Blocks() != 2 {
		t.Fatal(before, db.Blocks(), err)
	}
	if err := db.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	if _, _, err := db.Mean(1, 0, 1000); err == nil {
		t.Fatal("closed")
	}
}
