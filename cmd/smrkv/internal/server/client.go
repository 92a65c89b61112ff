package server

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
)

var clientCommands = []subcommand{
	{"CACHING", 3, clientCaching, []string{"(YES|NO)", "Track what the next command reads, in OPTIN mode, or not, in OPTOUT mode."}},
	{"GETNAME", 2, clientGetName, []string{"", "Return the name of the current connection."}},
	{"GETREDIR", 2, clientGetRedir, []string{"", "Return 0 if tracking is enabled, -1 if not."}},
	{"ID", 2, clientID, []string{"", "Return the ID of the current connection."}},
	{"INFO", 2, clientInfo, []string{"", "Return information about the current client connection."}},
	{"KILL", -3, clientKill, []string{"<ip:port> | <option> <value> [<option> <value> [...]]",
		"Kill connections. Options are ID, ADDR, LADDR, TYPE, USER and SKIPME."}},
	{"LIST", -2, clientList, []string{"[TYPE <type> | ID <id> [<id> ...]]", "Return information about client connections."}},
	{"NO-EVICT", 3, clientNoEvict, []string{"(ON|OFF)", "Protect current client connection from eviction."}},
	{"NO-TOUCH", 3, clientNoTouch, []string{"(ON|OFF)", "Accepted; reads count as reads all the same."}},
	{"REPLY", 3, clientReply, []string{"(ON|OFF|SKIP)", "Control the replies sent to the current connection."}},
	{"SETINFO", 4, clientSetInfo, []string{"<LIB-NAME|LIB-VER> <value>", "Say which library the client uses."}},
	{"SETNAME", 3, clientSetName, []string{"<name>", "Assign the name <name> to the current connection."}},
	{"TRACKING", -3, clientTracking, []string{"(ON|OFF) [OPTIN] [OPTOUT] [NOLOOP]",
		"Track the keys that are read. They are invalidated at once."}},
	{"TRACKINGINFO", 2, clientTrackingInfo, []string{"", "Return how the current connection tracks keys."}},
}

func clientID(c *conn, _ [][]byte) { c.int(int64(c.id)) }

func clientGetName(c *conn, _ [][]byte) {
	if name := c.shared.name.Load(); name != nil {
		c.bulkString(*name)
	} else {
		c.null()
	}
}

func clientSetName(c *conn, args [][]byte) {
	if c.checkName("Client names", args[2]) {
		c.setName(args[2])
		c.ok()
	}
}

func clientSetInfo(c *conn, args [][]byte) {
	l := loadOrZero(&c.shared.library)
	var field *string
	switch {
	case equalFold(args[2], "LIB-NAME"):
		field = &l.name
	case equalFold(args[2], "LIB-VER"):
		field = &l.version
	default:
		c.error(fmt.Sprintf("ERR Unrecognized option '%s'", cString(args[2], quotedMost)))
		return
	}
	if !c.checkName(strings.ToLower(string(args[2])), args[3]) {
		return
	}
	*field = string(args[3])
	c.shared.library.Store(&l)
	c.ok()
}

func clientNoEvict(c *conn, args [][]byte) {
	on, ok := c.onOff(args[2])
	if !ok {
		return
	}
	c.setFlag(flagNoEvict, on)
	c.mem.Spare(on)
	c.ok()
}

func clientNoTouch(c *conn, args [][]byte) {
	if _, ok := c.onOff(args[2]); ok {
		c.ok()
	}
}

// onOff parses ON or OFF, or replies with the error.
func (c *conn) onOff(arg []byte) (on, ok bool) {
	switch {
	case equalFold(arg, "ON"):
		return true, true
	case equalFold(arg, "OFF"):
		return false, true
	}
	c.error(errSyntax)
	return false, false
}

func clientInfo(c *conn, _ [][]byte) { c.text([]byte(c.line() + "\n")) }

func clientList(c *conn, args [][]byte) {
	clients := c.srv.clients()
	switch {
	case len(args) == 2:
	case len(args) == 4 && equalFold(args[2], "TYPE"):
		is, ok := c.parseClientType(args[3])
		if !ok {
			return
		}
		clients = slices.DeleteFunc(clients, func(other *conn) bool { return !is(other) })
	case len(args) > 3 && equalFold(args[2], "ID"):
		named := make(map[*conn]bool) // no more than there are, whatever is asked for
		for _, arg := range args[3:] {
			id, ok := resp.ParseInt(arg)
			if !ok || id < 1 {
				c.error("ERR Invalid client ID")
				return
			}
			if i, found := slices.BinarySearchFunc(clients, uint64(id), (*conn).compareID); found {
				named[clients[i]] = true
			}
		}
		clients = slices.DeleteFunc(clients, func(other *conn) bool { return !named[other] })
	default:
		c.error(errSyntax)
		return
	}
	var list scratch
	defer list.release(c)
	for _, other := range clients {
		line := other.line()
		if !list.more(c, len(line)+1) {
			c.errorReplySize(len(list.bytes()))
			return
		}
		list.buf.B = append(append(list.buf.B, line...), '\n')
	}
	c.text(list.bytes())
}

func (c *conn) compareID(id uint64) int { return cmp.Compare(c.id, id) }

