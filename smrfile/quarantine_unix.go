//go:build linux || darwin || freebsd || netbsd || dragonfly

package smrfile

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosmr/gosmr/internal/invariants"
)

// kept has the addresses in quarantine, the oldest first.
var kept struct {
	mu    sync.Mutex // guards the rest
	all   []keeping
	bytes int64 // of all

	// refused has what the system did not unmap yet: where a process has as many mappings as it may, one
	// that borders on others like it, as those kept do, can't be taken from between them. (What it
	// refuses for another reason it always will.)
	refused [][]byte
}

type keeping struct {
	mem   []byte
	until time.Time
}

// mostKept bounds how many mappings of the process are kept ones.
const mostKept = 1000

const defaultKept = 64 << 20 << (^uintptr(0) >> 63 * 10)

// end unmaps, or keeps the addresses for a while.
func (o Quarantine) end(mem []byte) error {
	if invariants.Enabled && o.OneIn == 0 {
		o.OneIn = 1
	}
	if o.For <= 0 {
		o.For = time.Minute
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultKept
	}
	now := time.Now()
	keep := o.OneIn > 0 && rand.IntN(o.OneIn) == 0 && int64(len(mem)) <= o.MaxBytes && shut(mem) == nil
	var err error
	if !keep {
		err = unmap(mem)
	}
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if keep {
		kept.all = append(kept.all, keeping{mem, now.Add(o.For)})
		kept.bytes += int64(len(mem))
	} else {
		refusedLocked(mem, err)
	}
	err = errors.Join(err, dropLocked(now, o.MaxBytes))
	kept.refused = slices.DeleteFunc(kept.refused, func(mem []byte) bool { return unmap(mem) == nil })
	return err
}

// refusedLocked notes what is to be unmapped again, as the system may permit it later.
func refusedLocked(mem []byte, err error) {
	if errors.Is(err, unix.ENOMEM) {
		kept.refused = append(kept.refused, mem)
	}
}

// dropLocked unmaps what was kept for long enough, and the oldest of what is too much.
func dropLocked(now time.Time, most int64) (err error) {
	n := 0
	for _, k := range kept.all {
		if len(kept.all)-n <= mostKept && kept.bytes <= most && now.Before(k.until) {
			break
		}
		e := unmap(k.mem)
		refusedLocked(k.mem, e)
		err = errors.Join(err, e)
		kept.bytes -= int64(len(k.mem))
		n++
	}
	kept.all = slices.Delete(kept.all, 0, n)
	return err
}
