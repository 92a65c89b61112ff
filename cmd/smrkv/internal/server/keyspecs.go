package server

import (
	"slices"
	"strings"
)

// This file has what COMMAND tells of keys and of clusters: which arguments are keys, what becomes of
// them, and how a client that has several servers sends the command.

// A keySpec says which arguments are keys, and by the words of Redis what becomes of them.
type keySpec struct {
	keyRange
	flags []string
	notes string
}

// Uses are what commands do to their keys, if not to read, or to overwrite what they have read. Where the
// first key is used otherwise than the rest, that is said before a bar.
var uses = map[string]string{
	"append":   "RW insert",
	"bitfield": "RW access update variable_flags",
	"bitop":    "OW update|RO access",
	"copy":     "RO access|OW update",
	"del":      "RM delete",
	"exists":   "RO",
	"expire":   "RW update", "expireat": "RW update", "pexpire": "RW update", "pexpireat": "RW update", "persist": "RW update",
	"getdel":   "RW access delete",
	"mset":     "OW update",
	"msetnx":   "OW insert",
	"psetex":   "OW update",
	"rename":   "RW access delete|OW update",
	"renamenx": "RW access delete|OW insert",
	"restore":  "OW update",
	"set":      "RW access update variable_flags",
	"setex":    "OW update",
	"setnx":    "OW insert",
	"setrange": "RW update",
	"strlen":   "RO",
	"touch":    "RO",
	"type":     "RO",
	"unlink":   "RM delete",
	"watch":    "RO",

	"object|encoding": "RO", "object|freq": "RO", "object|idletime": "RO", "object|refcount": "RO", "memory|usage": "RO",

	"spublish": "not_key", "ssubscribe": "not_key", "sunsubscribe": "not_key",
}

var useNotes = map[string]string{
	"bitfield": "This command allows both access and modification of the key",
	"getex":    "RW and UPDATE because it changes the TTL",
	"set":      "RW and ACCESS due to the optional `GET` argument",
}

// tips tell clients how to send a command to a cluster, and what to do with the replies.
var tips = map[string]string{
	"command":   "nondeterministic_output_order",
	"dbsize":    "request_policy:all_shards response_policy:agg_sum",
	"del":       "request_policy:multi_shard response_policy:agg_sum",
	"dump":      "nondeterministic_output",
	"exists":    "request_policy:multi_shard response_policy:agg_sum",
	"flushall":  "request_policy:all_shards response_policy:all_succeeded",
	"flushdb":   "request_policy:all_shards response_policy:all_succeeded",
	"info":      "nondeterministic_output request_policy:all_shards response_policy:special",
	"keys":      "request_policy:all_shards nondeterministic_output_order",
	"mget":      "request_policy:multi_shard",
	"mset":      "request_policy:multi_shard response_policy:all_succeeded",
	"msetnx":    "request_policy:multi_shard response_policy:agg_min",
	"ping":      "request_policy:all_shards response_policy:all_succeeded",
	"pttl":      "nondeterministic_output",
	"randomkey": "request_policy:all_shards nondeterministic_output",
	"scan":      "nondeterministic_output request_policy:special",
	"time":      "nondeterministic_output",
	"touch":     "request_policy:multi_shard response_policy:agg_sum",
	"ttl":       "nondeterministic_output",
	"unlink":    "request_policy:multi_shard response_policy:agg_sum",
}

// subcommandKeys are the keys of subcommands that have any.
var subcommandKeys = keyRange{2, 2, 1}

// keySpecs returns those of a command, or of one of its subcommands, called COMMAND|SUBCOMMAND.
func keySpecs(name string, keys keyRange, f flags) []keySpec {
	use, ok := uses[name]
	switch {
	case keys == noKeys:
		return nil
	case !ok && f&write == 0:
		use = "RO access"
	case !ok:
		use = "RW access update"
	}
	first, rest, several := strings.Cut(use, "|")
	if !several {
		return []keySpec{{keys, strings.Fields(use), useNotes[name]}}
	}
	one, others := keys, keys
	one.last = keys.first
	others.first++
	return []keySpec{{one, strings.Fields(first), ""}, {others, strings.Fields(rest), ""}}
}

