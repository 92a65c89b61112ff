// Smrkv is a key-value server that speaks RESP2 and RESP3, the protocols of Redis, on
// smrmap.Bytes: its keys and values are off the Go heap, reads take no lock, and
// memory is given back by package smr when no reader can hold it any more.
//
//	go run ./cmd/smrkv -maxmemory 1gb -maxmemory-policy allkeys-clock
//	redis-cli -p 6380 set greeting hello ex 60
//
// It has the commands of Redis 7.0 on strings and keys, with the same replies
// and errors; smrkv -help lists its flags, COMMAND its commands. It does not
// save, replicate or run scripts. With -cluster it is
// one of several servers that have a part of the keys each.
//
// # Differences from Redis
//
//   - Commands on more than one key (MSET, MGET, DEL, ...) are atomic for each
//     key, not as a whole; connections run in parallel. EXEC, MSETNX, RENAME and
//     COPY are atomic as a whole, and stop the other connections meanwhile.
//   - At maxmemory, writes to keys that exist may still succeed, and a write fails
//     only if there is no memory for it. MSET may then have set some of its keys.
//   - The policies are noeviction; allkeys-clock, which evicts entries that were not
//     read since they were last considered; and volatile-clock, which evicts such
//     entries that expire.
//   - A command has 1,048,576 arguments at most, a pattern 64 KiB, and the name of
//     a client or its library 1 KiB.
//
// # Signals
//
// SIGINT and SIGTERM end it in an orderly way: it stops accepting, answers what
// it has received, closes the connections, gives all memory back and logs that
// nothing is pending. A second signal ends it at once. SIGHUP reads the certificates of
// TLS again.
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
	"runtime/debug"
	"syscall"
	"time"

	"github.com/gosmr/gosmr/cmd/smrkv/internal/metrics"
	"github.com/gosmr/gosmr/cmd/smrkv/internal/server"
)

// gcPercent is GOGC, unless the environment says otherwise. Most of what is stored is off
// the Go heap; what is on it is small, so that collecting it often costs little, and the
// process takes little more memory than -maxmemory.
const gcPercent = 25

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(command(os.Args[1:], os.Stderr, signals, func(...net.Addr) {}))
}

const (
	// shutdownTimeout bounds how long connections may take to finish.
	shutdownTimeout = 10 * time.Second

	// webTimeout is that of the metrics' requests. A profile may take longer, and
	// nobody will miss it.
	webTimeout = time.Second
)

// command is main with its surroundings as arguments; it returns the exit status.
// It calls ready with the addresses it listens on, the metrics' last.
func command(args []string, stderr io.Writer, signals <-chan os.Signal, ready func(...net.Addr)) int {
	cfg, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: cfg.logLevel}))
	cfg.options.Log = log
	if err := run(cfg, log, signals, ready); err != nil {
		log.Error("smrkv ends", "error", err)
		return 1
	}
	return 0
}

func run(cfg config, log *slog.Logger, signals <-chan os.Signal, ready func(...net.Addr)) error {
	srv, err := server.New(cfg.options)
	if err != nil {
		return err
	}
	listeners, err := cfg.listen(log)
	if err != nil {
		return errors.Join(err, shutdown(srv))
	}
	hangup := make(chan os.Signal, 1)
	if cfg.tlsAddr != "" { // before anybody learns that it listens: without, SIGHUP ends it
		signal.Notify(hangup, syscall.SIGHUP)
		defer signal.Stop(hangup)
	}
	var addrs []net.Addr
	failed := make(chan error, len(listeners)+1)
	for _, l := range listeners {
		addrs = append(addrs, l.Addr())
		log.Info("listening", "network", l.Addr().Network(), "address", l.Addr())
		go func() { failed <- srv.ServeTLS(l.Listener, l.tls) }()
	}
	var web *http.Server
	if cfg.metrics != "" {
		l, err := net.Listen("tcp", cfg.metrics)
		if err != nil {
			return errors.Join(fmt.Errorf("metrics: %w", err), shutdown(srv))
		}
		addrs = append(addrs, l.Addr())
		log.Info("serving metrics", "address", l.Addr())
		web = metrics.NewServer(srv)
		go func() { failed <- web.Serve(l) }()
	}
	ready(addrs...)

	err = cfg.await(signals, hangup, failed, log)
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case sig := <-signals:
			log.Warn("ending at once", "signal", sig)
			os.Exit(1)
		case <-ended:
		}
	}()
	err = errors.Join(err, shutdown(srv))
	if web != nil { // the last: how long the rest takes can be watched
		err = errors.Join(err, closeWeb(web))
	}
	st := srv.SMR()
	log.Info("all connections closed", "pending bytes", st.PendingBytes, "pending calls", st.PendingCalls)
	if st.PendingBytes != 0 {
		err = errors.Join(err, fmt.Errorf("%d bytes are still pending", st.PendingBytes))
	}
	return err
}

// await returns when the server shall end.
func (cfg *config) await(signals, hangup <-chan os.Signal, failed <-chan error, log *slog.Logger) error {
	for {
		select {
		case <-hangup:
			if err := cfg.tls.load(); err != nil {
				log.Error("the certificates stay as they were", "error", err)
			} else {
				log.Info("the certificates are loaded")
			}
		case sig := <-signals:
			log.Info("shutting down", "signal", sig)
			return nil
		case err := <-failed:
			log.Error("shutting down", "error", err)
			return err
		}
	}
}

func shutdown(srv *server.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	return srv.Shutdown(ctx)
}

// closeWeb lets short requests finish, and ends the others.
func closeWeb(web *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), webTimeout)
	defer cancel()
	if err := web.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return web.Close()
}
