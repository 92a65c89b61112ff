package server

import (
	"cmp"
	"iter"
	"slices"
)

// A command is a row of the table.
type command struct {
	spec
	id    int  // its place among all
	timed bool // each call, and not some for all
	subs  []subcommand
	event string // of what it writes
}

// A spec is what COMMAND tells of a command, and what runs it.
type spec struct {
	name  string
	arity int // the name included; negative: at least so many
	flags flags
	keys  keyRange
	group string
	since string // the version of Redis that had it first
	help  string
	run   func(c *conn, args [][]byte) // nil: the subcommand
}

// A keyRange says which arguments are keys: from first to last, in steps. A
// negative last counts from the end; the zero keyRange is none.
type keyRange struct{ first, last, step int }

// of yields the keys among the arguments.
func (r keyRange) of(args [][]byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		last := r.last
		if last < 0 {
			last += len(args)
		}
		for i := r.first; 0 < i && i <= last && yield(args[i]); i += r.step {
		}
	}
}

var (
	oneKey   = keyRange{1, 1, 1}
	twoKeys  = keyRange{1, 2, 1}
	allKeys  = keyRange{1, -1, 1}
	keyPairs = keyRange{1, -1, 2}
	noKeys   keyRange
)

type flags int

const (
	readOnly flags = 1 << iota
	write
	denyOOM
	fast
	loading // also while loading, which never is
	stale
	noScript
	noAuth
	allowBusy
	admin       // not seen by MONITOR
	dangerous   // a category, not a flag, for Redis
	keyspace    // as above
	unqueued    // executed at once after MULTI; not a flag for Redis either
	messages    // as above: Redis's flag pubsub
	subscribing // allowed to a subscriber in RESP2
	skipSlowLog
)

// The groups, which most categories follow from.
const (
	groupString     = "string"
	groupBitmap     = "bitmap"
	groupGeneric    = "generic"
	groupConnection = "connection"
	groupServer     = "server"
	groupMulti      = "transactions"
	groupCluster    = "cluster"
	groupPubSub     = "pubsub"
)

const (
	read       = readOnly | fast
	change     = write | denyOOM | fast
	administer = admin | dangerous | always
	always     = loading | stale
	handshake  = noScript | always | fast | noAuth | allowBusy
	multi      = noScript | always | fast | allowBusy
	subscribe  = messages | noScript | always | subscribing
	publish    = messages | always | fast
	readKeys   = read | keyspace
	changeKeys = write | fast | keyspace
)

