package server

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// Watches are the keys that connections watch, for EXEC to fail if one was changed.
//
// Every command that has written to a key calls conn.touch, which looks here only if any
// key is watched at all. WATCH counts its keys first, then waits until each command that
// was running has ended (gate.pass), and looks only then whether its keys exist. A command
// that found nothing counted was running then: its write came before WATCH returned, and
// is seen by what the client reads afterwards. A later one finds the count.
//
// A command holds the gate from its write to its touch, and EXEC holds all of it while it
// looks: it sees both or neither.
//
// Keys that expire, are evicted or flushed are not touched. EXEC fails also if a key that
// existed at WATCH doesn't any more; and if it does because it was set again, that was a
// write.
type watches struct {
	count  atomic.Int64 // of keys watched; written by WATCH and its ends, read by writers
	seed   maphash.Seed
	shards [64]watchShard
}

type watchShard struct {
	mu   sync.Mutex
	keys map[watchKey]map[*watcher]struct{}
	_    [128 - 16]byte // each on cache lines of its own
}

// A watchKey is a key of a database, which SWAPDB gives other keys.
type watchKey struct {
	db  *database
	key string
}

// A watcher is a connection's.
type watcher struct {
	dirty atomic.Bool       // a key was written to; set by any connection
	keys  map[watchKey]bool // and whether it existed; belongs to the connection
	size  int               // charged to its queries
}

func (w *watches) init() { w.seed = maphash.MakeSeed() }

func (w *watches) shard(hash uint64) *watchShard { return &w.shards[hash%uint64(len(w.shards))] }

func (w *watches) add(key watchKey, by *watcher) {
	w.count.Add(1)
	s := w.shard(maphash.String(w.seed, key.key))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = make(map[watchKey]map[*watcher]struct{})
	}
	if s.keys[key] == nil {
		s.keys[key] = make(map[*watcher]struct{})
	}
	s.keys[key][by] = struct{}{}
}

func (w *watches) remove(key watchKey, by *watcher) {
	s := w.shard(maphash.String(w.seed, key.key))
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys[key], by)
	if len(s.keys[key]) == 0 {
		delete(s.keys, key)
	}
	w.count.Add(-1)
}

// touch is called after a write to key, while the gate is held as it was for the write.
func (c *conn) touch(key []byte) { c.touchIn(c.db, key) }

func (c *conn) touchIn(d *database, key []byte) {
	if c.srv.watches.count.Load() != 0 {
		c.srv.watches.touch(d, key)
	}
}

func (w *watches) touch(d *database, key []byte) {
	s := w.shard(maphash.Bytes(w.seed, key))
	s.mu.Lock()
	defer s.mu.Unlock()
	for by := range s.keys[watchKey{d, string(key)}] {
		by.dirty.Store(true)
	}
}

// watchOverhead is about what a watched key takes beside its bytes.
const watchOverhead = 512

const errWatchRoom = "OOM no room in -maxmemory-clients to watch that"

func cmdWatch(c *conn, args [][]byte) {
	if c.tx != nil {
		c.error("ERR WATCH inside MULTI is not allowed")
		return
	}
	if c.watch == nil {
		c.watch = &watcher{keys: make(map[watchKey]bool)}
	}
	var added []watchKey
	for _, arg := range args[1:] {
		key := watchKey{c.db, string(arg)}
		if _, ok := c.watch.keys[key]; ok {
			continue
		}
		if size := goSize(len(arg)) + watchOverhead; c.mem.Queries.Try(size) {
			c.watch.size += size
		} else {
			c.watch.dirty.Store(true) // nobody can tell whether it changes
			c.error(errWatchRoom)
			return
		}
		c.watch.keys[key] = false
		c.srv.watches.add(key, c.watch)
		added = append(added, key)
	}
	c.pause()
	c.srv.gate.pass(c.wire.mayBlock)
	c.resume()
	for _, key := range added {
		c.watch.keys[key] = key.db.has(key.key)
	}
	c.ok()
}

func cmdUnwatch(c *conn, _ [][]byte) {
	c.unwatch()
	c.ok()
}

// unwatch forgets what the connection watches, and what became of it.
func (c *conn) unwatch() {
	if c.watch == nil {
		return
	}
	c.leavesMany()
	for key := range c.watch.keys {
		c.srv.watches.remove(key, c.watch)
	}
	c.mem.Queries.Release(c.watch.size)
	c.watch = nil
}

// changed reports whether a key that the connection watches was written to or has gone.
// The gate is held exclusively.
func (c *conn) changed() bool {
	if c.watch == nil {
		return false
	}
	if c.watch.dirty.Load() {
		return true
	}
	for key, existed := range c.watch.keys {
		if existed && !key.db.has(key.key) {
			return true
		}
	}
	return false
}
