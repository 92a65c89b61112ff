// Segments is a log-structured store: writes make sorted files, a compaction merges them into one, and
// iterators read the files of when they began, for as long as they like.
//
//	go run ./examples/segments -keys 100000
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gosmr/gosmr/smr"
)

func main() {
	dir := flag.String("dir", "", "the store's directory (default: a new one, removed at the end)")
	keys := flag.Int("keys", 20_000, "how many keys to write")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *dir, *keys); err != nil {
		fmt.Fprintln(os.Stderr, "segments:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string, keys int) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "segments"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	dom, err := smr.New(smr.Options{Name: "segments"})
	if err != nil {
		return err
	}
	st, err := Open(ctx, dom, dir)
	if err == nil {
		err = demonstrate(ctx, st, keys)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if st != nil {
		err = errors.Join(err, st.Close(end))
	}
	return errors.Join(err, dom.Close(end))
}

// demonstrate writes and compacts while an iterator stays where it is.
func demonstrate(ctx context.Context, st *Store, keys int) error {
	if err := st.Write(ctx, map[string][]byte{"first": []byte("1")}); err != nil {
		return err
	}
	it, err := st.NewIterator("")
	if err != nil {
		return err
	}
	const batches = 10
	for batch := range batches {
		records := make(map[string][]byte)
		for i := batch; i < keys; i += batches {
			records[fmt.Sprintf("key-%08d", i)] = fmt.Appendf(nil, "value %d of batch %d", i, batch)
		}
		if err := errors.Join(st.Write(ctx, records), st.Compact(ctx)); err != nil {
			it.Close()
			return err
		}
	}
	old := 0
	for it.Next() {
		old++
	}
	fmt.Println(old, "key for the iterator that began first;", st.set.Waiting(), "bytes wait for it")
	it.Close()
	if it.Err() != nil {
		return it.Err()
	}
	n := 0
	for _, err := range st.All("") {
		if err != nil {
			return err
		}
		n++
	}
	fmt.Println(n, "keys for one that begins now")
	return nil
}
