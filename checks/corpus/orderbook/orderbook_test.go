package orderbook

import (
	"errors"
	"sync"
	"testing"

	"github.com/gosmr/gosmr/smr"
)

func TestBook(t *testing.T) {
	ctx := t.Context()
	dom, err := smr.New(smr.Options{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(dom)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := b.Quote(); ok {
		t.Fatal("a quote of an empty book")
	}
	place := func(id uint64, side Side, price, size int64) []Trade {
		t.Helper()
		trades, err := b.Place(id, uint32(id%3), side, price, size)
		if err != nil {
			t.Fatal(err)
		}
		return trades
	}
	place(1, Sell, 101, 10)
	place(2, Sell, 103, 10)
	place(3, Buy, 99, 10)
	place(4, Sell, 101, 5)
	if cost, ok := b.Cost(Buy, 20); cost != 15*101+5*103 || !ok {
		t.Fatal(cost, ok)
	}
	if tr := place(5, Buy, 101, 12); len(tr) != 2 || tr[0] != (Trade{1, 5, 101, 10}) || tr[1].Size != 2 {
		t.Fatal(tr)
	}
	if q, ok := b.Quote(); !ok || q.Offer != 101 || q.OffSize != 3 || q.Bid != 99 || q.LastTrade != 2 {
		t.Fatal(q)
	}
	if left, err := b.Cancel(4, 1); left != 3 || err != nil {
		t.Fatal(left, err)
	}
	if _, err := b.Cancel(2, 0); err == nil {
		t.Fatal("cancelled another's order")
	}

	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			seq := uint64(0)
			for {
				select {
				case <-stop:
					return
				default:
				}
				q, ok := b.Quote()
				if !ok || q.Seq < seq || q.Bid >= q.Offer {
					t.Error(q, ok)
				}
				seq = q.Seq
				b.Mine(1)
				b.Cost(Sell, 5)
			}
		})
	}
	for i := range uint64(150) {
		id := 100 + 2*i
		place(id, Buy, int64(95+i%5), 3)
		place(id+1, Sell, int64(97+i%4), 3)
	}
	close(stop)
	wg.Wait()
	if _, err := b.Place(2, 0, Buy, 0, 1); err == nil {
		t.Fatal("no price")
	}
	if err := errors.Join(b.Close(ctx), dom.Close(ctx)); err != nil {
		t.Fatal(err)
	}
}
