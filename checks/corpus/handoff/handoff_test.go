package handoff

import (
	"fmt"
	"slices"
	"testing"
)

func TestPipeline(t *testing.T) {
	ctx := t.Context()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for id := range 50 {
		if err := p.SetRate(id, Rate{fmt.Sprint("customer", id), int64(100 + id)}, "owes"); err != nil {
			t.Fatal(err)
		}
	}
	batches := make([][]int, 100)
	for i := range batches {
		batches[i] = []int{i % 50, (i + 1) % 50}
	}
	batches[7] = []int{99}
	bills, failed := 0, 0
	for bill := range p.Run(ctx, 3, slices.Values(batches)) {
		bills++
		if bill.Err != nil {
			failed++
			continue
		}
		if len(bill.Lines) != 2 || bill.Total < 200 {
			t.Error(bill)
		}
		if err := p.SetRate(bills%50, Rate{fmt.Sprint("customer", bills%50), 500}, "still owes"); err != nil {
			t.Fatal(err)
		}
	}
	if bills != 100 || failed != 1 {
		t.Fatal(bills, failed)
	}
	for range p.Run(ctx, 2, slices.Values(batches)) {
		break
	}
	if err := p.SetRate(3, Rate{"cheap", 1}, "owes nothing"); err != nil {
		t.Fatal(err)
	}
	if name, err := p.Cheapest(1, 2, 3, 99); name != "cheap" || err != nil {
		t.Fatal(name, err)
	}
	if same, err := p.Same(4, 5); !same || err != nil {
		t.Fatal(same, err)
	}
	for name, change := range map[string]int64{"tea": 3, "rice": 0} {
		if left, err := p.Stock(name, change); left != change || err != nil {
			t.Fatal(left, err)
		}
	}
	prices := make(map[string]int64)
	err = p.Offers(3, func(name string, price int64) bool {
		prices[name] = price
		return true
	})
	if err != nil || prices["tea"] != 1 || prices["rice"] != 2 {
		t.Fatal(prices, err)
	}
	if left, err := p.Stock("tea", -4); left != 0 || err != nil {
		t.Fatal(left, err)
	}
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Begin(); err == nil {
		t.Fatal("closed")
	}
}
