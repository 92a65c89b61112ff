// Mvcc moves money between accounts, by transactions that read a snapshot, while others sum all
// accounts: each sum is that of one moment.
//
//	go run ./examples/mvcc -transfers 1000000
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

func main() {
	accounts := flag.Int("accounts", 1000, "how many accounts")
	transfers := flag.Int("transfers", 200_000, "how many transfers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *accounts, *transfers); err != nil {
		fmt.Fprintln(os.Stderr, "mvcc:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, accounts, transfers int) error {
	st, err := New()
	if err != nil {
		return err
	}
	err = bank(ctx, st, accounts, transfers)
	s := st.versions.Stats()
	fmt.Printf("%d versions were made, %d are in use\n", s.Gets, s.InUse)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, st.Close(end))
}

const deposit = 100

// bank makes transfers beside a goroutine that sums.
func bank(ctx context.Context, st *Store, accounts, transfers int) error {
	tx := st.Begin()
	for i := range accounts {
		tx.Set(uint64(i), Value{deposit})
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	const tellers = 2
	var g errgroup.Group
	moving, cancel := context.WithCancel(ctx)
	for range tellers {
		g.Go(func() error {
			for range transfers / tellers {
				if err := transfer(ctx, st, rand.Uint64N(uint64(accounts)), rand.Uint64N(uint64(accounts))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	var audit errgroup.Group
	audit.Go(func() error {
		for n := 1; ; n++ {
			if err := sum(st, accounts); err != nil {
				return err
			}
			if moving.Err() != nil {
				fmt.Println(n, "sums agree")
				return nil
			}
		}
	})
	err := g.Wait()
	cancel()
	return errors.Join(err, audit.Wait())
}

// transfer moves 1 from an account to another, and tries again if another transfer came first.
func transfer(ctx context.Context, st *Store, from, to uint64) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		tx := st.Begin()
		for _, move := range []struct {
			key    uint64
			amount int64
		}{{from, -1}, {to, 1}} {
			value, _, err := tx.Get(move.key)
			if err != nil {
				tx.Close()
				return err
			}
			value[0] += move.amount
			tx.Set(move.key, value)
		}
		if err := tx.Commit(); !errors.Is(err, ErrConflict) {
			return err
		}
	}
}

// sum checks the sum of all accounts, of one moment.
func sum(st *Store, accounts int) error {
	sn := st.Snapshot()
	defer sn.Close()
	total := int64(0)
	for i := range accounts {
		value, ok, err := sn.Get(uint64(i))
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("account %d is gone", i)
		}
		total += value[0]
	}
	if total != int64(accounts)*deposit {
		return fmt.Errorf("the sum is %d", total)
	}
	return nil
}
