package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// With asMain set the test binary is smrkv.
const asMain = "SMRKV_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
	}
	// A closed client of rueidis still has goroutines that sleep: it asks a cluster again, and ends connections, later.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient)._refresh.func2"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestFlags_Bad(t *testing.T) {
	for _, tc := range []struct{ flags, want string }{
		{"-nonsense", "flag provided but not defined"},
		{"argument", `unexpected argument "argument"`},
		{"-maxmemory x", `not an amount of memory: "x"`},
		{"-maxmemory -1", "not an amount of memory"},
		{"-maxmemory 99999999999gb", "too much memory"},
		{"-maxmemory-policy nonsense", `no such policy: "nonsense" (there are noeviction, allkeys-clock, volatile-clock, allkeys-lru,`},
		{"-maxclients 0", "-maxclients is 0"},
		{"-timeout x", `not a time: "x"`},
		{"-timeout -1", "negative"},
		{"-write-timeout 0s", "-write-timeout is 0s"},
		{"-io-threads -1", "-io-threads is -1"},
		{"-cluster no/such/file", "-cluster: open no/such/file: no such file"},
		{"-cluster cluster_test.go", "-cluster cluster_test.go: line 1: a node has 8 words before its slots, not 2"},
		{"-unixsocketperm 888", "invalid syntax"},
		{"-unixsocketperm 7777", "value out of range"},
		{"-tls-port 0", "-tls-port needs -tls-cert and -tls-key"},
		{"-tls-port 0 -tls-cert x", "-tls-port needs -tls-cert and -tls-key"},
		{"-tls-ca x", "are for -tls-port, which is not given"},
		{"-loglevel loud", "unknown name"},
		{"-addr=", "nothing to listen on"},
	} {
		var stderr bytes.Buffer
		require.Equal(t, 2, command(strings.Fields(tc.flags), &stderr, nil, nil), tc.flags)
		require.Contains(t, stderr.String(), tc.want)
	}
	var stderr bytes.Buffer
	require.Equal(t, 0, command([]string{"-help"}, &stderr, nil, nil))
	require.Contains(t, stderr.String(), "-maxmemory-policy noeviction")
}

func TestFlags(t *testing.T) {
	cfg, err := parseFlags(strings.Fields("-maxmemory 256MiB -maxmemory-policy ALLKEYS-CLOCK -timeout 300 -protected-mode=false"), io.Discard)
	require.NoError(t, err)
	require.EqualValues(t, 256<<20, cfg.options.MaxMemory)
	require.Equal(t, "allkeys-clock", cfg.options.Policy.String())
	require.Equal(t, 5*time.Minute, cfg.options.Timeout)
	require.True(t, cfg.options.Unprotected)
	require.Equal(t, "127.0.0.1:6380", cfg.addr)
}

// A syncBuffer is a log that can be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startCommand runs the command with those flags until stop is called, which
// returns the exit status.
func startCommand(t *testing.T, flags ...string) (addrs []net.Addr, log *syncBuffer, stop func() int) {
	log = new(syncBuffer)
	signals := make(chan os.Signal, 1)
	ready := make(chan []net.Addr, 1)
	status := make(chan int, 1)
	go func() { status <- command(flags, log, signals, func(a ...net.Addr) { ready <- a }) }()
	select {
	case addrs = <-ready:
	case s := <-status:
		t.Fatalf("ends with %d: %s", s, log)
	}
	return addrs, log, func() int {
		signals <- syscall.SIGTERM
		return <-status
	}
}

func ask(t *testing.T, a net.Addr, command string) string {
	t.Helper()
	nc, err := net.Dial(a.Network(), a.String())
	require.NoError(t, err)
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(2 * time.Minute))
	_, err = io.WriteString(nc, command+"\r\n")
	require.NoError(t, err)
	reply, err := bufio.NewReader(nc).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(reply)
}

