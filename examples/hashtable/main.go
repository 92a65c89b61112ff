// Hashtable looks hosts up in a hash table that grows and shrinks under its readers, of which none waits
// and none misses a host that stays.
//
//	go run ./examples/hashtable -hosts 100000
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

	"golang.org/x/sync/errgroup"

	"github.com/gosmr/gosmr/smr"
)

func main() {
	hosts := flag.Int("hosts", 20_000, "how many hosts come and go")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *hosts); err != nil {
		fmt.Fprintln(os.Stderr, "hashtable:", err)
		os.Exit(1)
	}
}

// A host owns what the collector does not free, such as a connection.
type host struct {
	name   string
	closed bool // plain: -race finds a reader beside the one that closes
}

func run(ctx context.Context, hosts int) error {
	dom, err := smr.New(smr.Options{Name: "hosts"})
	if err != nil {
		return err
	}
	table := NewTable[string](dom, func(h **host) { (*h).closed = true })
	err = comeAndGo(ctx, dom, table, hosts)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, dom.Close(end)) // all that was deleted is closed then
}

const staying = 100 // hosts that stay, and are looked up

func name(i int) string { return fmt.Sprintf("host-%d", i) }

func comeAndGo(ctx context.Context, dom *smr.Domain, table *Table[string, *host], hosts int) error {
	for i := range staying {
		if err := table.Set(ctx, name(i), &host{name: name(i)}); err != nil {
			return err
		}
	}
	reading, cancel := context.WithCancel(ctx)
	var readers errgroup.Group
	for range 2 {
		readers.Go(func() error {
			n := 0
			for ; reading.Err() == nil; n++ {
				if err := lookUp(dom, table, name(n%staying)); err != nil {
					return err
				}
			}
			fmt.Println(n, "lookups")
			return nil
		})
	}
	err := write(ctx, table, hosts)
	cancel()
	return errors.Join(err, readers.Wait())
}

// write has the table grow, replaces hosts that are looked up, and has it shrink.
func write(ctx context.Context, table *Table[string, *host], hosts int) error {
	for i := range hosts {
		for _, key := range []string{name(staying + i), name(i % staying)} {
			if err := table.Set(ctx, key, &host{name: key}); err != nil {
				return err
			}
		}
	}
	for i := range hosts {
		if ok, err := table.Delete(ctx, name(staying+i)); err != nil || !ok {
			return errors.Join(err, fmt.Errorf("%s deleted: %v", name(staying+i), ok))
		}
	}
	return nil
}

func lookUp(dom *smr.Domain, table *Table[string, *host], name string) error {
	s, ok := dom.TryEnter()
	if !ok {
		return smr.ErrClosed
	}
	defer s.Leave()
	h := table.Get(s, name)
	switch {
	case h == nil:
		return fmt.Errorf("%s is missed", name)
	case (*h).name != name || (*h).closed:
		return fmt.Errorf("%s is closed", name)
	}
	return nil
}
