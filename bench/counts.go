package main

import (
	"context"
	"strings"

	"github.com/gosmr/gosmr/bench/internal/count"
	"github.com/gosmr/gosmr/bench/internal/family"
	"github.com/gosmr/gosmr/bench/internal/run"
)

// countAll counts the instructions of each path. Once is enough.
func countAll(ctx context.Context, paths []peer, set settings, show func(string)) (samples []run.Sample, failed []run.Missing, err error) {
	if err := count.Available(); err != nil {
		return nil, []run.Missing{{Peers: "counted instructions", Why: err.Error(), How: "apt-get install valgrind"}}, nil
	}
	for _, p := range paths {
		name, operation := ofPath(p.name)
		if !set.peers.MatchString(name) {
			continue
		}
		show("counting instructions: " + p.name)
		n, err := count.Measure(ctx, p.program, family.Instructions, p.name)
		switch {
		case ctx.Err() != nil:
			return nil, nil, ctx.Err()
		case err != nil:
			failed = append(failed, run.Missing{Peers: "counted instructions: " + p.name, Why: err.Error()})
			continue
		}
		samples = append(samples, run.Sample{Family: family.Instructions, Procs: 1, Peer: name, Metric: operation, Value: n})
	}
	return samples, failed, nil
}

// ofPath returns whose path it is, and of which operation: a metric of the family, so that
// only what does the same work is compared.
func ofPath(path string) (peer, operation string) {
	if i := strings.LastIndexByte(path, '+'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return path, "section"
}
