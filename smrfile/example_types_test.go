package smrfile_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
)

// A file with addresses for all that it will grow to: views of before and after are of the same memory.
func ExampleOptions() {
	path := write("one")
	defer os.RemoveAll(filepath.Dir(path))
	f, err := smrfile.Open(smr.Default(), path, smrfile.Options{Write: true, Reserve: 1 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close(context.Background())
	fmt.Println(f.Grow(6), f.Size())
	fmt.Println(errors.Is(f.Grow(2<<20), smrfile.ErrRange))
	// Output:
	// <nil> 6
	// true
}

// An index is read here and there, and its log from its start to its end.
func ExampleAdvice() {
	path := write("an index, and then a log")
	defer os.RemoveAll(filepath.Dir(path))
	f, err := smrfile.Open(smr.Default(), path, smrfile.Options{Advice: smrfile.Random})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close(context.Background())
	fmt.Println(f.Advise(19, 5, smrfile.WillNeed))
	// Output: <nil>
}

// In production the addresses of some mappings that ended are kept for a while: what still uses them
// faults, and does not read another file.
func ExampleQuarantine() {
	path := write("a segment")
	defer os.RemoveAll(filepath.Dir(path))
	f, err := smrfile.Open(smr.Default(), path, smrfile.Options{
		Quarantine: smrfile.Quarantine{OneIn: 100},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Close(context.Background()))
	// Output: <nil>
}

// A view has the files of one moment, by key or in their order.
func ExampleView() {
	path := write("a segment")
	defer os.RemoveAll(filepath.Dir(path))
	set := smrfile.NewSet[int](smr.Default())
	f, err := smrfile.Open(set.Domain(), path, smrfile.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	add := []smrfile.Entry[int]{{Key: 7, File: f}}
	if err := set.Replace(context.Background(), add, nil, smrfile.CloseDropped); err != nil {
		fmt.Println(err)
		return
	}
	s := set.Enter()
	v := set.Load(s)
	b, err := v.File(7).View(s, 2, 7)
	fmt.Printf("%d %s %v\n", v.Len(), b, err)
	fmt.Println(v.File(8) == nil)
	s.Leave()
	fmt.Println(set.Close(context.Background()))
	// Output:
	// 1 segment <nil>
	// true
	// <nil>
}
