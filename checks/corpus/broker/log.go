package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
)

// recordHead is what lies before a record: its length, and the checksum of what follows.
const recordHead = 8

// ErrOffset is returned for offsets at which no record begins.
var ErrOffset = errors.New("broker: no record at that offset")

// A wal is a log of records in a mapped file. One writer at a time appends; readers borrow records
// below the end that it has published.
type wal struct {
	file *smrfile.File
	end  atomic.Int64

	mu  sync.Mutex
	buf []byte
}

func openLog(dom *smr.Domain, path string) (*wal, error) {
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return nil, err
	}
	f, err := smrfile.Open(dom, path, smrfile.Options{Write: true})
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return &wal{file: f}, nil
}

// append appends records and returns the offset after them.
func (l *wal) append(records ...[]byte) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = l.buf[:0]
	for _, r := range records {
		l.buf = binary.LittleEndian.AppendUint32(l.buf, uint32(len(r)))
		l.buf = binary.LittleEndian.AppendUint32(l.buf, crc32.ChecksumIEEE(r))
		l.buf = append(l.buf, r...)
	}
	at := l.end.Load()
	end := at + int64(len(l.buf))
	if end > l.file.Size() {
		if err := l.file.Grow(max(end, 2*l.file.Size(), 4096)); err != nil {
			return at, err
		}
	}
	if _, err := l.file.WriteAt(l.buf, at); err != nil {
		return at, err
	}
	l.end.Store(end)
	return end, nil
}

// record returns the record at an offset, borrowed in section s, and the offset of the next. At the
// end it returns io.EOF.
func (l *wal) record(s smr.Section, off int64) (body []byte, next int64, err error) {
	end := l.end.Load()
	if off == end {
		return nil, off, io.EOF
	}
	if off < 0 || off+recordHead > end {
		return nil, off, ErrOffset
	}
	head, err := l.file.View(s, off, recordHead)
	if err != nil {
		return nil, off, err
	}
	n := int64(binary.LittleEndian.Uint32(head))
	if off+recordHead+n > end {
		return nil, off, ErrOffset
	}
	body, err = l.file.View(s, off+recordHead, int(n))
	if err != nil {
		return nil, off, err
	}
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, off, ErrOffset
	}
	return body, off + recordHead + n, nil
}

// records iterates over the records from an offset, with the offset after each. Records are borrowed
// in section s. *errp is what ended it, nil at the end of the log.
func (l *wal) records(s smr.Section, off int64, errp *error) iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		*errp = nil
		for {
			body, next, err := l.record(s, off)
			if err != nil {
				if err != io.EOF {
					*errp = err
				}
				return
			}
			if !yield(next, body) {
				return
			}
			off = next
		}
	}
}

// A backlog is a log as it was at some time. It is released when it is not used any more.
type backlog struct {
	held smrfile.Held
	end  int64
}

// hold keeps the log as it is in section s, for what takes longer.
func (l *wal) hold(s smr.Section) backlog {
	h := l.file.Hold(s)
	return backlog{h, min(l.end.Load(), h.Size())}
}

func (b backlog) release() { b.held.Release() }

// writeTo writes the log to w, which may be slow.
func (b backlog) writeTo(w io.Writer) (int64, error) {
	data, err := b.held.View(0, int(b.end))
	if err != nil {
		return 0, err
	}
	n, err := w.Write(data)
	return int64(n), err
}

// remove waits for the readers. It takes no lock, for which a writer in a section may wait: a later
// append fails.
func (l *wal) remove(ctx context.Context) error { return l.file.Remove(ctx) }
