package server

import (
	"maps"
	"strconv"
)

const fuzzDatabases = 3

// fuzzData is what a fuzzModel's databases have.
type fuzzData struct {
	dbs  [fuzzDatabases]map[string]string
	db   int
	data map[string]string // of db
}

func newFuzzData() (d fuzzData) {
	for i := range d.dbs {
		d.dbs[i] = make(map[string]string)
	}
	d.use(0)
	return d
}

func (d *fuzzData) use(db int) { d.db, d.data = db, d.dbs[db] }

// clone returns a copy, to go back to.
func (d fuzzData) clone() fuzzData {
	for i := range d.dbs {
		d.dbs[i] = maps.Clone(d.dbs[i])
	}
	d.use(d.db)
	return d
}

// in calls fn with another database.
func (m *fuzzModel) in(db int, fn func()) {
	old := m.db
	m.use(db)
	fn()
	m.use(old)
}

// watchName is what a key of the database is called among those that are watched.
func (m *fuzzModel) watchName(key string) string { return strconv.Itoa(m.db) + key }

// database returns one, or one that there is not.
func (m *fuzzModel) database() (word string, db int, ok bool) {
	db = m.next() % 5
	if db < fuzzDatabases {
		return strconv.Itoa(db), db, true
	}
	return []string{"16", "-1"}[db-fuzzDatabases], 0, false
}

const fuzzNoDatabase = "-ERR DB index is out of range"

func (m *fuzzModel) databases(op int) {
	switch op {
	case fuzzSelect:
		word, db, ok := m.database()
		m.send("SELECT", word)
		if !ok {
			m.reply(fuzzNoDatabase)
			return
		}
		m.use(db)
		m.reply("+OK")
	case fuzzMove:
		k := m.key()
		word, db, ok := m.database()
		m.send("MOVE", k, word)
		m.transfer(k, k, db, ok, true, false)
	case fuzzCopyTo:
		from, to := m.key(), m.key()
		word, db, ok := m.database()
		args := []string{"COPY", from, to, "db", word}
		replace := m.next()%2 == 1
		if replace {
			args = append(args, "REPLACE")
		}
		m.send(args...)
		m.transfer(from, to, db, ok, false, replace)
	case fuzzSwapDB:
		word1, a, ok1 := m.database()
		word2, b, ok2 := m.database()
		m.send("SWAPDB", word1, word2)
		if !ok1 || !ok2 {
			m.reply(fuzzNoDatabase)
			return
		}
		m.swap(a, b)
		m.reply("+OK")
	case fuzzFlushDB:
		m.send("FLUSHDB")
		m.flush()
		m.reply("+OK")
	}
}

// transfer copies or moves a key, perhaps to another database.
func (m *fuzzModel) transfer(from, to string, db int, ok, move, replace bool) {
	v, found := m.data[from]
	_, had := m.dbs[db][to]
	switch {
	case !ok:
		m.reply(fuzzNoDatabase)
	case db == m.db && from == to:
		m.reply("-ERR source and destination objects are the same")
	case !found || had && !replace:
		m.int(0)
	default:
		m.in(db, func() { m.put(to, v) })
		if move {
			m.remove(from)
		}
		m.int(1)
	}
}

func (m *fuzzModel) swap(a, b int) {
	if a != b {
		for _, data := range []int{a, b} {
			for k := range m.dbs[data] {
				m.in(a, func() { m.dirty = m.dirty || m.watched[m.watchName(k)] })
				m.in(b, func() { m.dirty = m.dirty || m.watched[m.watchName(k)] })
			}
		}
	}
	m.dbs[a], m.dbs[b] = m.dbs[b], m.dbs[a]
	m.use(m.db)
}

func (m *fuzzModel) flush() {
	for k := range m.data {
		m.remove(k)
	}
}

var fuzzDatabaseStreams = []string{
	"SELECT 1\r\nSET a 1\r\nMOVE a 0\r\nSWAPDB 0 1\r\nGET a\r\nSELECT 16\r\nMOVE a x\r\nCOPY a b DB 15 REPLACE\r\nINFO keyspace\r\nCLIENT INFO\r\n",
	"MULTI\r\nSELECT 3\r\nSET a 1\r\nSWAPDB 3 4\r\nDBSIZE\r\nEXEC\r\nDBSIZE\r\nWATCH a\r\nSWAPDB 3 4\r\nMULTI\r\nRESET\r\nDBSIZE\r\nFLUSHDB\r\n",
	"CONFIG SET maxmemory 1\r\nSELECT 9\r\nDBSIZE\r\nSWAPDB 8 9\r\nSET a 1\r\n",
}

var fuzzDatabasePrograms = [][]byte{
	{fuzzSet, 0, 1, 0, fuzzSelect, 1, 0, fuzzGet, 0, 0, fuzzSet, 0, 2, 0, fuzzSelect, 3, 0, fuzzSwapDB, 0, 1, 0, fuzzGet, 0, 0, fuzzMove, 0, 0, 0,
		fuzzFlushDB, 0, fuzzDBSize, 0, fuzzSelect, 0, 0, fuzzMove, 0, 1, 0, fuzzDBSize, 0, fuzzCopyTo, 0, 1, 2, 0, 0, fuzzSwapDB, 0, 4, 0, fuzzMove, 0, 3, 0},
	{fuzzSelect, 2, 0, fuzzWatch, 0, 1, 0, fuzzSelect, 1, 0, fuzzSet, 0, 2, 0, fuzzMulti, 0, fuzzSelect, 2, 0, fuzzSet, 0, 3, 0, fuzzExec, 0, fuzzGet, 0, 0,
		fuzzWatch, 0, 1, 0, fuzzSwapDB, 2, 1, 0, fuzzMulti, 0, fuzzSelect, 0, 0, fuzzExec, 0, fuzzGet, 0, 0, fuzzReset, 0, fuzzGet, 0, 0, fuzzFlush, 0},
}
