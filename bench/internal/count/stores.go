package count

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// A Writes is what one operation stores outside of its goroutine's stack: to memory that other
// processors may have in their caches.
type Writes struct {
	Stores float64
	Lines  int // cache lines to which every operation, or every second one, stores
}

// Stores returns what one operation stores. The program is bench/counted: before the operations it
// prints the addresses of a word of the stack, and of one to which it stores at their beginning and end.
//
// It runs under valgrind's lackey, which writes down each access of the whole program: what another
// thread stores meanwhile counts as well.
func Stores(ctx context.Context, program string, args ...string) (w Writes, err error) {
	if err := Available(); err != nil {
		return w, err
	}
	dir, err := os.MkdirTemp("", "count")
	if err != nil {
		return w, err
	}
	defer os.RemoveAll(dir)
	trace := filepath.Join(dir, "trace")
	args = append([]string{"--tool=lackey", "--trace-mem=yes", "--log-file=" + trace, program}, args...)
	cmd := exec.CommandContext(ctx, "valgrind", append(args, strconv.Itoa(fewOps))...)
	cmd.Env = environment()
	out, err := cmd.Output()
	if err != nil {
		return w, err
	}
	var stack, mark uint64
	if _, err := fmt.Sscanf(string(out), "stack %v mark %v", &stack, &mark); err != nil {
		return w, fmt.Errorf("%s printed %q: %w", program, out, err)
	}
	lines, err := storesBetween(trace, mark, stack)
	for _, n := range lines {
		w.Stores += float64(n) / fewOps
		if n >= fewOps/2 {
			w.Lines++
		}
	}
	return w, err
}

// framesBelow and framesAbove say how far from the word the frames of the operations are.
const framesBelow, framesAbove = 4096, 1024

const cacheLine = 64

// storesBetween counts the stores to each cache line between the first two to mark, but for those to the
// stack.
func storesBetween(trace string, mark, stack uint64) (map[uint64]int, error) {
	f, err := os.Open(trace)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines, marks := make(map[uint64]int), 0
	for s := bufio.NewScanner(f); s.Scan(); {
		// " S 04222c4,8" is a store, " M ..." one to what the instruction has loaded.
		line := s.Bytes()
		if len(line) < 4 || line[0] != ' ' || line[1] != 'S' && line[1] != 'M' {
			continue
		}
		hex, _, _ := bytes.Cut(line[3:], []byte(","))
		address, err := strconv.ParseUint(string(hex), 16, 64)
		switch {
		case err != nil:
			return nil, fmt.Errorf("lackey wrote %q", line)
		case address == mark:
			if marks++; marks == 2 {
				return lines, nil
			}
		case marks == 1 && (address < stack-framesBelow || address >= stack+framesAbove):
			lines[address/cacheLine]++
		}
	}
	return nil, fmt.Errorf("%d stores to the mark", marks)
}
