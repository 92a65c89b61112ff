// Workers is a pool of event loops with state of their own. They share rates, at the cost of a load,
// and stop together for a sum that is of one moment.
//
//	go run ./examples/workers -events 1000000
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func main() {
	workers := flag.Int("workers", runtime.GOMAXPROCS(0), "how many event loops")
	events := flag.Int("events", 1_000_000, "how many events to send")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *workers, *events); err != nil {
		fmt.Fprintln(os.Stderr, "workers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, workers, events int) error {
	freed := func(r *Rates) { fmt.Println("rates", r.Version, "are freed") }
	p, err := NewPool(workers, &Rates{1, 100, freed})
	if err != nil {
		return err
	}
	err = send(ctx, p, events, freed)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, p.Close(end))
}

// send sends events, in pairs whose sum is 0, and prints totals now and then.
func send(ctx context.Context, p *Pool, events int, freed func(*Rates)) error {
	step := max(events/4, 2)
	for i := 0; i < events; i += 2 {
		key := uint64(i) * 0x9e3779b97f4a7c15 >> 32
		if err := errors.Join(p.Send(ctx, Event{key, 100}), p.Send(ctx, Event{key + 1, -100})); err != nil {
			return err
		}
		if i%step != 0 {
			continue
		}
		if err := p.SetRates(&Rates{2 + i/step, int64(100 + i/step), freed}); err != nil {
			return err
		}
		began := time.Now()
		total, err := p.Total(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%+v; the stop took %v\n", total, time.Since(began))
	}
	return nil
}
