package smrmap

// How Map and Bytes write: they lock the chain of a key, find its entry, and commit. A chain is
// locked for a bounded time, whatever is stored: an entry is allocated and filled before, and an
// unlinked one is read and retired after. The exception is the function of Compute, the user's.

// maxLocked is the size of the largest entry that is allocated and copied with a chain locked, if
// that can't be done before: about a microsecond's work.
const maxLocked = 16 << 10

// lock locks the chain that a hash belongs to, and returns its table and root.
func (c *core) lock(h uint64) (*table, *bucket) {
	c.computing.forbids("a write")
	for t := c.table.Load(); ; t = t.next.Load() {
		b := t.bucket(h)
		ctl := c.lots.lock(b)
		if ctl&moved == 0 {
			return t, b
		}
		c.lots.release(b, ctl)
	}
}

// release unlocks a chain from which nothing was unlinked.
func (c *core) release(root *bucket) { c.lots.release(root, root.ctl.Load()) }

// commit does op to the entry at p in root's locked chain, and unlocks it; p is zero if the key has
// no entry. UpdateOp puts e, whose hash is h, in its place or a free slot; DeleteOp unlinks it.
// The caller then retires the entry that was at p. With no free slot and no memory for another
// bucket, commit returns an error that wraps [slab.ErrNoMemory], and in a closed map [ErrClosed]; then
// e stays the caller's.
func (c *core) commit(op Op, t *table, root *bucket, p place, h uint64, e ref) error {
	switch {
	case op == UpdateOp && p.b == nil:
		return c.insert(t, root, h, e)
	case op == UpdateOp:
		p.store(e)
		c.lots.release(root, bumped(root.ctl.Load()))
	case op == DeleteOp && p.b != nil:
		p.b.take(p.i)
		check := c.tidied(t, root, p.b != root)
		c.lots.release(root, bumped(root.ctl.Load()))
		c.deleted(t, 1, check)
	default:
		c.release(root)
	}
	return nil
}

// insert is commit of an entry whose key has none.
func (c *core) insert(t *table, root *bucket, h uint64, e ref) error {
	if t.closed {
		c.release(root)
		return ErrClosed
	}
	p, err := t.vacancy(root, false)
	if err != nil {
		c.release(root)
		return err
	}
	p.b.place(p.i, h, e)
	c.release(root)
	c.inserted(t, p, root)
	return nil
}
