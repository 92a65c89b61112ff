package server

import (
	"slices"
	"strings"
)

// This file has COMMAND, which describes the others.

func cmdCommand(c *conn, args [][]byte) {
	if len(args) == 1 {
		c.describeAll()
		return
	}
	c.dispatch(commandCommands, args)
}

var commandCommands = []subcommand{
	{"COUNT", 2, commandCount, []string{"", "Return the total number of commands in this server."}},
	{"DOCS", -2, commandDocs, []string{"[<command-name> ...]", "Return documentation details about commands, or about all."}},
	{"GETKEYS", -4, commandGetKeys, []string{"<full-command>", "Return the keys of a command."}},
	{"GETKEYSANDFLAGS", -4, commandGetKeysAndFlags, []string{"<full-command>", "Return the keys of a command, and what it does to each."}},
	{"INFO", -2, commandInfo, []string{"[<command-name> ...]", "Return details about commands, or about all."}},
	{"LIST", -2, commandList, []string{"[FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]", "Return a list of the commands in this server."}},
}

func commandCount(c *conn, _ [][]byte) { c.int(int64(len(c.srv.commands.list))) }

func commandInfo(c *conn, args [][]byte) {
	if len(args) == 2 {
		c.describeAll()
		return
	}
	c.array(len(args) - 2)
	for _, name := range args[2:] {
		if cmd := c.srv.commands.lookup(name); cmd != nil {
			c.describe(cmd)
		} else {
			c.null()
		}
	}
}

func (c *conn) describeAll() {
	c.array(len(c.srv.commands.list))
	for _, cmd := range c.srv.commands.list {
		c.describe(cmd)
	}
}

var flagNames = []struct {
	flag flags
	name string
}{
	{write, "write"},
	{readOnly, "readonly"},
	{denyOOM, "denyoom"},
	{admin, "admin"},
	{messages, "pubsub"},
	{noScript, "noscript"},
	{loading, "loading"},
	{stale, "stale"},
	{fast, "fast"},
	{noAuth, "no_auth"},
	{allowBusy, "allow_busy"},
	{skipSlowLog, "skip_slowlog"},
}

// describe replies with what COMMAND INFO tells of cmd, in the order of Redis 7.
func (c *conn) describe(cmd *command) {
	c.array(10)
	c.bulkString(cmd.name)
	c.int(int64(cmd.arity))
	var names []string
	for _, f := range flagNames {
		if cmd.flags&f.flag != 0 {
			names = append(names, f.name)
		}
	}
	c.simples(names)
	c.int(int64(cmd.keys.first))
	c.int(int64(cmd.keys.last))
	c.int(int64(cmd.keys.step))
	c.simples(cmd.categories())
	c.setOfStrings(strings.Fields(tips[cmd.name]))
	c.describeKeys(cmd.keySpecs())
	c.describeSubcommands(cmd)
}

func (c *conn) simples(list []string) {
	c.setOf(len(list))
	for _, s := range list {
		c.simple(s)
	}
}

// categories returns those of ACLs.
func (cmd *command) categories() []string {
	var list []string
	add := func(name string, yes bool) {
		if yes {
			list = append(list, "@"+name)
		}
	}
	add("keyspace", cmd.group == groupGeneric && cmd.name != "object" || cmd.flags&keyspace != 0)
	add("read", cmd.flags&readOnly != 0)
	add("write", cmd.flags&write != 0)
	add("string", cmd.group == groupString)
	add("bitmap", cmd.group == groupBitmap)
	add("pubsub", cmd.flags&messages != 0)
	add("admin", cmd.flags&admin != 0 || cmd.name == "role")
	add("fast", cmd.flags&fast != 0)
	add("slow", cmd.flags&fast == 0)
	add("dangerous", cmd.flags&dangerous != 0)
	add("transaction", cmd.group == groupMulti)
	add("connection", cmd.group == groupConnection && cmd.name != "client" ||
		cmd.group == groupCluster && !strings.HasPrefix(cmd.name, "cluster") || strings.HasPrefix(cmd.name, "command"))
	return list
}

func commandDocs(c *conn, args [][]byte) {
	list := c.srv.commands.list
	if len(args) > 2 {
		list = nil
		for _, name := range args[2:] {
			if cmd := c.srv.commands.lookup(name); cmd != nil {
				list = append(list, cmd)
			}
		}
	}
	c.mapOf(len(list))
	for _, cmd := range list {
		c.bulkString(cmd.name)
		c.reply(dict{"summary", cmd.help, "since", cmd.since, "group", cmd.group})
	}
}

func commandList(c *conn, args [][]byte) {
	keep := func(*command) bool { return true }
	switch {
	case len(args) == 2:
	case len(args) != 5 || !equalFold(args[2], "FILTERBY"):
		c.error(errSyntax)
		return
	case equalFold(args[3], "MODULE"):
		keep = func(*command) bool { return false } // there are no modules
	case equalFold(args[3], "ACLCAT"):
		category := "@" + strings.ToLower(string(args[4]))
		keep = func(cmd *command) bool { return slices.Contains(cmd.categories(), category) }
	case equalFold(args[3], "PATTERN"):
		if len(args[4]) > maxPattern {
			c.error(errPattern)
			return
		}
		pattern := []byte(strings.ToLower(string(args[4])))
		keep = func(cmd *command) bool { return match(pattern, []byte(cmd.name)) }
	default:
		c.error(errSyntax)
		return
	}
	var names []string
	for _, cmd := range c.srv.commands.list {
		if keep(cmd) {
			names = append(names, cmd.name)
		}
	}
	c.reply(names)
}
