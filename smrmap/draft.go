package smrmap

import "github.com/gosmr/gosmr/internal/compaction"

// A Draft is an entry that is not in its map yet. Its value is written in place, such as by a read
// from a socket, and then stored without a copy; a Store copies. It belongs to one goroutine at a time,
// and must end, by a Store that succeeds or by Discard: Close of the map waits for that.
//
//	d, err := m.Draft(key, size)
//	...
//	defer d.Discard()
//	if _, err := io.ReadFull(conn, d.Value()); err != nil {
//		return err
//	}
//	return d.Store(0)
//
// A draft above 64 KiB counts in the budget from Store on, and takes the system's memory as it is
// written: what bounds many that are never finished is the caller's.
type Draft struct {
	m    *Bytes
	e    *header // nil: it has ended
	hash uint64
}

// Draft returns a draft of an entry of key with a value of n bytes, which are undefined. Errors are
// those of [Bytes.Store].
func (m *Bytes) Draft(key []byte, n int) (*Draft, error) {
	if n < 0 {
		panic("smrmap: Draft of a negative size")
	}
	if err := checkLens(len(key), n); err != nil {
		return nil, err
	}
	if m.dom.Closed() {
		return nil, domainClosed(m.dom)
	}
	m.c.computing.forbids("a write")
	block, err := compaction.Of(m.blocks).GetUncharged(int(headerSize) + len(key) + n)
	if err != nil {
		return nil, orClosed(err)
	}
	d := &Draft{m: m, hash: m.hashOf(key)}
	d.e = begin(block, d.hash, key, n, 0)
	m.drafts.Add(1)
	return d, nil
}

// Value returns where to write the value, until the draft ends.
func (d *Draft) Value() []byte {
	if d.e == nil {
		panic("smrmap: Value of a Draft that has ended")
	}
	v := d.e.value()
	return v[:len(v):len(v)]
}

// Store puts the entry into the map, as [Bytes.StoreItem] does; expires is as in an Item. If it
// returns an error, the draft goes on: try again when there is room, or Discard it.
//
// Cost: a locked instruction; no copy.
func (d *Draft) Store(expires int64) error {
	m, e := d.m, d.e
	if e == nil {
		panic("smrmap: Store of a Draft that has ended")
	}
	if m.dom.Closed() {
		return domainClosed(m.dom)
	}
	if err := compaction.Of(m.blocks).Charge(e.block()); err != nil {
		return orClosed(err)
	}
	e.expires.Store(expires)
	t, root := m.lock(d.hash)
	old, p := m.find(t, root, d.hash, e.key())
	if err := m.publish(t, root, p, d.hash, e); err != nil {
		return err
	}
	d.end()
	m.unlinked(old)
	return nil
}

// Discard ends the draft, and frees its memory, if Store has not ended it.
func (d *Draft) Discard() {
	if d.e != nil {
		d.m.blocks.Free(d.e.block())
		d.end()
	}
}

func (d *Draft) end() {
	d.e = nil
	d.m.drafts.Add(-1)
}
