// Command worker measures what is written in Go: one peer, in one family, at one
// parameter, once. bench/peers/README.md says how it is asked and what it answers.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

// A job is what is asked for. In a build of the portable path our peers have that in
// their names, and the others are not offered again.
type job struct {
	param int
	procs int
	for_  time.Duration
	seed  uint64
}

type values map[string]float64

// An entry is one pair of a family and a peer that this program has.
type entry struct {
	family, peer string
	measure      func(job) (values, error)
}

var entries []entry

// errParam is for a parameter that a peer can't be measured at.
var errParam = errors.New("not at this parameter")

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		if errors.Is(err, errParam) {
			os.Exit(3)
		}
		os.Exit(1)
	}
}

func run(args []string) error {
	for _, list := range []func() []entry{floors, readers, calls, waits, scans, lists, maps, byteMaps, collections, stops, files, growing} {
		entries = append(entries, list()...)
	}
	if len(args) == 1 && args[0] == "list" {
		for _, e := range entries {
			fmt.Println(e.family, e.peer)
		}
		return nil
	}
	if len(args) != 6 {
		return errors.New("usage: worker list | FAMILY PEER PARAM PROCS MILLISECONDS SEED")
	}
	var n [4]int
	for i := range n {
		var err error
		if n[i], err = strconv.Atoi(args[2+i]); err != nil || n[i] < 0 {
			return fmt.Errorf("not a number: %q", args[2+i])
		}
	}
	j := job{param: n[0], procs: max(n[1], 1), for_: time.Duration(n[2]) * time.Millisecond, seed: uint64(n[3])}
	runtime.GOMAXPROCS(j.procs)
	for _, e := range entries {
		if e.family == args[0] && e.peer == args[1] {
			v, err := e.measure(j)
			if err != nil {
				return fmt.Errorf("%s of %s at %d: %w", args[0], args[1], j.param, err)
			}
			return json.NewEncoder(os.Stdout).Encode(v)
		}
	}
	return fmt.Errorf("no %s of %s here: %w", args[0], args[1], errParam)
}
