// Package stored has sections that are kept in structs.
package stored

import "github.com/gosmr/gosmr/smr"

var dom = smr.Default()

type session struct{ section smr.Section }

func open() *session {
	return &session{dom.Enter()} // want `the section is stored in field section of session, and stays open as long as that lives: nothing here takes it from there`
}

var current smr.Section

func global() {
	current = dom.Enter() // want `the section is stored in current, and stays open: nothing here takes it from there \(smrstoredsection\)`
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

type request struct{ section smr.Section }

func handle(*request) {}

func passedOn() {
	s := dom.Enter()
	handle(&request{s})
	s.Leave()
}

type call struct{ section smr.Section }

func newCall() *call { return &call{dom.Enter()} }

func useCall() {
	c := newCall()
	defer c.section.Leave()
}

var shared smr.Section

func setUp() { shared = dom.Enter() }

func tearDown() { shared.Leave() }
