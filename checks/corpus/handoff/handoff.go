// Package handoff is a pipeline in which a batch of work passes from goroutine to goroutine, together
// with the section that protects what it has borrowed.
package handoff

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// A Rate is what a customer pays.
type Rate struct {
	Customer string
	Cents    int64
}

// A Product is what is sold. Its sheet is off the Go heap, in the map of sheets.
type Product struct {
	Name  string
	Stock int64
}

// A batch is work with what it has borrowed. Who has the batch owns its section, and passes both on.
type batch struct {
	n     int
	s     smr.Section
	rates []*Rate
	texts [][]byte
	err   error
}

// end leaves the batch's section. The batch is not to be used any more.
func (b *batch) end() {
	b.rates, b.texts = nil, nil
	b.s.Leave()
}

// A Pipeline prints bills.
type Pipeline struct {
	dom   *smr.Domain
	rates *smrmap.Map[int, Rate]
	texts *smrmap.Bytes
	stock *Warehouse
}

// New returns a pipeline without rates.
func New() (*Pipeline, error) {
	dom, err := smr.New(smr.Options{Name: "pipeline"})
	if err != nil {
		return nil, err
	}
	p := &Pipeline{dom: dom}
	if p.rates, err = smrmap.New[int, Rate](smrmap.Options{Domain: dom}); err != nil {
		return nil, errors.Join(err, p.Close(context.Background()))
	}
	if p.texts, err = smrmap.NewBytes(smrmap.Options{Domain: dom}); err != nil {
		return nil, errors.Join(err, p.Close(context.Background()))
	}
	if p.stock, err = NewWarehouse(); err != nil {
		return nil, errors.Join(err, p.Close(context.Background()))
	}
	return p, nil
}

// SetRate sets the rate of a customer, and the text of his bill.
func (p *Pipeline) SetRate(id int, r Rate, text string) error {
	return errors.Join(p.rates.Store(id, r), p.texts.Store(fmt.Append(nil, id), []byte(text)))
}

// collect opens a section for a batch and borrows what it needs.
func (p *Pipeline) collect(n int, ids []int) (*batch, error) {
	s, ok := p.dom.TryEnter()
	if !ok {
		return nil, smr.ErrClosed
	}
	b := &batch{n: n, s: s}
	for _, id := range ids {
		r, ok := p.rates.LoadIn(s, id)
		if !ok {
			b.err = fmt.Errorf("handoff: no customer %d", id)
			break
		}
		text, ok := p.texts.LoadIn(s, fmt.Append(nil, id))
		if !ok {
			b.err = fmt.Errorf("handoff: no text for customer %d", id)
			break
		}
		b.rates = append(b.rates, r)
		b.texts = append(b.texts, text.Value)
	}
	return b, nil
}

// A Bill is a line for each customer of a batch.
type Bill struct {
	Batch int
	Lines []string
	Total int64
	Err   error
}

// bill makes a bill of a batch, and ends that.
func (b *batch) bill() Bill {
	defer b.end()
	bill := Bill{Batch: b.n, Err: b.err}
	if b.err != nil {
		return bill
	}
	for i, r := range b.rates {
		bill.Lines = append(bill.Lines, fmt.Sprintf("%s: %s %d", r.Customer, b.texts[i], r.Cents))
		bill.Total += r.Cents
	}
	return bill
}

// Run makes bills of batches: one goroutine collects, some make bills. Bills come in any order.
func (p *Pipeline) Run(ctx context.Context, workers int, batches iter.Seq[[]int]) iter.Seq[Bill] {
	return func(yield func(Bill) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		todo := make(chan *batch)
		done := make(chan Bill)
		var wg sync.WaitGroup
		wg.Go(func() {
			defer close(todo)
			n := 0
			for ids := range batches {
				b, err := p.collect(n, ids)
				if err != nil {
					return
				}
				n++
				select {
				case todo <- b: // the section goes with it
				case <-ctx.Done():
					b.end()
					return
				}
			}
		})
		for range workers {
			wg.Go(func() {
				for b := range todo {
					bill := b.bill()
					select {
					case done <- bill:
					case <-ctx.Done(): // bills are copies: nothing is lost but the bill
					}
				}
			})
		}
		go func() {
			wg.Wait()
			close(done)
		}()
		for bill := range done {
			if !yield(bill) {
				cancel()
				for range done { // until all sections are left
				}
				return
			}
		}
	}
}