func TestCommand(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	addrs, log, stop := startCommand(t, "-addr", "127.0.0.1:0", "-unix", socket, "-metrics", "127.0.0.1:0", "-maxmemory", "100mb")
	require.Len(t, addrs, 3)
	require.Equal(t, "+OK", ask(t, addrs[0], "SET greeting hello EX 1000"))
	require.Equal(t, ":5", ask(t, addrs[1], "STRLEN greeting"))
	info, err := os.Stat(socket)
	require.NoError(t, err)
	if runtime.GOOS == "linux" {
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}

	subscriber, err := net.Dial("tcp", addrs[0].String())
	require.NoError(t, err)
	defer subscriber.Close()
	_, err = io.WriteString(subscriber, "SUBSCRIBE news\r\n")
	require.NoError(t, err)
	_, err = io.ReadFull(subscriber, make([]byte, len("*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n")))
	require.NoError(t, err)
	require.Equal(t, ":1", ask(t, addrs[0], "PUBLISH news hello"))

	require.Equal(t, "ok\n", get(t, addrs[2], "/healthz"))
	metrics := get(t, addrs[2], "/metrics")
	for _, want := range []string{
		"smrkv_keys 1\n", "smrkv_memory_max_bytes 1.048576e+08\n", `smrkv_commands_total{command="set"} 1` + "\n",
		"smrkv_keyspace_hits_total 1\n", "smrkv_connections_total 4\n", "go_goroutines ", "smrkv_pubsub_channels 1\n",
		"smrkv_pubsub_subscribers 1\n", "smrkv_pubsub_messages_published_total 1\n", "smrkv_pubsub_messages_received_total 1\n",
		"smrkv_pubsub_patterns 0\n", "smrkv_pubsub_shard_channels 0\n", "smrkv_subscribers_disconnected_total 0\n", "smrkv_clients_evicted_total 0\n",
	} {
		require.Contains(t, metrics, want)
	}
	for _, name := range []string{"pending_bytes", "pending_calls", "sections_open", "records", "calls_total", "grace_periods_total", "scans_total", "stalls_total"} {
		require.Contains(t, metrics, "\nsmr_"+name+`{domain="smrkv"} `)
	}
	if tool, err := exec.LookPath("promtool"); err == nil { // it is in Debian's package prometheus
		lint := exec.CommandContext(testContext(t), tool, "check", "metrics")
		lint.Stdin = strings.NewReader(metrics)
		out, err := lint.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	require.Contains(t, get(t, addrs[2], "/debug/pprof/goroutine?debug=1"), "goroutine profile")

	require.Equal(t, 0, stop(), log)
	require.Regexp(t, `all connections closed.*pending bytes"=0`, log.String())
	_, err = os.Stat(socket)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func get(t *testing.T, a net.Addr, path string) string {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(testContext(t), "GET", "http://"+a.String()+path, nil)
	require.NoError(t, err)
	resp, err := transport.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(b)
}

func TestCommand_CannotListen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	for _, flags := range [][]string{
		{"-addr", l.Addr().String()},
		{"-addr", "127.0.0.1:0", "-metrics", l.Addr().String()},
		{"-addr", "127.0.0.1:0", "-unix", filepath.Join(t.TempDir(), "no", "such", "directory")},
	} {
		var log bytes.Buffer
		require.Equal(t, 1, command(flags, &log, nil, func(...net.Addr) { t.Error("listens") }), flags)
		require.Contains(t, log.String(), "smrkv ends")
	}
}

func TestCommand_WarnsWithoutPassword(t *testing.T) {
	_, log, stop := startCommand(t, "-addr", "0.0.0.0:0")
	require.Equal(t, 0, stop())
	require.Contains(t, log.String(), "clients from other hosts are refused")
	_, log, stop = startCommand(t, "-addr", "0.0.0.0:0", "-protected-mode=false")
	require.Equal(t, 0, stop())
	require.Contains(t, log.String(), "anybody who reaches this address")
	_, log, stop = startCommand(t, "-addr", "0.0.0.0:0", "-requirepass", "secret")
	require.Equal(t, 0, stop())
	require.NotContains(t, log.String(), "WARN")
}

// A request that takes long, such as a profile, does not take the time that the
// clients' connections have.
func TestCommand_SlowMetricsRequest(t *testing.T) {
	addrs, log, stop := startCommand(t, "-addr", "127.0.0.1:0", "-metrics", "127.0.0.1:0")
	nc, err := net.Dial("tcp", addrs[1].String())
	require.NoError(t, err)
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(2 * time.Minute))
	_, err = io.WriteString(nc, "GET /debug/pprof/trace?seconds=20 HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	_, err = nc.Read(make([]byte, 1)) // it has begun
	require.NoError(t, err)
	began := time.Now()
	require.Equal(t, 0, stop(), log)
	require.Less(t, time.Since(began), shutdownTimeout/2)
}

func TestListenUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := listenUnix(path, private)
	require.ErrorContains(t, err, "not a socket")
	require.NoError(t, os.Remove(path))

	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	_, err = listenUnix(path, private)
	require.ErrorContains(t, err, "in use by another server")
	stale.SetUnlinkOnClose(false)
	require.NoError(t, stale.Close())
	l, err := listenUnix(path, private)
	require.NoError(t, err, "one that nobody listens on is replaced")

	require.NoError(t, os.Remove(path))
	other, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer other.Close()
	require.NoError(t, l.Close())
	_, err = os.Stat(path)
	require.NoError(t, err, "another's is not removed")
}

// startProcess runs the command as a process of its own. It returns its address,
// and the lines of its log from there on.
func startProcess(t *testing.T, flags ...string) (*exec.Cmd, net.Addr, <-chan string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"-addr", "127.0.0.1:0"}, flags...)...)
	cmd.Env = append(os.Environ(), asMain+"=1")
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	watchdog := time.AfterFunc(5*time.Minute, func() { cmd.Process.Kill() })
	t.Cleanup(func() {
		watchdog.Stop()
		cmd.Process.Kill() // if it has not ended
		cmd.Wait()
	})
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			lines <- s.Text()
		}
	}()
	first := <-lines
	m := regexp.MustCompile(`address=(\S+)`).FindStringSubmatch(first)
	require.NotNil(t, m, first)
	addr, err := net.ResolveTCPAddr("tcp", m[1])
	require.NoError(t, err)
	return cmd, addr, lines
}

func TestSignal_EndsInOrder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals to send")
	}
	cmd, addr, lines := startProcess(t)
	require.Equal(t, "+OK", ask(t, addr, "SET k v"))
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	var log strings.Builder
	for l := range lines {
		log.WriteString(l + "\n")
	}
	require.NoError(t, cmd.Wait(), "exit status 0")
	require.Contains(t, log.String(), `"pending bytes"=0`)
}

// A client that does not read holds up the first signal, but not the second.
func TestSignal_SecondEndsAtOnce(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals to send")
	}
	cmd, addr, lines := startProcess(t)
	slow, err := net.Dial("tcp", addr.String())
	require.NoError(t, err)
	defer slow.Close()
	slow.SetDeadline(time.Now().Add(time.Minute))
	go io.WriteString(slow, "SET k "+strings.Repeat("v", 60_000)+"\r\n"+strings.Repeat("GET k\r\n", 10_000))
	_, err = io.ReadFull(slow, make([]byte, 100)) // and no more of 600 MB
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.Contains(t, <-lines, "shutting down")
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	for range lines {
	}
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, 1, exit.ExitCode())
}
