package stw

import (
	"errors"
	"fmt"

	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// ErrNoMemory is wrapped by the error of a [Reservation] to which the system refuses memory. That
// error also names the size and wraps the system's error.
var ErrNoMemory = errors.New("stw: the system refuses memory")

// memoryCalls take memory from the system and give it back. Tests replace them.
type memoryCalls struct {
	mapping func(size int) ([]byte, error)
	unmap   func(mem []byte) error
	discard func(mem []byte) bool // the contents go, the addresses stay mapped; false: it cannot
}

var system = memoryCalls{mapMemory, unmapMemory, discardMemory}

// spareRanges are ranges that the system did not take back. On Linux munmap may fail: neighbouring
// mappings merge, unmapping the middle of one makes two, and the number of mappings in a process is
// limited (vm.max_map_count). A spare range is kept, without its contents, until it becomes part of
// an area or a later munmap succeeds.
type spareRanges struct {
	mu     ssync.Mutex
	ranges [][]byte
}

var spare spareRanges // of the process, like the limit

// takeRange returns size bytes from a spare range, or from the system if no range is large enough.
func (s *spareRanges) takeRange(size int) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, mem := range s.ranges {
		switch {
		case len(mem) == size:
			s.ranges = append(s.ranges[:i], s.ranges[i+1:]...)
			return mem, nil
		case len(mem) > size:
			s.ranges[i] = mem[size:]
			return mem[:size:size], nil
		}
	}
	mem, err := system.mapping(size)
	if err != nil && s.retryLocked() > 0 {
		mem, err = system.mapping(size)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %d bytes: %w", ErrNoMemory, size, err)
	}
	return mem, nil
}

// giveBack returns ranges to the system and keeps those that it refuses.
func (s *spareRanges) giveBack(ranges ...[]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, mem := range ranges {
		switch {
		case len(mem) == 0:
		case system.unmap(mem) == nil:
			s.retryLocked() // a range beside the new gap can go without a split
		default:
			system.discard(mem)
			s.ranges = append(s.ranges, mem)
		}
	}
}

// retryLocked gives spare ranges back until the system refuses one, and returns how many it gave
// back. The refused range goes to the end of the list, so that the next call tries another first.
func (s *spareRanges) retryLocked() (given int) {
	for len(s.ranges) > 0 {
		mem := s.ranges[0]
		s.ranges = s.ranges[1:]
		if system.unmap(mem) != nil {
			s.ranges = append(s.ranges, mem)
			break
		}
		given++
	}
	return given
}
