package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"syscall"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
)

// A fileRead is what a reader of a file reads: bytes that were written, and stay.
type fileRead struct {
	*volume
	off  int64
	n    int
	open bool // what it reads in keeps the file open
	rng  *rand.Rand
}

// read is a reader's round.
func (a *archive) read(_ context.Context, rng *rand.Rand) {
	if rng.IntN(8) == 0 {
		a.readVersion(rng)
		return
	}
	s := a.dom.Enter()
	drawStay(rng, rng.IntN(64) == 0).pass(rng) // the file may be closed meanwhile
	v := a.find(s, rng)
	if v == nil {
		s.Leave()
		return
	}
	r := drawRead(v, s, rng)
	a.views.Add(1)
	switch how := rng.IntN(8); {
	case how == 0:
		a.hold(s, r) // which leaves the section
		return
	case how == 1:
		a.readAt(r, v, v.foreign)
	case how < 4 || v.foreign:
		a.allow(r, v.Read(s, r.off, r.n, func(b []byte) error { return a.guarded(r, b) }))
	default:
		a.view(s, r)
	}
	s.Leave()
	if rng.IntN(8) == 0 && !v.inMemory { // there the race detector would see the writer of what comes back
		r.open = false
		a.readAt(r, v, true)
	}
}

// drawRead chooses what to read. The section protects it.
func drawRead(v *volume, s smr.Section, rng *rand.Rand) fileRead {
	words := v.valid.Load() / 8
	words = min(words, v.SizeIn(s)/8)
	r := fileRead{volume: v, open: v.set, rng: rng}
	if words > 0 {
		r.off = 8 * rng.Int64N(words)
		r.n = 8 * (1 + rng.IntN(int(min(words-r.off/8, 4<<10))))
	}
	return r
}

// look checks what was read. A fault here is an error: a foreign file is read by Read only.
func (a *archive) look(r fileRead, b []byte, blank bool) {
	defer func() {
		if v := recover(); v != nil {
			a.faults.add(faultFile, "a view of %s faults: %v", r.path, v)
		}
	}()
	if len(b) != r.n || !r.sound(b, r.off, blank) {
		a.faults.add(faultPayload, "%d bytes of %s from %d are others", r.n, r.path, r.off)
	}
}

// guarded is what Read calls. Some of what it is given it writes to another file, where a fault is an error.
func (a *archive) guarded(r fileRead, b []byte) error {
	drawStay(r.rng, false).pass(r.rng)
	if !r.foreign {
		a.look(r, b, false)
		return nil
	}
	if r.rng.IntN(16) == 0 {
		_, err := a.scratch.WriteAt(b, 0)
		return err
	}
	if !r.sound(b, r.off, true) {
		a.faults.add(faultPayload, "%s has another's bytes", r.path)
	}
	return nil
}

func (a *archive) view(s smr.Section, r fileRead) {
	b, err := r.View(s, r.off, r.n)
	a.allow(r, err)
	if err != nil {
		return
	}
	if r.rng.IntN(64) == 0 {
		a.grow(r.volume, r.rng) // in the section
	}
	drawStay(r.rng, r.rng.IntN(64) == 0).pass(r.rng)
	a.look(r, b, false)
}

// readAt copies from a file, or what is held of it.
func (a *archive) readAt(r fileRead, from io.ReaderAt, blank bool) {
	p := make([]byte, r.n)
	n, err := from.ReadAt(p, r.off)
	a.allow(r, err)
	if err == nil && n == r.n {
		a.look(r, p, blank)
	}
}

// hold reads by a hold, after the section, and lays it down or ends it.
func (a *archive) hold(s smr.Section, r fileRead) {
	h := r.Hold(s)
	s.Leave()
	if !h.Active() {
		a.allow(r, fs.ErrClosed)
		return
	}
	a.held.Add(1)
	if r.rng.IntN(8) == 0 {
		first := h
		h = h.Clone()
		first.Release()
	}
	kept := &shelved{func() bool { a.byHold(r, h); return true }, h.Release}
	drawStay(r.rng, r.rng.IntN(64) == 0).pass(r.rng)
	kept.same()
	if r.rng.IntN(4) == 0 {
		kept = a.attic.swap(kept, r.rng)
	}
	a.attic.end(kept)
}

// byHold reads by a hold. Any goroutine may do so, so that it draws nothing.
func (a *archive) byHold(r fileRead, h smrfile.Held) {
	if r.n%32 == 0 {
		a.readAt(r, h, r.foreign)
		return
	}
	if r.foreign {
		a.allow(r, h.Read(r.off, r.n, func(b []byte) error {
			if !r.sound(b, r.off, true) {
				a.faults.add(faultPayload, "%s, which is held, has another's bytes", r.path)
			}
			return nil
		}))
		return
	}
	b, err := h.View(r.off, r.n)
	a.allow(r, err)
	if err == nil {
		a.look(r, b, false)
	}
}

// readVersion holds a version of the set, and lays it down or ends it.
func (a *archive) readVersion(rng *rand.Rand) {
	s := a.dom.Enter()
	version := a.set.Hold(s)
	s.Leave()
	own := fork(rng) // as another goroutine may end it
	kept := &shelved{func() bool { a.readHeld(version, own); return true }, version.Release}
	kept.same()
	if rng.IntN(8) == 0 {
		kept = a.attic.swap(kept, rng)
	}
	a.attic.end(kept)
}

// readHeld reads each file of a version, in a section of its own: none is closed.
func (a *archive) readHeld(version smrfile.HeldView[*volume], rng *rand.Rand) {
	for v, f := range version.All() {
		s := f.Enter()
		if r := drawRead(v, s, rng); f != v.File {
			a.faults.add(faultFile, "a version has the file %s for %s", f.Path(), v.path)
		} else {
			a.view(s, r)
		}
		s.Leave()
	}
}

// allow reports an error that what was read may not have.
func (a *archive) allow(r fileRead, err error) {
	var fault *smrfile.FaultError
	switch {
	case err == nil || err == io.EOF || errors.Is(err, smrfile.ErrRange): // a Truncate waits
	case errors.Is(err, fs.ErrClosed) && !r.open:
	case r.foreign && (errors.As(err, &fault) && fault.Path == r.path || errors.Is(err, syscall.EFAULT)):
		a.faulted.Add(1)
	default:
		a.faults.add(faultFile, "%v", err)
	}
}
