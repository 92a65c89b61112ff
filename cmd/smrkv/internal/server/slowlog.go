package server

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
)

// A slowLog keeps what was slow lately. It sees what is timed: each call of most commands, but
// of those that are fast, and SET, one in 64, so that they need not read the clock. If the
// threshold is below timeAllBelow, somebody wants to see more: then each call is timed.
type slowLog struct {
	threshold atomic.Int64 // in microseconds; negative: nothing is slow
	most      atomic.Int64 // entries

	mu      sync.Mutex
	entries []slowEntry // the last is the newest
	next    int64       // id
}

type slowEntry struct {
	id   int64
	rest []byte // encoded as a reply: when, how long, the command, the client's address and name
}

const (
	defaultSlow  = 10_000 // microseconds
	timeAllBelow = 1000

	// An entry has so much of a command, at most.
	slowArgs     = 32
	slowArgBytes = 128
)

func (l *slowLog) init() {
	l.threshold.Store(defaultSlow)
	l.most.Store(128)
}

func (l *slowLog) isSlow(took time.Duration) bool {
	t := l.threshold.Load()
	return t >= 0 && took.Microseconds() >= t
}

// setSlow changes the threshold.
func (s *Server) setSlow(threshold int64) {
	s.slow.threshold.Store(threshold)
	if 0 <= threshold && threshold < timeAllBelow {
		s.timeAll.Or(forSlow)
	} else {
		s.timeAll.And(^forSlow)
	}
}

// note adds a command that was slow.
func (l *slowLog) note(c *conn, cmd *command, args []byte, took time.Duration) {
	if cmd.flags&skipSlowLog != 0 { // what it executes is noted
		return
	}
	b := resp.AppendInt(resp.AppendInt(nil, c.srv.clock().Unix()), took.Microseconds())
	b = resp.AppendBulk(append(b, args...), address(c.wire.remote(), c.wire.local()))
	b = resp.AppendBulk(b, loadOrZero(&c.shared.name))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, slowEntry{l.next, b})
	l.next++
	if n := int64(len(l.entries)) - l.most.Load(); n > 0 {
		clear(l.entries[:n])
		l.entries = l.entries[n:]
	}
}

// shortenedArgs encodes the first args as a reply.
func shortenedArgs(args [][]byte) []byte {
	b := resp.AppendArray(nil, min(len(args), slowArgs))
	for i, arg := range args {
		switch {
		case i == slowArgs-1 && len(args) > slowArgs:
			return resp.AppendBulk(b, fmt.Sprintf("... (%d more arguments)", len(args)-i))
		case len(arg) > slowArgBytes:
			b = resp.AppendBulk(b, fmt.Sprintf("%s... (%d more bytes)", arg[:slowArgBytes], len(arg)-slowArgBytes))
		default:
			b = resp.AppendBulk(b, arg)
		}
	}
	return b
}

// redacted returns args without passwords.
func redacted(cmd *command, args [][]byte) [][]byte {
	hide := 0
	switch cmd.name {
	case "auth":
		hide = len(args)
	case "hello", "config":
	default:
		return args
	}
	args = slices.Clone(args)
	for i := 1; i < len(args); i++ {
		switch {
		case hide > 0:
			args[i] = []byte("(redacted)")
			hide--
		case cmd.name == "hello" && equalFold(args[i], "AUTH"):
			hide = 2
		case i%2 == 0 && equalFold(args[i], "REQUIREPASS") && equalFold(args[1], "SET"):
			hide = 1
		}
	}
	return args
}

var slowLogCommands = []subcommand{
	{"GET", -2, slowLogGet, []string{"[<count>]", "Return top <count> entries from the slowlog (default: 10, -1 mean all).",
		"Entries are made of:", "id, timestamp, time in microseconds, arguments array, client IP and port,", "client name"}},
	{"LEN", 2, slowLogLen, []string{"", "Return the length of the slowlog."}},
	{"RESET", 2, slowLogReset, []string{"", "Reset the slowlog."}},
}

func slowLogGet(c *conn, args [][]byte) {
	count := int64(10)
	switch len(args) {
	case 2:
	case 3:
		n, ok := resp.ParseInt(args[2])
		if !ok || n < -1 {
			c.error("ERR count should be greater than or equal to -1")
			return
		}
		if count = n; n == -1 {
			count = math.MaxInt64
		}
	default:
		c.error(fmt.Sprintf("ERR unknown subcommand or wrong number of arguments for '%s'. Try SLOWLOG HELP.", cString(args[1], quotedMost)))
		return
	}
	l := &c.srv.slow
	l.mu.Lock()
	entries := slices.Clone(l.entries[max(0, int64(len(l.entries))-count):])
	l.mu.Unlock()
	var text scratch // what the log has dropped while the client doesn't read is charged
	defer text.release(c)
	for _, e := range slices.Backward(entries) {
		if !text.more(c, 2*resp.HeaderSize+len(e.rest)) {
			c.errorReplySize(len(text.bytes()))
			return
		}
		text.buf.B = append(resp.AppendInt(resp.AppendArray(text.buf.B, 6), e.id), e.rest...)
	}
	text.reply(c, len(entries))
}

func slowLogLen(c *conn, _ [][]byte) {
	c.srv.slow.mu.Lock()
	n := len(c.srv.slow.entries)
	c.srv.slow.mu.Unlock()
	c.int(int64(n))
}

func slowLogReset(c *conn, _ [][]byte) {
	c.srv.slow.mu.Lock()
	c.srv.slow.entries = nil
	c.srv.slow.mu.Unlock()
	c.ok()
}

// There are no events that are watched for their latency, and no histograms: what these
// commands reply is what Redis does with latency-monitor-threshold 0 and latency-tracking no.
var latencyCommands = []subcommand{
	{"HISTOGRAM", -2, func(c *conn, _ [][]byte) { c.mapOf(0) }, []string{"[COMMAND ...]", "Return nothing: there are no histograms."}},
	{"HISTORY", 3, latencyNone, []string{"<event>", "Return nothing: there are no events."}},
	{"LATEST", 2, latencyNone, []string{"", "Return nothing: there are no events."}},
	{"RESET", -2, func(c *conn, _ [][]byte) { c.int(0) }, []string{"[<event> ...]", "Return 0: there are no events."}},
}

func latencyNone(c *conn, _ [][]byte) { c.array(0) }
