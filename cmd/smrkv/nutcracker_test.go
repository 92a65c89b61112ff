package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gomodule/redigo/redis"
	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/testport"
)

// The proxy of nutcracker.yml spreads short keys evenly. The keys and the servers' names say
// how, so it is the same each time.
func TestNutcracker(t *testing.T) {
	text, err := os.ReadFile("nutcracker.yml")
	require.NoError(t, err)
	config := string(text)
	var servers []net.Addr
	for i := range 3 {
		addrs, _, stop := startCommand(t, "-addr", "127.0.0.1:0")
		defer func() { require.Zero(t, stop()) }()
		config = replaceOnce(t, config, fmt.Sprintf("127.0.0.1:%d:1", 6380+i), addrs[0].String()+":1")
		servers = append(servers, addrs[0])
	}
	config = replaceOnce(t, config, "timeout: 1000\n", "timeout: 60000\n") // the machine may be slow
	c := startNutcracker(t, config)

	const n = 10_000
	for i := range n {
		require.NoError(t, c.Send("SET", "k"+strconv.Itoa(i), i))
	}
	require.NoError(t, c.Flush())
	for range n {
		reply, err := c.Receive()
		require.NoError(t, err)
		require.Equal(t, "OK", reply)
	}
	for _, a := range servers {
		has, err := strconv.Atoi(strings.TrimPrefix(ask(t, a, "DBSIZE"), ":"))
		require.NoError(t, err)
		t.Logf("%v has %d keys", a, has)
		require.InDelta(t, n/3, has, n/12)
	}

	values, err := redis.Ints(c.Do("MGET", "k1", "k22", "k333", "k4444"))
	require.NoError(t, err)
	require.Equal(t, []int{1, 22, 333, 4444}, values)
	deleted, err := redis.Int(c.Do("DEL", "k1", "k22", "k333", "none"))
	require.NoError(t, err)
	require.Equal(t, 3, deleted)
	for _, command := range [][]any{
		{"SET", "a", "v", "EX", 100}, {"TTL", "a"}, {"APPEND", "a", "w"}, {"GETRANGE", "a", 0, -1}, {"INCR", "n"},
		{"SETEX", "b", 10, "v"}, {"GETDEL", "b"}, {"EXPIRE", "a", 5}, {"PERSIST", "a"}, {"TYPE", "a"}, {"SETBIT", "bits", 7, 1},
	} {
		_, err := c.Do(command[0].(string), command[1:]...)
		require.NoError(t, err, command)
	}
}

func replaceOnce(t *testing.T, text, old, new string) string {
	require.Equal(t, 1, strings.Count(text, old), old)
	return strings.Replace(text, old, new, 1)
}

// startNutcracker returns a connection to a proxy.
func startNutcracker(t *testing.T, config string) redis.Conn {
	path, err := exec.LookPath("nutcracker")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/nutcracker"); err != nil {
			t.Skip("skipped: ", err)
		}
	}
	listen := "127.0.0.1:" + strconv.Itoa(testport.Quiet(t))
	file := filepath.Join(t.TempDir(), "nutcracker.yml")
	require.NoError(t, os.WriteFile(file, []byte(replaceOnce(t, config, "127.0.0.1:22121", listen)), 0o600))
	ctx := testContext(t)
	var log bytes.Buffer
	cmd := exec.CommandContext(ctx, path, "-c", file, "-a", "127.0.0.1", "-s", strconv.Itoa(testport.Quiet(t)))
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended // it was killed
	})
	for { // it does not say when it listens
		c, err := redis.Dial("tcp", listen)
		if err == nil {
			t.Cleanup(func() { c.Close() })
			return c
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatal("nutcracker ends: ", err, log.String())
		default:
		}
	}
}
