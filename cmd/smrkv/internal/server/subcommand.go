package server

import (
	"fmt"
	"slices"
	"strings"
)

// A subcommand of CLIENT, CONFIG or COMMAND.
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
	for _, sub := range subs {
		switch {
		case !equalFold(args[1], sub.name):
		case len(args) != sub.arity && (sub.arity >= 0 || len(args) < -sub.arity):
			c.errorArity(strings.ToLower(string(args[0]) + "|" + sub.name))
			return
		default:
			sub.run(c, args)
			return
		}
	}
	c.errorSubcommand(args)
}

func (c *conn) help(name string, subs []subcommand) {
	lines := []string{name + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"}
	for _, sub := range slices.Concat(subs, []subcommand{{name: "HELP", help: []string{"", "Print this help."}}}) {
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

// errorSubcommand replies with the error for one that doesn't exist.
func (c *conn) errorSubcommand(args [][]byte) {
	c.error(fmt.Sprintf("ERR unknown subcommand '%s'. Try %s HELP.", cString(args[1], quotedMost), strings.ToUpper(string(args[0]))))
}
