package server

import "math"

// Options of SET and GETEX.
const (
	optNX = 1 << iota
	optXX
	optGet
	optKeepTTL
	optPersist
	optEX
	optPX
	optEXAT
	optPXAT

	optTime = optEX | optPX | optEXAT | optPXAT
)

const (
	forSet   = optNX | optXX | optGet | optKeepTTL | optTime
	forGetEx = optPersist | optTime
)

// valueOptions are the options of SET, GETEX and their relatives.
type valueOptions struct {
	flags   int
	time    []byte // the argument of one of optTime
	expires int64  // Unix milliseconds, by resolve; 0: never
}

var optionNames = []struct {
	name     string
	flag     int
	excludes int
}{
	{"NX", optNX, optXX},
	{"XX", optXX, optNX},
	{"GET", optGet, 0},
	{"KEEPTTL", optKeepTTL, optPersist | optTime},
	{"PERSIST", optPersist, optKeepTTL | optTime},
	{"EX", optEX, optKeepTTL | optPersist | optTime&^optEX},
	{"PX", optPX, optKeepTTL | optPersist | optTime&^optPX},
	{"EXAT", optEXAT, optKeepTTL | optPersist | optTime&^optEXAT},
	{"PXAT", optPXAT, optKeepTTL | optPersist | optTime&^optPXAT},
}

// parse parses args, which may be the allowed options. If they are not it
// replies with the error and reports false.
func (o *valueOptions) parse(c *conn, args [][]byte, allowed int) bool {
next:
	for i := 0; i < len(args); i++ {
		for _, n := range optionNames {
			if n.flag&allowed == 0 || n.excludes&o.flags != 0 || !equalFold(args[i], n.name) {
				continue
			}
			if n.flag&optTime != 0 {
				if i++; i == len(args) {
					break
				}
				o.time = args[i]
			}
			o.flags |= n.flag
			continue next
		}
		c.error(errSyntax)
		return false
	}
	return true
}

// resolve makes the expires of the time. If it is none it replies with the error
// and reports false.
func (o *valueOptions) resolve(c *conn) bool {
	if o.flags&optTime == 0 {
		return true
	}
	t, ok := c.parseInt(o.time)
	if !ok {
		return false
	}
	inSeconds := o.flags&(optEX|optEXAT) != 0
	if t <= 0 || inSeconds && t > math.MaxInt64/1000 {
		c.errorExpireTime()
		return false
	}
	if inSeconds {
		t *= 1000
	}
	if o.flags&(optEX|optPX) != 0 {
		now := c.srv.now()
		if t > math.MaxInt64-now {
			c.errorExpireTime()
			return false
		}
		t += now
	}
	o.expires = t
	return true
}

func (c *conn) errorExpireTime() {
	c.error("ERR invalid expire time in '" + c.tally.command.name + "' command")
}
