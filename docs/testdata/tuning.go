package tuning

import (
	"context"
	"fmt"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

func Run() {
	ctx := context.Background()
	dom, err := smr.New(smr.Options{})
	if err != nil {
		panic(err)
	}
	budget := slab.NewBudget(4 << 20)
	cache, err := smrmap.NewBytes(smrmap.Options{Domain: dom, Budget: budget})
	if err != nil {
		panic(err)
	}
	value := make([]byte, 1000)
	for i := range 10_000 {
		if err := cache.StoreEvicting(ctx, fmt.Appendf(nil, "key %d", i), smrmap.Item{Value: value}); err != nil {
			panic(err)
		}
	}
	const limit = 2 << 20
	fmt.Println(budget.Used() > limit)

	// block 1

	fmt.Println(budget.Used() > limit)
	fmt.Println(cache.Close(ctx), dom.Close(ctx))
}

// Output:
// true
// false
// <nil> <nil>
