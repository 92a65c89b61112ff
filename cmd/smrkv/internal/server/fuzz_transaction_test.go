package server

import "strings"

// A fuzzTransaction is what a fuzzModel knows of MULTI and WATCH. A command that is queued
// is made twice: when it is sent, for the bytes it takes of the program, and without being
// sent when it is executed.
type fuzzTransaction struct {
	multi   bool
	failed  bool // a command was refused
	queue   [][]byte
	refused bool // the last command would be refused before it is queued

	watched map[string]bool
	dirty   bool
}

func (m *fuzzModel) put(k, v string) {
	m.dirty = m.dirty || m.watched[m.watchName(k)]
	m.data[k] = v
}

func (m *fuzzModel) remove(k string) {
	if _, ok := m.data[k]; ok {
		m.dirty = m.dirty || m.watched[m.watchName(k)]
		delete(m.data, k)
	}
}

// step makes one command, and what is sent and replied.
func (m *fuzzModel) step() {
	op := 0
	if len(m.program) > 0 {
		op = int(m.program[0]) % fuzzOps
	}
	if !m.multi || op == fuzzMulti || op == fuzzExec || op == fuzzDiscard || op == fuzzWatch || op == fuzzReset {
		m.command()
		return
	}
	program, want, data := m.program, len(m.want), m.fuzzData.clone()
	watched, dirty, resp3 := m.watched, m.dirty, m.resp3
	m.refused = false
	m.command()
	m.fuzzData, m.watched, m.dirty, m.resp3 = data, watched, dirty, resp3
	if m.refused {
		m.failed = true
		return
	}
	m.want = m.want[:want]
	m.reply("+QUEUED")
	m.queue = append(m.queue, program[:len(program)-len(m.program)])
}

func (m *fuzzModel) transactional(op int) {
	switch op {
	case fuzzMSetNX:
		a, v, b, w := m.key(), m.value(), m.key(), m.value()
		m.send("MSETNX", a, v, b, w)
		_, hadA := m.data[a]
		_, hadB := m.data[b]
		if hadA || hadB {
			m.int(0)
			return
		}
		m.put(a, v)
		m.put(b, w)
		m.int(1)
	case fuzzRename:
		m.rename()
	case fuzzCopy:
		m.copy()
	case fuzzMulti:
		m.send("MULTI")
		if m.multi {
			m.reply("-ERR MULTI calls can not be nested")
			return
		}
		m.multi = true
		m.reply("+OK")
	case fuzzExec:
		m.exec()
	case fuzzDiscard:
		m.send("DISCARD")
		if m.multi {
			m.fuzzTransaction = fuzzTransaction{}
			m.reply("+OK")
		} else {
			m.reply("-ERR DISCARD without MULTI")
		}
	case fuzzWatch:
		a, b := m.key(), m.key()
		m.send("WATCH", a, b)
		if m.multi {
			m.reply("-ERR WATCH inside MULTI is not allowed")
			return
		}
		if m.watched == nil {
			m.watched = make(map[string]bool)
		}
		m.watched[m.watchName(a)], m.watched[m.watchName(b)] = true, true
		m.reply("+OK")
	case fuzzUnwatch:
		m.send("UNWATCH")
		m.watched, m.dirty = nil, false
		m.reply("+OK")
	case fuzzReset:
		m.send("RESET")
		m.fuzzTransaction, m.resp3 = fuzzTransaction{}, false
		m.use(0)
		m.reply("+RESET")
	}
}

func (m *fuzzModel) rename() {
	from, to, nx := m.key(), m.key(), m.next()%2 == 1
	m.send([]string{"RENAME", "RENAMENX"}[b2i(nx)], from, to)
	v, ok := m.data[from]
	_, had := m.data[to]
	switch {
	case !ok:
		m.reply("-ERR no such key")
	case nx && had: // perhaps itself
		m.int(0)
	default:
		if from != to {
			m.put(to, v)
			m.remove(from)
		}
		if nx {
			m.int(1)
		} else {
			m.reply("+OK")
		}
	}
}

func (m *fuzzModel) copy() {
	from, to := m.key(), m.key()
	args := []string{"COPY", from, to}
	replace := m.next()%2 == 1
	if replace {
		args = append(args, "Replace")
	}
	m.send(args...)
	v, ok := m.data[from]
	_, had := m.data[to]
	switch {
	case from == to:
		m.reply("-ERR source and destination objects are the same")
	case !ok || had && !replace:
		m.int(0)
	default:
		m.put(to, v)
		m.int(1)
	}
}

// fuzzMostReply bounds the replies of a transaction, which are to have room.
const fuzzMostReply = 256 << 10

func (m *fuzzModel) exec() {
	t := m.fuzzTransaction
	m.fuzzTransaction = fuzzTransaction{}
	switch {
	case !t.multi:
		m.fuzzTransaction = t // what is watched stays
		m.send("EXEC")
		m.reply("-ERR EXEC without MULTI")
	case t.failed:
		m.send("EXEC")
		m.reply("-EXECABORT Transaction discarded because of previous errors.")
	case t.dirty:
		m.send("EXEC")
		m.null("*-1")
	default:
		program, sent, want, data, resp3 := m.program, len(m.sent), len(m.want), m.fuzzData.clone(), m.resp3
		m.reply("*%d", len(t.queue))
		for _, queued := range t.queue {
			m.program = queued
			m.command()
			m.sent = m.sent[:sent]
		}
		m.program, m.fuzzTransaction = program, fuzzTransaction{}
		if len(m.want)-want > fuzzMostReply {
			m.want, m.fuzzData, m.resp3 = m.want[:want], data, resp3
			m.send("DISCARD")
			m.reply("+OK")
			return
		}
		m.send("EXEC")
	}
}

