package server

import (
	"github.com/gosmr/gosmr/cmd/smrkv/internal/resp"
	"github.com/gosmr/gosmr/slab"
)

// This file has OBJECT and MEMORY, which tell how a value is kept.

var objectCommands = []subcommand{
	{"ENCODING", 3, objectEncoding, []string{"<key>", "Return how Redis would encode the value when it is set."}},
	{"FREQ", 3, objectFreq, []string{"<key>", "Fails: how often a key is read is not counted."}},
	{"IDLETIME", 3, objectIdleTime, []string{"<key>", "Fails: when a key was read is not noted."}},
	{"REFCOUNT", 3, objectRefCount, []string{"<key>", "Return 1."}},
}

const (
	errNoFrequency = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that " +
		"when switching between policies at runtime LRU and LFU data will take some time to adjust."
	errNoIdleTime = "ERR idle time is not tracked: of a key it is known whether it was read since eviction last considered it"
)

// shortString is how long a string may be that Redis keeps together with what describes it.
const shortString = 44

func objectEncoding(c *conn, args [][]byte) {
	encoding := ""
	if _, ok := c.peek(args[2]); !ok {
		c.tally.misses++ // it is not told of as an event
		c.null()
		return
	}
	found := c.view(args[2], func(v []byte) {
		switch _, isInt := resp.ParseInt(v); {
		case isInt:
			encoding = "int"
		case len(v) <= shortString:
			encoding = "embstr"
		default:
			encoding = "raw"
		}
	})
	if found {
		c.bulkString(encoding)
	} else {
		c.null()
	}
}

func objectFreq(c *conn, args [][]byte) {
	if !c.objectExists(args[2]) {
		return
	}
	switch c.srv.policy() {
	case AllKeysLFU, VolatileLFU:
		c.error("ERR access frequency is not tracked, whatever the policy")
	default:
		c.error(errNoFrequency)
	}
}

func objectIdleTime(c *conn, args [][]byte) {
	if c.objectExists(args[2]) {
		c.error(errNoIdleTime)
	}
}

func objectRefCount(c *conn, args [][]byte) {
	if c.objectExists(args[2]) {
		c.int(1)
	}
}

// objectExists reports whether there is such a key, or replies with null.
func (c *conn) objectExists(key []byte) bool {
	_, ok := c.peek(key)
	if !ok {
		c.null()
	}
	return ok
}

var memoryCommands = []subcommand{
	{"USAGE", -3, memoryUsage, []string{"<key> [SAMPLES <count>]", "Return the bytes that the block of a key and its value takes."}},
}

// entryHeader is what a block has beside key and value.
const entryHeader = 24

// memoryUsage replies with the size of the entry's block. The map's table is not in it.
func memoryUsage(c *conn, args [][]byte) {
	for i := 3; i < len(args); i += 2 {
		if !equalFold(args[i], "SAMPLES") || i+1 == len(args) {
			c.error(errSyntax)
			return
		}
		n, ok := c.parseInt(args[i+1])
		if !ok {
			return
		}
		if n < 0 {
			c.error(errSyntax)
			return
		}
	}
	it, ok := c.peek(args[2])
	if !ok {
		c.null()
		return
	}
	c.int(int64(slab.BlockSize(entryHeader + len(args[2]) + it.length)))
}
