//go:build !linux && !darwin && !freebsd && !netbsd && !dragonfly

package smrfile

import "errors"

// Elsewhere files are in memory. (Windows could map them, but neither truncates nor removes a file that
// is mapped, and OpenBSD does not show by a mapping what is written otherwise.)
const canMap = false

var errNoMapping = errors.New("smrfile: this system maps no files")

func mapFile(uintptr, int, bool) ([]byte, error) { return nil, errNoMapping }
func noMapping(error) bool                       { return true }
func mapFailed(_ int, err error) error           { return err }
func advise([]byte, Advice) error                { return nil }
func syncMapping([]byte) error                   { return nil }

// extend makes a file of from bytes to bytes long.
func (f *File) extend(_, to int64) error { return ftruncate(f.file, to) }

func (Quarantine) end([]byte) error { return nil }
