package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
)

// A DB is a B+tree in a file. One transaction at a time changes it, by copies of the pages it changes;
// readers read the pages of the version that they have found, where they are mapped. No reader waits,
// not for a transaction and not for the file to grow, and growing waits for no reader.
type DB struct {
	dom  *smr.Domain
	file *smrfile.File

	// current is written by transactions, and read by readers.
	current smr.Pointer[version]

	mu     sync.Mutex // transactions
	meta   meta       // guarded by mu: the last one that was committed
	failed error      // guarded by mu: what is on the disk is not known any more

	freeMu sync.Mutex // taken after mu, and by callbacks
	free   []uint64   // pages that no version has, or no reader
	oldest *version   // that may have readers
}

// A version is a tree that does not change.
type version struct {
	db   *DB
	root uint64

	// Guarded by db.freeMu: what the next version does not have, the next version, and whether this
	// one has no readers any more.
	garbage []uint64
	next    *version
	dead    bool
}

// Options are the options of Open.
type Options struct {
	// Reserve has the file grow in place up to so many bytes. 0: it moves as it grows, and has no bound.
	Reserve int64
}

// growBy is by how much the file grows, at least.
const growBy = 64 * pageSize

// Open opens the tree in a file, or makes one.
func Open(dom *smr.Domain, path string, o Options) (*DB, error) {
	osFile, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	file, err := smrfile.New(dom, osFile, smrfile.Options{Write: true, Reserve: o.Reserve})
	if err != nil {
		return nil, errors.Join(err, osFile.Close())
	}
	db := &DB{dom: dom, file: file}
	if err := db.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close(context.Background())) // no reader yet
	}
	return db, nil
}

// load finds the tree, and the pages that are free.
func (db *DB) load() error {
	if db.file.Size() == 0 {
		if err := db.create(); err != nil {
			return err
		}
	}
	s := db.file.Enter()
	defer s.Leave()
	for page := range uint64(2) {
		b, err := db.file.View(s, int64(page*pageSize), pageSize)
		if err != nil {
			return err
		}
		if m, err := decodeMeta(b); err == nil && m.txn >= db.meta.txn {
			db.meta = m
		}
	}
	if db.meta.pages == 0 {
		return errCorrupt
	}
	used := make(map[uint64]bool)
	if err := db.mark(s, db.meta.root, used); err != nil {
		return err
	}
	for page := uint64(2); page < db.meta.pages; page++ {
		if !used[page] {
			db.free = append(db.free, page)
		}
	}
	db.oldest = &version{db: db, root: db.meta.root}
	db.current.Init(db.oldest)
	db.current.In(db.dom)
	db.current.GuardedBy(&db.mu)
	return nil
}

// create makes an empty tree. If the program crashes meanwhile, no meta page is whole.
func (db *DB) create() error {
	if err := db.file.Grow(growBy); err != nil {
		return err
	}
	m := meta{txn: 1, root: 2, pages: 3}
	_, err := db.file.WriteAt(encode(leaf, nil), 2*pageSize)
	if err == nil {
		err = db.file.Sync()
	}
	if err == nil {
		_, err = db.file.WriteAt(m.encode(), int64(m.txn%2*pageSize))
	}
	return errors.Join(err, db.file.Sync())
}

// mark notes the pages of a tree, and checks them.
func (db *DB) mark(s smr.Section, page uint64, used map[uint64]bool) error {
	if page < 2 || page >= db.meta.pages || used[page] {
		return errCorrupt
	}
	used[page] = true
	n, err := db.node(s, page)
	if err == nil {
		err = n.check()
	}
	if err != nil {
		return err
	}
	if n.kind() == leaf {
		return nil
	}
	for _, it := range n.items() {
		if err := db.mark(s, it.page(), used); err != nil {
			return err
		}
	}
	return nil
}

// node returns a page, borrowed until s is left.
func (db *DB) node(s smr.Section, page uint64) (node, error) {
	return db.file.View(s, int64(page*pageSize), pageSize)
}

// leafOf returns the leaf where key is, or would be, borrowed until s is left. next is the first key
// that may be in a later leaf, nil if there is none.
func (db *DB) leafOf(s smr.Section, root uint64, key []byte) (n node, next []byte, err error) {
	for page := root; ; {
		if n, err = db.node(s, page); err != nil || n.kind() == leaf {
			return n, next, err
		}
		i := n.child(key)
		if i+1 < n.len() {
			next = n.item(i + 1).key
		}
		page = n.item(i).page()
	}
}

// Get appends the value of a key to dst, and reports whether there is one.
func (db *DB) Get(key, dst []byte) (value []byte, ok bool, err error) {
	s, ok := db.dom.TryEnter()
	if !ok {
		return dst, false, smr.ErrClosed
	}
	defer s.Leave()
	return db.get(s, db.current.Load(s).root, key, dst)
}

func (db *DB) get(s smr.Section, root uint64, key, dst []byte) (value []byte, ok bool, err error) {
	n, _, err := db.leafOf(s, root, key)
	if err != nil {
		return dst, false, err
	}
	if i := n.seek(key); i < n.len() && string(n.item(i).key) == string(key) {
		return append(dst, n.item(i).value...), true, nil
	}
	return dst, false, nil
}

// publishLocked makes a version current, and retires the one before: garbage is what only older ones have.
func (db *DB) publishLocked(v *version, garbage []uint64) {
	old := db.current.LoadSerialized()
	db.freeMu.Lock()
	old.next, old.garbage = v, garbage
	db.freeMu.Unlock()
	db.current.Store(v)
	smr.Call(db.dom, old, pageSize*len(garbage), (*version).end)
}

// end is called when v has no reader any more. Older versions may have: they are held, and callbacks
// come in no order. A page is free when no version is left that was there before it was replaced.
func (v *version) end() {
	db := v.db
	db.freeMu.Lock()
	defer db.freeMu.Unlock()
	v.dead = true
	for ; db.oldest.dead; db.oldest = db.oldest.next {
		db.free = append(db.free, db.oldest.garbage...)
	}
}

// takeFree returns a page that is free.
func (db *DB) takeFree() (page uint64, ok bool) {
	db.freeMu.Lock()
	defer db.freeMu.Unlock()
	if len(db.free) == 0 {
		return 0, false
	}
	page = db.free[len(db.free)-1]
	db.free = db.free[:len(db.free)-1]
	return page, true
}

func (db *DB) giveFree(pages []uint64) {
	db.freeMu.Lock()
	defer db.freeMu.Unlock()
	db.free = slices.Concat(db.free, pages)
}

// Close ends the DB when its readers have left, or ctx has ended. Snapshots fail from then on; the
// domain's Close waits for theirs.
func (db *DB) Close(ctx context.Context) error {
	db.mu.Lock()
	defer db.mu.Unlock() // the transaction under way ends first
	db.failed = os.ErrClosed
	return db.file.Close(ctx)
}
