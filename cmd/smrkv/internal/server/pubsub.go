package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unsafe"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
)

// This file has the commands of publish and subscribe. See topic and inbox.

// A subscriber is what a connection has once it has subscribed to something. It belongs to
// the connection, but for the inbox.
type subscriber struct {
	inbox
	to   [topicKinds]map[string]*subscription
	peak [topicKinds]int // a map keeps room for what was in it
}

var topicWords = [topicKinds]struct{ join, leave, message string }{
	channels: {"subscribe", "unsubscribe", "message"},
	patterns: {"psubscribe", "punsubscribe", "pmessage"},
	shards:   {"ssubscribe", "sunsubscribe", "smessage"},
}

const (
	errSubscribeRoom = "OOM no room in -maxmemory-clients to subscribe to that"
	errSubscribed    = "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
	errTopicLong     = "ERR channel is too long (65536 bytes at most)"
	errPatternLong   = "ERR pattern is too long (1024 bytes at most)"
)

const (
	// topicOverhead is about what a subscription takes beside its name: also in its topic.
	topicOverhead = 512

	// maxTopic bounds a name that is subscribed to. Nobody receives what is about a longer one.
	maxTopic = 64 << 10

	// maxTopicPattern bounds a pattern, with which each channel's name is compared.
	maxTopicPattern = 1 << 10

	// maxMatched bounds a name that is compared with patterns: none matches a longer one.
	maxMatched = 1 << 10

	// longMatch is how many patterns times bytes of a name take long to compare: some microseconds for
	// most patterns, and a thousand times that for the worst.
	longMatch = 4 << 10
)

func cmdSubscribe(c *conn, args [][]byte)    { c.join(channels, args[1:]) }
func cmdPSubscribe(c *conn, args [][]byte)   { c.join(patterns, args[1:]) }
func cmdSSubscribe(c *conn, args [][]byte)   { c.join(shards, args[1:]) }
func cmdUnsubscribe(c *conn, args [][]byte)  { c.leave(channels, args[1:]) }
func cmdPUnsubscribe(c *conn, args [][]byte) { c.leave(patterns, args[1:]) }
func cmdSUnsubscribe(c *conn, args [][]byte) { c.leave(shards, args[1:]) }

func (c *conn) join(kind topicKind, names [][]byte) {
	for _, name := range names {
		if failure := c.joinOne(kind, name); failure != "" {
			c.error(failure)
			return
		}
		c.replySubscribed(topicWords[kind].join, kind, name)
	}
}

func (c *conn) joinOne(kind topicKind, name []byte) (failure string) {
	if c.sub == nil {
		c.sub = new(subscriber)
		c.sub.init(c)
	}
	if c.sub.to[kind] == nil {
		c.sub.to[kind] = make(map[string]*subscription)
	}
	switch _, ok := c.sub.to[kind][string(name)]; {
	case ok:
		return ""
	case kind == patterns && len(name) > maxTopicPattern:
		return errPatternLong
	case len(name) > maxTopic:
		return errTopicLong
	}
	if !c.mem.Queries.Try(goSize(len(name)) + topicOverhead) {
		return errSubscribeRoom
	}
	topic := string(name)
	r, err := c.srv.topics.join(kind, topic, &c.sub.inbox)
	if err != nil {
		c.mem.Queries.Release(goSize(len(name)) + topicOverhead)
		return "ERR " + err.Error()
	}
	c.sub.to[kind][topic] = r
	c.sub.peak[kind] = max(c.sub.peak[kind], len(c.sub.to[kind]))
	c.counted(kind, 1)
	return ""
}

// leave unsubscribes from the topics named, or from all of a kind if none is.
func (c *conn) leave(kind topicKind, names [][]byte) {
	for _, name := range names {
		c.leaveOne(kind, name)
	}
	if len(names) > 0 {
		return
	}
	c.leavesMany()
	var all []string
	if c.sub != nil {
		all = slices.Sorted(maps.Keys(c.sub.to[kind]))
	}
	if len(all) == 0 {
		c.leaveOne(kind, nil)
	}
	size := len(all) * int(unsafe.Sizeof(""))
	c.mem.Queries.Take(size)
	defer c.mem.Queries.Release(size)
	for i, name := range all {
		all[i] = "" // its bytes are charged no more
		c.leaveOne(kind, []byte(name))
	}
}

func (c *conn) leaveOne(kind topicKind, name []byte) {
	if c.sub != nil {
		if r, ok := c.sub.to[kind][string(name)]; ok {
			c.forget(kind, string(name), r)
			c.deliverAll(c.sub.inbox.leave())
		}
	}
	c.replySubscribed(topicWords[kind].leave, kind, name)
}

func (c *conn) forget(kind topicKind, name string, r *subscription) {
	r.over.Store(true)
	c.srv.topics.leave(kind, name, r)
	to := c.sub.to[kind]
	delete(to, name)
	if len(to) < c.sub.peak[kind]/4 { // what is charged is what is in it
		c.sub.to[kind], c.sub.peak[kind] = maps.Collect(maps.All(to)), len(to)
	}
	c.counted(kind, -1)
	c.mem.Queries.Release(goSize(len(name)) + topicOverhead)
	c.written += topicSize + subscriptionSize // pending: whoever comes and goes waits for that, too
}

// counted counts a subscription that has come, or gone.
func (c *conn) counted(kind topicKind, n int32) {
	c.shared.subscribed[kind].Add(n)
	if kind == monitors {
		c.srv.timeAll.Add(n * eachMonitor)
	}
}

