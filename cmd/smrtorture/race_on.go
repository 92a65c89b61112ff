//go:build race

package main

import "runtime"

// raceErrors returns how many races the race detector has reported.
func raceErrors() int { return runtime.RaceErrors() }
