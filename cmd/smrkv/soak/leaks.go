package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Held is what a process has that it could forget to give back.
type held struct {
	goroutines, files, mappings int
	pending                     string
}

// hold asks the process, its metrics and db, which is the only client.
func hold(ctx context.Context, pid int, metrics string, db *redis.Client) (h held, err error) {
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return h, err
	}
	h.files = len(files)
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return h, err
	}
	h.mappings = strings.Count(string(maps), "\n")
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	reply, err := web.Get("http://" + metrics + "/debug/pprof/goroutine?debug=1")
	if err != nil {
		return h, err
	}
	defer reply.Body.Close()
	first := bufio.NewScanner(reply.Body)
	first.Scan()
	if _, err := fmt.Sscanf(first.Text(), "goroutine profile: total %d", &h.goroutines); err != nil {
		return h, fmt.Errorf("%q: %w", first.Text(), err)
	}
	info, err := db.Info(ctx, "smr").Result()
	_, after, _ := strings.Cut(info, "smr_pending_bytes:")
	h.pending, _, _ = strings.Cut(after, "\r\n")
	return h, err
}

// released waits until the process has no more than before, or half a minute.
func released(ctx context.Context, before held, pid int, metrics string, db *redis.Client) error {
	fmt.Printf("before: %d goroutines, %d files, %d mappings\n", before.goroutines, before.files, before.mappings)
	if err := db.FlushAll(ctx).Err(); err != nil {
		return err
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		now, err := hold(ctx, pid, metrics, db)
		if err != nil {
			return err
		}
		leaks := now.goroutines > before.goroutines || now.files > before.files || now.pending != "0"
		if leaks && time.Now().Before(end) {
			continue
		}
		rss, _ := resident(pid)
		fmt.Printf("after:  %d goroutines, %d files, %d mappings; %.1f MiB resident, %s bytes pending\n",
			now.goroutines, now.files, now.mappings, rss, now.pending)
		if leaks {
			return fmt.Errorf("not given back: %+v", now)
		}
		return nil
	}
}
