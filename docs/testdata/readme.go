package readme

import (
	"bytes"
	"fmt"
	"os"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

type Table struct{ rows int }

func (t *Table) Size() int { return 8 }
func (t *Table) Unmap()    {}

type Row struct{ Price int }

type Node struct{ key uint64 }

func use(*Table) {}

func Run() {
	var (
		first     = &Table{1}
		fresh     = &Table{2}
		key, body = []byte("key"), []byte("body\n")
		at        = int64(1) << 60
		conn      = os.Stdout
	)

	// block 1

	// block 2

	if err != nil || !ok || row.Price != 995 || n != len(body) {
		fmt.Println(err, ok, row, n)
	}
}

// Output:
// body
