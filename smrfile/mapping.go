package smrfile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"unsafe"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/smr"
)

// A space is a range of addresses that shows the file from its start. It may reach beyond the end of
// the file: those pages fault until the file has grown.
type space struct {
	mem    []byte // all of it; constant
	memory bool   // Go memory that has a copy of the file; constant
	users  int    // live mappings of it; guarded by File.mu
}

// A mapping is what readers see of a file from one Grow, Truncate or Close to the next: the start of
// a space. Readers find it by File.cur, and hold it by smr.Hold; it ends by the callback of an
// smr.Call. All fields are constant.
type mapping struct {
	data []byte
	f    *File
	sp   *space
}

// newSpace returns addresses for capacity bytes of the file, of which size are needed now. If they are Go
// memory they have to be filled.
func (f *File) newSpace(capacity, size int) (*space, error) {
	switch {
	case capacity == 0:
		return &space{}, nil
	case f.inMemory():
		return memorySpace(capacity, size)
	}
	mem, err := mapFile(f.fd, capacity, f.o.Write)
	runtime.KeepAlive(f.file)
	if noMapping(err) { // this file system has none
		f.noMap.Store(true)
		return memorySpace(capacity, size)
	}
	if err != nil {
		return nil, mapFailed(capacity, err)
	}
	advise(mem, f.o.Advice) // it is only advice
	return &space{mem: mem}, nil
}

// newMapping returns a live mapping of the first n bytes of sp.
func (f *File) newMapping(sp *space, n int) *mapping {
	m := &mapping{data: sp.mem[:n:n], f: f, sp: sp}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live[m] = struct{}{}
	sp.users++
	return m
}

// publish makes m what readers see, and retires what they saw. The caller holds writers.
func (f *File) publish(m *mapping) {
	old := f.cur.LoadSerialized()
	f.cur.Store(m)
	size := 0 // pages of a file are no pending memory
	if old.sp.memory && (m == nil || m.sp != old.sp) {
		size = len(old.data)
	}
	if smr.TryCall(f.dom, old, size, (*mapping).end) {
		return
	}
	// The domain is closed, and takes no calls. Its Close waits for the sections and holds.
	go func() {
		if f.dom.Close(context.Background()) == nil {
			old.end()
		}
	}()
}

// end is called when no reader can use the mapping. The last mapping of a space unmaps that, and the
// last one of a closed file ends the file.
func (m *mapping) end() {
	f := m.f
	f.mu.Lock()
	m.sp.users--
	unused := m.sp.users == 0
	f.mu.Unlock()
	if unused {
		m.sp.end(f)
	}
	f.mu.Lock()
	delete(f.live, m)
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
	last := f.closing && len(f.live) == 0
	f.mu.Unlock()
	if last {
		f.end()
	}
}

// end gives the addresses back. No slice of them may be used any more.
func (sp *space) end(f *File) {
	switch {
	case sp.memory:
		if invariants.Enabled { // a late reader sees it, and the race detector sees a late reader
			for i := range sp.mem {
				sp.mem[i] = poison
			}
		}
	case len(sp.mem) > 0:
		if err := f.o.Quarantine.end(sp.mem); err != nil {
			slog.Error("smrfile: the system does not unmap addresses; where it has too many mappings it is asked again each time that one ends", "path", f.path, "error", err)
		}
	}
}

const poison = 0xdb

// contains reports whether addr is in the space, and which offset of the file it shows.
func (sp *space) contains(addr uintptr) (off int64, ok bool) {
	off = int64(addr - uintptr(unsafe.Pointer(unsafe.SliceData(sp.mem))))
	return off, uint64(off) < uint64(pageUp(len(sp.mem)))
}

var pageSize = os.Getpagesize()

func pageUp(n int) int64 { return (int64(n) + int64(pageSize) - 1) &^ int64(pageSize-1) }

// mayWait returns smr.ErrInCallback in a callback of d. In a section of the caller's it panics under -tags
// invariants, as Synchronize does.
func mayWait(d *smr.Domain) error {
	if err := d.Synchronize(endedContext); errors.Is(err, smr.ErrInCallback) {
		return err
	}
	return nil
}

var endedContext = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// await waits until no mapping is live that has more than n bytes: first for the sections, then for
// what is held. The caller has published a mapping, or none.
func (f *File) await(ctx context.Context, n int) error {
	f.dom.Flush()
	held := "no section holds it up, but %d mappings are held: each Held must be released"
	if err := f.dom.Synchronize(ctx); errors.Is(err, smr.ErrClosed) { // it goes on as that Close does
		held = "the domain is closed, and %d mappings have readers: sections must be left, and each Held released"
	} else if err != nil {
		return err
	}
	for {
		f.mu.Lock()
		longer := 0
		for m := range f.live {
			if len(m.data) > n {
				longer++
			}
		}
		if longer > 0 && f.changed == nil {
			f.changed = make(chan struct{})
		}
		changed := f.changed
		f.mu.Unlock()
		if longer == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w; "+held, ctx.Err(), longer)
		}
	}
}
