// Cache serves values from a slow origin over HTTP, and keeps them for a while, in memory that the
// garbage collector does not see.
//
//	go run ./examples/cache -budget 67108864 -ttl 1m
//	curl localhost:8080/any/key
//	curl localhost:8080/debug/cache
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gosmr/gosmr/smrmap"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "where to listen")
	ttl := flag.Duration("ttl", time.Minute, "how long a value is served")
	budget := flag.Int64("budget", 64<<20, "bytes of memory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", *addr)
	if err == nil {
		slog.Info("listening", "address", l.Addr())
		err = serve(ctx, l, Options{Load: origin, TTL: *ttl, Timeout: 5 * time.Second, Budget: *budget})
	}
	if err != nil {
		slog.Error("cache ends", "error", err)
		os.Exit(1)
	}
}

// origin stands for a database, or another service.
func origin(ctx context.Context, key string) ([]byte, error) {
	select {
	case <-time.After(100 * time.Millisecond):
		return fmt.Appendf(nil, "the value of %s\n", key), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve answers requests until ctx ends, and then shuts down.
func serve(ctx context.Context, l net.Listener, o Options) error {
	c, err := New(o)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	web := &http.Server{Handler: handler(c)}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(l) }()
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, web.Shutdown(end), c.Close(end))
}

func handler(c *Cache) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{key...}", func(w http.ResponseWriter, r *http.Request) {
		value, err := c.Get(r.Context(), r.PathValue("key"), nil)
		switch {
		case errors.Is(err, smrmap.ErrClosed):
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadGateway)
		default:
			w.Write(value)
		}
	})
	mux.HandleFunc("GET /debug/cache", func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(c.Stats()) })
	return mux
}
