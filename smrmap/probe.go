package smrmap

// A probe visits the slots of a chain whose tag is that of a hash. Readers in a section, readers
// without one, and the holder of the lock all probe alike. [Map.find] and [Bytes.find] differ in
// how they compare keys, and are two so that the comparison is inlined. (Rejected: one iterator for
// both. Its state, in memory, doubled the time of a LoadIn.)

// words loads the words of a bucket in the order a probe needs: ctl before tags, and both before
// the slots. place and take say why that finds each entry that stays; link has the next bucket.
func (b *bucket) words() (ctl, tags uint64) {
	ctl = b.ctl.Load()
	return ctl, b.tags.Load()
}

// A place is a slot of a bucket.
type place struct {
	b *bucket
	i int
}

func (p place) store(e ref) { p.b.at(p.i).Store(e) }

// lacks reports, without the lock, that no entry has hash h: no slot of the chain has its tag. For
// one absent key in 40 another entry has the tag, and lacks reports false.
//
// An entry that stays in the map keeps its slot and its tag, so a chain without the tag is a miss.
// h was absent at some moment of the probe:
//
//   - when the tags that lack it were loaded, unless it was in another bucket of the chain then:
//     in that case between its deletion there and its insertion behind the probe;
//   - or, if the bucket was moved after its ctl was loaded, when it was marked: a marked bucket
//     does not change, so it lacked h at that moment, too, and whatever the next table has gained
//     came later. A bucket that was already marked must not be probed: what it lacks may have been
//     stored in the next table before the probe began.
func (c *core) lacks(h uint64) bool {
	t, b, _ := c.table.Load().follow(h)
	for want := tag(h); b != nil; {
		ctl, tags := b.words()
		if match(tags, want) != 0 {
			return false
		}
		b = t.chained(ctl, tags)
	}
	return true
}
