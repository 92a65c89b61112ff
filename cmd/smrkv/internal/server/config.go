package server

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
	"github.com/gosmr/gosmr/cmd/smrkv/internal/units"
)

var configCommands = []subcommand{
	{"GET", -3, configGet, []string{"<pattern>", "Return parameters matching the glob-like <pattern> and their values."}},
	{"RESETSTAT", 2, configResetStat, []string{"", "Reset statistics reported by the INFO command."}},
	{"REWRITE", 2, configRewrite, []string{"", "Fails: there is no configuration file."}},
	{"SET", -4, configSet, []string{"<directive> <value>", "Set the configuration <directive> to <value>."}},
}

// A parameter is what CONFIG GET and SET know of.
type parameter struct {
	name string
	get  func(*Server) string

	// parse checks a value and returns what sets it; nil: it can't be set.
	parse func(s *Server, value string) (set func(), err error)
}

var parameters = []parameter{
	fixed("activedefrag", "no"), // what is moved is moved when memory is short
	fixed("appendonly", "no"),
	{"client-output-buffer-limit",
		func(s *Server) string { return s.settings.outputLimits.Load().String() }, parseOutputLimits},
	{"cluster-enabled", func(s *Server) string { return yesNo(s.opts.Cluster != nil) }, nil},
	{"daemonize", constant("no"), nil},
	{"databases", func(s *Server) string { return strconv.Itoa(len(s.dbs)) }, nil},
	{"enable-debug-command", constant("no"), nil},
	{"io-threads", func(s *Server) string { return strconv.Itoa(s.opts.IOThreads) }, nil},
	fixed("latency-monitor-threshold", "0"),
	fixed("latency-tracking", "no"),
	number("maxclients", 1, math.MaxUint32, func(s *Server) int64 { return s.settings.maxClients.Load() },
		func(s *Server, n int64) { s.settings.maxClients.Store(n) }),
	{"maxmemory",
		func(s *Server) string { return strconv.FormatInt(s.memory.Limit(), 10) },
		func(s *Server, v string) (func(), error) {
			n, err := units.ParseBytes(v)
			if err != nil {
				err = errors.New("argument must be a memory value")
			}
			return func() { s.setMaxMemory(n) }, err
		}},
	{"maxmemory-clients", (*Server).clientMemoryText,
		func(s *Server, v string) (func(), error) {
			n, err := ParseClientMemory(v)
			if part, ok := strings.CutSuffix(v, "%"); ok && err != nil {
				if n, ok := resp.ParseInt([]byte(part)); ok && n > 100 {
					return nil, errors.New("percentage argument must be less or equal to 100")
				}
			}
			if err != nil {
				err = errors.New("argument must be a memory or percent value")
			}
			return func() { s.setClientMemory(n) }, err
		}},
	{"maxmemory-policy",
		func(s *Server) string { return s.policy().String() },
		func(s *Server, v string) (func(), error) {
			p, err := ParsePolicy(v)
			if err != nil {
				err = errors.New("argument(s) must be one of the following: " + strings.Join(policyNames[:], ", "))
			}
			return func() { s.setPolicy(p) }, err
		}},
	fixed("min-replicas-to-write", "0"),
	{"notify-keyspace-events",
		func(s *Server) string { return eventsText(s.settings.events.Load()) },
		func(s *Server, v string) (func(), error) {
			classes, err := ParseEvents(v)
			return func() { s.settings.events.Store(classes) }, err
		}},
	fixed("proto-max-bulk-len", strconv.Itoa(resp.MaxBulk)),
	{"protected-mode",
		func(s *Server) string { return yesNo(s.settings.protected.Load()) },
		func(s *Server, v string) (func(), error) {
			yes := strings.EqualFold(v, "yes")
			if !yes && !strings.EqualFold(v, "no") {
				return nil, errors.New("argument must be 'yes' or 'no'")
			}
			return func() { s.settings.protected.Store(yes) }, nil
		}},
	{"replicaof", constant(""), nil},
	{"requirepass",
		func(s *Server) string { return loadOrZero(&s.settings.password).text },
		func(s *Server, v string) (func(), error) {
			return func() { s.settings.setPassword(v) }, nil
		}},
	fixed("save", ""),
	{"slaveof", constant(""), nil},
	number("slowlog-log-slower-than", -1, math.MaxInt64, func(s *Server) int64 { return s.slow.threshold.Load() }, (*Server).setSlow),
	number("slowlog-max-len", 0, math.MaxInt64, func(s *Server) int64 { return s.slow.most.Load() },
		func(s *Server, n int64) { s.slow.most.Store(n) }),
	fixed("stop-writes-on-bgsave-error", "no"),
	number("timeout", 0, math.MaxInt32, func(s *Server) int64 { return s.settings.timeout.Load() / int64(time.Second) },
		func(s *Server, n int64) { s.setTimeout(time.Duration(n) * time.Second) }),
}

