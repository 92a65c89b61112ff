package confreload

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReload(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	path, logPath := filepath.Join(dir, "conf.json"), filepath.Join(dir, "access.log")
	modified := time.Now()
	write := func(text string) { // at once, and with a time of its own, by which Watch knows it
		t.Helper()
		modified = modified.Add(time.Second)
		err := os.WriteFile(path+".new", []byte(text), 0o644)
		if err := errors.Join(err, os.Chtimes(path+".new", modified, modified), os.Rename(path+".new", path)); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"version": 1, "timeout": 1000, "access_log": "` + logPath + `",
		"upstreams": [{"host": "a", "addr": "10.0.0.1:80"}], "flags": {"h2": true, "h3": false}}`)
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	slow, err := r.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := r.Upstream("a"); !ok || u.Addr != "10.0.0.1:80" || !r.Flag("h2") || len(r.Flags()) != 1 {
		t.Fatal(u, ok)
	}
	if err := r.Reload(); err == nil {
		t.Fatal("the same version was loaded again")
	}

	watch, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		r.Watch(watch, time.Millisecond, func(error) {})
	}()
	write(`{"version": 2, "timeout": 2000}`)
	for began := time.Now(); r.Timeout() != 2000 && time.Since(began) < time.Minute; {
		time.Sleep(time.Millisecond) // Watch tells nothing
	}
	cancel()
	<-watched
	if d := r.Timeout(); d != 2000 {
		t.Fatal(d)
	}
	if err := slow.Get().Logf("GET %s", "/"); err != nil {
		t.Fatal(err) // the log of version 1 is open
	}
	slow.Release()
	if err := r.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(logPath); err != nil || !strings.Contains(string(b), "GET /") {
		t.Fatal(string(b), err)
	}
	if err := r.Read(func(*Config) error { return nil }); !errors.Is(err, ErrStopped) {
		t.Fatal(err)
	}
}
