// Package cross has mistakes that only the summaries of another package show.
package cross

import (
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"

	"example.com/vet/lib"
)

func borrowed(t *lib.Table[lib.Node]) int {
	s := t.Dom.Enter()
	v := t.Find(s)
	s.Leave()
	return lib.Value(v) // want `what Find returned at line \d+ is used after its section was left`
}

func unleft(t *lib.Table[lib.Node]) bool {
	s := t.Enter() // want `smrunleft`
	return t.Find(s) == nil
}

func dropped(t *lib.Table[int]) {
	t.Enter() // want `smrdropped`
}

func waits(t *lib.Table[int]) {
	s := t.Dom.Enter()
	t.Flush() // want `Flush waits for the section`
	s.Leave()
}

func blocks(t *lib.Table[int]) {
	s := t.Dom.Pin()
	t.Lock() // want `Lock, which calls sync.Mutex.Lock while pinned`
	s.Leave()
}

func twice(d *smr.Domain, n *lib.Node) {
	lib.Free(d, n)
	lib.Free(d, n) // want `smrdoublefree`
}

func writes(b *smrmap.Bytes, key []byte) {
	lib.With(b, key, func(v []byte) {
		v[0] = 1 // want `smrwriteborrowed`
	})
}

func peeked(src lib.Source, d *smr.Domain) byte {
	s := d.Enter()
	b := src.Peek(s)
	s.Leave()
	return b[0] // want `smruseafterleave`
}

func strange(b *smrmap.Bytes, key []byte, how func([]byte) []byte) byte {
	s := b.Enter()
	it, _ := b.LoadIn(s, key)
	v := lib.Strange(it.Value, how)
	s.Leave()
	return v[0] // want `smruseafterleave`
}

func right(t *lib.Table[lib.Node]) int {
	s := t.Enter()
	defer lib.Finish(s)
	return lib.Value(t.Find(s))
}

func rightWith(b *smrmap.Bytes, key []byte) (n int) {
	lib.With(b, key, func(v []byte) { n = len(v) })
	return n
}
