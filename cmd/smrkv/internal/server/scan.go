package server

import (
	"runtime"
	"strconv"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
	"github.com/gosmr/gosmr/smrmap"
)

// This file has the commands that list keys.

const (
	scanCount = 10 // unless COUNT says otherwise

	// A step of SCAN and KEYS, in entries; and how many bytes of keys end a SCAN
	// before its count is full, which is a hint.
	scanStep  = 128
	scanBytes = 1 << 20
)

func cmdScan(c *conn, args [][]byte) {
	cursor, ok := parseCursor(args[1])
	if !ok {
		c.error("ERR invalid cursor")
		return
	}
	pattern, count, strings := []byte("*"), int64(scanCount), true
	for i := 2; i < len(args); i += 2 {
		switch {
		case i+1 == len(args):
			c.error(errSyntax)
			return
		case equalFold(args[i], "COUNT"):
			if count, ok = c.parseInt(args[i+1]); !ok {
				return
			}
			if count < 1 {
				c.error(errSyntax)
				return
			}
		case equalFold(args[i], "MATCH"):
			if pattern = args[i+1]; len(pattern) > maxPattern {
				c.error(errPattern)
				return
			}
		case equalFold(args[i], "TYPE"):
			strings = equalFold(args[i+1], "STRING")
		default:
			c.error(errSyntax)
			return
		}
	}
	if count > scanStep {
		c.takesLong()
	}
	l := c.newKeyList(pattern)
	l.none = !strings
	defer l.keys.release(c)
	for seen := int64(0); ; {
		var n int
		cursor, n = l.scan(cursor, int(min(scanStep, count-seen)))
		seen += int64(n)
		if cursor == 0 || seen >= count || l.size() >= scanBytes || l.failed {
			break
		}
	}
	if l.failed || !c.reserve(2*smallReply+l.size()) {
		c.errorReplySize(l.size())
		return
	}
	c.array(2)
	c.bulkString(strconv.FormatUint(cursor, 10))
	l.keys.reply(c, l.n)
}

// parseCursor takes what strtoul does, if that is all there is up to a NUL.
func parseCursor(arg []byte) (uint64, bool) {
	s := string(cString(arg, len(arg)))
	if s == "" {
		return 0, true
	}
	negative := s[0] == '-'
	if negative || s[0] == '+' {
		s = s[1:]
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if negative {
		n = -n
	}
	return n, err == nil
}

func cmdKeys(c *conn, args [][]byte) {
	if len(args[1]) > maxPattern {
		c.error(errPattern)
		return
	}
	c.takesLong()
	l := c.newKeyList(args[1])
	defer l.keys.release(c)
	for cursor := uint64(0); ; {
		cursor, _ = l.scan(cursor, scanStep)
		if cursor == 0 || l.failed {
			break
		}
	}
	l.replyAlone()
}

// A keyList collects keys, or names of channels, encoded as a reply: how many there are must
// be written before them.
//
// They are copied in the map's section and matched outside: a pattern may take
// seconds for a long key, and a section would hold back the store's memory as long.
type keyList struct {
	c      *conn
	match  matcher
	all    bool // whatever the pattern, it matches
	none   bool // nothing does: no key is of the type that was asked for
	n      int
	keys   scratch
	step   []place // of keys that are not matched yet
	full   bool    // there was no room in this step
	failed bool    // nor in a smaller one, or nobody waits for the reply any more
}

// A place is a key's in the list, within the bytes of its encoding.
type place struct{ from, key, to int }

func (c *conn) newKeyList(pattern []byte) *keyList {
	l := &keyList{c: c, all: string(pattern) == "*"}
	l.match = matcher{pattern: pattern, goOn: func() bool {
		c.takesLong()
		c.pause()
		runtime.Gosched() // others would wait for 10 ms, where there is one processor
		return c.goOn()
	}}
	return l
}

// scan takes a step from cursor on, of n entries or a few more. It returns where to
// go on, and how many they were.
func (l *keyList) scan(cursor uint64, n int) (next uint64, seen int) {
	size := l.size()
	l.c.resume() // where the last step has compared for long
	next, seen = l.collect(cursor, n)
	if l.full && n > 1 { // of fewer keys at a time there may be room for those that match
		l.truncate(size)
		next, seen = l.collect(cursor, 1)
	}
	l.filter(size)
	return next, seen
}

func (l *keyList) collect(cursor uint64, n int) (next uint64, seen int) {
	l.step, l.full = l.step[:0], false
	next = l.c.data().Scan(cursor, n, func(key []byte, _ smrmap.Item) {
		seen++
		if !l.none {
			l.add(key)
		}
	})
	return next, seen
}

// add adds key, whether or not it matches.
func (l *keyList) add(key []byte) {
	if l.full || !l.keys.more(l.c, len(key)+bulkOverhead) {
		l.full = true
		return
	}
	from := l.size()
	l.keys.buf.B = resp.AppendBulk(l.keys.buf.B, key)
	to := l.size()
	l.step = append(l.step, place{from, to - len("\r\n") - len(key), to})
}

// filter leaves those of the step, whose keys begin at end, that match.
func (l *keyList) filter(end int) {
	for _, p := range l.step {
		b := l.keys.buf.B
		if !l.all && !l.match.match(b[p.key:p.to-len("\r\n")]) {
			continue
		}
		end += copy(b[end:], b[p.from:p.to])
		l.n++
	}
	l.truncate(end)
	l.failed = l.full
	if l.match.ended || !l.c.goOn() {
		l.c.broken, l.failed = true, true
	}
}

// offer adds key if it matches.
func (l *keyList) offer(key []byte) {
	size := l.size()
	l.step = l.step[:0]
	l.add(key)
	l.filter(size)
}

func (l *keyList) truncate(size int) {
	if l.keys.buf != nil {
		l.keys.buf.B = l.keys.buf.B[:size]
	}
}

func (l *keyList) size() int { return len(l.keys.bytes()) }

// replyAlone replies with the list, or that there was no room for it.
func (l *keyList) replyAlone() {
	if l.failed {
		l.c.errorReplySize(l.size())
		return
	}
	l.keys.reply(l.c, l.n)
}
