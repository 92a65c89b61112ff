//go:build !race

package mistakes

const raceEnabled = false
