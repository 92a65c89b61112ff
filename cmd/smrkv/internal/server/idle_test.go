package server

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/buffer"
)

// The clients are another process, so that each needs only its share of the file
// descriptors that a process may have.
const (
	idleSocket  = "SMRKV_TEST_IDLE_SOCKET"
	idleClients = "SMRKV_TEST_IDLE_CLIENTS"
)

// An idle connection costs little: no goroutine and no buffer.
func TestIdleConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("opens 10,000 connections")
	}
	if runtime.GOOS != "linux" {
		t.Skip("without epoll each connection has a goroutine and a buffer")
	}
	const clients = 10_000
	s := start(t, Options{MaxClients: clients + 10})
	before := heap()
	cmd := exec.CommandContext(testContext(t), os.Args[0])
	cmd.Env = append(os.Environ(), idleSocket+"="+s.unix, idleClients+"="+strconv.Itoa(clients))
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var report string
	fmt.Fscanln(stdout, &report)
	if report == "EMFILE" {
		stdin.Close()
		require.NoError(t, cmd.Wait())
		t.Skip("not enough file descriptors for", clients, "connections")
	}
	require.Equal(t, "ready", report)
	require.EqualValues(t, clients, s.count.Load())
	each := (heap() - before) / clients
	t.Logf("%d bytes for each connection", each)
	require.Less(t, each, int64(buffer.Base/2)) // ten times what it is
	require.Less(t, runtime.NumGoroutine(), 100)
	s.alive(t)
	stdin.Close()
	require.NoError(t, cmd.Wait())
	s.eventually(t, "all are gone", func() bool { return s.count.Load() == 0 })
}

// beIdle connects many times, has each connection do something, for which it
// could have kept buffers, and then nothing until its input ends.
func beIdle(socket string, clients int) {
	open := make([]net.Conn, 0, clients)
	for range clients {
		nc, err := net.Dial("unix", socket)
		if err != nil {
			fmt.Println("EMFILE")
			break
		}
		open = append(open, nc)
		nc.SetDeadline(time.Now().Add(time.Minute))
		var reply [7]byte
		if _, err := io.WriteString(nc, "PING\r\n"); err != nil {
			fmt.Println("write:", err)
		} else if _, err := io.ReadFull(nc, reply[:]); err != nil {
			fmt.Println("read:", err)
		}
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	for _, nc := range open {
		nc.Close()
	}
}
