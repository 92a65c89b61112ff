package which

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

type Table struct{ rows int }

var unmapped, closed atomic.Int32

func (*Table) Size() int { return 8 }
func (*Table) Unmap()    { unmapped.Add(1) }

type Node struct{ key uint64 }

func closeAll([]int) { closed.Add(1) }

func Run() {
	ctx, size, files := context.Background(), 8, []int{1}
	dom, _ := smr.New(smr.Options{})
	pool := slab.New[Node](dom, slab.Options{})
	draft, _ := pool.Get()
	node, _ := pool.Get()
	table, index := &Table{rows: 1}, &Table{rows: 2}
	var current smr.Pointer[Table]
	current.Init(&Table{rows: 3})
	users, _ := smrmap.NewBytes(smrmap.Options{Domain: dom})
	key := []byte("ann")
	users.Store(key, key)

	// block 1

	if err == nil && ok && closed.Load() == 1 {
		fmt.Println(unmapped.Load(), "tables unmapped, files closed")
	}
}

// Output:
// 2 tables unmapped, files closed