// leavesMany is called before the connection leaves what it is subscribed to, or watches: if that
// is very much, its loop goes on with others.
func (c *conn) leavesMany() {
	n := 0
	if c.sub != nil {
		for _, to := range c.sub.to {
			n += len(to)
		}
	}
	if c.watch != nil {
		n += len(c.watch.keys)
	}
	if n > manyWords {
		c.takesLong()
	}
}

// leaveAll forgets all that the connection is subscribed to.
func (c *conn) leaveAll() {
	for kind, to := range c.sub.to {
		for name, r := range to {
			c.forget(topicKind(kind), name, r)
		}
	}
}

// replySubscribed tells to how much of its sort the connection is subscribed now.
func (c *conn) replySubscribed(word string, kind topicKind, name []byte) {
	defer c.endPush(c.beginPush())
	c.room(resp.HeaderSize)
	c.out.b = append(c.out.b, c.pushKind())
	c.out.b = append(c.out.b, "3\r\n"...)
	c.bulkString(word)
	if name == nil {
		c.null()
	} else {
		c.bulk(name)
	}
	n := &c.shared.subscribed
	if kind == shards {
		c.int(int64(n[shards].Load()))
	} else {
		c.int(int64(n[channels].Load() + n[patterns].Load()))
	}
}

// subscribed reports whether the connection is a subscriber, and not by MONITOR. Any goroutine may ask.
func (c *conn) subscribed() bool {
	n := &c.shared.subscribed
	return n[channels].Load()+n[patterns].Load()+n[shards].Load() > 0
}

// limited reports whether the commands of the connection are limited to those on subscriptions,
// for in RESP2 its replies could not be told from messages.
func (c *conn) limited() bool {
	return c.sub != nil && c.protocol() == resp.RESP2 && c.subscribed()
}

// unfit returns the error for a command that is not for a connection that is limited, or that
// monitors; "" if it is.
func (c *conn) unfit(cmd *command, args [][]byte) (failure string) {
	switch {
	case cmd.flags&subscribing != 0:
		return ""
	case c.limited():
		if failure = cmd.checkSubcommand(args); failure != "" {
			return failure
		}
		name := cmd.name
		if cmd.subs != nil {
			name += "|" + strings.ToLower(string(args[1]))
		}
		return fmt.Sprintf(errSubscribed, name)
	case c.monitors() && (cmd.flags&(readOnly|write|messages) != 0 || cmd.subs != nil && slotOf(cmd, args) != noSlot):
		return errMonitoring
	}
	return ""
}

func cmdPublish(c *conn, args [][]byte)  { c.publish(channels, args) }
func cmdSPublish(c *conn, args [][]byte) { c.publish(shards, args) }

func (c *conn) publish(kind topicKind, args [][]byte) {
	n := c.announce(kind, args[1], args[2])
	c.deliver() // to itself, before the reply
	c.int(int64(n))
}

// announce is Server.publish for a connection.
func (c *conn) announce(kind topicKind, channel, payload []byte) int {
	if kind == channels && c.comparesLong(len(channel)) {
		c.wire.mayBlock()
		c.pause() // it is about no key
		defer c.resume()
	}
	return c.srv.publish(kind, channel, payload, c.goOn)
}

// comparing is called before a name so long is compared with all patterns.
func (c *conn) comparing(length int) {
	if c.comparesLong(length) {
		c.takesLong()
	}
}

func (c *conn) comparesLong(length int) bool {
	return length <= maxMatched && c.srv.topics.of[patterns].Len()*length > longMatch
}

var pubsubCommands = []subcommand{
	{"CHANNELS", -2, func(c *conn, args [][]byte) { c.listTopics(channels, args) },
		[]string{"[<pattern>]", "Return the currently active channels matching a <pattern> (default: '*')."}},
	{"NUMPAT", 2, func(c *conn, _ [][]byte) { c.int(int64(c.srv.topics.of[patterns].Len())) },
		[]string{"", "Return number of subscriptions to patterns."}},
	{"NUMSUB", -2, func(c *conn, args [][]byte) { c.countTopics(channels, args[2:]) },
		[]string{"[<channel> ...]", "Return the number of subscribers for the specified channels, excluding",
			"pattern subscriptions(default: no channels)."}},
	{"SHARDCHANNELS", -2, func(c *conn, args [][]byte) { c.listTopics(shards, args) },
		[]string{"[<pattern>]", "Return the currently active shard level channels matching a <pattern> (default: '*')."}},
	{"SHARDNUMSUB", -2, func(c *conn, args [][]byte) { c.countTopics(shards, args[2:]) },
		[]string{"[<shardchannel> ...]", "Return the number of subscribers for the specified shard level channel(s)"}},
}

func (c *conn) listTopics(kind topicKind, args [][]byte) {
	if len(args) > 3 {
		c.error(fmt.Sprintf("ERR unknown subcommand or wrong number of arguments for '%s'. Try PUBSUB HELP.", cString(args[1], quotedMost)))
		return
	}
	pattern := []byte("*")
	if len(args) == 3 {
		if pattern = args[2]; len(pattern) > maxPattern {
			c.error(errPattern)
			return
		}
	}
	c.takesLong()
	l := c.newKeyList(pattern)
	defer l.keys.release(c)
	for name := range c.srv.topics.of[kind].Keys() {
		if l.offer([]byte(name)); l.failed {
			break
		}
	}
	l.replyAlone()
}

func (c *conn) countTopics(kind topicKind, names [][]byte) {
	c.array(2 * len(names))
	for _, name := range names {
		c.bulk(name)
		c.int(c.srv.topics.subscribers(kind, name))
	}
}