var fuzzTransactionStreams = []string{
	"MULTI\r\nSET a 1\r\nINCR a\r\nGET a\r\nEXEC\r\nEXEC\r\nDISCARD\r\n",
	"MULTI\r\nMULTI\r\nWATCH a\r\nUNWATCH\r\nDISCARD\r\nMULTI\r\nnonsense\r\nSET a 1\r\nEXEC\r\nGET a\r\n",
	"WATCH a b\r\nSET b 1\r\nMULTI\r\nGET a\r\nEXEC\r\nWATCH a\r\nUNWATCH\r\nMULTI\r\nEXEC\r\nMULTI\r\nEXEC x\r\n",
	"MULTI\r\nSETRANGE s 3000000 x\r\nGET s\r\nMGET s s\r\nAPPEND s x\r\nGETDEL s\r\nKEYS *\r\nINFO\r\nSCAN 0\r\nEXEC\r\n",
	"MULTI\r\nFLUSHALL\r\nCONFIG SET maxmemory 2mb\r\nCLIENT LIST\r\nCLIENT KILL ID 1 SKIPME no\r\nPING\r\nEXEC\r\nPING\r\n",
	"MULTI\r\nSET a 1\r\nRESET\r\nEXEC\r\nMULTI\r\nQUIT\r\nPING\r\n", "WATCH a\r\nMULTI\r\nSET a 1\r\n",
	"MSETNX a 1 b 2\r\nRENAME a c\r\nRENAMENX c b\r\nCOPY b d REPLACE\r\nCOPY b d DB 0\r\nCOPY b d DB 1\r\nRENAME a a\r\nMSETNX a\r\n",
	"PING\r\nPOST / HTTP/1.1\r\nHost: x\r\n\r\nSET hacked yes\r\n", "MULTI\r\nSET a 1\r\n*2\r\n$5\r\nhost:\r\n$1\r\nx\r\nEXEC\r\n",
}

var fuzzTransactionPrograms = [][]byte{
	// In both protocols, and from one to the other.
	{fuzzHello, 3, 0, fuzzGet, 0, 0, fuzzMGet, 0, 1, 2, 0, fuzzSetIf, 0, 1, 2, 0, fuzzWatch, 0, 1, 0, fuzzSet, 0, 2, 0, fuzzMulti, 0, fuzzExec, 0,
		fuzzHello, 4, 0, fuzzHello, 0, 3, fuzzMulti, 0, fuzzGet, 1, 0, fuzzHello, 2, 0, fuzzGet, 1, 0, fuzzHello, 3, 1, fuzzExec, 0, fuzzGetDel, 1, 0,
		fuzzMulti, 0, fuzzHello, 2, 0, fuzzDiscard, 0, fuzzGet, 1, 0, fuzzMulti, 0, fuzzReset, 0, fuzzExec, 0, fuzzGet, 1, 0},
	// Executed, aborted for an error, aborted for a change, discarded.
	{fuzzMulti, 0, fuzzSet, 0, 1, 0, fuzzIncr, 0, 0, 0, fuzzGet, 0, 0, fuzzArity, 3, 0, fuzzExec, 0, fuzzGet, 0, 0},
	{fuzzMulti, 0, fuzzSet, 0, 1, 0, fuzzUnknown, 0, 0, 0, fuzzExec, 0, fuzzGet, 0, 0, fuzzMulti, 0, fuzzArity, 0, 0, fuzzExec, 0},
	{fuzzSet, 1, 1, 0, fuzzWatch, 0, 1, 0, fuzzDel, 0, 1, 0, 0, fuzzMulti, 0, fuzzSet, 0, 1, 0, fuzzExec, 1, fuzzExec, 0, fuzzDiscard, 0},
	{fuzzWatch, 0, 1, 0, fuzzSet, 0, 2, 0, fuzzUnwatch, 0, fuzzMulti, 0, fuzzMulti, 0, fuzzWatch, 0, 0, 0, fuzzUnwatch, 0, fuzzExec, 0},
	// Of two keys.
	{fuzzMSetNX, 0, 1, 1, 2, 0, fuzzMSetNX, 1, 1, 2, 2, 0, fuzzRename, 0, 2, 0, 0, fuzzRename, 1, 2, 1, 0, fuzzCopy, 2, 3, 0, 0,
		fuzzCopy, 1, 3, 1, 0, fuzzCopy, 3, 3, 1, 0, fuzzRename, 3, 3, 1, 0, fuzzRename, 3, 3, 0, 0, fuzzMGet, 1, 2, 3, 0},
}

// fuzzNotComparable reports whether a reply depends on what room there is at the moment.
func fuzzNotComparable(reply string) bool {
	return strings.Contains(reply, "OOM ") || strings.Contains(reply, errReplyRoom)
}
