// Command bench measures this library's map beside others, on the same work, in one run.
//
//	go run ./bench [-sizes 1000,1000000] [-procs 1,2] [-reps 5] [-run load] [-seed 1]
//
// Peers take turns, repetition by repetition, each alone in memory, so that the drift of
// the machine and the work of the collector hit all alike. What is printed are medians,
// and what the smrmap.Map takes of the time of each peer: below 1, it is the faster one.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	sizes := ints{1000, 1_000_000}
	procs := ints{1, runtime.NumCPU()}
	flag.Var(&sizes, "sizes", "entries, separated by commas")
	flag.Var(&procs, "procs", "processors")
	reps := flag.Int("reps", 5, "repetitions of each measurement")
	only := flag.String("run", "", "measure only what matches this `regexp`, such as 'load|gc'")
	peersOnly := flag.String("peers", "", "and only peers that match this `regexp`")
	seed := flag.Uint64("seed", 1, "of the keys")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	want, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	wantPeer, err := regexp.Compile(*peersOnly)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %s/%s, %d processors\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	for _, n := range sizes {
		r := newResults()
		for rep := range *reps {
			for _, p := range peers {
				if wantPeer.MatchString(p.name) {
					fmt.Fprintf(os.Stderr, "\r%d entries, repetition %d of %d: %-20s", n, rep+1, *reps, p.name)
					measure(r, p, n, procs, want, *seed)
				}
			}
		}
		fmt.Fprint(os.Stderr, "\r\033[K")
		r.print(n)
	}
	return nil
}

// results holds what was measured, by measurement and peer, in the order of coming.
type results struct {
	names  []string
	values map[string]map[string][]float64
}

func newResults() *results { return &results{values: make(map[string]map[string][]float64)} }

func (r *results) add(name, peer string, value float64) {
	if r.values[name] == nil {
		r.names = append(r.names, name)
		r.values[name] = make(map[string][]float64)
	}
	r.values[name][peer] = append(r.values[name][peer], value)
}

func (r *results) print(n int) {
	if len(r.names) == 0 {
		return
	}
	var measured []string // peers
	for _, p := range peers {
		if len(r.values[r.names[0]][p.name]) > 0 {
			measured = append(measured, p.name)
		}
	}
	fmt.Printf("\n%d entries of 8 and 32 bytes: medians, and ours / theirs\n\n| ", n)
	for _, peer := range measured {
		fmt.Printf("| %s ", peer)
	}
	fmt.Printf("|\n|---%s|\n", strings.Repeat("|---", len(measured)))
	for _, name := range r.names {
		fmt.Printf("| %s ", name)
		for _, peer := range measured {
			v := median(r.values[name][peer])
			fmt.Printf("| %.4g ", v)
			if ours := r.values[name][peers[0].name]; peer != peers[0].name && len(ours) > 0 {
				fmt.Printf("(%.2f) ", median(ours)/v)
			}
		}
		fmt.Println("|")
	}
}

func median[T cmp.Ordered](v []T) (none T) {
	if len(v) == 0 {
		return none
	}
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// ints is a flag of numbers, separated by commas.
type ints []int

func (l *ints) String() string { return fmt.Sprint([]int(*l)) }

func (l *ints) Set(s string) error {
	*l = nil
	for f := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(f)
		if err != nil || n < 1 {
			return fmt.Errorf("not a positive number: %q", f)
		}
		*l = append(*l, n)
	}
	slices.Sort(*l)
	*l = slices.Compact(*l)
	return nil
}
