//go:build race

package server

const raceEnabled = true

// smallValue is the size of small values: few entries fill the memory, since each takes long.
const smallValue = 200
