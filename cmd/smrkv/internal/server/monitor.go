package server

import (
	"fmt"
	"math"
	"strings"
)

// This file has MONITOR: a client is sent each command that is executed. Such clients are the
// subscribers of a topic, with a subscriber's limits; whoever executes a command publishes it. A
// command is timed then, each of them: see Server.timeAll. So nobody looks for monitors while there
// is none.

const (
	errMonitorExec = "ERR MONITOR isn't allowed for DENY BLOCKING client"
	errMonitoring  = "ERR Replica can't interact with the keyspace" // what Redis calls a monitor
)

func cmdMonitor(c *conn, _ [][]byte) {
	switch {
	case c.hold == holdAll: // within EXEC
		c.error(errMonitorExec)
	case c.monitors(): // there is no second reply in Redis either
	default:
		if failure := c.joinOne(monitors, nil); failure != "" {
			c.error(failure)
			return
		}
		c.ok()
	}
}

// monitors reports whether the connection is sent all commands. Any goroutine may ask.
func (c *conn) monitors() bool { return c.shared.subscribed[monitors].Load() > 0 }

// hidden reports whether MONITOR does not show a command: those of administrators, and what is none.
func (cmd *command) hidden(args [][]byte) bool {
	if cmd.subs == nil || len(args) == 1 {
		return cmd.flags&admin != 0
	}
	sub, _ := findSubcommand(cmd.subs, args)
	if sub == nil {
		return cmd.checkSubcommand(args) != "" // it is HELP, or none
	}
	return cmd.subFlags(sub)&admin != 0
}

// shown returns a command's words as MONITOR shows them; nil if nobody monitors, or it is hidden. It
// is called before the command, which may free them. Of a line that is longer than any client may
// have it returns too much, and not all.
func (c *conn) shown(cmd *command, args [][]byte) (words []byte) {
	if c.srv.timeAll.Load() < eachMonitor || cmd.hidden(args) {
		return nil
	}
	most := min(c.srv.buffers.Limit(), math.MaxInt32-1)
	if hard := c.srv.settings.pubsubLimit().hard; hard > 0 {
		most = min(most, hard)
	}
	for _, arg := range redacted(cmd, args) {
		words = appendQuoted(words, arg[:min(len(arg), int(most)+1)])
		if int64(len(words)) > most {
			break
		}
	}
	return words
}

// appendQuoted appends a space and a word.
func appendQuoted(dst, word []byte) []byte {
	dst = append(dst, ` "`...)
	for _, b := range word {
		switch i := strings.IndexByte("\n\r\t\a\b\\\"", b); {
		case i >= 0:
			dst = append(dst, '\\', `nrtab\"`[i])
		case ' ' <= b && b <= '~':
			dst = append(dst, b)
		default:
			const hex = "0123456789abcdef"
			dst = append(dst, '\\', 'x', hex[b>>4], hex[b&15])
		}
	}
	return append(dst, '"')
}

// show sends the words of a command that was executed to those that monitor.
func (c *conn) show(words []byte) {
	from := address(c.wire.remote(), c.wire.local())
	if path, ok := strings.CutSuffix(from, ":0"); ok { // no client's port
		from = "unix:" + path
	}
	now := c.srv.clock()
	line := fmt.Appendf(nil, "+%d.%06d [%d %s]%s\r\n", now.Unix(), now.Nanosecond()/1000, c.db.index, from, words)
	p := publication{srv: c.srv, limit: c.srv.settings.pubsubLimit()}
	p.to(monitors, "", func() []byte { return line })
	p.finish()
}
