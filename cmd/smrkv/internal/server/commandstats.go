package server

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/pcpu"
)

// This file counts, for INFO, how often commands and errors occur, and how long commands
// take.

// timeEvery is how many calls of the fast commands stand for one that is timed: reading the
// clock twice would take a fifth of the time of a GET. Others are timed each time.
const timeEvery = 64

// Why each command is timed, in Server.timeAll: since SLOWLOG is to see all of them (setSlow), or for
// each connection that monitors (counted).
const (
	forSlow     int32 = 1
	eachMonitor int32 = 2
)

type commandStats struct {
	calls    pcpu.Counter
	nanos    atomic.Int64 // an estimate
	rejected atomic.Int64 // before they were executed
	failed   atomic.Int64 // with an error
}

// A CommandStat is what INFO tells of a command.
type CommandStat struct {
	Calls, Rejected, Failed int64
	Time                    time.Duration // estimated, for commands that are fast
}

func (a CommandStat) minus(b CommandStat) CommandStat {
	return CommandStat{a.Calls - b.Calls, a.Rejected - b.Rejected, a.Failed - b.Failed, a.Time - b.Time}
}

// timeIt runs a command whose time stands for that of weight calls.
func (c *conn) timeIt(cmd *command, args [][]byte, weight int64) {
	var shown []byte
	if c.draft != nil { // once it is stored, the value may be freed
		shown = shortenedArgs(args)
	}
	words := c.shown(cmd, args)
	begin := time.Now()
	cmd.run(c, args)
	took := time.Since(begin)
	c.srv.stats.commandsOf[cmd.id].nanos.Add(int64(took) * weight)
	if c.srv.slow.isSlow(took) {
		if shown == nil {
			shown = shortenedArgs(redacted(cmd, args))
		}
		c.srv.slow.note(c, cmd, shown, took)
	}
	if words != nil {
		c.show(words)
	}
}

// Commands calls yield for each command that was ever sent.
func (s *Server) Commands(yield func(name string, st CommandStat) bool) {
	for _, cmd := range s.commands.list {
		st := &s.stats.commandsOf[cmd.id]
		now := CommandStat{st.calls.Load(), st.rejected.Load(), st.failed.Load(), time.Duration(st.nanos.Load())}
		if now != (CommandStat{}) && !yield(cmd.name, now) {
			return
		}
	}
}

// errorStats counts errors by their first word, of which there are few.
type errorStats struct{ byWord sync.Map } // string to *pcpu.Counter

func (e *errorStats) count(text string) {
	word, _, _ := strings.Cut(text, " ")
	n, ok := e.byWord.Load(word)
	if !ok {
		n, _ = e.byWord.LoadOrStore(word, new(pcpu.Counter))
	}
	n.(*pcpu.Counter).Add(1)
}

func (e *errorStats) counts() map[string]int64 {
	counts := make(map[string]int64)
	for word, n := range e.byWord.Range {
		counts[word.(string)] = n.(*pcpu.Counter).Load()
	}
	return counts
}
