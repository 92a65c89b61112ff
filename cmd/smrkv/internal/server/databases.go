package server

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smrmap"
)

// Databases are maps of their own, under one budget and in one domain: a key is what the
// client sent, whatever its database, and DBSIZE, FLUSHDB and SWAPDB are one step. (In a map
// that all share, each key would need a prefix, and be copied for it; what has expired or was
// evicted would be missing in no database's count; and KEYS would walk all of them.)
//
// What they do not share is what is free in their slabs. Where that matters, one database
// takes memory from the others: see takeFromOthers.
type database struct {
	index    int
	expiring atomic.Int64 // entries with an expiry, by the last walk of active expiry

	// data is nil until a client has selected the database. Set under Server.dbMu, read by all;
	// exchanged with another's by SWAPDB, which holds all of the gate.
	data atomic.Pointer[smrmap.Bytes]
}

const (
	defaultDatabases = 16
	mostDatabases    = 1 << 10
)

// open returns a database that there is, with a map.
func (s *Server) open(index int) (*database, error) {
	d := &s.dbs[index]
	if d.data.Load() != nil {
		return d, nil
	}
	s.dbMu.Lock()
	defer s.dbMu.Unlock()
	if d.data.Load() != nil {
		return d, nil
	}
	var m *smrmap.Bytes
	m, err := smrmap.NewBytes(smrmap.Options{Domain: s.dom, Budget: s.memory, Now: s.clock,
		OnRemove: func(key []byte, evicted bool) { s.removed(m, key, evicted) }})
	if err != nil {
		return nil, err
	}
	m.SetEvictable(s.policy().evictable())
	d.data.Store(m)
	return d, nil
}

// databases yields those that have a map.
func (s *Server) databases(yield func(*database, *smrmap.Bytes) bool) {
	for i := range s.dbs {
		if m := s.dbs[i].data.Load(); m != nil && !yield(&s.dbs[i], m) {
			return
		}
	}
}

// nextDatabase returns the index of the one with a map that follows on i, 0 after the last.
func (s *Server) nextDatabase(i int) int {
	for i++; i < len(s.dbs); i++ {
		if s.dbs[i].data.Load() != nil {
			return i
		}
	}
	return 0
}

// expiring sums what the last walk of active expiry has found.
func (s *Server) expiring() (sum int64) {
	for d := range s.databases {
		sum += d.expiring.Load()
	}
	return sum
}

// dataStats sums the statistics of all databases.
func (s *Server) dataStats() (sum smrmap.Stats) {
	for _, m := range s.databases {
		st := m.Stats()
		sum.Len += st.Len
		sum.Buckets += st.Buckets
		sum.Resizes += st.Resizes
		sum.EntryBytes += st.EntryBytes
		sum.PendingBytes += st.PendingBytes
		sum.FreeBytes += st.FreeBytes
		sum.Drafts += st.Drafts
		sum.Expired += st.Expired
		sum.Evicted += st.Evicted
	}
	return sum
}

func (s *Server) closeData(ctx context.Context) (err error) {
	for _, m := range s.databases {
		err = errors.Join(err, m.Close(ctx))
	}
	return err
}

// data returns the map of the selected database. It is to be asked for again after a pause.
func (c *conn) data() *smrmap.Bytes { return c.db.data.Load() }

// use selects a database.
func (c *conn) use(d *database) {
	c.db = d
	c.shared.db.Store(int32(d.index))
}

func cmdSelect(c *conn, args [][]byte) {
	if d := c.database(args[1]); d != nil {
		c.use(d)
		c.ok()
	}
}

// database returns the one that arg says, or replies with the error and returns nil.
func (c *conn) database(arg []byte) *database {
	index, ok := c.parseInt(arg)
	switch {
	case !ok:
		return nil
	case int64(int32(index)) != index:
		c.error("ERR value is out of range, value must between -2147483648 and 2147483647")
		return nil
	}
	return c.openDatabase(index)
}

func (c *conn) openDatabase(index int64) *database {
	switch {
	case index != 0 && c.srv.opts.Cluster != nil:
		c.errorCluster()
		return nil
	case index < 0 || index >= int64(len(c.srv.dbs)):
		c.error("ERR DB index is out of range")
		return nil
	}
	d, err := c.srv.open(int(index))
	if errors.Is(err, slab.ErrNoMemory) && c.spare(need{total: leastFree, large: leastFree}) { // in no slab
		d, err = c.srv.open(int(index))
	}
	if err != nil {
		c.errorStore(err)
	}
	return d
}

