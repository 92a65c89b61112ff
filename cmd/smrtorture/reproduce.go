package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

// reproducer returns the command that runs a scenario again: with the same build, the relevant
// environment, and the same flags.
func reproducer(scenario string, o *options, duration time.Duration) string {
	var b strings.Builder
	if procs := os.Getenv("GOMAXPROCS"); procs != "" {
		fmt.Fprintf(&b, "GOMAXPROCS=%s ", procs)
	}
	var build []debug.BuildSetting
	if info, ok := debug.ReadBuildInfo(); ok {
		build = info.Settings
	}
	before, flags := buildFlags(build)
	fmt.Fprintf(&b, "%sgo run%s ./cmd/smrtorture -scenario %s -seed %#x -duration %v",
		before, flags, scenario, o.seed, duration)
	if o.hang != defaultHang {
		fmt.Fprintf(&b, " -hang %v", o.hang)
	}
	if o.failFast {
		b.WriteString(" -failfast")
	}
	return b.String()
}

// buildFlags returns what precedes go run, and what follows it, for a build like this one.
func buildFlags(build []debug.BuildSetting) (before, flags string) {
	for _, s := range build {
		switch {
		case s.Key == "-race" && s.Value == "true":
			flags += " -race"
		case s.Key == "-tags":
			flags += " -tags " + s.Value
		case s.Key == "GOARCH" && s.Value == "386":
			before = "GOARCH=386 "
		}
	}
	return before, flags
}