// parseClientType returns which clients are of that type, or replies with the error.
func (c *conn) parseClientType(arg []byte) (is func(*conn) bool, ok bool) {
	switch {
	case equalFold(arg, "NORMAL"):
		return func(other *conn) bool { return !other.subscribed() }, true
	case equalFold(arg, "PUBSUB"):
		return (*conn).subscribed, true
	case equalFold(arg, "MASTER"), equalFold(arg, "REPLICA"), equalFold(arg, "SLAVE"):
		return func(*conn) bool { return false }, true
	}
	c.error(fmt.Sprintf("ERR Unknown client type '%s'", cString(arg, quotedMost)))
	return nil, false
}

// clients returns the connections, the oldest first.
func (s *Server) clients() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.conns), func(a, b *conn) int { return cmp.Compare(a.id, b.id) })
}

// line describes a connection, its own or another's, in the manner of Redis.
func (c *conn) line() string {
	sh := &c.shared
	now := time.Now()
	queued := sh.queued.Load() - 1
	flags := ""
	for _, f := range []struct {
		is     bool
		letter string
	}{
		{c.monitors(), "O"}, {c.subscribed(), "P"}, {queued >= 0, "x"},
		{sh.flags.Load()&flagTracking != 0, "t"}, {sh.flags.Load()&flagNoEvict != 0, "e"},
	} {
		if f.is {
			flags += f.letter
		}
	}
	flags = cmp.Or(flags, "N")
	command := "NULL"
	if p := sh.command.Load(); p != nil {
		command = p.name
	}
	name, lib := loadOrZero(&sh.name), loadOrZero(&sh.library)
	return fmt.Sprintf("id=%d addr=%s laddr=%s name=%s age=%d idle=%d flags=%s db=%d sub=%d psub=%d ssub=%d multi=%d cmd=%s user=default redir=%d resp=%d lib-name=%s lib-ver=%s",
		c.id, address(c.wire.remote(), c.wire.local()), address(c.wire.local(), nil), name,
		int64(now.Sub(sh.since).Seconds()), c.idleSeconds(now), flags, sh.db.Load(),
		sh.subscribed[channels].Load(), sh.subscribed[patterns].Load(), sh.subscribed[shards].Load(), queued, command, c.redirection(), c.protocol(), lib.name, lib.version)
}

func (c *conn) idleSeconds(now time.Time) int64 {
	since := c.shared.idle.Load()
	if since == 0 {
		return 0
	}
	return max(now.UnixNano()-since, 0) / int64(time.Second)
}

// address writes an address as Redis does: a unix socket's is its path and port
// 0, and the client's end, which has no path, is called by the server's.
func address(a, server net.Addr) string {
	u, ok := a.(*net.UnixAddr)
	if !ok {
		return a.String()
	}
	if s, ok := server.(*net.UnixAddr); ok && (u.Name == "" || u.Name == "@") {
		u = s
	}
	return u.Name + ":0"
}

// A killFilter says which connections to kill.
type killFilter struct {
	id          uint64
	addr, laddr string
	is          func(*conn) bool // of a type; nil: of any
	sparing     *conn
}

func clientKill(c *conn, args [][]byte) {
	f := killFilter{sparing: c}
	old := len(args) == 3 // CLIENT KILL addr
	if old {
		f.addr, f.sparing = shortened(args[2]), nil
	} else if !c.parseKill(&f, args[2:]) {
		return
	}
	killed := 0
	for _, other := range c.srv.clients() {
		if !f.matches(other) {
			continue
		}
		killed++
		if other == c {
			c.closing = true // after the reply
		} else {
			other.kill()
		}
	}
	switch {
	case !old:
		c.int(int64(killed))
	case killed > 0:
		c.ok()
	default:
		c.error("ERR No such client")
	}
}

func (c *conn) parseKill(f *killFilter, args [][]byte) bool {
	if len(args)%2 != 0 {
		c.error(errSyntax)
		return false
	}
	for i := 0; i < len(args); i += 2 {
		option, value := args[i], args[i+1]
		switch {
		case equalFold(option, "ID"):
			id, ok := resp.ParseInt(value)
			if !ok || id < 1 {
				c.error("ERR client-id should be greater than 0")
				return false
			}
			f.id = uint64(id)
		case equalFold(option, "ADDR"):
			f.addr = shortened(value)
		case equalFold(option, "LADDR"):
			f.laddr = shortened(value)
		case equalFold(option, "TYPE"):
			is, ok := c.parseClientType(value)
			if !ok {
				return false
			}
			f.is = is
		case equalFold(option, "USER"):
			if string(value) != defaultUser {
				c.error(fmt.Sprintf("ERR No such user '%s'", cString(value, quotedMost)))
				return false
			}
		case equalFold(option, "SKIPME") && equalFold(value, "YES"):
			f.sparing = c
		case equalFold(option, "SKIPME") && equalFold(value, "NO"):
			f.sparing = nil
		default:
			c.error(errSyntax)
			return false
		}
	}
	return true
}

// shortened is long enough for an address not to be one any more.
func shortened(arg []byte) string { return string(arg[:min(len(arg), maxName)]) }

func (f *killFilter) matches(c *conn) bool {
	switch {
	case f.is != nil && !f.is(c), c == f.sparing,
		f.id != 0 && f.id != c.id,
		f.addr != "" && f.addr != address(c.wire.remote(), c.wire.local()),
		f.laddr != "" && f.laddr != address(c.wire.local(), nil):
		return false
	}
	return true
}
