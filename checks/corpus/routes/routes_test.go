package routes

import (
	"net/netip"
	"sync"
	"testing"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

func TestTable(t *testing.T) {
	ctx := t.Context()
	dom, err := smr.New(smr.Options{Name: "routes"})
	if err != nil {
		t.Fatal(err)
	}
	table, err := New(dom, slab.NewBudget(16<<20))
	if err != nil {
		t.Fatal(err)
	}
	add := func(prefix string, ifc uint16) {
		t.Helper()
		if err := table.Add(netip.MustParsePrefix(prefix), Hop{Interface: ifc, Metric: 1}); err != nil {
			t.Fatal(err)
		}
	}
	add("0.0.0.0/0", 1)
	add("10.0.0.0/8", 2)
	add("10.1.0.0/16", 3)
	addr := netip.MustParseAddr("10.1.2.3")
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			r := dom.NewReader()
			defer r.Close()
			out := make([]Hop, 2)
			for range 100 {
				if h, ok := table.Lookup(addr); !ok || h.Interface < 3 {
					t.Error(h, ok)
				}
				if n := table.LookupAll(r, []netip.Addr{addr, netip.MustParseAddr("8.8.8.8")}, out); n != 0 {
					t.Error(n)
				}
			}
		})
	}
	for i := range 50 {
		add("10.1.2.0/24", uint16(4+i))
		add("10.1.2.3/32", 4)
		table.Remove(netip.MustParsePrefix("10.1.2.3/32"))
		if i%2 == 0 {
			table.Remove(netip.MustParsePrefix("10.1.2.0/24"))
		}
	}
	wg.Wait()
	if p := table.Via(3); len(p) != 1 || p[0].String() != "10.1.0.0/16" {
		t.Fatal(p)
	}
	if table.Len() != 4 || table.Remove(netip.MustParsePrefix("11.0.0.0/8")) {
		t.Fatal(table.Len())
	}
	var sent string
	if err := table.Forward(addr, func(h *Hop) error { sent = h.String(); return nil }); err != nil || sent == "" {
		t.Fatal(err)
	}
	if err := table.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := dom.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
