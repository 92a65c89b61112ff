//go:build !unix

package queuetest

import "errors"

// OffHeap returns an error: this system has no mmap.
func OffHeap(int) ([]*Elem, func(), error) { return nil, nil, errors.ErrUnsupported }
