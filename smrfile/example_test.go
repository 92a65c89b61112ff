package smrfile_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
)

// write makes a file in a directory of its own, and returns its path.
func write(text string) string {
	dir, err := os.MkdirTemp("", "smrfile")
	if err != nil {
		panic(err)
	}
	path := filepath.Join(dir, "data")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		panic(err)
	}
	return path
}

func Example() {
	ctx := context.Background()
	path := write("hello, readers")
	defer os.RemoveAll(filepath.Dir(path))

	f, err := smrfile.Open(smr.Default(), path, smrfile.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}

	s := f.Enter()
	b, err := f.View(s, 7, 7) // borrowed: no copy
	if err == nil {
		fmt.Printf("%s\n", b)
	}
	s.Leave() // b is not used any more

	fmt.Println(f.Close(ctx)) // waits for the readers
	fmt.Println(errors.Is(f.Close(ctx), fs.ErrClosed))
	// Output:
	// readers
	// <nil>
	// true
}

// A log that a writer appends to while readers read: Grow waits for none of them. What is written becomes
// visible by the offset that is published after it.
func ExampleFile_Grow() {
	path := write("")
	defer os.RemoveAll(filepath.Dir(path))
	f, err := smrfile.Open(smr.Default(), path, smrfile.Options{Write: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close(context.Background())

	reader := f.Enter() // however long it reads
	defer reader.Leave()
	for i := range 3 {
		at := f.Size()
		if err := f.Grow(at + 8); err != nil {
			fmt.Println(err) // the disk is full, say: the file is as it was
			return
		}
		if _, err := f.WriteAt(binary.BigEndian.AppendUint64(nil, uint64(i)), at); err != nil {
			fmt.Println(err)
			return
		}
	}
	b, _ := f.View(reader, 16, 8)
	fmt.Println(f.SizeIn(reader), binary.BigEndian.Uint64(b))
	// Output: 24 2
}

// A slow client gets the file as it is now. Nothing but the end of this file waits for it.
func ExampleFile_Hold() {
	path := write("a long answer")
	defer os.RemoveAll(filepath.Dir(path))
	f, err := smrfile.Open(smr.Default(), path, smrfile.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := f.Enter()
	h := f.Hold(s)
	s.Leave()

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	fmt.Println(errors.Is(f.Close(ctx), context.Canceled)) // the rest is done by Release
	b, _ := h.View(2, 4)
	fmt.Printf("%s\n", b)
	h.Release()
	// Output:
	// true
	// long
}

// A store whose segments are compacted: an iterator has all segments of its version, although they were
// replaced and will be removed.
func ExampleSet() {
	ctx := context.Background()
	set := smrfile.NewSet[string](smr.Default())
	dir := filepath.Dir(write(""))
	defer os.RemoveAll(dir)
	open := func(name, text string) smrfile.Entry[string] {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			panic(err)
		}
		f, err := smrfile.Open(set.Domain(), path, smrfile.Options{})
		if err != nil {
			panic(err)
		}
		return smrfile.Entry[string]{Key: name, File: f}
	}
	show := func(v smrfile.View[string]) {
		for name, f := range v.All() {
			s := f.Enter() // a short one for each step
			b, err := f.View(s, 0, int(f.SizeIn(s)))
			fmt.Printf("%s=%s %v\n", name, b, err)
			s.Leave()
		}
	}

	first := []smrfile.Entry[string]{open("1", "a"), open("2", "b"), open("3", "c")}
	fmt.Println(set.Replace(ctx, first, nil, smrfile.CloseDropped))
	s := set.Enter()
	iterator := set.Hold(s)
	s.Leave()

	compacted := []smrfile.Entry[string]{open("1+2", "ab")}
	fmt.Println(set.Replace(ctx, compacted, []string{"1", "2"}, smrfile.RemoveDropped))
	show(iterator.View)
	iterator.Release()

	s = set.Enter()
	show(set.Load(s))
	s.Leave()
	fmt.Println(set.Close(ctx))
	// Output:
	// <nil>
	// <nil>
	// 1=a <nil>
	// 2=b <nil>
	// 3=c <nil>
	// 1+2=ab <nil>
	// 3=c <nil>
	// <nil>
}
