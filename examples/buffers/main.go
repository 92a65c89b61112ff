// Buffers sends each line of its input to each connection, out of one pooled buffer.
//
//	tail -f /var/log/syslog | go run ./examples/buffers
//	nc localhost 7000          # as often as you like
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/gosmr/gosmr/slab"
)

func main() {
	addr := flag.String("addr", "localhost:7000", "where to listen")
	budget := flag.Int64("budget", 16<<20, "bytes of memory for messages")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", *addr)
	if err == nil {
		slog.Info("listening", "address", l.Addr())
		err = serve(ctx, l, os.Stdin, *budget)
	}
	if err != nil {
		slog.Error("buffers ends", "error", err)
		os.Exit(1)
	}
}

// A server has the connections of subscribers.
type server struct {
	hub   *Hub
	wg    sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]bool // guarded by mu
}

// serve sends lines until the input or ctx ends, and then shuts down.
func serve(ctx context.Context, l net.Listener, in io.Reader, budget int64) error {
	hub, err := NewHub(budget)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	sv := &server{hub: hub, conns: make(map[net.Conn]bool)}
	sv.wg.Go(func() { sv.accept(l) })
	sent := make(chan error, 1)
	go func() { sent <- sendLines(ctx, hub, in) }() // a read of a terminal can't be ended
	select {
	case <-ctx.Done():
	case err = <-sent:
	}
	err = errors.Join(err, l.Close())
	err = errors.Join(err, sv.shutdown())
	sv.wg.Wait()
	return err
}

// shutdown lets connections take what is in their queues, for a while.
func (sv *server) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := sv.hub.Close(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	sv.mu.Lock()
	for conn := range sv.conns {
		conn.Close() // a peer does not read: its Write fails, and it releases what it holds
	}
	sv.mu.Unlock()
	ctx, cancel = context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return sv.hub.Close(ctx)
}

func (sv *server) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // it was closed
		}
		sub, err := sv.hub.Subscribe(100)
		if err != nil {
			conn.Close()
			return
		}
		sv.mu.Lock()
		sv.conns[conn] = true
		sv.mu.Unlock()
		sv.wg.Go(func() {
			if err := sub.Run(conn); err != nil {
				slog.Info("a subscriber is gone", "error", err)
			}
			sv.mu.Lock()
			delete(sv.conns, conn)
			sv.mu.Unlock()
			conn.Close()
		})
	}
}

func sendLines(ctx context.Context, hub *Hub, in io.Reader) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		line := lines.Bytes()
		err := hub.Send(ctx, len(line)+1, func(b []byte) error {
			b[copy(b, line)] = '\n'
			return nil
		})
		switch {
		case errors.Is(err, slab.ErrNoMemory):
			slog.Warn("a line is dropped", "error", err)
		case err != nil:
			return err
		}
	}
	return lines.Err()
}
