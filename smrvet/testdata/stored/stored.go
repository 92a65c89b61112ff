// Package stored has sections that are kept in structs.
package stored

import "github.com/gosmr/gosmr/smr"

var dom = smr.Default()

type session struct{ section smr.Section }

func open() *session {
	return &session{dom.Enter()} // want `the section is stored in field section of session, no method of which ends it`
}

var current smr.Section

func global() {
	current = dom.Enter() // want `the section is stored in current, and stays open \(smrstoredsection\)`
}

// From here on all is right.

type cursor struct {
	section smr.Section
	n       int
}

func newCursor() *cursor { return &cursor{section: dom.Enter()} }

func (c *cursor) Close() { c.section.Leave() }

type txn struct{ section smr.Section }

func begin() *txn { return &txn{dom.Enter()} }

func end(t *txn) { t.section.Leave() }

func local() {
	type pair struct{ a, b smr.Section }
	p := pair{dom.Enter(), dom.Enter()}
	p.a.Leave()
	p.b.Leave()
}
