package server

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"
	"github.com/gosmr/gosmr/cmd/smrkv/internal/units"
)

// What clients make the server hold has a bound of its own, beside that of the store: see
// package buffer.

// Where it is not given it is that of the store, within these.
const (
	leastClientMemory = 128 << 20
	mostClientMemory  = 1 << 30
)

// blockedSize is charged to a client that does not read: for its two buffers of the smallest
// size, and for the goroutine that waits for it, with its stack and timer.
const blockedSize = 3 * buffer.Base

// goSize is how many bytes Go takes for n, at most: it rounds up, what is large to pages, which
// it describes beside.
func goSize(n int) int {
	const large, page, descriptor = 32 << 10, 8 << 10, 512
	if n > large {
		return (n+page-1)/page*page + descriptor
	}
	return n + n/5
}

// ParseClientMemory parses the bound of clients' memory: an amount such as 256mb, or a part
// of maxmemory such as 5%, which is returned as a negative number.
func ParseClientMemory(v string) (int64, error) {
	percent, isPart := strings.CutSuffix(v, "%")
	if !isPart {
		return units.ParseBytes(v)
	}
	n, err := strconv.ParseUint(percent, 10, 8)
	if err != nil || n < 1 || n > 100 {
		return 0, fmt.Errorf("not a part of maxmemory: %q (such as 5%%, up to 100%%)", v)
	}
	return -int64(n), nil
}

// clientMemory returns the bound in bytes.
func (s *Server) clientMemory() int64 {
	n, limit := s.settings.clientMemory.Load(), s.memory.Limit()
	switch {
	case n > 0:
		return n
	case limit == 0:
		return mostClientMemory
	case n < 0:
		return limit / 100 * -n
	}
	return min(max(limit, leastClientMemory), mostClientMemory)
}

// clientMemoryText returns the bound as CONFIG GET does, as it was set.
func (s *Server) clientMemoryText() string {
	if n := s.settings.clientMemory.Load(); n < 0 {
		return strconv.FormatInt(-n, 10) + "%"
	}
	return strconv.FormatInt(s.clientMemory(), 10)
}

func (s *Server) setClientMemory(n int64) {
	s.settings.clientMemory.Store(n)
	s.buffers.SetLimit(s.clientMemory())
}

func (s *Server) setMaxMemory(n int64) {
	s.memory.SetLimit(n)
	s.memory.SetSpare(spareMemory(n))
	s.buffers.SetLimit(s.clientMemory())
}

// spareMemory returns how much memory of large values is kept for the next ones, beside the limit.
func spareMemory(limit int64) int64 {
	const part, most = 8, 64 << 20
	if limit == 0 {
		return most
	}
	return min(limit/part, most)
}
