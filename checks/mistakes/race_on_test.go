//go:build race

package mistakes

const raceEnabled = true
