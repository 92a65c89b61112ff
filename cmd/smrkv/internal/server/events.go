package server

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gosmr/gosmr/smrmap"
)

// This file has keyspace events: messages about what becomes of keys, to channels of the
// key's name and of the event's. While they are off a write costs a branch more, and so does a
// read that finds nothing.

// The classes of events, in the order in which CONFIG GET lists them. Those of other types
// are accepted, and never happen.
const (
	eventClasses = "g$lshzxetdnKEm"

	eventGeneric  uint32 = 1 << 0  // g
	eventString   uint32 = 1 << 1  // $
	eventExpired  uint32 = 1 << 6  // x
	eventEvicted  uint32 = 1 << 7  // e
	eventNew      uint32 = 1 << 10 // n: a key was made
	eventKeyspace uint32 = 1 << 11 // K: to __keyspace@DB__:key
	eventKeyevent uint32 = 1 << 12 // E: to __keyevent@DB__:event
	eventMiss     uint32 = 1 << 13 // m: a key was read that is not there

	eventAll = eventNew - 1 // A
)

// eventOf says which event a write of a command is. What is not here says so itself.
var eventOf = map[string]string{
	"set": "set", "setnx": "set", "setex": "set", "psetex": "set", "getset": "set", "mset": "set", "msetnx": "set", "bitop": "set",
	"append": "append", "setrange": "setrange", "setbit": "setbit", "bitfield": "setbit",
	"incr": "incrby", "decr": "incrby", "incrby": "incrby", "decrby": "incrby", "incrbyfloat": "incrbyfloat",
}

// ParseEvents parses a set of classes, as notify-keyspace-events is.
func ParseEvents(v string) (classes uint32, err error) {
	for _, c := range v {
		i := strings.IndexRune(eventClasses, c)
		switch {
		case c == 'A':
			classes |= eventAll
		case i >= 0:
			classes |= 1 << i
		default:
			return 0, errors.New("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
		}
	}
	return classes, nil
}

// eventsText is as Redis has it: n is not told where A stands for all others.
func eventsText(classes uint32) string {
	text := ""
	if classes&eventAll == eventAll {
		text, classes = "A", classes&^(eventAll|eventNew)
	}
	for i := range eventClasses {
		if classes>>i&1 != 0 {
			text += eventClasses[i : i+1]
		}
	}
	return text
}

// wants reports whether events of a class are wanted.
func (c *conn) wants(class uint32) bool { return c.srv.settings.events.Load()&class != 0 }

// event tells of what the connection did to a key. It is called after that.
func (c *conn) event(class uint32, name string, key []byte) { c.eventIn(c.db, class, name, key) }

func (c *conn) eventIn(d *database, class uint32, name string, key []byte) {
	if c.wants(class) {
		c.comparing(len(key))
		c.srv.event(d, class, name, key)
	}
}

func (s *Server) event(d *database, class uint32, name string, key []byte) {
	on := s.settings.events.Load()
	if on&class == 0 {
		return
	}
	goOn := func() bool { return s.ctx.Err() == nil }
	if on&eventKeyspace != 0 && len(key) <= maxTopic {
		s.publish(channels, fmt.Appendf(nil, "__keyspace@%d__:%s", d.index, key), []byte(name), goOn)
	}
	if on&eventKeyevent != 0 {
		s.publish(channels, fmt.Appendf(nil, "__keyevent@%d__:%s", d.index, name), key, goOn)
	}
}

// storedEvent tells of a write, as the command that runs is.
func (c *conn) storedEvent(d *database, key []byte) {
	if c.fresh {
		c.eventIn(d, eventNew, "new", key)
	}
	if name := c.tally.command.event; name != "" {
		c.eventIn(d, eventString, name, key)
	}
}

// asked counts a hit or a miss.
func (c *conn) asked(key []byte, found bool) {
	if found {
		c.tally.hits++
	} else {
		c.miss(key)
	}
}

// miss counts a miss.
func (c *conn) miss(key []byte) {
	c.tally.misses++
	c.event(eventMiss, "keymiss", key)
}

// removed is told by a database's map of keys that have expired or were evicted.
func (s *Server) removed(from *smrmap.Bytes, key []byte, evicted bool) {
	for d, m := range s.databases {
		switch {
		case m != from:
		case evicted:
			s.event(d, eventEvicted, "evicted", key)
		default:
			s.event(d, eventExpired, "expired", key)
		}
	}
}
