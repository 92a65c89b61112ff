package server

import (
	"fmt"
	"slices"
	"strings"
)

// A subcommand of CLIENT, CONFIG and others.
type subcommand struct {
	name  string // in upper case
	arity int    // both words included; negative: at least so many
	run   func(c *conn, args [][]byte)
	help  []string // the arguments, and lines about what it does
}

// dispatch runs the subcommand that args[1] names.
func (c *conn) dispatch(subs []subcommand, args [][]byte) {
	if len(args) == 2 && equalFold(args[1], "HELP") {
		c.help(strings.ToUpper(string(args[0])), subs)
		return
	}
	if sub, failure := findSubcommand(subs, args); failure == "" {
		sub.run(c, args)
	} else {
		c.error(failure)
	}
}

// findSubcommand returns the one that args[1] names, or with which error to reply.
func findSubcommand(subs []subcommand, args [][]byte) (sub *subcommand, failure string) {
	for i := range subs {
		sub := &subs[i]
		switch {
		case !equalFold(args[1], sub.name):
		case len(args) != sub.arity && (sub.arity >= 0 || len(args) < -sub.arity):
			return nil, arityError(strings.ToLower(string(args[0]) + "|" + sub.name))
		default:
			return sub, ""
		}
	}
	if equalFold(args[1], "HELP") { // with arguments
		return nil, arityError(strings.ToLower(string(args[0])) + "|help")
	}
	return nil, fmt.Sprintf("ERR unknown subcommand '%s'. Try %s HELP.", cString(args[1], quotedMost), strings.ToUpper(string(args[0])))
}

// subcommandsOf returns those of a command, or nil.
func subcommandsOf(name string) []subcommand {
	return map[string][]subcommand{
		"acl":     aclCommands,
		"client":  clientCommands,
		"cluster": clusterCommands,
		"config":  configCommands,
		"command": commandCommands,
		"latency": latencyCommands,
		"memory":  memoryCommands,
		"object":  objectCommands,
		"slowlog": slowLogCommands,
		"pubsub":  pubsubCommands,
	}[name]
}

// subcommandFlags are those of a command's subcommands, where there is nothing for one of them. That
// itself has none.
var subcommandFlags = map[string]flags{
	"acl":             noScript | always,
	"client":          noScript | always,
	"client|kill":     administer | noScript,
	"client|list":     administer | noScript,
	"client|no-evict": administer | noScript,
	"cluster":         stale,
	"command":         always,
	"config":          administer | noScript,
	"latency":         administer | noScript,
	"memory":          readOnly,
	"object":          readOnly | keyspace,
	"pubsub":          messages | always,
	"slowlog":         administer,
}

func (cmd *command) subFlags(sub *subcommand) flags {
	if f, ok := subcommandFlags[cmd.name+"|"+strings.ToLower(sub.name)]; ok {
		return f
	}
	return subcommandFlags[cmd.name]
}

// checkSubcommand returns the error that a command of args would reply with, "" if it
// would be executed.
func (cmd *command) checkSubcommand(args [][]byte) (failure string) {
	subs := cmd.subs
	if subs == nil || len(args) < 2 || len(args) == 2 && equalFold(args[1], "HELP") {
		return ""
	}
	_, failure = findSubcommand(subs, args)
	return failure
}

func (c *conn) help(name string, subs []subcommand) {
	lines := []string{name + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"}
	for _, sub := range slices.Concat(subs, []subcommand{{name: "HELP", help: []string{"", "Prints this help."}}}) {
		lines = append(lines, strings.TrimSpace(sub.name+" "+sub.help[0]))
		for _, l := range sub.help[1:] {
			lines = append(lines, "    "+l)
		}
	}
	c.array(len(lines))
	for _, l := range lines {
		c.simple(l)
	}
}
