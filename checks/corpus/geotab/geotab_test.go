//go:build unix

package geotab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
)

func TestDB(t *testing.T) {
	dir := t.TempDir()
	write := func(n int) string {
		t.Helper()
		path := filepath.Join(dir, fmt.Sprint("table", n))
		err := Write(path, map[uint32]Place{
			10: {"NL", fmt.Sprint("city", n)}, 20: {"BE", "Gent"}, 30: {"NL", "Leiden"},
		})
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	db, err := Open(write(0))
	if err != nil {
		t.Fatal(err)
	}
	batches := make(chan []uint32)
	var tally map[string]int
	var wg sync.WaitGroup
	wg.Go(func() { tally = db.Tally(batches) })
	wg.Go(func() {
		for range 200 {
			s := db.Enter()
			p, ok := db.Find(s, 25)
			if !ok || p.City != "Gent" {
				t.Error(p.Clone(), ok)
			}
			s.Leave()
			if !db.InCountry(15, "NL") || db.InCountry(5, "NL") {
				t.Error("in no country")
			}
		}
	})
	for i := range 50 {
		if err := db.Load(write(i)); err != nil {
			t.Fatal(err)
		}
		batches <- []uint32{1, 11, 21, 31}
	}
	close(batches)
	wg.Wait()
	if !reflect.DeepEqual(tally, map[string]int{"NL": 100, "BE": 50}) {
		t.Fatal(tally)
	}
	p, ok := db.Lookup(10)
	stats := db.Stats()
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte{255, 0, 0, 0, 1}, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := db.Load(bad); !errors.Is(err, ErrFormat) {
		t.Fatal(err)
	}
	if err := db.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !ok || p != (Place{"NL", "city49"}) { // it is a copy
		t.Fatal(p, ok)
	}
	if len(stats) != 2 || stats[1].Ranges != 2 || !reflect.DeepEqual(stats[1].Cities, []string{"Leiden", "city49"}) {
		t.Fatal(stats)
	}
}