// errorCluster replies that the command is not for a cluster, which has one database.
func (c *conn) errorCluster() {
	what := strings.ToUpper(c.tally.command.name)
	if what == "COPY" {
		what = "Copying to another database"
	}
	c.error("ERR " + what + " is not allowed in cluster mode")
}

func cmdSwapDB(c *conn, args [][]byte) {
	var index [2]int64
	var swap [2]*database
	for i, which := range []string{"first", "second"} {
		n, ok := resp.ParseInt(args[1+i])
		if !ok || int64(int32(n)) != n {
			c.error("ERR invalid " + which + " DB index")
			return
		}
		index[i] = n
	}
	if c.srv.opts.Cluster != nil {
		c.errorCluster()
		return
	}
	for i := range swap {
		if swap[i] = c.openDatabase(index[i]); swap[i] == nil {
			return
		}
	}
	a, b := swap[0], swap[1]
	c.alone(func() {
		c.srv.watches.swapped(a, b)
		a.data.Store(b.data.Swap(a.data.Load()))
		a.expiring.Store(b.expiring.Swap(a.expiring.Load()))
		c.srv.expire.note() // its walk may miss either
		c.ok()
	})
}

// swapped is touch for all keys of two databases that are about to be swapped.
func (w *watches) swapped(a, b *database) {
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		for k, watchers := range s.keys {
			if a == b || k.db != a && k.db != b || !a.has(k.key) && !b.has(k.key) {
				continue
			}
			for by := range watchers {
				by.dirty.Store(true)
			}
		}
		s.mu.Unlock()
	}
}

// has is not counted as a hit or a miss.
func (d *database) has(key string) bool {
	m := d.data.Load()
	s := m.Enter()
	defer s.Leave()
	_, ok := m.LoadIn(s, []byte(key))
	return ok
}

func cmdMove(c *conn, args [][]byte) {
	if c.srv.opts.Cluster != nil {
		c.errorCluster()
		return
	}
	switch d := c.database(args[2]); d {
	case nil:
	case c.db:
		c.error(errSameObject)
	default:
		c.copyKey(args[1], args[1], copyOptions{move: true, to: d}, func(moved, found bool) { c.bool(moved) })
	}
}

// Memory is taken from each database as much as that one's part is of all that is stored: by
// chance, or by share. So what nobody reads goes first, on the whole, whatever its database.

// victim returns a map other than but, with a chance that is its part of all that is stored;
// nil if there is none.
func (s *Server) victim(but *smrmap.Bytes) (from *smrmap.Bytes) {
	all := int64(0)
	for _, m := range s.databases {
		if m == but {
			continue
		}
		n := m.Stats().EntryBytes
		if all += n; from == nil || n > 0 && rand.Int64N(all) < n {
			from = m
		}
	}
	return from
}

// computeEvicting is m.ComputeEvicting, for a write of about size bytes, that takes memory from
// other databases as well.
func (s *Server) computeEvicting(ctx context.Context, m *smrmap.Bytes, key []byte, size int, fn func(smrmap.Item, bool) (smrmap.Item, smrmap.Op)) error {
	own := !s.evicts() || s.victim(nil) == m
	for {
		var err error
		if own {
			_, err = m.ComputeEvicting(ctx, key, fn)
		} else {
			_, err = m.Compute(key, fn)
		}
		if !errors.Is(err, slab.ErrNoMemory) {
			return err
		}
		if !s.takeFromOthers(ctx, m, int64(size)) {
			if own {
				return err
			}
			own = true
		}
	}
}

// takeFromOthers makes some database other than m give back a slab or more, and evicts about
// size bytes from it for that if the policy allows. It reports whether anything came of it. It
// waits for readers.
func (s *Server) takeFromOthers(ctx context.Context, m *smrmap.Bytes, size int64) bool {
	from := s.victim(m)
	if from == nil {
		return false
	}
	evicted := from.EvictBytes(int(max(size, leastFree)))
	if s.dom.Barrier(ctx) != nil {
		return false
	}
	released, err := s.compact(ctx, m)
	return err == nil && int64(evicted)+released > 0
}

// compact makes some database other than but give the memory of a slab back to the budget: the
// one of whose slabs most is free that has one to give.
func (s *Server) compact(ctx context.Context, but *smrmap.Bytes) (released int64, err error) {
	var maps []*smrmap.Bytes
	for _, m := range s.databases {
		if m != but {
			maps = append(maps, m)
		}
	}
	slices.SortFunc(maps, func(a, b *smrmap.Bytes) int { return cmp.Compare(b.Stats().FreeBytes, a.Stats().FreeBytes) })
	for i := 0; i < len(maps) && released == 0 && err == nil; i++ {
		released, err = maps[i].CompactFor(ctx, 0)
	}
	return released, err
}
