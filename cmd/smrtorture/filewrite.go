package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
)

// patient returns a context for a wait, which may have ended.
func patient(ctx context.Context, rng *rand.Rand) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, below(rng, time.Millisecond<<rng.IntN(7))-time.Millisecond/2)
}

// write is a writer's round: it changes a file, or replaces it.
func (a *archive) write(ctx context.Context, rng *rand.Rand) {
	a.tally.updates.Add(1)
	switch rng.IntN(16) {
	case 0:
		a.replaceAlone(ctx, rng)
		return
	case 1:
		a.replaceInSet(ctx, rng)
		return
	}
	s := a.dom.Enter()
	v := a.find(s, rng)
	s.Leave() // a File may be used after its end
	if v == nil {
		return
	}
	switch n := rng.IntN(64); {
	case n == 0:
		a.permit(v, "Sync", v.Sync())
	case n < 16:
		a.truncate(ctx, v, rng)
	case n < 32:
		a.grow(v, rng)
	default:
		a.append(v, rng)
	}
}

// grow makes a file longer, unless it is long, or another goroutine does.
func (a *archive) grow(v *volume, rng *rand.Rand) {
	if size := v.Size() + 8*rng.Int64N(4<<10); size <= mostOfVolume {
		a.permit(v, "Grow", v.Grow(size), smrfile.ErrRange)
	}
}

// truncate takes bytes away, which no new reader is to expect.
func (a *archive) truncate(ctx context.Context, v *volume, rng *rand.Rand) {
	if !v.mu.TryLock() {
		return
	}
	defer v.mu.Unlock()
	ctx, cancel := patient(ctx, rng)
	defer cancel()
	old := v.valid.Load()
	to := 8 * rng.Int64N(old/8+1)
	v.valid.Store(to)
	err := v.Truncate(ctx, to)
	if err == nil {
		a.truncated.Add(1)
	} else { // nothing has happened
		v.valid.Store(old)
	}
	a.permit(v, "Truncate", err, smrfile.ErrGrown, context.Canceled, context.DeadlineExceeded)
}

// append writes what has not been written, and then has readers expect it.
func (a *archive) append(v *volume, rng *rand.Rand) {
	if !v.mu.TryLock() {
		return
	}
	defer v.mu.Unlock()
	from := v.valid.Load()
	to := min(from+mostFileWriting, v.Size())
	if to <= from {
		return
	}
	b := v.pattern(from, to-from)
	var err error
	if !v.inMemory && rng.IntN(2) == 0 { // in memory Sync reads beside it, and the race detector sees that
		s := a.dom.Enter()
		err = v.Read(s, from, len(b), func(view []byte) error {
			copy(view, b)
			return nil
		})
		s.Leave()
	} else {
		_, err = v.WriteAt(b, from)
	}
	if err == nil {
		v.valid.Store(to)
	}
	a.permit(v, "a write", err)
}

// permit reports an error of op that is not one of these, or of what others do to the file.
func (a *archive) permit(v *volume, op string, err error, these ...error) {
	for _, is := range append(these, fs.ErrClosed) {
		if err == nil || errors.Is(err, is) {
			return
		}
	}
	var fault *smrfile.FaultError
	if v.foreign && errors.As(err, &fault) {
		a.faulted.Add(1)
		return
	}
	a.faults.add(faultFile, "%s: %v", op, err)
}

// replaceAlone puts another file in the place of one, and ends that.
func (a *archive) replaceAlone(ctx context.Context, rng *rand.Rand) {
	i := rng.IntN(len(a.alone))
	fresh := a.makeVolume(rng, false, i >= volumesAlone)
	if fresh == nil {
		return
	}
	if old := a.alone[i].Swap(fresh); old != nil {
		a.end(ctx, old, rng)
	}
}

// end closes or removes a file, while readers may have it: once.
func (a *archive) end(ctx context.Context, v *volume, rng *rand.Rand) {
	end := v.Remove
	if runtime.GOOS != "windows" && rng.IntN(2) == 0 {
		end = func(ctx context.Context) error { return errors.Join(v.Close(ctx), os.Remove(v.path)) }
	}
	if rng.IntN(4) == 0 {
		a.dom.CallFunc(0, func() { a.endOnce(v, end(context.Background()), smr.ErrInCallback) })
		return
	}
	ctx, cancel := patient(ctx, rng)
	defer cancel()
	a.endOnce(v, end(ctx), context.Canceled, context.DeadlineExceeded)
}

// endOnce checks how a file ended, and that it does not end again.
func (a *archive) endOnce(v *volume, err error, these ...error) {
	a.ended.Add(1)
	for _, is := range these {
		if errors.Is(err, is) {
			err = nil
		}
	}
	if err != nil {
		a.faults.add(faultFile, "the end of a file: %v", err)
	}
	if again := v.Close(context.Background()); !errors.Is(again, fs.ErrClosed) {
		a.faults.add(faultFile, "a second Close: %v", again)
	}
}

// replaceInSet has a set drop some files and add as many.
func (a *archive) replaceInSet(ctx context.Context, rng *rand.Rand) {
	var drop []*volume
	var add []smrfile.Entry[*volume]
	s := a.dom.Enter()
	for v := range a.set.Load(s).All() {
		if len(drop) < 2 && rng.IntN(3) == 0 && v.dropped.CompareAndSwap(false, true) {
			drop = append(drop, v)
		}
	}
	s.Leave()
	for range drop {
		if v := a.makeVolume(rng, true, false); v != nil {
			add = append(add, smrfile.Entry[*volume]{Key: v, File: v.File})
		}
	}
	what := smrfile.RemoveDropped
	if runtime.GOOS != "windows" && rng.IntN(2) == 0 {
		what = smrfile.CloseDropped
	}
	waiting, cancel := patient(ctx, rng)
	defer cancel()
	if err := a.set.Replace(waiting, add, drop, what); err != nil { // too much waits for readers
		a.giveUp(err, add, drop)
		return
	}
	a.ended.Add(uint64(len(drop)))
	for _, v := range drop {
		if what == smrfile.CloseDropped {
			os.Remove(v.path)
		}
	}
}

// giveUp ends the files that a Replace did not take.
func (a *archive) giveUp(err error, add []smrfile.Entry[*volume], drop []*volume) {
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		a.faults.add(faultFile, "Replace: %v", err)
	}
	for _, e := range add {
		a.faults.within(fmt.Sprintf("Remove of %s, which no reader has", e.Key.path), e.File.Remove)
	}
	for _, v := range drop {
		v.dropped.Store(false)
	}
}

// meddle is a round of another program's: it truncates a file by its path, also to more.
func (a *archive) meddle(ctx context.Context, rng *rand.Rand) {
	pause(ctx, below(rng, time.Millisecond))
	s := a.dom.Enter()
	v := a.alone[volumesAlone+rng.IntN(volumesForeign)].Load(s)
	s.Leave()
	if v == nil {
		return
	}
	path := v.path //smr:ok the collector frees it
	if err := os.Truncate(path, 8*rng.Int64N(mostOfVolume/8)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.faults.add(faultFile, "%v", err)
	}
}
