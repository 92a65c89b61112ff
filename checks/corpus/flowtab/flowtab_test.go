package flowtab

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/gosmr/gosmr/smr"
)

func TestTable(t *testing.T) {
	ctx := t.Context()
	dom, err := smr.New(smr.Options{Name: "flows"})
	if err != nil {
		t.Fatal(err)
	}
	table := New(dom, 4, 150)
	now := time.Unix(1000, 0)
	key := func(i int) Key { return Key{SrcPort: uint16(i), Proto: 6} }
	for i := range 100 {
		if err := table.Insert(key(i), Translation{Port: uint16(i)}, now); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 20 {
				for i := range 50 {
					if to, ok := table.Packet(key(i), i, now.Add(time.Second)); !ok || to.Port != uint16(i) {
						t.Error(to, ok)
					}
				}
			}
		})
	}
	for range 20 {
		for i := 100; i < 150; i++ {
			if err := table.Insert(key(i), Translation{}, now); err != nil {
				t.Error(err)
			}
		}
		if err := table.Insert(key(200), Translation{}, now); !errors.Is(err, ErrFull) {
			t.Error(err)
		}
		for i := 100; i < 150; i++ {
			if !table.Remove(key(i)) {
				t.Error(i)
			}
		}
	}
	wg.Wait()
	if top := table.Top(3); len(top) != 3 || top[0].Key != key(49) || top[2].Packets != 40 {
		t.Fatal(top)
	}
	if !table.SetState(key(7), Opening, Closing) || table.SetState(key(7), Opening, Closing) {
		t.Fatal("SetState")
	}
	if n := table.Expire(now.Add(time.Millisecond)); n != 51 || table.Len() != 49 {
		t.Fatal(n, table.Len())
	}
	n := 0
	for f := range table.All() {
		if n++; f.Packets != 40 || n == 10 {
			break
		}
	}
	if n != 10 {
		t.Fatal(n)
	}
	if err := errors.Join(table.Close(ctx), dom.Close(ctx)); err != nil {
		t.Fatal(err)
	}
}
