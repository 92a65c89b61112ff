// Counters counts HTTP requests, their bytes and latencies, on each processor for itself.
//
//	go run ./examples/counters
//	curl localhost:8080/ ; curl localhost:8080/debug/metrics
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
)

func main() {
	addr := flag.String("addr", "localhost:8080", "where to listen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", *addr)
	if err == nil {
		slog.Info("listening", "address", l.Addr())
		err = serve(ctx, l)
	}
	if err != nil {
		slog.Error("counters ends", "error", err)
		os.Exit(1)
	}
}

// serve answers requests until ctx ends.
func serve(ctx context.Context, l net.Listener) error {
	web := &http.Server{Handler: handler(NewMetrics())}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(l) }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, web.Shutdown(end))
}

func handler(m *Metrics) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello")
	})))
	mux.HandleFunc("GET /debug/metrics", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(m.Snapshot())
	})
	return mux
}
