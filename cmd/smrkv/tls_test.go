package main

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/testcert"
)

// handshake returns the certificate that a server shows, by its number.
func handshake(t *testing.T, a net.Addr, config *tls.Config) string {
	t.Helper()
	dialer := tls.Dialer{Config: config}
	nc, err := dialer.DialContext(testContext(t), "tcp", a.String())
	require.NoError(t, err)
	defer nc.Close()
	_, err = nc.Write([]byte("PING\r\n"))
	require.NoError(t, err)
	reply := make([]byte, 7)
	_, err = nc.Read(reply)
	require.NoError(t, err)
	require.Equal(t, "+PONG\r\n", string(reply))
	return nc.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func TestTLS(t *testing.T) {
	a := testcert.New(t)
	ca, cert, key := a.Write(t.TempDir())
	socket := filepath.Join(t.TempDir(), "s")
	addrs, _, stop := startCommand(t, "-addr", "127.0.0.1:0", "-tls-port", "0", "-tls-cert", cert, "-tls-key", key, "-tls-ca", ca,
		"-unix", socket, "-unixsocketperm", "660")
	require.Equal(t, "+PONG", ask(t, addrs[0], "PING"), "without TLS")
	require.Equal(t, "127.0.0.1", addrs[1].(*net.TCPAddr).IP.String(), "the host of -addr")
	config := &tls.Config{RootCAs: a.Pool(), Certificates: []tls.Certificate{a.Certificate()}}
	handshake(t, addrs[1], config)
	info, err := os.Stat(socket)
	require.NoError(t, err)
	if runtime.GOOS == "linux" {
		require.Equal(t, os.FileMode(0o660), info.Mode().Perm())
	}
	require.Zero(t, stop())

	// TLS alone, and clients without a certificate.
	addrs, _, stop = startCommand(t, "-addr=", "-tls-port", "0", "-tls-cert", cert, "-tls-key", key)
	require.Equal(t, "127.0.0.1", addrs[0].(*net.TCPAddr).IP.String())
	handshake(t, addrs[0], &tls.Config{RootCAs: a.Pool()})
	require.Zero(t, stop())
}

func TestTLS_BadFiles(t *testing.T) {
	_, cert, key := testcert.New(t).Write(t.TempDir())
	_, _, otherKey := testcert.New(t).Write(t.TempDir())
	for _, tc := range []struct{ cert, key, ca, want string }{
		{"no/such/file", key, "", "-tls-cert, -tls-key: open no/such/file"},
		{cert, otherKey, "", "private key does not match public key"},
		{key, cert, "", "failed to find certificate PEM data"},
		{cert, key, "no/such/file", "-tls-ca: open no/such/file"},
		{cert, key, key, "key.pem has no certificate"},
	} {
		var log syncBuffer
		flags := []string{"-addr", "127.0.0.1:0", "-tls-port", "0", "-tls-cert", tc.cert, "-tls-key", tc.key, "-tls-ca", tc.ca}
		require.Equal(t, 1, command(flags, &log, nil, func(...net.Addr) { t.Error("listens") }))
		require.Contains(t, log.String(), tc.want)
	}
}

// SIGHUP reads the certificates again; those that can't be read change nothing.
func TestTLS_Reload(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals to send")
	}
	a, dir := testcert.New(t), t.TempDir()
	_, cert, key := a.Write(dir)
	config := &tls.Config{RootCAs: a.Pool()}
	cmd, addr, lines := startProcess(t, "-addr=", "-tls-port", "127.0.0.1:0", "-tls-cert", cert, "-tls-key", key)
	first := handshake(t, addr, config)
	reload := func(want string) {
		require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
		for line := range lines {
			if strings.Contains(line, "certificates") {
				require.Contains(t, line, want)
				return
			}
		}
		t.Fatal("it has ended")
	}
	a.Write(dir)
	reload("the certificates are loaded")
	second := handshake(t, addr, config)
	require.NotEqual(t, first, second)
	require.NoError(t, os.WriteFile(key, []byte("nonsense"), 0o600))
	reload("the certificates stay as they were")
	require.Equal(t, second, handshake(t, addr, config))
}
