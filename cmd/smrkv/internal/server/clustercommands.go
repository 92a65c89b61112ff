package server

import (
	"cmp"
	"fmt"
)

// This file has CLUSTER, and what clients of a cluster send beside it.

const errNoCluster = "ERR This instance has cluster support disabled"

func cmdCluster(c *conn, args [][]byte) {
	if c.srv.opts.Cluster == nil {
		c.error(cmp.Or(c.shared.command.Load().checkSubcommand(args), errNoCluster))
		return
	}
	c.dispatch(clusterCommands, args)
}

var clusterCommands = []subcommand{
	{"COUNTKEYSINSLOT", 3, clusterCountKeys, []string{"<slot>", "Fails: keys are not kept by their slots."}},
	{"INFO", 2, clusterInfo, []string{"", "Return information about the cluster."}},
	{"KEYSLOT", 3, clusterKeySlot, []string{"<key>", "Return the slot of <key>."}},
	{"MYID", 2, clusterMyID, []string{"", "Return the id of this node."}},
	{"NODES", 2, clusterNodes, []string{"", "Return the nodes and their slots, a line for each."}},
	{"SHARDS", 2, clusterShards, []string{"", "Return the nodes and their slots."}},
	{"SLOTS", 2, clusterSlotRanges, []string{"", "Return ranges of slots with their nodes."}},
}

// cmdOfCluster is READONLY, READWRITE and ASKING, which say nothing to a master whose slots
// do not move.
func cmdOfCluster(c *conn, _ [][]byte) {
	if c.srv.opts.Cluster == nil {
		c.error(errNoCluster)
		return
	}
	c.ok()
}

func clusterCountKeys(c *conn, _ [][]byte) {
	c.error("ERR COUNTKEYSINSLOT would read all keys: they are not kept by their slots")
}

func clusterKeySlot(c *conn, args [][]byte) { c.int(int64(keySlot(args[2]))) }

func clusterMyID(c *conn, _ [][]byte) { c.bulkString(c.srv.opts.Cluster.self.id) }

func clusterInfo(c *conn, _ [][]byte) {
	cl := c.srv.opts.Cluster
	size, epoch := 0, 0
	for _, n := range cl.nodes {
		size += min(len(cl.rangesOf(n)), 1)
		epoch = max(epoch, n.epoch)
	}
	c.text(fmt.Appendf(nil, "cluster_state:ok\r\ncluster_slots_assigned:%[1]d\r\ncluster_slots_ok:%[1]d\r\n"+
		"cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:%d\r\ncluster_size:%d\r\n"+
		"cluster_current_epoch:%d\r\ncluster_my_epoch:%d\r\n", clusterSlots, len(cl.nodes), size, epoch, cl.self.epoch))
}

func clusterNodes(c *conn, _ [][]byte) {
	var b []byte
	cl := c.srv.opts.Cluster
	for _, n := range cl.nodes {
		flags := "master"
		if n == cl.self {
			flags = "myself,master"
		}
		b = fmt.Appendf(b, "%s %s %s - 0 0 %d connected", n.id, n.address, flags, n.epoch)
		for _, r := range cl.rangesOf(n) {
			if b = fmt.Appendf(b, " %d", r.first); r.first != r.last {
				b = fmt.Appendf(b, "-%d", r.last)
			}
		}
		b = append(b, '\n')
	}
	c.text(b)
}

func clusterShards(c *conn, _ [][]byte) {
	cl := c.srv.opts.Cluster
	c.array(len(cl.nodes))
	for _, n := range cl.nodes {
		var slots list
		for _, r := range cl.rangesOf(n) {
			slots = append(slots, r.first, r.last)
		}
		c.reply(dict{"slots", slots, "nodes", list{dict{"id", n.id, "port", n.port, "ip", n.host, "endpoint", n.host,
			"role", "master", "replication-offset", 0, "health", "online"}}})
	}
}

func clusterSlotRanges(c *conn, _ [][]byte) {
	cl := c.srv.opts.Cluster
	c.array(len(cl.ranges))
	for _, r := range cl.ranges {
		c.reply(list{r.first, r.last, list{r.node.host, r.node.port, r.node.id, dict{}}})
	}
}
