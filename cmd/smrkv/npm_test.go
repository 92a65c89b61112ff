//go:build linux && amd64 && !race

package main

// Installing takes seconds, and needs a network once; so this is not for each build.

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/testcert"
)

// Clients of Node.js do with their defaults what testdata/npm/clients.mjs has them do.
func TestNode(t *testing.T) {
	if testing.Short() {
		t.Skip("it installs packages")
	}
	modules := installModules(t)
	dir := t.TempDir()
	require.NoError(t, os.Symlink(modules, filepath.Join(dir, "node_modules")))
	copyFile(t, "testdata/npm/clients.mjs", filepath.Join(dir, "clients.mjs"))

	ca, cert, key := testcert.New(t).Write(t.TempDir())
	addrs, _, stop := startCommand(t, "-addr", "127.0.0.1:0", "-tls-port", "0", "-tls-cert", cert, "-tls-key", key)
	defer func() { require.Zero(t, stop()) }()
	args := []string{"clients.mjs", portOf(addrs[0].String()), portOf(addrs[1].String()), ca}
	for _, addr := range startCluster(t).addrs {
		args = append(args, portOf(addr))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

func copyFile(t *testing.T, from, to string) {
	b, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, b, 0o600))
}

// installModules installs what testdata/npm/package-lock.json names, once for all times, and
// returns where.
func installModules(t *testing.T) string {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("skipped: ", err)
		}
	}
	version, err := exec.Command("node", "--version").Output()
	require.NoError(t, err)
	var major int
	if fmt.Sscanf(string(version), "v%d", &major); major < 20 {
		t.Skipf("skipped: the clients need Node.js 20, and this is %s", version)
	}
	lock, err := os.ReadFile("testdata/npm/package-lock.json")
	require.NoError(t, err)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip("skipped: ", err)
	}
	dir := filepath.Join(cache, "gosmr", fmt.Sprintf("npm-%x", sha256.Sum256(lock)))
	modules := filepath.Join(dir, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(dir), 0o700))
	fresh := dir + "." + strconv.Itoa(os.Getpid())
	require.NoError(t, os.Mkdir(fresh, 0o700))
	defer os.RemoveAll(fresh)
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		copyFile(t, filepath.Join("testdata/npm", name), filepath.Join(fresh, name))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = fresh
	if out, err := npm.CombinedOutput(); err != nil {
		t.Skipf("skipped: npm ci: %v\n%s", err, out)
	}
	if err := os.Rename(fresh, dir); err != nil { // another test may have been faster
		_, err = os.Stat(modules)
		require.NoError(t, err)
	}
	return modules
}