// newCommands returns the table. (It is a function since COMMAND, which is in
// the table, reads it.)
func newCommands() *commands {
	specs := []spec{
		{"append", 3, change, oneKey, groupString, "2.0.0", "Append a value to the value of a key", cmdAppend},
		{"decr", 2, change, oneKey, groupString, "1.0.0", "Subtract one from the integer value of a key", cmdDecr},
		{"decrby", 3, change, oneKey, groupString, "1.0.0", "Subtract from the integer value of a key", cmdDecrBy},
		{"get", 2, read, oneKey, groupString, "1.0.0", "Get the value of a key", cmdGet},
		{"getdel", 2, write | fast, oneKey, groupString, "6.2.0", "Get the value of a key and delete it", cmdGetDel},
		{"getex", -2, write | fast, oneKey, groupString, "6.2.0", "Get the value of a key and set when it expires", cmdGetEx},
		{"getrange", 4, readOnly, oneKey, groupString, "2.4.0", "Get a part of the value of a key", cmdGetRange},
		{"getset", 3, change, oneKey, groupString, "1.0.0", "Set the value of a key and get the old one", cmdGetSet},
		{"incr", 2, change, oneKey, groupString, "1.0.0", "Add one to the integer value of a key", cmdIncr},
		{"incrby", 3, change, oneKey, groupString, "1.0.0", "Add to the integer value of a key", cmdIncrBy},
		{"incrbyfloat", 3, change, oneKey, groupString, "2.6.0", "Add to the floating-point value of a key", cmdIncrByFloat},
		{"lcs", -3, readOnly, twoKeys, groupString, "7.0.0", "Find the longest common subsequence of two values", cmdLCS},
		{"mget", -2, read, allKeys, groupString, "1.0.0", "Get the values of keys, one after the other", cmdMGet},
		{"mset", -3, write | denyOOM, keyPairs, groupString, "1.0.1", "Set the values of keys, one after the other", cmdMSet},
		{"msetnx", -3, write | denyOOM, keyPairs, groupString, "1.0.1", "Set the values of keys, all of them, unless one exists", cmdMSetNX},
		{"psetex", 4, write | denyOOM, oneKey, groupString, "2.6.0", "Set the value of a key and in how many milliseconds it expires", cmdPSetEx},
		{"set", -3, write | denyOOM, oneKey, groupString, "1.0.0", "Set the value of a key", cmdSet},
		{"setex", 4, write | denyOOM, oneKey, groupString, "2.0.0", "Set the value of a key and in how many seconds it expires", cmdSetEx},
		{"setnx", 3, change, oneKey, groupString, "1.0.0", "Set the value of a key unless it exists", cmdSetNX},
		{"setrange", 4, write | denyOOM, oneKey, groupString, "2.2.0", "Write over a part of the value of a key", cmdSetRange},
		{"strlen", 2, read, oneKey, groupString, "2.2.0", "Get the length of the value of a key", cmdStrLen},
		{"substr", 4, readOnly, oneKey, groupString, "1.0.0", "Get a part of the value of a key", cmdGetRange},

		{"bitcount", -2, readOnly, oneKey, groupBitmap, "2.6.0", "Count the bits of a value that are 1", cmdBitCount},
		{"bitfield", -2, write | denyOOM, oneKey, groupBitmap, "3.2.0", "Read and write integers of any width in a value", cmdBitField},
		{"bitfield_ro", -2, read, oneKey, groupBitmap, "6.0.0", "Read integers of any width in a value", cmdBitFieldRO},
		{"bitop", -4, write | denyOOM, keyRange{2, -1, 1}, groupBitmap, "2.6.0", "Combine the bits of values", cmdBitOp},
		{"bitpos", -3, readOnly, oneKey, groupBitmap, "2.8.7", "Find the first bit of a value that is 0, or 1", cmdBitPos},
		{"getbit", 3, read, oneKey, groupBitmap, "2.2.0", "Get a bit of a value", cmdGetBit},
		{"setbit", 4, write | denyOOM, oneKey, groupBitmap, "2.2.0", "Set a bit of a value", cmdSetBit},

		{"copy", -3, write | denyOOM | keyspace, twoKeys, groupGeneric, "6.2.0", "Copy the value of a key, and when it expires, to another", cmdCopy},
		{"del", -2, write | keyspace, allKeys, groupGeneric, "1.0.0", "Delete keys", cmdDel},
		{"dump", 2, readOnly | keyspace, oneKey, groupGeneric, "2.6.0", "Get a value as Redis writes it to files", cmdDump},
		{"exists", -2, readKeys, allKeys, groupGeneric, "1.0.0", "Count which keys exist", cmdExists},
		{"expire", -3, changeKeys, oneKey, groupGeneric, "1.0.0", "Set in how many seconds a key expires", cmdExpire},
		{"expireat", -3, changeKeys, oneKey, groupGeneric, "1.2.0", "Set when a key expires, in Unix seconds", cmdExpireAt},
		{"expiretime", 2, readKeys, oneKey, groupGeneric, "7.0.0", "Get when a key expires, in Unix seconds", cmdExpireTime},
		{"keys", 2, readOnly | keyspace | dangerous, noKeys, groupGeneric, "1.0.0", "List the keys that match a pattern", cmdKeys},
		{"move", 3, changeKeys, oneKey, groupGeneric, "1.0.0", "Move a key to another database, unless it exists there", cmdMove},
		{"object", -2, 0, noKeys, groupGeneric, "2.2.3", "Commands about how a value is kept", nil},
		{"persist", 2, changeKeys, oneKey, groupGeneric, "2.2.0", "Let a key not expire", cmdPersist},
		{"pexpire", -3, changeKeys, oneKey, groupGeneric, "2.6.0", "Set in how many milliseconds a key expires", cmdPExpire},
		{"pexpireat", -3, changeKeys, oneKey, groupGeneric, "2.6.0", "Set when a key expires, in Unix milliseconds", cmdPExpireAt},
		{"pexpiretime", 2, readKeys, oneKey, groupGeneric, "7.0.0", "Get when a key expires, in Unix milliseconds", cmdPExpireTime},
		{"pttl", 2, readKeys, oneKey, groupGeneric, "2.6.0", "Get in how many milliseconds a key expires", cmdPTTL},
		{"randomkey", 1, readOnly | keyspace, noKeys, groupGeneric, "1.0.0", "Get a key, whichever it is", cmdRandomKey},
		{"rename", 3, write | keyspace, twoKeys, groupGeneric, "1.0.0", "Rename a key, whatever the new name's was", cmdRename},
		{"renamenx", 3, changeKeys, twoKeys, groupGeneric, "1.0.0", "Rename a key, unless the new name exists", cmdRenameNX},
		{"restore", -4, write | denyOOM | keyspace | dangerous, oneKey, groupGeneric, "2.6.0", "Set the value of a key to what DUMP has replied", cmdRestore},
		{"scan", -2, readOnly | keyspace, noKeys, groupGeneric, "2.8.0", "List the keys, some at a time", cmdScan},
		{"touch", -2, readKeys, allKeys, groupGeneric, "3.2.1", "Read keys, so that they are not evicted, and count which exist", cmdExists},
		{"ttl", 2, readKeys, oneKey, groupGeneric, "1.0.0", "Get in how many seconds a key expires", cmdTTL},
		{"type", 2, readKeys, oneKey, groupGeneric, "1.0.0", "Get the type of the value of a key", cmdType},
		{"unlink", -2, changeKeys, allKeys, groupGeneric, "4.0.0", "Delete keys", cmdDel},

		{"auth", -2, handshake, noKeys, groupConnection, "1.0.0", "Give the password", cmdAuth},
		{"client", -2, 0, noKeys, groupConnection, "2.4.0", "Commands about connections", nil},
		{"echo", 2, always | fast, noKeys, groupConnection, "1.0.0", "Reply with the argument", cmdEcho},
		{"hello", -1, handshake, noKeys, groupConnection, "6.0.0", "Agree on the protocol", cmdHello},
		{"ping", -1, fast | subscribing, noKeys, groupConnection, "1.0.0", "Reply with PONG or the argument", cmdPing},
		{"quit", -1, handshake | unqueued | subscribing, noKeys, groupConnection, "1.0.0", "Close the connection", cmdQuit},
		{"reset", 1, handshake | unqueued | subscribing, noKeys, groupConnection, "6.2.0", "Make the connection as it was at first", cmdReset},
		{"select", 2, always | fast, noKeys, groupConnection, "1.0.0", "Choose the database", cmdSelect},

		{"discard", 1, multi | unqueued, noKeys, groupMulti, "2.0.0", "Forget the commands since MULTI", cmdDiscard},
		{"exec", 1, noScript | always | unqueued | skipSlowLog, noKeys, groupMulti, "1.2.0", "Execute the commands since MULTI, alone", cmdExec},
		{"multi", 1, multi | unqueued, noKeys, groupMulti, "1.2.0", "Keep the commands from here on for EXEC", cmdMulti},
		{"unwatch", 1, multi, noKeys, groupMulti, "2.2.0", "Forget what is watched", cmdUnwatch},
		{"watch", -2, multi | unqueued, allKeys, groupMulti, "2.2.0", "Let EXEC fail if a key was changed until then", cmdWatch},

		{"asking", 1, fast, noKeys, groupCluster, "3.0.0", "Say that a redirection is followed, of which there is none", cmdOfCluster},
		{"cluster", -2, 0, noKeys, groupCluster, "3.0.0", "Commands about the cluster", cmdCluster},
		{"readonly", 1, always | fast, noKeys, groupCluster, "3.0.0", "Allow reads from a replica, of which there is none", cmdOfCluster},
		{"readwrite", 1, always | fast, noKeys, groupCluster, "3.0.0", "Do not read from replicas, of which there is none", cmdOfCluster},

		{"psubscribe", -2, subscribe, noKeys, groupPubSub, "2.0.0", "Listen to the channels that match patterns", cmdPSubscribe},
		{"publish", 3, publish, noKeys, groupPubSub, "2.0.0", "Send a message to a channel", cmdPublish},
		{"pubsub", -2, 0, noKeys, groupPubSub, "2.8.0", "Commands about channels", nil},
		{"punsubscribe", -1, subscribe, noKeys, groupPubSub, "2.0.0", "Listen no more to channels by patterns, or by any", cmdPUnsubscribe},
		{"spublish", 3, publish, oneKey, groupPubSub, "7.0.0", "Send a message to a shard channel", cmdSPublish},
		{"ssubscribe", -2, subscribe, allKeys, groupPubSub, "7.0.0", "Listen to shard channels", cmdSSubscribe},
		{"subscribe", -2, subscribe, noKeys, groupPubSub, "2.0.0", "Listen to channels", cmdSubscribe},
		{"sunsubscribe", -1, subscribe, allKeys, groupPubSub, "7.0.0", "Listen no more to shard channels, or to any", cmdSUnsubscribe},
		{"unsubscribe", -1, subscribe, noKeys, groupPubSub, "2.0.0", "Listen no more to channels, or to any", cmdUnsubscribe},

		{"acl", -2, 0, noKeys, groupServer, "6.0.0", "Commands about users, of which there is one", nil},
		{"command", -1, always, noKeys, groupServer, "2.8.13", "Describe the commands", cmdCommand},
		{"config", -2, 0, noKeys, groupServer, "2.0.0", "Commands about the configuration", nil},
		{"dbsize", 1, readKeys, noKeys, groupServer, "1.0.0", "Count the keys", cmdDBSize},
		{"flushall", -1, write | keyspace | dangerous, noKeys, groupServer, "1.0.0", "Delete all keys of all databases", cmdFlushAll},
		{"flushdb", -1, write | keyspace | dangerous, noKeys, groupServer, "1.0.0", "Delete all keys of the selected database", cmdFlushDB},
		{"info", -1, always | dangerous, noKeys, groupServer, "1.0.0", "Report about the server", cmdInfo},
		{"latency", -2, 0, noKeys, groupServer, "2.8.13", "Commands about latency, of which nothing is kept", nil},
		{"memory", -2, 0, noKeys, groupServer, "4.0.0", "Commands about memory", nil},
		{"monitor", 1, admin | noScript | always | dangerous, noKeys, groupServer, "1.0.0", "Listen to all commands", cmdMonitor},
		{"role", 1, noScript | always | fast | dangerous, noKeys, groupServer, "2.8.12", "Reply that this is a master without replicas", cmdRole},
		{"slowlog", -2, 0, noKeys, groupServer, "2.2.12", "Commands about what was slow", nil},
		{"swapdb", 3, write | fast | keyspace | dangerous, noKeys, groupServer, "4.0.0", "Swap two databases", cmdSwapDB},
		{"time", 1, always | fast, noKeys, groupServer, "2.6.0", "Get the server's time", cmdTime},
	}
	slices.SortFunc(specs, func(a, b spec) int { return cmp.Compare(a.name, b.name) })
	t := new(commands)
	for i, sp := range specs {
		cmd := &command{spec: sp, id: i, event: eventOf[sp.name], subs: subcommandsOf(sp.name)}
		cmd.timed = cmd.flags&fast == 0 && cmd.name != "set"
		if cmd.run == nil {
			cmd.run = func(c *conn, args [][]byte) { c.dispatch(cmd.subs, args) }
		}
		t.add(cmd)
	}
	return t
}
