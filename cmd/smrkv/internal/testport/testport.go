// Package testport has what tests of several servers need.
package testport

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Quiet returns a port that is free, and that the system does not give to others who ask for any.
func Quiet(t testing.TB) int {
	for range 1000 {
		port := 12_000 + rand.IntN(10_000)
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("all ports are in use")
	return 0
}