func (cmd *command) keySpecs() []keySpec { return keySpecs(cmd.name, cmd.keys, cmd.flags) }

// describeKeys replies with key specifications.
func (c *conn) describeKeys(specs []keySpec) {
	c.setOf(len(specs))
	for _, s := range specs {
		last := s.last
		if last > 0 {
			last -= s.first // from the first one
		}
		spec := dict{"flags", func() { c.simples(s.flags) },
			"begin_search", dict{"type", "index", "spec", dict{"index", s.first}},
			"find_keys", dict{"type", "range", "spec", dict{"lastkey", last, "keystep", s.step, "limit", 0}}}
		if s.notes != "" {
			spec = append(dict{"notes", s.notes}, spec...)
		}
		c.reply(spec)
	}
}

// describeSubcommands replies with the subcommands of cmd, as describe does with commands.
func (c *conn) describeSubcommands(cmd *command) {
	c.setOf(len(cmd.subs))
	for i := range cmd.subs {
		sub := &cmd.subs[i]
		d := command{spec: spec{name: cmd.name + "|" + strings.ToLower(sub.name), arity: sub.arity, flags: cmd.subFlags(sub), group: cmd.group}}
		if uses[d.name] != "" {
			d.keys = subcommandKeys
		}
		c.describe(&d)
	}
}

func commandGetKeys(c *conn, args [][]byte) {
	c.eachKey(args[2:], func(key []byte, _ []string) { c.bulk(key) })
}

func commandGetKeysAndFlags(c *conn, args [][]byte) {
	c.eachKey(args[2:], func(key []byte, flags []string) {
		c.array(2)
		c.bulk(key)
		c.simples(flags)
	})
}

const (
	errNoCommand = "ERR Invalid command specified"
	errArguments = "ERR Invalid number of arguments specified for command"
)

// eachKey replies with the keys of a command, by reply with each, or that it has none.
func (c *conn) eachKey(args [][]byte, reply func(key []byte, flags []string)) {
	cmd := c.srv.commands.lookup(args[0])
	if cmd == nil {
		c.error(errNoCommand)
		return
	}
	specs := cmd.keySpecs()
	if len(cmd.subs) > 0 && len(args) > 1 {
		sub, failure := findSubcommand(cmd.subs, args)
		switch {
		case sub != nil:
			if name := cmd.name + "|" + strings.ToLower(sub.name); uses[name] != "" {
				specs = keySpecs(name, subcommandKeys, readOnly)
			}
		case strings.Contains(failure, "arguments"):
			c.error(errArguments)
			return
		default:
			c.error(errNoCommand)
			return
		}
	}
	switch {
	case len(specs) == 0:
		c.error("ERR The command has no key arguments")
		return
	case len(args) != cmd.arity && (cmd.arity >= 0 || len(args) < -cmd.arity):
		c.error(errArguments)
		return
	}
	n := 0
	each := func(fn func(key []byte, s keySpec)) {
		for _, s := range specs {
			for key := range s.of(args) {
				fn(key, s)
			}
		}
	}
	each(func([]byte, keySpec) { n++ })
	c.array(n)
	each(func(key []byte, s keySpec) { reply(key, flagsOf(cmd, args, s)) })
}

// flagsOf returns what this call does to a key, where that depends on its arguments.
func flagsOf(cmd *command, args [][]byte, s keySpec) []string {
	has := func(from int, words ...string) bool {
		return slices.ContainsFunc(args[from:], func(arg []byte) bool { return indexFold(words, arg) >= 0 })
	}
	switch {
	case cmd.name == "set" && !has(3, "GET"):
		return []string{"OW", "update"}
	case cmd.name == "set":
		return []string{"RW", "access", "update"}
	case cmd.name == "bitfield" && !has(2, "SET", "INCRBY"):
		return []string{"RO", "access"}
	case cmd.name == "bitfield":
		return []string{"RW", "access", "update"}
	}
	return s.flags
}
