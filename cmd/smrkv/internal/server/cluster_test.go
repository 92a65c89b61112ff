package server

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/testport"
)

// nodeID returns the id of the n-th node.
func nodeID(n int) string { return fmt.Sprintf("%040x", n) }

// nodesConf returns the lines of three nodes.
func nodesConf(addresses [3]string) string {
	var b strings.Builder
	for i, slots := range []string{"0-5460", "5461-10922", "10923-16382 16383"} {
		fmt.Fprintf(&b, "%s %s master - 0 0 %d connected %s\n", nodeID(i+1), addresses[i], i+1, slots)
	}
	return b.String()
}

var someAddresses = [3]string{"10.0.0.1:7000@17000", "10.0.0.2:7000@17000,name", "::1:7000@17000"}

func TestParseCluster(t *testing.T) {
	text := "# comment\n\n" + nodesConf(someAddresses) + "vars currentEpoch 3 lastVoteEpoch 0\n"
	cl, err := ParseCluster(text, "10.0.0.2:7000")
	require.NoError(t, err)
	require.Equal(t, nodeID(2), cl.self.id)
	require.Equal(t, []slotRange{{cl.nodes[2], 10923, 16383}}, cl.rangesOf(cl.nodes[2]))
	_, err = ParseCluster(text, "[::1]:7000")
	require.NoError(t, err)
}

func TestParseCluster_Bad(t *testing.T) {
	good := nodesConf(someAddresses)
	for _, tc := range []struct{ old, new, want string }{
		{"0-5460", "0-5459", "slot 5460 is no node's"},
		{"16383", "", "slot 16383 is no node's"},
		{"0-5460", "0-5461", "line 2: slot 5461 is of node " + nodeID(1) + " already"},
		{"16383", "5", "line 3: slot 5 is of node " + nodeID(1) + " already"},
		{"0-5460", "0-5460 7-7", "line 1: slot 7 is of node"},
		{"16383", "16384", "line 3: slot 16384: there are 16384"},
		{"16383", "99999999", `line 3: not a slot, or a range such as 0-5460: "99999999"`},
		{"0-5460", "5460-0", `not a slot, or a range such as 0-5460: "5460-0"`},
		{"0-5460", "-5460", `"-5460"`},
		{"0-5460", "0-", `"0-"`},
		{"0-5460", "0-1-2", `"0-1-2"`},
		{"0-5460", "x", `"x"`},
		{"0-5460", "[93-<-" + nodeID(2) + "]", "nothing moves here"},
		{"10.0.0.1:7000", "10.0.0.1:7001", "no node has the address 10.0.0.1:7000, which should be this server's"},
		{"10.0.0.1:7000@17000", "10.0.0.1", `line 1: not an address, host:port@busport: "10.0.0.1"`},
		{"10.0.0.1:7000@17000", ":7000", `not an address, host:port@busport: ":7000"`},
		{"10.0.0.1:7000@17000", "10.0.0.1:70000", `not a port: "70000"`},
		{"10.0.0.1:7000@17000", "10.0.0.1:0", `not a port: "0"`},
		{"10.0.0.1:7000@17000", "10.0.0.1:x", `not a port: "x"`},
		{"10.0.0.2:7000@17000", "10.0.0.1:7000@1", "line 2: node " + nodeID(2) + " of 10.0.0.1:7000 is there already"},
		{nodeID(2), nodeID(1), "line 2: node " + nodeID(1) + " of 10.0.0.2:7000 is there already"},
		{nodeID(1), "node1", `line 1: not a node's id, of 40 hexadecimal digits: "node1"`},
		{nodeID(1), strings.Repeat("x", 40), "not a node's id"},
		{"master", "slave", "is called slave: there are only masters here"},
		{"master", "master,fail", "is called fail"},
		{"0 0 1", "0 0 one", `not an epoch: "one"`},
		{" connected 0-5460", "", "line 1: a node has 8 words before its slots, not 7"},
		{good, "", "slot 0 is no node's"},
	} {
		_, err := ParseCluster(strings.Replace(good, tc.old, tc.new, 1), "10.0.0.1:7000")
		require.ErrorContains(t, err, tc.want)
	}
}

// A node of a cluster answers as Redis's, which is given the same file.
func TestDifferential_Cluster(t *testing.T) {
	var addresses [3]string
	var ports, buses [3]int
	for i := range addresses {
		ports[i], buses[i] = testport.Quiet(t), testport.Quiet(t)
		addresses[i] = fmt.Sprintf("127.0.0.1:%d@%d", ports[i], buses[i])
	}
	text := nodesConf(addresses)
	var theirs [3]string
	var ready []func()
	for i := range addresses {
		file := filepath.Join(t.TempDir(), "nodes.conf")
		self := strings.Replace(text, addresses[i]+" ", addresses[i]+" myself,", 1)
		require.NoError(t, os.WriteFile(file, []byte(self+"vars currentEpoch 3 lastVoteEpoch 0\n"), 0o600))
		socket, lines := launchRedis(t, "--port", strconv.Itoa(ports[i]), "--cluster-port", strconv.Itoa(buses[i]),
			"--cluster-enabled", "yes", "--cluster-config-file", file)
		theirs[i] = socket
		ready = append(ready, func() { awaitLine(t, lines, "Cluster state changed: ok") })
	}
	for _, wait := range ready {
		wait()
	}
	cl, err := ParseCluster(text, fmt.Sprintf("127.0.0.1:%d", ports[0]))
	require.NoError(t, err)
	for _, protocol := range []string{"2", "3"} {
		t.Run("RESP"+protocol, func(t *testing.T) {
			runScript(t, protocol, start(t, Options{Cluster: cl}).unix, theirs[0], "testdata/cluster.txt")
			ours, redis := dial(t, "unix", start(t, Options{Cluster: cl}).unix), dial(t, "unix", theirs[0])
			for _, c := range []*client{ours, redis} {
				c.do("HELLO", protocol)
				c.do("FLUSHALL")
			}
			for command, separator := range map[string]string{"SHARDS": `(\*4|%2)\r\n\$5\r\nslots`, "NODES": `\n`} {
				require.Equal(t, sortedParts(redis.do("CLUSTER", command), separator), sortedParts(ours.do("CLUSTER", command), separator))
			}
		})
	}
}

// sortedParts returns what is said of each node, in any order, but for when it was heard of.
func sortedParts(reply, separator string) []string {
	reply = pingsPattern.ReplaceAllString(reply, "")
	parts := regexp.MustCompile(separator).Split(reply, -1)
	slices.Sort(parts)
	return parts
}

var pingsPattern = regexp.MustCompile(` - \d+ \d+ |^[$=]\d+\r\n(txt:)?`)
