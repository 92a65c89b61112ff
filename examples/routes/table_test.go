package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// publish puts a table of n routes at path; each target names the version.
func publish(path string, n, version int) error {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "host-%06d v%d/%d\n", i, version, i)
	}
	if err := os.WriteFile(path+".next", b.Bytes(), 0o666); err != nil {
		return err
	}
	return os.Rename(path+".next", path)
}

func open(t testing.TB, routes int) *Table {
	path := filepath.Join(t.TempDir(), "routes.txt")
	require.NoError(t, publish(path, routes, 0))
	dom, err := smr.New(smr.Options{Name: "routes"})
	require.NoError(t, err)
	table := NewTable(dom, path)
	require.NoError(t, table.Reload(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, table.Close(ctx))
		require.NoError(t, dom.Close(ctx))
	})
	return table
}

func TestLookup_FindsEach(t *testing.T) {
	table := open(t, 100)
	for i := range 100 {
		target, err := table.Lookup(fmt.Sprintf("host-%06d", i))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("v0/%d", i), target)
	}
	for _, name := range []string{"", "a", "host-000000 ", "host-0000505", "z"} {
		_, err := table.Lookup(name)
		require.ErrorIs(t, err, ErrNoRoute)
	}
}

func TestReload_KeepsTheOldTableIfTheNewOneIsWrong(t *testing.T) {
	for _, text := range []string{"b 1\na 2\n", "a\n", "a 1", " 1\n", "a 1\na 2\n"} {
		table := open(t, 1)
		require.NoError(t, os.WriteFile(table.path+".next", []byte(text), 0o666))
		require.NoError(t, os.Rename(table.path+".next", table.path))
		require.Error(t, table.Reload(t.Context()), "%q", text)
		target, err := table.Lookup("host-000000")
		require.NoError(t, err)
		require.Equal(t, "v0/0", target)
	}
}

// A table that is truncated in place is an error for its readers, and the next one heals it.
func TestLookup_OfATruncatedFile(t *testing.T) {
	table := open(t, 10_000)
	require.NoError(t, os.Truncate(table.path, 0))
	target, err := table.Lookup("host-005000")
	if err == nil {
		require.Equal(t, "v0/5000", target, "where files are not mapped")
	} else {
		var fault *smrfile.FaultError
		require.ErrorAs(t, err, &fault)
	}
	require.NoError(t, publish(table.path, 1, 2))
	require.NoError(t, table.Reload(t.Context()))
	target, err = table.Lookup("host-000000")
	require.NoError(t, err)
	require.Equal(t, "v2/0", target)
}

// The load: HTTP clients look names up while tables are replaced. Each answer is of one table.
func TestLoad_ReloadUnderHTTP(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 20
	}
	const routes, clients = 1000, 4
	path := filepath.Join(t.TempDir(), "routes.txt")
	require.NoError(t, publish(path, routes, 0))
	l, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, l, path) }()
	url := "http://" + l.Addr().String()
	client := &http.Client{Transport: &http.Transport{}}

	var g errgroup.Group
	for c := range clients {
		g.Go(func() error {
			for i := range rounds {
				n := (c*7919 + i*31) % routes
				body, err := get(client, fmt.Sprintf("%s/route/host-%06d", url, n))
				if err != nil {
					return err
				}
				if version, at, ok := strings.Cut(body, "/"); !ok || version[0] != 'v' || at != fmt.Sprint(n) {
					return fmt.Errorf("route %d: %q", n, body)
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		for version := range rounds / 2 {
			if err := publish(path, routes+version, version); err != nil {
				return err
			}
			resp, err := client.Post(url+"/reload", "", nil)
			if err != nil {
				return err
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return errors.New(resp.Status)
			}
		}
		return nil
	})
	require.NoError(t, g.Wait())
	client.CloseIdleConnections()
	cancel()
	require.NoError(t, <-ended) // each table was closed
}

func get(client *http.Client, url string) (string, error) {
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return string(b), err
}

func BenchmarkLookup(b *testing.B) {
	table := open(b, 10_000)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := table.Lookup("host-007777"); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
