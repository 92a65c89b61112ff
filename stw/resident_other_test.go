//go:build !linux || race

package stw

import "testing"

func resident(testing.TB, []byte) int { panic("not known") }

// needResident skips the test: mincore is of Linux, and areas are on the Go heap under -race.
func needResident(t testing.TB) {
	t.Skip("which pages are resident is only known on Linux, without -race")
}
