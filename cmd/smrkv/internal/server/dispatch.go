package server

import (
	"bytes"
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// manyWords take most commands a tenth of a millisecond or more.
const manyWords = 1000

// execute runs one command and appends its reply.
func (c *conn) execute(args [][]byte) {
	c.room(smallReply)
	cmd := c.srv.commands.lookup(args[0])
	if cmd == nil {
		c.rejectUnknown(args)
		return
	}
	if len(args) != cmd.arity && (cmd.arity >= 0 || len(args) < -cmd.arity) {
		c.reject(cmd, arityError(cmd.name))
		return
	}
	if c.mustAuthenticate() && cmd.flags&noAuth == 0 {
		c.reject(cmd, "NOAUTH Authentication required.")
		return
	}
	if cl := c.srv.opts.Cluster; cl != nil {
		if failure := cl.misplaced(slotOf(cmd, args)); failure != "" {
			c.reject(cmd, failure)
			return
		}
	}
	if c.sub != nil {
		if failure := c.unfit(cmd, args); failure != "" {
			c.reject(cmd, failure)
			return
		}
	}
	if c.tx != nil && cmd.flags&unqueued == 0 {
		c.enqueue(cmd, args)
		return
	}
	c.run(cmd, args)
	if c.shared.flags.Load()&flagTracking != 0 {
		c.tracked(cmd, args)
	}
}

// run runs a command that may be run, and for whose reply there is smallReply of room.
func (c *conn) run(cmd *command, args [][]byte) {
	if len(args) > manyWords {
		c.takesLong()
	}
	c.tally.count(cmd, &c.srv.stats)
	if c.shared.command.Load() != cmd {
		c.shared.command.Store(cmd)
	}
	switch c.sample++; {
	case cmd.timed:
		c.timeIt(cmd, args, 1)
	case c.srv.timeAll.Load() != 0:
		c.timeIt(cmd, args, 1)
	case c.sample%timeEvery == 0:
		c.timeIt(cmd, args, timeEvery)
	default:
		cmd.run(c, args)
	}
}

func (c *conn) errorArity(name string) { c.error(arityError(name)) }

func arityError(name string) string {
	return "ERR wrong number of arguments for '" + name + "' command"
}

// rejectUnknown quotes what the client sent, cut as Redis does.
func (c *conn) rejectUnknown(args [][]byte) {
	if isHTTP(args[0]) {
		c.refuseHTTP()
		return
	}
	const limit = quotedMost
	var quoted strings.Builder
	for _, arg := range args[1:] {
		if quoted.Len() >= limit {
			break
		}
		fmt.Fprintf(&quoted, "'%s' ", cString(arg, limit-quoted.Len()))
	}
	c.reject(nil, fmt.Sprintf("ERR unknown command '%s', with args beginning with: %s", cString(args[0], limit), quoted.String()))
}

// quotedMost is how much of an argument an error quotes.
const quotedMost = 128

// cString returns b up to a NUL, n bytes at most, as C prints it.
func cString(b []byte, n int) []byte {
	b = b[:min(n, len(b))]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return b
}

// equalFold reports whether arg is word, which is in upper case, in any case.
func equalFold(arg []byte, word string) bool {
	return len(arg) == len(word) && strings.EqualFold(viewed(arg), word)
}

// indexFold returns which of words arg is, in any case, or -1.
func indexFold(words []string, arg []byte) int {
	return slices.IndexFunc(words, func(word string) bool { return equalFold(arg, word) })
}

// commands is the table of commands. It is not changed once made.
type commands struct {
	list []*command // by name

	// An open-addressing hash table of the names, twice as large as need be, so
	// that most look-ups end at the first slot.
	slots [tableSize]slot
}

const (
	tableBits = 8
	tableSize = 1 << tableBits
)

type slot struct {
	key nameKey
	cmd *command
}

// A nameKey is a name of up to 16 letters, with the bit cleared that makes a
// letter lower case. For other bytes that makes no letter either, so only names
// that differ in case have the same key.
type nameKey struct {
	lo, hi uint64
	length int
}

func keyOf[S []byte | string](name S) (k nameKey, ok bool) {
	if len(name) > 16 {
		return k, false
	}
	for i := range min(len(name), 8) {
		k.lo |= uint64(name[i]&^0x20) << (8 * i)
	}
	for i := 8; i < len(name); i++ {
		k.hi |= uint64(name[i]&^0x20) << (8 * (i - 8))
	}
	k.length = len(name)
	return k, true
}

func (k nameKey) hash() uint64 {
	const mul = 0x9e3779b97f4a7c15
	hi, lo := bits.Mul64(k.lo^bits.RotateLeft64(k.hi, 32), mul)
	return (hi ^ lo) >> (64 - tableBits)
}

func (t *commands) add(cmd *command) {
	key, ok := keyOf(cmd.name)
	if !ok {
		panic("server: command name too long: " + cmd.name)
	}
	i := key.hash()
	for t.slots[i].cmd != nil {
		i = (i + 1) % tableSize
	}
	t.slots[i] = slot{key, cmd}
	t.list = append(t.list, cmd)
}

// lookup finds a command by its name, in any case, or returns nil.
func (t *commands) lookup(name []byte) *command {
	key, ok := keyOf(name)
	if !ok {
		return nil
	}
	for i := key.hash(); ; i = (i + 1) % tableSize {
		switch s := &t.slots[i]; {
		case s.key == key:
			return s.cmd
		case s.cmd == nil:
			return nil
		}
	}
}
