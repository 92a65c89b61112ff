// Sessions takes uploads in several requests. Each session owns a file, which is closed after its last
// request, whether it was ended, was idle for too long, or the service ends.
//
//	go run ./examples/sessions -dir /tmp/uploads
//	curl -X POST localhost:8080/sessions                # prints an ID
//	curl --data-binary @part localhost:8080/sessions/1  # as often as needed
//	curl -X DELETE localhost:8080/sessions/1
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "where to listen")
	dir := flag.String("dir", os.TempDir(), "where the files are made")
	idle := flag.Duration("idle", time.Minute, "when an idle session ends")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", *addr)
	if err == nil {
		slog.Info("listening", "address", l.Addr())
		err = serve(ctx, l, *dir, *idle)
	}
	if err != nil {
		slog.Error("sessions ends", "error", err)
		os.Exit(1)
	}
}

// serve answers requests until ctx ends, and then shuts down.
func serve(ctx context.Context, l net.Listener, dir string, idle time.Duration) error {
	ss, err := NewSessions(idle)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	web := &http.Server{Handler: handler(ss, dir)}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(l) }()
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, web.Shutdown(end), ss.Close(end))
}

func handler(ss *Sessions, dir string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sessions", func(w http.ResponseWriter, r *http.Request) {
		f, err := os.CreateTemp(dir, "upload-*")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		id, err := ss.Begin(f)
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, id)
	})
	mux.HandleFunc("POST /sessions/{id}", withID(func(id uint64, r *http.Request) error {
		part, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, 1<<20)) // a client may be slow: before Write
		if err != nil {
			return err
		}
		return ss.Write(id, part)
	}))
	mux.HandleFunc("DELETE /sessions/{id}", withID(func(id uint64, _ *http.Request) error { return ss.End(id) }))
	return mux
}

func withID(do func(id uint64, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
		if err == nil {
			err = do(id, r)
		}
		switch {
		case errors.Is(err, ErrNoSession):
			http.Error(w, err.Error(), http.StatusNotFound)
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}
}
