package smrmap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// A closed map answers as an empty one that refuses every entry. Close replaces its table for the
// last time, by one whose field closed is set: readers and writers find it as they find any next
// table, and so pay nothing for it.
//
// Operations under way end as they would beside a Clear. Each entry that they hold, new or unlinked,
// they give back, and closeEntries waits for that. Until then it keeps its memory. A Load without a
// section may read memory of an entry after that: package pages keeps it readable, and the mark on
// the bucket tells the Load to start over.

// ErrClosed is wrapped by the errors for a map that was closed, or whose domain was. [errors.Is]
// takes it for [smr.ErrClosed], too.
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string { return "smrmap: the map is closed" }

func (closedError) Is(target error) bool { return target == smr.ErrClosed }

// domainClosed is the error for a map whose domain is closed.
func domainClosed(d *smr.Domain) error {
	return fmt.Errorf("%w: its domain %s is", ErrClosed, d.Name())
}

// orClosed makes err, of package slab or smr, an ErrClosed if it says that something is closed.
func orClosed(err error) error {
	if errors.Is(err, ErrClosed) || !errors.Is(err, smr.ErrClosed) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrClosed, err)
}

// closedTable returns a table for a map that is closed. It counts for no budget.
func closedTable(heap bool) *table {
	t := &table{shift: 64 - minBits, n: 1 << minBits, heap: heap, closed: true, size: new(charge)}
	t.root = t.buckets(t.n)
	t.size.drop()
	return t
}

// checkMayClose panics where a Close must not be called, under -tags invariants.
func checkMayClose(d *smr.Domain) {
	smr.CheckMayBlock("smrmap: Close")
	d.CheckMayWait("smrmap: Close")
}

// seal unlinks all entries for good, calls retire for each, and gives the bytes of the table back
// to the budget. It waits for a table that is being replaced, and for the functions of Compute.
func (c *core) seal(retire func(ref)) {
	c.computing.forbids("a Close")
	c.sealing.Lock()
	defer c.sealing.Unlock()
	if c.table.Load().closed {
		return
	}
	if !c.sealed { // else an earlier seal panicked, and this one goes on
		c.resizing.Lock() // for good: this table is the last
		c.sealed = true
	}
	c.migrated.Wait()
	t, last := c.table.Load(), closedTable(c.heap)
	t.next.Store(last)
	for i := range t.n {
		c.shut(t.at(i), t, retire)
	}
	c.table.Store(last)
	t.size.drop()
}

// shut empties a root of t and marks it moved, in one step.
func (c *core) shut(root *bucket, t *table, retire func(ref)) {
	var room [4 * slotsPerBucket]ref
	refs := room[:0]
	ctl := c.lots.lock(root)
	for b := root; b != nil; b = t.after(b) {
		for i := range b.slots {
			if e := b.slots[i].Load(); e != nil {
				refs = append(refs, e)
				b.take(i)
			}
		}
	}
	c.lots.release(root, bumped(ctl)|moved)
	c.count.Add(-int64(len(refs)))
	for _, e := range refs {
		retire(e)
	}
}

// closeEntries closes what the entries lie in, by end, until all of its memory is given back:
// operations under way may hold some of it for a moment.
func closeEntries(ctx context.Context, end func(context.Context) error, reserved func() int64) error {
	for wait := 10 * time.Microsecond; ; wait = min(2*wait, time.Millisecond) {
		err := end(ctx)
		held := reserved()
		if err == nil && held == 0 || errors.Is(err, smr.ErrInCallback) {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		switch ended := ctx.Err(); {
		case ended == nil:
		case err == nil:
			return fmt.Errorf("smrmap: Close: operations under way hold %d bytes: %w", held, ended)
		case errors.Is(err, ended):
			return err
		default:
			return errors.Join(ended, err)
		}
	}
}
