package stw

import (
	"errors"
	"fmt"

	"github.com/gosmr/gosmr/internal/sched/sync"
)

// ErrNoMemory is wrapped by what a [Reservation] returns when the system refuses memory:
// the error names the size, and wraps the system's as well.
var ErrNoMemory = errors.New("stw: the system refuses memory")

// memoryCalls is how areas come from the system and go back: a variable for the sake of
// tests.
type memoryCalls struct {
	mapping func(size int) ([]byte, error)
	unmap   func(mem []byte) error
	discard func(mem []byte) // a hint: the contents may go, the addresses stay
}

var system = memoryCalls{mapMemory, unmapMemory, discardMemory}

// spareRanges are ranges that the system did not take back. On Linux munmap may fail:
// neighbouring mappings merge, taking a range out of the middle makes two of one, and
// there is a limit on their number (vm.max_map_count). So each is kept, without its
// contents, until an area is made of it or the system takes it after all.
type spareRanges struct {
	mu     sync.Mutex
	ranges [][]byte
}

// One for the process, as the limit is.
var spare spareRanges

// takeRange returns size bytes from a spare range, or else from the system.
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

// giveBack returns ranges to the system, or keeps those that it does not take. It does
// not fail.
func (s *spareRanges) giveBack(ranges ...[]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, mem := range ranges {
		if len(mem) == 0 {
			continue
		}
		if system.unmap(mem) != nil {
			system.discard(mem)
			s.ranges = append(s.ranges, mem)
			continue
		}
		s.retryLocked() // a range beside the gap needs no splitting any more
	}
}

// retryLocked gives spare ranges back until the system refuses one, which goes to the end
// of the list so that the next call tries another. It returns how many went.
func (s *spareRanges) retryLocked() (given int) {
	for len(s.ranges) > 0 {
		mem := s.ranges[0]
		s.ranges = s.ranges[1:]
		if system.unmap(mem) != nil {
			s.ranges = append(s.ranges, mem)
			return given
		}
		given++
	}
	s.ranges = nil
	return given
}
