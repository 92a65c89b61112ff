package server

import (
	"context"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"
	"github.com/gosmr/gosmr/smrmap"
)

// Large values are not copied. That of a SET is read to where the store will have it (see resp.Placer),
// and one that is asked for is written from there, held: so a client that is slow to read keeps that
// value, and nothing else. Both are charged to the client, whose largest are disconnected; what is
// held when it was replaced or deleted counts in maxmemory as well, until it is written.

// defaultLargeValue is from where on a value is large: it is in no slab then.
const defaultLargeValue = 64 << 10

// Place is resp.Placer.
func (c *conn) Place(args [][]byte, n int) []byte {
	switch {
	case c.tx != nil:
		return nil // it will be queued
	case len(args) == 2 && equalFold(args[0], "SET"):
	case len(args) == 3 && (equalFold(args[0], "SETEX") || equalFold(args[0], "PSETEX")):
	default:
		return nil
	}
	data := c.data()
	draft, err := data.Draft(args[1], n)
	if err != nil {
		return nil // the system has no memory
	}
	c.draft, c.draftOf = draft, data
	return draft.Value()
}

// storeItem is smrmap.Bytes.StoreItem, without a copy if the value is in the draft, and the databases
// were not swapped. That then is stored, or stays for another try.
func (c *conn) storeItem(key []byte, it smrmap.Item) error {
	data := c.data()
	if d := c.draft; d != nil && c.draftOf == data && len(it.Value) > 0 && &it.Value[0] == &d.Value()[0] {
		return d.Store(it.Expires)
	}
	return data.StoreItem(key, it)
}

// dropDraft is called after a command, and when the connection ends.
func (c *conn) dropDraft() {
	if c.draft != nil {
		c.draft.Discard()
		c.draft, c.draftOf = nil, nil
	}
}

// getLarge replies with the value of a key that was found to have size bytes. If it has other ones
// now it does nothing and reports false.
func (c *conn) getLarge(key []byte, size int) bool {
	c.flush() // what waits for the budget must hold nothing of it
	charged := buffer.Size(size + bulkOverhead)
	if !c.acquire(charged) {
		return true // nothing is read any more
	}
	defer c.mem.Replies.Release(charged)
	data := c.data()
	s := data.Enter()
	h, ok := data.Hold(s, key)
	s.Leave()
	if !ok {
		return false
	}
	defer h.Release()
	v := h.Get().Value
	if len(v) != size {
		return false
	}
	c.tally.hits++
	c.bulk(v)
	return true
}

// throttle waits until little enough is pending. What clients hold is pending, too, as long as they
// do not read: nothing waits for that.
func (c *conn) throttle() {
	dom := c.srv.dom
	for dom.Throttle(expired) != nil && c.srv.ctx.Err() == nil {
		if st := dom.Stats(); st.PendingBytes-st.HeldBytes < maxPending(c.srv.opts.MaxMemory) {
			return
		}
		c.wire.mayBlock()
		ctx, cancel := context.WithTimeout(c.srv.ctx, graceTimeout)
		dom.Throttle(ctx)
		cancel()
	}
}
