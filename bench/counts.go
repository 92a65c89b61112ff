package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gosmr/gosmr/bench/internal/count"
	"github.com/gosmr/gosmr/bench/internal/family"
	"github.com/gosmr/gosmr/bench/internal/run"
)

// countAll counts the instructions of each path of the program counted. Once is enough.
func countAll(ctx context.Context, source, dir string, set settings, show func(string)) (samples []run.Sample, err error) {
	if err := count.Available(); err != nil {
		return nil, err
	}
	program := filepath.Join(dir, "counted")
	if err := goBuild("./counted")(ctx, source, program); err != nil {
		return nil, err
	}
	list, err := exec.CommandContext(ctx, program, "list").Output()
	if err != nil {
		return nil, err
	}
	for _, path := range strings.Fields(string(list)) {
		if !set.peers.MatchString(path) {
			continue
		}
		show("counting instructions: " + path)
		n, err := count.Measure(ctx, program, path)
		if err != nil {
			return samples, err
		}
		samples = append(samples, run.Sample{Family: family.Instructions, Procs: 1, Peer: path, Metric: "count", Value: n})
	}
	return samples, nil
}
