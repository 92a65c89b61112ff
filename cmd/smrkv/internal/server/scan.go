package server

import (
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
			pattern = args[i+1]
		case equalFold(args[i], "TYPE"):
			strings = equalFold(args[i+1], "STRING")
		default:
			c.error(errSyntax)
			return
		}
	}
	if count > scanStep {
		c.wire.mayBlock() // it takes long
	}
	l := c.newKeyList(pattern)
	defer l.release()
	for seen := int64(0); ; {
		cursor = c.srv.data.Scan(cursor, int(min(scanStep, count-seen)), func(key []byte, _ smrmap.Item) {
			seen++
			if strings {
				l.add(key)
			}
		})
		if cursor == 0 || seen >= count || l.size() >= scanBytes || l.failed {
			break
		}
	}
	if l.failed {
		c.error(errReplySize)
		return
	}
	c.array(2)
	c.bulkString(strconv.FormatUint(cursor, 10))
	l.reply()
}

// parseCursor takes what strtoul does, if that is all there is.
func parseCursor(arg []byte) (uint64, bool) {
	s := string(arg)
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
	c.wire.mayBlock() // it takes long
	l := c.newKeyList(args[1])
	defer l.release()
	for cursor := uint64(0); ; {
		cursor = c.srv.data.Scan(cursor, scanStep, func(key []byte, _ smrmap.Item) { l.add(key) })
		if cursor == 0 || l.failed {
			break
		}
	}
	if l.failed {
		c.error(errReplySize)
		return
	}
	l.reply()
}

// A keyList collects keys, encoded as a reply: how many there are must be written
// before them.
type keyList struct {
	c       *conn
	pattern []byte
	all     bool // whatever the pattern, it matches
	n       int
	keys    scratch
	failed  bool // there was no room
}

func (c *conn) newKeyList(pattern []byte) *keyList {
	return &keyList{c: c, pattern: pattern, all: string(pattern) == "*"}
}

// add adds key if it matches.
func (l *keyList) add(key []byte) {
	if l.failed || !l.all && !match(l.pattern, key) {
		return
	}
	if !l.keys.more(l.c, len(key)+bulkOverhead) {
		l.failed = true
		return
	}
	l.keys.buf.B = resp.AppendBulk(l.keys.buf.B, key)
	l.n++
}

func (l *keyList) size() int {
	if l.keys.buf == nil {
		return 0
	}
	return len(l.keys.buf.B)
}

func (l *keyList) reply() {
	l.c.array(l.n)
	if l.n > 0 {
		l.c.raw(l.keys.buf.B)
	}
}

func (l *keyList) release() { l.keys.release(l.c) }
