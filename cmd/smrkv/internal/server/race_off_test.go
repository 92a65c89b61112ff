//go:build !race

package server

const raceEnabled = false

// smallValue is the size of small values: many entries fill the memory.
const smallValue = 8
