package server

// This file has CLIENT REPLY: a client may want no replies. It gets messages all the same, and
// the replies to SUBSCRIBE and the like, which count as some.

// A wanted says which replies a client wants.
type wanted uint8

const (
	wantsAll      wanted = iota
	wantsNotNext         // not that to the next command
	wantsMessages        // none
)

func clientReply(c *conn, args [][]byte) {
	switch {
	case equalFold(args[2], "ON"):
		c.wanted = wantsAll
		c.aloud()
		c.ok()
		return
	case equalFold(args[2], "OFF"):
		c.wanted = wantsMessages
	case equalFold(args[2], "SKIP"):
		if c.wanted == wantsAll {
			c.wanted = wantsNotNext
		}
	default:
		c.error(errSyntax)
		return
	}
	if c.hold == holdAll { // the reply to EXEC has one for each command
		c.ok()
	}
}

// quietly calls fn, and drops what it replies.
func (c *conn) quietly(fn func()) {
	if c.wanted == wantsNotNext {
		c.wanted = wantsAll
	}
	c.flush()
	c.out.silent = true
	fn()
	c.aloud()
}

// aloud drops what there is if it is not wanted, and writes what follows. The reply to EXEC is
// written as a whole or not at all.
func (c *conn) aloud() {
	if c.out.silent && !c.out.holding {
		c.out.b = c.out.b[:0]
		c.out.silent = false
	}
}

// beginPush and endPush are around what is written although replies are not wanted.
func (c *conn) beginPush() (interrupts bool) {
	interrupts = c.out.silent && !c.out.holding
	c.aloud()
	return interrupts
}

func (c *conn) endPush(interrupts bool) {
	if interrupts {
		c.flush()
		c.out.silent = true
	}
}
