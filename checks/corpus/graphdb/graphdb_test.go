package graphdb

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/gosmr/gosmr/slab"
)

func TestGraph(t *testing.T) {
	ctx := t.Context()
	g, err := New(slab.NewBudget(32 << 20))
	if err != nil {
		t.Fatal(err)
	}
	const n = 30
	ids := make([]ID, n)
	for i := range ids {
		if ids[i], err = g.AddNode(fmt.Sprint("node", i)); err != nil {
			t.Fatal(err)
		}
	}
	connect := func(from, to int, weight int32) {
		t.Helper()
		if err := g.Connect(ids[from], ids[to], 1, weight); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n - 1 {
		connect(i, i+1, 1)
	}
	connect(0, 5, 7)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 10 {
				path, err := g.Path(ids[0], ids[6], 1)
				if err != nil || len(path) != 3 && len(path) != 7 || path[0] != "node0" {
					t.Error(path, err)
				}
				if _, w, err := g.Strongest(ids[0]); w < 1 || err != nil {
					t.Error(w, err)
				}
			}
		})
	}
	for i := range 10 {
		if removed, err := g.Disconnect(ids[0], ids[5], 1); !removed || err != nil {
			t.Fatal(removed, err)
		}
		connect(0, 5, int32(i+2))
		extra, err := g.AddNode("extra")
		if err == nil {
			err = errors.Join(g.Connect(ids[1], extra, 2, 1), g.Connect(extra, ids[2], 2, 1), g.RemoveNode(extra))
		}
		if err != nil {
			t.Fatal(err)
		}
		g.Disconnect(ids[1], extra, 2)
	}
	wg.Wait()
	if name, w, err := g.Strongest(ids[0]); name != "node5" || w != 11 || err != nil {
		t.Fatal(name, w, err)
	}
	var visited []string
	err = g.Search(ids[0], 2, func(id ID, name string) bool {
		visited = append(visited, name)
		if name == "node0" {
			return true
		}
		if err := g.RemoveNode(id); err != nil {
			t.Error(err)
		}
		return true
	})
	if err != nil || !reflect.DeepEqual(visited, []string{"node0", "node5", "node1", "node6", "node2"}) {
		t.Fatal(visited, err)
	}
	if path, err := g.Path(ids[0], ids[7], 1); path != nil || err != nil {
		t.Fatal(path, err)
	}
	if _, err := g.Name(ids[1]); !errors.Is(err, ErrNoNode) {
		t.Fatal(err)
	}
	if name, err := g.Name(ids[9]); name != "node9" || err != nil {
		t.Fatal(name, err)
	}
	if d := g.Degrees(); len(d) != n-4 || d[ids[0]] != 2 {
		t.Fatal(d)
	}
	if err := g.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := g.AddNode("late"); err == nil {
		t.Fatal("closed")
	}
}
