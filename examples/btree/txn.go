package main

import (
	"errors"
	"slices"
)

// A Record is a key and its value. In Update a nil value deletes the key.
type Record struct{ Key, Value []byte }

// A txn collects the pages of the next version. It replaces no page that a reader may read: it writes
// to pages that are free, or new.
type txn struct {
	db      *DB
	meta    meta
	pages   map[uint64][]byte
	reused  []uint64 // of pages, those that were free
	garbage []uint64 // pages of the last version that are replaced
	err     error
}

// Update changes records, all or none, and returns when they are on the disk. It waits for no reader:
// while pages that were replaced have readers, the file grows. (smr.Domain.Throttle would bound that,
// but also wait for snapshots.)
func (db *DB) Update(records []Record) error {
	sorted, err := sortRecords(records)
	if err != nil {
		return err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.failed != nil {
		return db.failed
	}
	tx := &txn{db: db, meta: db.meta, pages: make(map[uint64][]byte)}
	tx.meta.txn++
	tx.grow(sorted)
	if err := tx.write(); err != nil {
		db.giveFree(tx.reused)
		return err // the last version stays, in memory and on the disk
	}
	if err := tx.commit(); err != nil {
		db.failed = err
		return err
	}
	db.meta = tx.meta
	db.publishLocked(&version{db: db, root: tx.meta.root}, tx.garbage)
	return nil
}

// sortRecords returns the records in order, the last one of each key.
func sortRecords(records []Record) ([]Record, error) {
	sorted := slices.Clone(records)
	slices.SortStableFunc(sorted, func(a, b Record) int { return slices.Compare(a.Key, b.Key) })
	kept := sorted[:0]
	for i, r := range sorted {
		if len(r.Key)+max(len(r.Value), 8) > maxItem {
			return nil, ErrTooLarge
		}
		if i+1 == len(sorted) || string(r.Key) != string(sorted[i+1].Key) {
			kept = append(kept, r)
		}
	}
	return kept, nil
}

// grow makes the new tree: the old one with the records, and as many levels as it needs.
func (tx *txn) grow(records []Record) {
	items := tx.apply(tx.meta.root, records)
	for len(items) > 1 {
		items = tx.put(branch, items)
	}
	if len(items) == 0 {
		items = []item{branchItem(nil, tx.add(encode(leaf, nil)))}
	}
	tx.meta.root = items[0].page()
}

// apply returns the items, of a branch, for a part of the tree with the records in it.
func (tx *txn) apply(page uint64, records []Record) []item {
	n, err := tx.read(page)
	if err != nil {
		tx.err = err
		return nil
	}
	tx.garbage = append(tx.garbage, page)
	if n.kind() == leaf {
		return tx.put(leaf, merge(n.items(), records))
	}
	var items []item
	for i := range n.len() {
		end := len(records)
		if i+1 < n.len() {
			next := n.item(i + 1).key
			end, _ = slices.BinarySearchFunc(records, next, func(r Record, key []byte) int { return slices.Compare(r.Key, key) })
		}
		if end == 0 {
			items = append(items, n.item(i)) // it stays as it is
		} else {
			items = append(items, tx.apply(n.item(i).page(), records[:end])...)
		}
		records = records[end:]
	}
	return tx.put(branch, items)
}

// read returns a copy of a page: a transaction may be long, and its sections should not.
func (tx *txn) read(page uint64) (node, error) {
	s := tx.db.file.Enter()
	defer s.Leave()
	n, err := tx.db.node(s, page)
	return slices.Clone(n), err
}

// merge returns items with the records in their places.
func merge(items []item, records []Record) (merged []item) {
	for _, r := range records {
		for len(items) > 0 && string(items[0].key) < string(r.Key) {
			merged, items = append(merged, items[0]), items[1:]
		}
		if len(items) > 0 && string(items[0].key) == string(r.Key) {
			items = items[1:]
		}
		if r.Value != nil {
			merged = append(merged, item{r.Key, r.Value})
		}
	}
	return append(merged, items...)
}

// put makes pages of items, about as full as each other, and returns the items of a branch for them.
func (tx *txn) put(kind uint16, items []item) (pages []item) {
	const room = pageSize - pageHeader
	total := 0
	for _, it := range items {
		total += it.size()
	}
	target := room
	if total > room {
		target = max(total/(total/room+1), room/2)
	}
	for len(items) > 0 {
		n, size := 0, 0
		for n < len(items) && size < target && size+items[n].size() <= room {
			size += items[n].size()
			n++
		}
		pages = append(pages, branchItem(items[0].key, tx.add(encode(kind, items[:n]))))
		items = items[n:]
	}
	return pages
}

// add gives a page its place in the file.
func (tx *txn) add(p []byte) uint64 {
	page, ok := tx.db.takeFree()
	if ok {
		tx.reused = append(tx.reused, page)
	} else {
		page = tx.meta.pages
		tx.meta.pages++
	}
	tx.pages[page] = p
	return page
}

// write writes the pages, which nothing leads to yet. The file grows under its readers.
func (tx *txn) write() error {
	if tx.err != nil {
		return tx.err
	}
	f := tx.db.file
	if need := int64(tx.meta.pages * pageSize); need > f.Size() {
		if err := f.Grow((need + growBy - 1) / growBy * growBy); err != nil {
			return err
		}
	}
	for page, b := range tx.pages {
		if _, err := f.WriteAt(b, int64(page*pageSize)); err != nil {
			return err
		}
	}
	return f.Sync()
}

// commit has the disk lead to the new tree.
func (tx *txn) commit() error {
	_, err := tx.db.file.WriteAt(tx.meta.encode(), int64(tx.meta.txn%2*pageSize))
	return errors.Join(err, tx.db.file.Sync())
}
