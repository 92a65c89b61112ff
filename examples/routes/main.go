// Routes answers which backend a name is routed to, from a table in a mapped file that is replaced
// while requests read it.
//
//	go run ./examples/routes -table routes.txt
//	curl localhost:8080/route/api.example
//	curl -X POST localhost:8080/reload
package main

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gosmr/gosmr/smr"
)

func main() {
	table := flag.String("table", "examples/routes/routes.txt", "the file with the routes")
	addr := flag.String("addr", "localhost:8080", "where to listen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", *addr)
	if err == nil {
		slog.Info("listening", "address", l.Addr())
		err = serve(ctx, l, *table)
	}
	if err != nil {
		slog.Error("routes ends", "error", err)
		os.Exit(1)
	}
}

// serve answers requests until ctx ends, and then shuts down.
func serve(ctx context.Context, l net.Listener, path string) error {
	dom, err := smr.New(smr.Options{Name: "routes"})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	table := NewTable(dom, path)
	web := &http.Server{Handler: handler(table)}
	if err = table.Reload(ctx); err == nil {
		failed := make(chan error, 1)
		go func() { failed <- web.Serve(l) }()
		select {
		case <-ctx.Done():
		case err = <-failed:
		}
	} else {
		err = errors.Join(err, l.Close())
	}

	// Intake first, then what requests read, then the domain that knows of the readers.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, web.Shutdown(end), table.Close(end), dom.Close(end))
}

func handler(table *Table) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /route/{name}", func(w http.ResponseWriter, r *http.Request) {
		target, err := table.Lookup(r.PathValue("name"))
		if err != nil {
			http.Error(w, err.Error(), status(err))
			return
		}
		w.Write([]byte(target)) // after the section: a client may be slow
	})
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		if err := table.Reload(r.Context()); err != nil {
			http.Error(w, err.Error(), status(err))
		}
	})
	return mux
}

func status(err error) int {
	switch {
	case errors.Is(err, ErrNoRoute):
		return http.StatusNotFound
	case errors.Is(err, smr.ErrClosed), errors.Is(err, fs.ErrClosed):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
