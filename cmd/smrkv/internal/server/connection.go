package server

import (
	"fmt"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
)

// This file has the commands about the connection itself, but for CLIENT.

func cmdPing(c *conn, args [][]byte) {
	switch {
	case len(args) <= 2 && c.limited():
		c.array(2)
		c.bulkString("pong")
		c.bulk(append(args, nil)[1])
	case len(args) == 1:
		c.simple("PONG")
	case len(args) == 2:
		c.bulk(args[1])
	default:
		c.errorArity("ping")
	}
}

func cmdEcho(c *conn, args [][]byte) { c.bulk(args[1]) }

func cmdQuit(c *conn, _ [][]byte) {
	c.ok()
	c.closing = true
}

func cmdReset(c *conn, _ [][]byte) {
	c.leavesMany()
	c.discard()
	c.use(&c.srv.dbs[0])
	if c.sub != nil {
		c.leaveAll()
		c.deliverAll(c.sub.leave())
	}
	c.wanted = wantsAll
	c.aloud()
	c.shared.name.Store(nil)
	c.shared.flags.Store(0)
	c.mem.Spare(false)
	c.setAuthenticated(c.srv.settings.password.Load() == nil)
	c.simple("RESET")
}

func (c *conn) setAuthenticated(yes bool) {
	c.authenticated = yes
	c.in.Unauthenticated = !yes
}

func (c *conn) mustAuthenticate() bool {
	return !c.authenticated && c.srv.settings.password.Load() != nil
}

const (
	errWrongPass  = "WRONGPASS invalid username-password pair or user is disabled."
	errNoPassword = "ERR AUTH <password> called without any password configured for the default user. " +
		"Are you sure your configuration is correct?"
	errHelloAuth = "NOAUTH HELLO must be called with the client already authenticated, " +
		"otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client " +
		"and select the RESP protocol version at the same time"
)

func cmdAuth(c *conn, args [][]byte) {
	user, guess := []byte(defaultUser), args[len(args)-1]
	switch len(args) {
	case 2:
		if c.srv.settings.password.Load() == nil {
			c.error(errNoPassword)
			return
		}
	case 3:
		user = args[1]
	default:
		c.error(errSyntax)
		return
	}
	if c.login(user, guess) {
		c.ok()
	}
}

const defaultUser = "default" // the only one

var aclCommands = []subcommand{
	{"WHOAMI", 2, func(c *conn, _ [][]byte) { c.bulkString(defaultUser) }, []string{"", "Return the current connection username."}},
}

// login authenticates, or replies with the error.
func (c *conn) login(user, guess []byte) bool {
	p := c.srv.settings.password.Load()
	if string(user) != defaultUser || p != nil && !p.is(guess) {
		c.error(errWrongPass)
		return false
	}
	c.setAuthenticated(true)
	return true
}

// compatible is the version of Redis whose replies these are.
const compatible = "7.0.15"

func cmdHello(c *conn, args [][]byte) {
	var user, guess, name []byte
	protocol := c.protocol()
	if len(args) > 1 {
		version, ok := resp.ParseInt(args[1])
		protocol = resp.Protocol(version)
		switch {
		case !ok:
			c.error("ERR Protocol version is not an integer or out of range")
			return
		case version != int64(resp.RESP2) && version != int64(resp.RESP3):
			c.error("NOPROTO unsupported protocol version")
			return
		}
		for i := 2; i < len(args); i++ {
			switch more := len(args) - i - 1; {
			case equalFold(args[i], "AUTH") && more >= 2:
				user, guess = args[i+1], args[i+2]
				i += 2
			case equalFold(args[i], "SETNAME") && more >= 1:
				if name = args[i+1]; !c.checkName("Client names", name) {
					return
				}
				i++
			default:
				c.error(fmt.Sprintf("ERR Syntax error in HELLO option '%s'", cString(args[i], quotedMost)))
				return
			}
		}
	}
	if user != nil && !c.login(user, guess) {
		return
	}
	if c.mustAuthenticate() {
		c.error(errHelloAuth)
		return
	}
	if name != nil {
		c.setName(name)
	}
	c.setFlag(flagRESP3, protocol == resp.RESP3)
	c.reply(dict{"server", "redis", "version", compatible, "proto", int(protocol), "id", int64(c.id),
		"mode", c.srv.opts.mode(), "role", "master", "modules", list{}})
}

func (c *conn) setName(name []byte) {
	if len(name) == 0 {
		c.shared.name.Store(nil)
		return
	}
	s := string(name)
	c.shared.name.Store(&s)
}

// maxName bounds what a connection keeps while it is idle.
const maxName = 1 << 10

// checkName reports whether name can be part of a line of CLIENT LIST, or replies
// with the error.
func (c *conn) checkName(what string, name []byte) bool {
	if len(name) > maxName {
		c.error(fmt.Sprintf("ERR %s cannot be longer than %d bytes.", what, maxName))
		return false
	}
	for _, b := range name {
		if b < '!' || b > '~' {
			c.error("ERR " + what + " cannot contain spaces, newlines or special characters.")
			return false
		}
	}
	return true
}
