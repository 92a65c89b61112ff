package server

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// A Cluster says which of several servers has which keys. It is static: a file that all of
// them are given. They know nothing of each other, and of a key that is another's a server
// says only where it is, as Redis Cluster does.
type Cluster struct {
	nodes  []*clusterNode
	self   *clusterNode
	owner  [clusterSlots]*clusterNode
	ranges []slotRange // in order
}

type clusterNode struct {
	id, host string
	port     int
	address  string // as the file has it, with what there is beside host and port
	epoch    int
}

type slotRange struct {
	node        *clusterNode
	first, last int
}

// clusterSlots is how many parts keys are divided into, by keySlot.
const clusterSlots = 1 << 14

// ParseCluster parses the lines of CLUSTER NODES, which are those of Redis's nodes.conf:
//
//	ID HOST:PORT@BUSPORT FLAGS MASTER PING-SENT PONG-RECEIVED EPOCH LINK-STATE SLOT FIRST-LAST ...
//
// Each slot must have one node. Self is the address, HOST:PORT, of the one that is asked;
// the flag myself says nothing, so that all nodes can have the same file.
func ParseCluster(text, self string) (*Cluster, error) {
	cl := new(Cluster)
	for i, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "vars" || words[0][0] == '#' {
			continue
		}
		if err := cl.add(words); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if slot := slices.Index(cl.owner[:], nil); slot >= 0 {
		return nil, fmt.Errorf("slot %d is no node's", slot)
	}
	for _, n := range cl.nodes {
		if net.JoinHostPort(n.host, strconv.Itoa(n.port)) == self {
			cl.self = n
		}
	}
	if cl.self == nil {
		return nil, fmt.Errorf("no node has the address %s, which should be this server's", self)
	}
	for slot, n := range cl.owner { // neighbours are one range
		if slot > 0 && cl.owner[slot-1] == n {
			cl.ranges[len(cl.ranges)-1].last = slot
		} else {
			cl.ranges = append(cl.ranges, slotRange{n, slot, slot})
		}
	}
	return cl, nil
}

// rangesOf returns the slots of a node.
func (cl *Cluster) rangesOf(n *clusterNode) (list []slotRange) {
	for _, r := range cl.ranges {
		if r.node == n {
			list = append(list, r)
		}
	}
	return list
}

// add adds the node that a line describes.
func (cl *Cluster) add(words []string) error {
	if len(words) < 8 {
		return fmt.Errorf("a node has 8 words before its slots, not %d", len(words))
	}
	n := &clusterNode{id: words[0], address: words[1]}
	if len(n.id) != 40 || strings.Trim(n.id, "0123456789abcdef") != "" {
		return fmt.Errorf("not a node's id, of 40 hexadecimal digits: %q", n.id)
	}
	hostPort, _, _ := strings.Cut(n.address, "@")
	hostPort, _, _ = strings.Cut(hostPort, ",")
	colon := strings.LastIndexByte(hostPort, ':') // IPv6 has others, and no brackets
	if colon < 1 {
		return fmt.Errorf("not an address, host:port@busport: %q", n.address)
	}
	port, err := strconv.ParseUint(hostPort[colon+1:], 10, 16)
	if err != nil || port == 0 {
		return fmt.Errorf("not a port: %q", hostPort[colon+1:])
	}
	n.host, n.port = hostPort[:colon], int(port)
	for flag := range strings.SplitSeq(words[2], ",") {
		if flag != "master" && flag != "myself" {
			return fmt.Errorf("node %s is called %s: there are only masters here", n.id, flag)
		}
	}
	if n.epoch, err = strconv.Atoi(words[6]); err != nil {
		return fmt.Errorf("not an epoch: %q", words[6])
	}
	for _, other := range cl.nodes {
		if other.id == n.id || other.host == n.host && other.port == n.port {
			return fmt.Errorf("node %s of %s is there already", n.id, hostPort)
		}
	}
	cl.nodes = append(cl.nodes, n)
	for _, word := range words[8:] {
		if err := cl.assign(n, word); err != nil {
			return err
		}
	}
	return nil
}

// assign gives a node what a word says: a slot, or a range of them.
func (cl *Cluster) assign(n *clusterNode, word string) error {
	from, to, isRange := strings.Cut(word, "-")
	if !isRange {
		to = from
	}
	first, err := strconv.ParseUint(from, 10, 16)
	last, err2 := strconv.ParseUint(to, 10, 16)
	switch {
	case word[0] == '[':
		return fmt.Errorf("a slot that moves: %s: nothing moves here", word)
	case err != nil || err2 != nil || first > last:
		return fmt.Errorf("not a slot, or a range such as 0-5460: %q", word)
	case last >= clusterSlots:
		return fmt.Errorf("slot %d: there are %d", last, clusterSlots)
	}
	for slot := first; slot <= last; slot++ {
		if other := cl.owner[slot]; other != nil {
			return fmt.Errorf("slot %d is of node %s already", slot, other.id)
		}
		cl.owner[slot] = n
	}
	return nil
}

// keySlot returns the slot of a key: the CRC-16 (XMODEM) of what is between its first
// braces, if there is something, or of the key.
func keySlot(key []byte) int {
	if _, rest, ok := bytes.Cut(key, []byte("{")); ok {
		if tag, _, ok := bytes.Cut(rest, []byte("}")); ok && len(tag) > 0 {
			key = tag
		}
	}
	crc := uint16(0)
	for _, b := range key {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^b]
	}
	return int(crc % clusterSlots)
}

var crcTable = func() (table [256]uint16) {
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			crc = crc<<1 ^ 0x1021*(crc>>15)
		}
		table[i] = crc
	}
	return table
}()

// noSlot is that of commands without keys, and manySlots of keys that are not together.
const (
	noSlot    = -1
	manySlots = -2
)

// slotOf returns the slot of a command's keys.
func slotOf(cmd *command, args [][]byte) int {
	keys := cmd.keys
	if (cmd.name == "object" || cmd.name == "memory") && len(args) > 2 && cmd.checkSubcommand(args) == "" {
		keys = subcommandKeys
	}
	slot := noSlot
	for key := range keys.of(args) {
		slot = bothSlots(slot, keySlot(key))
	}
	return slot
}

func bothSlots(a, b int) int {
	switch {
	case a == noSlot || a == b:
		return b
	case b == noSlot:
		return a
	}
	return manySlots
}

const errCrossSlot = "CROSSSLOT Keys in request don't hash to the same slot"

// misplaced returns the error for a command whose keys are not, or not all, this server's;
// "" if they are.
func (cl *Cluster) misplaced(slot int) string {
	switch {
	case slot == manySlots:
		return errCrossSlot
	case slot == noSlot || cl.owner[slot] == cl.self:
		return ""
	}
	n := cl.owner[slot]
	return fmt.Sprintf("MOVED %d %s:%d", slot, n.host, n.port)
}
