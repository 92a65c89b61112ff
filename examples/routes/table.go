package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
)

// ErrNoRoute is returned for a name that the table does not have.
var ErrNoRoute = errors.New("no such route")

// A Table has the routes of a file: a line "name target" for each, sorted by name. The file is mapped
// and searched where it lies, so a large one costs no Go memory, and is not parsed. To change it, write
// another file, rename it to the path, and Reload.
type Table struct {
	dom  *smr.Domain
	path string
	set  *smrfile.Set[int] // of one file, by its generation

	mu         sync.Mutex // Reload
	generation int        // guarded by mu
}

// NewTable returns an empty table. Reload reads the file at path.
func NewTable(dom *smr.Domain, path string) *Table {
	return &Table{dom: dom, path: path, set: smrfile.NewSet[int](dom)}
}

// Lookup returns where name is routed to. It waits for nothing, and allocates the answer only.
func (t *Table) Lookup(name string) (target string, err error) {
	s, ok := t.dom.TryEnter() // a request may come when the service ends
	if !ok {
		return "", smr.ErrClosed
	}
	defer s.Leave()
	v := t.set.Load(s)
	if v.Len() == 0 {
		return "", smr.ErrClosed
	}
	_, f := v.At(0)
	// An editor may truncate the file in place: Read makes the fault an error, where View would crash.
	err = f.Read(s, 0, int(f.SizeIn(s)), func(b []byte) error {
		found, ok := search(b, name)
		if !ok {
			return fmt.Errorf("%w: %s", ErrNoRoute, name)
		}
		target = string(found) // a copy: b is the file's until Leave
		return nil
	})
	return target, err
}

// Reload publishes the file that is at the path now, if it is valid. It waits for no reader: the old
// file is closed when its last reader has left.
func (t *Table) Reload(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, err := smrfile.Open(t.dom, t.path, smrfile.Options{})
	if err != nil {
		return err
	}
	if err := t.publishLocked(ctx, f); err != nil {
		return errors.Join(err, f.Close(ctx)) // it is still ours
	}
	return nil
}

func (t *Table) publishLocked(ctx context.Context, f *smrfile.File) error {
	s, ok := t.dom.TryEnter()
	if !ok {
		return smr.ErrClosed
	}
	err := f.Read(s, 0, int(f.SizeIn(s)), check)
	s.Leave() // before Replace, which may wait
	if err != nil {
		return err
	}
	var drop []int
	if t.generation > 0 {
		drop = []int{t.generation}
	}
	add := []smrfile.Entry[int]{{Key: t.generation + 1, File: f}}
	if err := t.set.Replace(ctx, add, drop, smrfile.CloseDropped); err != nil {
		return err
	}
	t.generation++
	return nil
}

// Close ends the table when its readers have left. Lookup returns smr.ErrClosed from then on.
func (t *Table) Close(ctx context.Context) error {
	if err := t.set.Close(ctx); !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}

// check reports the first line that is not "name target", or not in order.
func check(b []byte) error {
	var last []byte
	for n := 1; len(b) > 0; n++ {
		line, rest, ended := bytes.Cut(b, []byte("\n"))
		name, target, ok := bytes.Cut(line, []byte(" "))
		switch {
		case !ok || !ended || len(name) == 0 || len(target) == 0:
			return fmt.Errorf("line %d is not \"name target\"", n)
		case n > 1 && bytes.Compare(last, name) >= 0:
			return fmt.Errorf("line %d is not in order", n)
		}
		last, b = name, rest
	}
	return nil
}

// search returns the target of name in the lines of b, by bisection.
func search(b []byte, name string) (target []byte, ok bool) {
	for len(b) > 0 {
		half := len(b) / 2
		begin := bytes.LastIndexByte(b[:half], '\n') + 1
		end := bytes.IndexByte(b[half:], '\n')
		if end < 0 {
			return nil, false // the file was changed in place
		}
		end += half
		key, value, _ := bytes.Cut(b[begin:end], []byte(" "))
		switch {
		case string(key) == name:
			return value, true
		case string(key) < name:
			b = b[end+1:]
		default:
			b = b[:begin]
		}
	}
	return nil, false
}