func constant(value string) func(*Server) string { return func(*Server) string { return value } }

// fixed is a parameter that scripts set, to the value it has. Another is refused: it would
// promise what is not there.
func fixed(name, value string) parameter {
	return parameter{name, constant(value), func(_ *Server, v string) (func(), error) {
		if !strings.EqualFold(v, value) {
			return nil, fmt.Errorf("argument must be '%s' here", value)
		}
		return func() {}, nil
	}}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// number is a parameter from least to most.
func number(name string, least, most int64, get func(*Server) int64, set func(*Server, int64)) parameter {
	return parameter{name, func(s *Server) string { return strconv.FormatInt(get(s), 10) }, func(s *Server, v string) (func(), error) {
		n, ok := resp.ParseInt([]byte(v))
		switch {
		case !ok:
			return nil, errors.New("argument couldn't be parsed into an integer")
		case n < least || n > most:
			return nil, fmt.Errorf("argument must be between %d and %d inclusive", least, most)
		}
		return func() { set(s, n) }, nil
	}}
}

// setTimeout changes the idle timeout, also for those who are idle now.
func (s *Server) setTimeout(timeout time.Duration) {
	s.settings.timeout.Store(int64(timeout))
	s.reaper.reset()
}

func configGet(c *conn, args [][]byte) {
	var found dict
	seen := make(map[string]bool)
	m := matcher{goOn: c.goOn}
	for _, pattern := range args[2:] {
		if len(pattern) > maxPattern {
			c.error(errPattern)
			return
		}
		m.pattern = bytes.ToLower(pattern)
		for _, p := range parameters {
			if seen[p.name] || !m.match([]byte(p.name)) {
				continue
			}
			seen[p.name] = true
			name := p.name
			if strings.EqualFold(string(pattern), name) { // replied as it was written
				name = string(pattern)
			}
			found = append(found, name, p.get(c.srv))
		}
	}
	c.reply(found)
}

// configSet sets all parameters given, or none.
func configSet(c *conn, args [][]byte) {
	if len(args)%2 != 0 {
		c.error(errSyntax)
		return
	}
	var set []func()
	seen := make(map[string]bool)
	for i := 2; i < len(args); i += 2 {
		name, value := string(cString(args[i], quotedMost)), args[i+1]
		p := findParameter(name)
		var failure string
		switch {
		case p == nil:
			c.error(fmt.Sprintf("ERR Unknown option or number of arguments for CONFIG SET - '%s'", name))
			return
		case p.parse == nil:
			failure = "can't set immutable config"
		case len(value) > maxPattern:
			failure = "argument is too long"
		case seen[p.name]:
			failure = "duplicate parameter"
		default:
			f, err := p.parse(c.srv, string(value))
			if err != nil {
				failure = err.Error()
			}
			set = append(set, f)
		}
		if failure != "" {
			c.error(fmt.Sprintf("ERR CONFIG SET failed (possibly related to argument '%s') - %s", name, failure))
			return
		}
		seen[p.name] = true
	}
	for _, f := range set {
		f()
	}
	if seen["maxmemory"] || seen["maxmemory-policy"] {
		c.giveBack()
	}
	c.ok()
}

// giveBack gives memory back to a limit that was lowered: outside the gate, for it may
// take seconds, and evicts.
func (c *conn) giveBack() {
	if c.hold == holdAll { // within EXEC
		c.after = append(c.after, func() {
			c.wire.mayBlock()
			c.srv.shrink()
		})
		return
	}
	c.pause()
	c.wire.mayBlock()
	c.srv.shrink()
	c.resume()
}

func findParameter(name string) *parameter {
	for i := range parameters {
		if strings.EqualFold(parameters[i].name, name) {
			return &parameters[i]
		}
	}
	return nil
}

func configResetStat(c *conn, _ [][]byte) {
	c.tally.fold(&c.srv.stats)
	c.srv.stats.reset(c.srv)
	c.ok()
}

func configRewrite(c *conn, _ [][]byte) {
	c.error("ERR The server is running without a config file")
}
