// Package files has what is borrowed from mapped files.
package files

import (
	"context"
	"errors"

	"github.com/gosmr/gosmr/smrfile"
)

var (
	file     *smrfile.File
	segments *smrfile.Set[int]
	sum      byte
)

func viewAfterLeave() byte {
	s := file.Enter()
	b, err := file.View(s, 0, 10)
	s.Leave()
	if err != nil {
		return 0
	}
	return b[0] // want `what View returned at line \d+ is used after its section was left at line \d+ \(smruseafterleave\)`
}

// Outside of the Read a fault is no error.
func readKept() byte {
	s := file.Enter()
	defer s.Leave()
	var kept []byte
	err := file.Read(s, 0, 10, func(b []byte) error {
		kept = b // want `what is borrowed until this function returns is kept in a variable outside of it: keep a copy \(smrwalkescape\)`
		return nil
	})
	if err != nil {
		return 0
	}
	return kept[0]
}

func holdLeaked() int64 {
	s := file.Enter()
	defer s.Leave()
	h := file.Hold(s) // want `smrhold`
	return h.Size()
}

func versionLeaked() int {
	s := segments.Enter()
	defer s.Leave()
	n := segments.Load(s).Len()
	segments.Hold(s) // want `smrhold`
	return n
}

func closeInSection(ctx context.Context, file *smrfile.File) error {
	s := file.Enter()
	defer s.Leave()
	return file.Close(ctx) // want `smrwaitinside`
}

// From here on all is right.

var errEmpty = errors.New("empty")

// The error of a Read is not what it lends.
func read() error {
	s := file.Enter()
	defer s.Leave()
	return file.Read(s, 0, 10, check)
}

func readHeld() error {
	s := file.Enter()
	h := file.Hold(s)
	s.Leave()
	defer h.Release()
	if err := h.Read(0, 10, check); err != nil {
		return err
	}
	b, err := h.View(0, 10)
	if err == nil {
		sum += b[0]
	}
	return err
}

func check(b []byte) error {
	if len(b) == 0 {
		return errEmpty
	}
	sum += b[0]
	return nil
}

// A file of a set may be closed after Leave, and says so: nothing is borrowed.
func fileOfSet() *smrfile.File {
	s := segments.Enter()
	defer s.Leave()
	return segments.Load(s).File(1)
}

func walkHeld() (n int64) {
	s := segments.Enter()
	v := segments.Hold(s)
	s.Leave()
	defer v.Release()
	for _, f := range v.All() {
		n += f.Size()
	}
	return n
}
