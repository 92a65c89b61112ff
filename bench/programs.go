package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gosmr/gosmr/bench/internal/run"
)

// A program measures peers: see peers/README.md.
type program struct {
	name  string
	peers string // for people
	needs string // Debian packages
	build func(ctx context.Context, source, out string) error
}

// programs are all there are. source is the directory of this module.
var programs = []program{
	{"worker", "everything in Go", "", goBuild("./worker")},
	{"worker-portable", "this library without its fast path", "", goBuild("-tags", "smr_portable", "./worker")},
	{"counted", "instructions of what is in Go", "", goBuild("./counted")},
	{"urcu-memb", "liburcu, memb", "gcc libc6-dev liburcu-dev", gcc("urcu.c", "-DURCU_MEMB", "-lurcu-memb", "-lurcu-cds")},
	{"urcu-qsbr", "liburcu, qsbr", "gcc libc6-dev liburcu-dev", gcc("urcu.c", "-DURCU_QSBR", "-lurcu-qsbr", "-lurcu-cds")},
	{"urcu-bp", "liburcu, bp", "gcc libc6-dev liburcu-dev", gcc("urcu.c", "-DURCU_BP", "-lurcu-bp", "-lurcu-cds")},
	{"urcu-mb", "liburcu, mb", "gcc libc6-dev liburcu-dev", gcc("urcu.c", "-DURCU_MB", "-lurcu-mb", "-lurcu-cds")},
	{"ck", "Concurrency Kit", "gcc libc6-dev libck-dev", gcc("ck.c", "-lck")},
	{"plain", "pthreads, and floors in C", "gcc libc6-dev", gcc("plain.c")},
	{"crossbeam", "crossbeam-epoch, and Rust's own", "librust-crossbeam-epoch-dev cargo", cargo},
}

func goBuild(args ...string) func(context.Context, string, string) error {
	return func(ctx context.Context, source, out string) error {
		return command(ctx, source, nil, "go", append([]string{"build", "-o", out}, args...)...)
	}
}

func gcc(file string, args ...string) func(context.Context, string, string) error {
	return func(ctx context.Context, source, out string) error {
		all := []string{"-O2", "-g", "-pthread", "-o", out, filepath.Join("peers", file), filepath.Join("peers", "bench.c")}
		return command(ctx, source, nil, "gcc", append(append(all, args...), "-lm")...)
	}
}

// cargo builds with what Debian's packages of crates have, without a network.
func cargo(ctx context.Context, source, out string) error {
	target := out + ".target"
	err := command(ctx, filepath.Join(source, "peers", "crossbeam"), []string{"CARGO_TARGET_DIR=" + target},
		"cargo", "build", "--release", "--offline", "--quiet",
		"--config", `source.crates-io.replace-with="debian"`,
		"--config", `source.debian.directory="/usr/share/cargo/registry"`)
	if err != nil {
		return err
	}
	return os.Rename(filepath.Join(target, "release", "crossbeam"), out)
}

// command runs what builds something; its error says what it printed.
func command(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		if text := strings.TrimSpace(string(out)); text != "" {
			line, _, _ := strings.Cut(text, "\n")
			return fmt.Errorf("%s: %w: %s", name, err, line)
		}
		return err
	}
	return nil
}

// A peer is one that a program can measure in a family.
type peer struct {
	name    string
	program string // path
}

// buildAll builds the programs into dir and returns their peers by family. What it can't
// build is missing.
func buildAll(ctx context.Context, source, dir string, progress func(string)) (map[string][]peer, []run.Missing, error) {
	peers := make(map[string][]peer)
	var missing []run.Missing
	for _, p := range programs {
		progress("building " + p.name)
		path := filepath.Join(dir, p.name)
		err := p.build(ctx, source, path)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		var list []byte
		if err == nil {
			list, err = exec.CommandContext(ctx, path, "list").Output()
		}
		if err != nil {
			if p.needs == "" { // nothing works without a Go toolchain
				return nil, nil, err
			}
			missing = append(missing, run.Missing{Peers: p.peers, Why: err.Error(), How: "apt-get install " + p.needs})
			continue
		}
		for line := range strings.Lines(string(list)) {
			family, name, ok := strings.Cut(strings.TrimSpace(line), " ")
			if !ok {
				return nil, nil, fmt.Errorf("%s list: %q", p.name, line)
			}
			peers[family] = append(peers[family], peer{name, path})
		}
	}
	return peers, missing, nil
}

// A cell is one thing to measure, again and again.
type cell struct {
	peer
	family string
	param  int
	procs  int
}

func (c cell) String() string {
	return fmt.Sprintf("%s %d, %d processors: %s", c.family, c.param, c.procs, c.name)
}

// errCannot is of a program that does not measure its peer at this parameter.
var errCannot = errors.New("not at this parameter")

// patience is how long a measurement may take beyond its time: maps are filled first.
const patience = time.Minute

// measure runs the cell's program once.
func (c cell) measure(ctx context.Context, d time.Duration, seed uint64) (map[string]float64, error) {
	limited, cancel := context.WithTimeout(ctx, d+patience)
	defer cancel()
	cmd := exec.CommandContext(limited, c.program, c.family, c.name, strconv.Itoa(c.param), strconv.Itoa(c.procs),
		strconv.FormatInt(d.Milliseconds(), 10), strconv.FormatUint(seed, 10))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 3 {
			return nil, errCannot
		}
		line, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		return nil, fmt.Errorf("%v: %w: %s", c, err, line)
	}
	var v map[string]float64
	if err := json.Unmarshal(stdout.Bytes(), &v); err != nil {
		return nil, fmt.Errorf("%v printed %q: %w", c, stdout.String(), err)
	}
	return v, nil
}