// A Warehouse has products, of a domain of its own.
type Warehouse struct {
	dom      *smr.Domain
	products *smrmap.Map[string, Product]
}

// NewWarehouse returns an empty warehouse.
func NewWarehouse() (*Warehouse, error) {
	dom, err := smr.New(smr.Options{Name: "warehouse"})
	if err != nil {
		return nil, err
	}
	products, err := smrmap.New[string, Product](smrmap.Options{Domain: dom})
	if err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	return &Warehouse{dom, products}, nil
}

// An Offer is a customer with a product. It borrows from both domains.
type offer struct {
	rate    *Rate
	product *Product
}

func (o offer) price() int64 {
	if o.product.Stock == 0 {
		return 2 * o.rate.Cents
	}
	return o.rate.Cents
}

// Offers calls fn with the price of each product for a customer, until fn returns false.
func (p *Pipeline) Offers(id int, fn func(product string, price int64) bool) error {
	rs, ok := p.dom.TryEnter()
	if !ok {
		return smr.ErrClosed
	}
	defer rs.Leave()
	rate, ok := p.rates.LoadIn(rs, id)
	if !ok {
		return fmt.Errorf("handoff: no customer %d", id)
	}
	ws := p.stock.products.Enter() // a section protects what belongs to its domain
	defer ws.Leave()
	for name := range p.stock.products.Keys() {
		product, ok := p.stock.products.LoadIn(ws, name)
		if !ok {
			continue // sold out meanwhile
		}
		if !fn(name, offer{rate, product}.price()) {
			return nil
		}
	}
	return nil
}

// Stock changes how many there are of a product, and drops it when there is none.
func (p *Pipeline) Stock(name string, change int64) (left int64, err error) {
	product, ok, err := p.stock.products.Compute(name, func(old Product, loaded bool) (Product, smrmap.Op) {
		if !loaded {
			old.Name = name
		}
		old.Stock += change
		if old.Stock < 0 {
			return old, smrmap.DeleteOp
		}
		return old, smrmap.UpdateOp
	})
	if err != nil || !ok {
		return 0, err
	}
	return product.Stock, nil
}

// A Tx reads several things as of one section. It is for one goroutine at a time.
type Tx struct {
	p    *Pipeline
	s    smr.Section
	read int
}

// Begin returns a Tx, to be ended.
func (p *Pipeline) Begin() (*Tx, error) {
	s, ok := p.dom.TryEnter()
	if !ok {
		return nil, smr.ErrClosed
	}
	return &Tx{p: p, s: s}, nil
}

// Rate returns a rate, borrowed until End.
func (tx *Tx) Rate(id int) (*Rate, bool) {
	tx.read++
	return tx.p.rates.LoadIn(tx.s, id)
}

// Text returns a text, borrowed until End.
func (tx *Tx) Text(id int) []byte {
	tx.read++
	it, _ := tx.p.texts.LoadIn(tx.s, fmt.Append(nil, id))
	return it.Value
}

// End ends the Tx. A second call does nothing.
func (tx *Tx) End() {
	if tx.s.Active() {
		tx.s.Leave()
	}
	tx.s = smr.Section{}
}

// Cheapest returns the customer with the lowest rate.
func (p *Pipeline) Cheapest(ids ...int) (name string, err error) {
	tx, err := p.Begin()
	if err != nil {
		return "", err
	}
	defer tx.End()
	var best *Rate
	for _, id := range ids {
		r, ok := tx.Rate(id)
		if !ok {
			continue
		}
		if best == nil || r.Cents < best.Cents {
			best = r
		}
	}
	if best == nil {
		return "", errors.New("handoff: no such customers")
	}
	return best.Customer, nil
}

// Same reports whether two customers have the same text.
func (p *Pipeline) Same(a, b int) (same bool, err error) {
	tx, err := p.Begin()
	if err != nil {
		return false, err
	}
	x, y := tx.Text(a), tx.Text(b)
	same = x != nil && string(x) == string(y)
	tx.End()
	return same, nil
}

// Close ends the pipeline, of which no Run goes on.
func (p *Pipeline) Close(ctx context.Context) error {
	var errs []error
	if p.rates != nil {
		errs = append(errs, p.rates.Close(ctx))
	}
	if p.texts != nil {
		errs = append(errs, p.texts.Close(ctx))
	}
	if p.stock != nil {
		errs = append(errs, p.stock.products.Close(ctx), p.stock.dom.Close(ctx))
	}
	return errors.Join(append(errs, p.dom.Close(ctx))...)
}
