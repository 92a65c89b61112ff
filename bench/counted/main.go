// Command counted executes operations for package count to count:
//
//	counted list
//	counted instructions PATH N
//	counted stores PATH N          prints where its stack and its mark are
//
// as bench/peers/README.md says. It executes the operation PATH N times on one goroutine,
// in countedLoop; what happens only once has happened before.
//
// Of a reader NAME, there is a path NAME, its section with nothing in it, and NAME+load,
// the same with one load of the shared pointer and a read of a field of what it points to.
// What else NAME does is a path NAME+OPERATION.
package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"unsafe"

	"github.com/gosmr/gosmr/bench/internal/family"
)

// A path is an operation. Its loop is written out for each, so that between two operations
// is nothing but the loop.
type path struct {
	name string
	make func() (loop func(n int), err error)
}

// The lists are kept from being inlined here: the copies of their loops would call what
// the originals have inlined.
var paths = slices.Concat(floors(), readers(), calls(), walks(), maps())

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "counted:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 1 && args[0] == "list" {
		for _, p := range paths {
			fmt.Println(family.Instructions, p.name)
		}
		return nil
	}
	if len(args) != 3 || args[0] != family.Instructions && args[0] != stores {
		return fmt.Errorf("usage: counted list | %s PATH N | %s PATH N", family.Instructions, stores)
	}
	n, err := strconv.Atoi(args[2])
	if err != nil || n < 1 {
		return fmt.Errorf("not a positive number: %q", args[2])
	}
	for _, p := range paths {
		if p.name == args[1] {
			loop, err := p.make()
			if err != nil {
				return err
			}
			warm(loop, n)
			var frame byte
			if args[0] == stores {
				fmt.Printf("stack %#x mark %#x\n", uintptr(unsafe.Pointer(&frame)), uintptr(unsafe.Pointer(&mark)))
			}
			runtime.Gosched() // the next preemption is 10 ms away
			mark.Store(1)
			countedLoop(loop, n)
			mark.Store(2)
			return nil
		}
	}
	return fmt.Errorf("no path %q", args[1])
}

// stores asks for what count.Stores needs to know.
const stores = "stores"

// mark is written to before and after countedLoop, for count.Stores, and nowhere else.
var mark atomic.Int32

// countedLoop is looked for by its name.
//
//go:noinline
func countedLoop(loop func(int), n int) { loop(n) }

// warm is countedLoop, uncounted, so that the stack is deep enough.
//
//go:noinline
func warm(loop func(int), n int) { loop(n) }

//lint:ignore U1000 what is stored there is not optimized away
var sink uint64
