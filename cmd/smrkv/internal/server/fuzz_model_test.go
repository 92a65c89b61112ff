package server

import (
	"bytes"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// A fuzzModel makes commands of a program of bytes, and says what the replies to them
// are: it is a map of strings.
type fuzzModel struct {
	program []byte
	fuzzData

	sent []byte // the commands
	want []byte // the replies

	resp3 bool
	fuzzTransaction
}

// The commands of a program, each a byte modulo their number, and what follows it; and
// after that always how it is sent.
const (
	fuzzSet      = iota // key, value
	fuzzGet             // key
	fuzzDel             // key, key, 0: DEL or 1: UNLINK
	fuzzAppend          // key, value
	fuzzIncr            // key, 0: INCR or 1: DECR
	fuzzIncrBy          // key, 0: INCRBY or 1: DECRBY, number
	fuzzStrLen          // key
	fuzzGetRange        // key, number, number
	fuzzSetRange        // key, a third of the offset and 10, value
	fuzzGetSet          // key, value
	fuzzGetDel          // key
	fuzzSetNX           // key, value
	fuzzMSet            // key, value, key, value
	fuzzMGet            // key, key, key
	fuzzSetIf           // key, value, options: 1 NX, 2 XX, 4 GET
	fuzzDBSize
	fuzzExists // key
	fuzzEcho   // value
	fuzzFlush
	fuzzArity   // which
	fuzzUnknown // which, and which argument
	fuzzMSetNX  // key, value, key, value
	fuzzRename  // key, key, 0: RENAME or 1: RENAMENX
	fuzzCopy    // key, key, 1: REPLACE
	fuzzMulti
	fuzzExec
	fuzzDiscard
	fuzzWatch // key, key
	fuzzUnwatch
	fuzzSetBit   // key, eighth of the place, place in it and (8) the bit
	fuzzGetBit   // key, eighth of the place, place in it
	fuzzBitCount // key, number, number, 0: BYTE or 1: BIT
	fuzzBitOp    // which, key, key, key
	fuzzField    // key, width, place, overflow, number: BITFIELD with SET and INCRBY
	fuzzLCS      // key, key
	fuzzHello    // 0: HELLO, or in which protocol, from 1 to 4
	fuzzReset
	fuzzSelect // which
	fuzzMove   // key, which
	fuzzCopyTo // key, key, which, 1: REPLACE
	fuzzSwapDB // which, which
	fuzzFlushDB
	fuzzOps
)

func newFuzzModel(program []byte) *fuzzModel {
	return &fuzzModel{program: program, fuzzData: newFuzzData()}
}

func (m *fuzzModel) run() {
	for len(m.program) > 0 && len(m.sent) < 100_000 {
		m.step()
	}
}

// next reads a byte of the program, past whose end all is 0.
func (m *fuzzModel) next() int {
	if len(m.program) == 0 {
		return 0
	}
	b := m.program[0]
	m.program = m.program[1:]
	return int(b)
}

// key returns one of some keys.
func (m *fuzzModel) key() string {
	return [...]string{"a", "b", "n", "", "key\r\n", "k\x00\xff", strings.Repeat("long", 30), "*1"}[m.next()%8]
}

// value returns a value: numbers, sizes around those of buffers, and others.
func (m *fuzzModel) value() string {
	b := m.next()
	switch {
	case b < 4:
		return strconv.Itoa(b - 1)
	case b < 16:
		return [...]string{"9223372036854775807", "-9223372036854775808", "9223372036854775808", "-0", "01", "+1",
			"", " 1", "1.5", "-", "\r\n", "$-1\r\n"}[b-4]
	case b >= 240:
		return strings.Repeat("v", 16<<10+8*(b-248))
	default:
		return strings.Repeat(string(rune(b)), b%40)
	}
}

// number returns an argument that is an integer, or a word that is none.
func (m *fuzzModel) number() (word string, n *big.Int) {
	b := m.next()
	if b >= 250 {
		word = m.value()
	} else {
		word = strconv.Itoa(b - 125)
	}
	return word, integer(word)
}

var decimal = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// integer returns what Redis takes for an integer, or nil.
func integer(word string) *big.Int {
	if !decimal.MatchString(word) {
		return nil
	}
	n, _ := new(big.Int).SetString(word, 10)
	if !n.IsInt64() {
		return nil
	}
	return n
}

// send sends a command, as an array or as a line.
func (m *fuzzModel) send(args ...string) {
	how := m.next()
	if how%3 == 1 {
		args[0] = strings.ToLower(args[0])
	}
	total := 0
	for _, a := range args {
		total += len(a)
	}
	if how%4 != 3 || total > 1000 {
		m.sent = append(m.sent, encode(args...)...)
		return
	}
	for i, a := range args {
		if i > 0 {
			m.sent = append(m.sent, ' ')
		}
		m.sent = append(m.sent, '"')
		for _, c := range []byte(a) {
			m.sent = fmt.Appendf(m.sent, `\x%02x`, c)
		}
		m.sent = append(m.sent, '"')
	}
	m.sent = append(m.sent, "\r\n"...)
}

func (m *fuzzModel) reply(format string, args ...any) {
	m.want = fmt.Appendf(m.want, format+"\r\n", args...)
}

func (m *fuzzModel) int(n int) { m.reply(":%d", n) }

func (m *fuzzModel) bulk(s string, ok bool) {
	if !ok {
		m.null("$-1")
		return
	}
	m.reply("$%d\r\n%s", len(s), s)
}

// null replies with null, which RESP2 has two of.
func (m *fuzzModel) null(resp2 string) {
	if m.resp3 {
		resp2 = "_"
	}
	m.reply("%s", resp2)
}

// hello is HELLO, to change the protocol or not.
func (m *fuzzModel) hello() {
	protocol := m.next() % 5
	if protocol == 0 {
		m.send("HELLO")
	} else {
		m.send("HELLO", strconv.Itoa(protocol))
	}
	switch protocol {
	case 1, 4:
		m.reply("-NOPROTO unsupported protocol version")
		return
	case 2, 3:
		m.resp3 = protocol == 3
	}
	header := "*14"
	if protocol = 2; m.resp3 {
		header, protocol = "%7", 3
	}
	m.reply("%s\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:%d\r\n$2\r\nid\r\n:1\r\n"+
		"$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0", header, protocol)
}

const fuzzNotInteger = "-ERR value is not an integer or out of range"

// command makes one command, that is executed at once.
func (m *fuzzModel) command() {
	switch op := m.next() % fuzzOps; op {
	case fuzzSet:
		k, v := m.key(), m.value()
		m.send("SET", k, v)
		m.put(k, v)
		m.reply("+OK")
	case fuzzGet:
		k := m.key()
		m.send("GET", k)
		v, ok := m.data[k]
		m.bulk(v, ok)
	case fuzzDel:
		a, b := m.key(), m.key()
		m.send([]string{"DEL", "UNLINK"}[m.next()%2], a, b)
		n := len(m.data)
		m.remove(a)
		m.remove(b)
		m.int(n - len(m.data))
	case fuzzAppend:
		k, v := m.key(), m.value()
		m.send("APPEND", k, v)
		m.put(k, m.data[k]+v)
		m.int(len(m.data[k]))
	case fuzzIncr, fuzzIncrBy:
		m.add(op == fuzzIncrBy)
	case fuzzStrLen:
		k := m.key()
		m.send("STRLEN", k)
		m.int(len(m.data[k]))
	case fuzzGetRange:
		m.getRange()
	case fuzzSetRange:
		m.setRange()
	case fuzzGetSet:
		k, v := m.key(), m.value()
		m.send("GETSET", k, v)
		old, ok := m.data[k]
		m.put(k, v)
		m.bulk(old, ok)
	case fuzzGetDel:
		k := m.key()
		m.send("GETDEL", k)
		old, ok := m.data[k]
		m.remove(k)
		m.bulk(old, ok)
	case fuzzSetNX:
		k, v := m.key(), m.value()
		m.send("SETNX", k, v)
		if _, ok := m.data[k]; ok {
			m.int(0)
		} else {
			m.put(k, v)
			m.int(1)
		}
	case fuzzMSet:
		a, v, b, w := m.key(), m.value(), m.key(), m.value()
		m.send("MSET", a, v, b, w)
		m.put(a, v)
		m.put(b, w)
		m.reply("+OK")
	case fuzzMGet:
		a, b, c := m.key(), m.key(), m.key()
		m.send("MGET", a, b, c)
		m.reply("*3")
		for _, k := range []string{a, b, c} {
			v, ok := m.data[k]
			m.bulk(v, ok)
		}
	case fuzzSetIf:
		m.setIf()
	case fuzzDBSize:
		m.send("DBSIZE")
		m.int(len(m.data))
	case fuzzExists:
		k := m.key()
		m.send("EXISTS", k, k)
		if _, ok := m.data[k]; ok {
			m.int(2)
		} else {
			m.int(0)
		}
	case fuzzEcho:
		v := m.value()
		m.send("ECHO", v)
		m.bulk(v, true)
	case fuzzFlush:
		m.send("FLUSHALL")
		for db := range m.dbs {
			m.in(db, m.flush)
		}
		m.reply("+OK")
	case fuzzArity:
		name := []string{"get", "set", "append", "mset", "ping"}[m.next()%5]
		args := map[string]int{"get": 2, "set": 1, "append": 3, "mset": 3, "ping": 2}[name]
		m.send(append([]string{name}, strings.Split(strings.Repeat("x", args), "")...)...)
		m.reply("-ERR wrong number of arguments for '%s' command", name)
		m.refused = args < 3 && name != "ping" || name == "append"
	case fuzzUnknown:
		m.unknown()
		m.refused = true
	case fuzzSetBit, fuzzGetBit, fuzzBitCount, fuzzBitOp, fuzzField, fuzzLCS:
		m.bits(op)
	case fuzzHello:
		m.hello()
	case fuzzSelect, fuzzMove, fuzzCopyTo, fuzzSwapDB, fuzzFlushDB:
		m.databases(op)
	default:
		m.transactional(op)
	}
}

// add adds to or subtracts from an integer: by one, or with an argument by that.
func (m *fuzzModel) add(withArgument bool) {
	k, by := m.key(), big.NewInt(1)
	minus := m.next()%2 == 1
	if withArgument {
		word, n := m.number()
		m.send([]string{"INCRBY", "DECRBY"}[b2i(minus)], k, word)
		if n == nil {
			m.reply(fuzzNotInteger)
			return
		}
		if by = n; minus && n.Cmp(big.NewInt(-1<<63)) == 0 {
			m.reply("-ERR decrement would overflow")
			return
		}
	} else {
		m.send([]string{"INCR", "DECR"}[b2i(minus)], k)
	}
	old := new(big.Int)
	if v, ok := m.data[k]; ok {
		if old = integer(v); old == nil {
			m.reply(fuzzNotInteger)
			return
		}
	}
	if minus {
		by = new(big.Int).Neg(by)
	}
	sum := new(big.Int).Add(old, by)
	if !sum.IsInt64() {
		m.reply("-ERR increment or decrement would overflow")
		return
	}
	m.put(k, sum.String())
	m.reply(":%v", sum)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (m *fuzzModel) getRange() {
	k := m.key()
	from, a := m.number()
	to, b := m.number()
	m.send("GETRANGE", k, from, to)
	if a == nil || b == nil {
		m.reply(fuzzNotInteger)
		return
	}
	v := m.data[k]
	n := big.NewInt(int64(len(v)))
	// Two that count from the end, the wrong way round, are nothing, even if both are
	// before the beginning.
	if a.Sign() < 0 && b.Sign() < 0 && a.Cmp(b) > 0 {
		m.bulk("", true)
		return
	}
	var part bytes.Buffer
	for i := range len(v) {
		at := big.NewInt(int64(i))
		if at.Cmp(placeOf(a, n)) >= 0 && at.Cmp(placeOf(b, n)) <= 0 {
			part.WriteByte(v[i])
		}
	}
	m.bulk(part.String(), true)
}

// placeOf returns which byte of n an index means that may count from the end.
func placeOf(i, n *big.Int) *big.Int {
	if i.Sign() >= 0 {
		return i
	}
	if i = new(big.Int).Add(i, n); i.Sign() < 0 {
		return new(big.Int)
	}
	return i
}

func (m *fuzzModel) setRange() {
	k, offset, piece := m.key(), m.next()*3-30, m.value()
	m.send("SETRANGE", k, strconv.Itoa(offset), piece)
	old := m.data[k]
	switch {
	case offset < 0:
		m.reply("-ERR offset is out of range")
	case piece == "":
		m.int(len(old))
	default:
		v := []byte(old)
		for len(v) < offset+len(piece) {
			v = append(v, 0)
		}
		copy(v[offset:], piece)
		m.put(k, string(v))
		m.int(len(v))
	}
}

// setIf is SET with options.
func (m *fuzzModel) setIf() {
	k, v, how := m.key(), m.value(), m.next()
	args := []string{"SET", k, v}
	nx, xx, get := how&1 != 0, how&2 != 0, how&4 != 0
	for _, o := range []struct {
		name string
		on   bool
	}{{"nx", nx}, {"XX", xx}, {"Get", get}} {
		if o.on {
			args = append(args, o.name)
		}
	}
	m.send(args...)
	old, had := m.data[k]
	if nx && xx {
		m.reply("-ERR syntax error")
		return
	}
	stored := !(nx && had) && !(xx && !had)
	if stored {
		m.put(k, v)
	}
	switch {
	case get:
		m.bulk(old, had)
	case stored:
		m.reply("+OK")
	default:
		m.null("$-1")
	}
}

// unknown is a command that there is not. The reply quotes it, in one line.
func (m *fuzzModel) unknown() {
	name := []string{"nosuch", "no\r\nsuch", "get ", "getx"}[m.next()%4]
	k := []string{"a", "b\nc"}[m.next()%2]
	m.send(strings.ToLower(name), k)
	line := strings.NewReplacer("\r", " ", "\n", " ").Replace(fmt.Sprintf("'%s', with args beginning with: '%s' ", name, k))
	m.reply("-ERR unknown command %s", line)
}
