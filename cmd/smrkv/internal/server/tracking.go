package server

import "github.com/gosmr/gosmr/cmd/smrkv/internal/resp"

// This file has client-side caching. A client that tracks the keys it reads may keep their
// values until it is told that they are invalid. Redis remembers which keys those are, but
// not more than some, and tells clients to forget the others. Here none is remembered: the
// client is told right after the reply, and so keeps nothing that could get out of date.

// trackingFlags are the flags of a connection that TRACKING OFF clears.
const trackingFlags = flagTracking | flagOptIn | flagOptOut | flagNoLoop | flagCaching

const (
	errTrackingMode = "ERR Tracking with BCAST, PREFIX or REDIRECT is not supported"
	errTrackingBoth = "ERR You can't specify both OPTIN mode and OPTOUT mode"
	errTrackingSwap = "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, " +
		"and then re-enabling it with a different mode."

	errCachingOff   = "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"
	errCachingOptIn = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."
	errCachingOut   = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."
)

func clientTracking(c *conn, args [][]byte) {
	mode, ok := parseTracking(args[3:])
	on, off := equalFold(args[2], "ON"), equalFold(args[2], "OFF")
	now := c.shared.flags.Load()
	const both = flagOptIn | flagOptOut
	switch {
	case !ok || !on && !off:
		c.error(errSyntax)
		return
	case off:
		c.setFlag(trackingFlags, false)
	case mode&flagNoTracking != 0:
		c.error(errTrackingMode)
		return
	case mode&both == both:
		c.error(errTrackingBoth)
		return
	case mode&both != 0 && now&both != 0 && mode&both != now&both:
		c.error(errTrackingSwap)
		return
	default:
		c.setFlag(both|flagNoLoop, false)
		c.setFlag(mode|flagTracking, true)
	}
	c.ok()
}

// flagNoTracking stands for what is not supported. No connection has it.
const flagNoTracking = 1 << 31

func parseTracking(options [][]byte) (mode uint32, ok bool) {
	for i := 0; i < len(options); i++ {
		switch more := i+1 < len(options); {
		case equalFold(options[i], "OPTIN"):
			mode |= flagOptIn
		case equalFold(options[i], "OPTOUT"):
			mode |= flagOptOut
		case equalFold(options[i], "NOLOOP"):
			mode |= flagNoLoop
		case equalFold(options[i], "BCAST"):
			mode |= flagNoTracking
		case more && (equalFold(options[i], "PREFIX") || equalFold(options[i], "REDIRECT")):
			mode |= flagNoTracking
			i++
		default:
			return 0, false
		}
	}
	return mode, true
}

func clientCaching(c *conn, args [][]byte) {
	flags := c.shared.flags.Load()
	switch yes := equalFold(args[2], "YES"); {
	case flags&flagTracking == 0:
		c.error(errCachingOff)
	case !yes && !equalFold(args[2], "NO"):
		c.error(errSyntax)
	case yes && flags&flagOptIn == 0:
		c.error(errCachingOptIn)
	case !yes && flags&flagOptOut == 0:
		c.error(errCachingOut)
	default:
		c.setFlag(flagCaching, true)
		c.ok()
	}
}

func clientTrackingInfo(c *conn, _ [][]byte) {
	flags := c.shared.flags.Load()
	var names []string
	for _, f := range []struct {
		flags uint32
		name  string
	}{
		{flagTracking, "on"}, {flagOptIn, "optin"}, {flagOptIn | flagCaching, "caching-yes"},
		{flagOptOut, "optout"}, {flagOptOut | flagCaching, "caching-no"}, {flagNoLoop, "noloop"},
	} {
		if flags&f.flags == f.flags {
			names = append(names, f.name)
		}
	}
	if names == nil {
		names = []string{"off"}
	}
	c.reply(dict{"flags", func() { c.setOfStrings(names) }, "redirect", c.redirection(), "prefixes", list{}})
}

func clientGetRedir(c *conn, _ [][]byte) { c.int(c.redirection()) }

// redirection tells where invalidations go: 0 is to the connection itself, -1 nowhere.
func (c *conn) redirection() int64 {
	if c.shared.flags.Load()&flagTracking != 0 {
		return 0
	}
	return -1
}

// tracked is called after each command of a client that tracks what it reads.
func (c *conn) tracked(cmd *command, args [][]byte) {
	c.invalidate(cmd, args)
	if c.tx == nil && cmd.name != "client" { // CACHING is for the next command
		c.setFlag(flagCaching, false)
	}
}

// invalidate tells the client to forget what it has read by a command, if it tracks that.
// CACHING NO is not heeded: what the client does not keep it may be told to forget.
func (c *conn) invalidate(cmd *command, args [][]byte) {
	flags := c.shared.flags.Load()
	if flags&(flagTracking|flagRESP3) != flagTracking|flagRESP3 || cmd.flags&readOnly == 0 ||
		flags&(flagOptIn|flagCaching) == flagOptIn {
		return
	}
	defer c.endPush(c.beginPush())
	for key := range cmd.keys.of(args) {
		c.room(smallReply)
		c.out.b = resp.AppendPush(c.out.b, 2)
		c.bulkString("invalidate")
		c.array(1)
		c.bulk(key)
	}
}
