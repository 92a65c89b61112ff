// Btree is a B+tree in a mapped file that grows while readers read it. It prints the longest wait of a
// reader and of the writer, first with a file that moves as it grows, then in a reserved range.
//
//	go run ./examples/btree -keys 200000
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gosmr/gosmr/smr"
)

func main() {
	keys := flag.Int("keys", 50_000, "how many keys to write")
	dir := flag.String("dir", "", "where to make the files (default: the system's temporary directory)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for _, o := range []Options{{}, {Reserve: 1 << 32}} {
		if err := run(ctx, *dir, o, *keys); err != nil {
			fmt.Fprintln(os.Stderr, "btree:", err)
			os.Exit(1)
		}
	}
}

func run(ctx context.Context, dir string, o Options, keys int) (err error) {
	if dir, err = os.MkdirTemp(dir, "btree"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	dom, err := smr.New(smr.Options{Name: "btree"})
	if err != nil {
		return err
	}
	db, err := Open(dom, filepath.Join(dir, "tree"), o)
	if err == nil {
		err = fill(ctx, db, keys)
		fmt.Printf("%d pages, reserved %d\n", db.file.Size()/pageSize, o.Reserve)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if db != nil {
		err = errors.Join(err, db.Close(end)) // the file before the domain
	}
	return errors.Join(err, dom.Close(end))
}

func key(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)*0x9e3779b97f4a7c15) }

// fill writes keys, 100 at a time, beside two readers.
func fill(ctx context.Context, db *DB, keys int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var readers errgroup.Group
	for range 2 {
		readers.Go(func() error { return read(ctx, db) })
	}
	longest := time.Duration(0)
	for i := 0; i < keys && ctx.Err() == nil; i += 100 {
		records := make([]Record, 0, 100)
		for j := i; j < min(i+100, keys); j++ {
			records = append(records, Record{key(j), fmt.Appendf(nil, "value %d", j)})
		}
		began := time.Now()
		if err := db.Update(records); err != nil {
			cancel()
			return errors.Join(err, readers.Wait())
		}
		longest = max(longest, time.Since(began))
	}
	err := ctx.Err() // of the program: nil, unless it was interrupted
	cancel()
	fmt.Println("longest update:", longest)
	return errors.Join(err, readers.Wait())
}

func read(ctx context.Context, db *DB) error {
	longest, n := time.Duration(0), 0
	var value []byte
	for ; ctx.Err() == nil; n++ {
		began := time.Now()
		var err error
		if value, _, err = db.Get(key(n%1000), value[:0]); err != nil {
			return err
		}
		longest = max(longest, time.Since(began))
	}
	fmt.Println("longest of", n, "reads:", longest)
	return nil
}
