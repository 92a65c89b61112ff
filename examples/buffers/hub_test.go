package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/gosmr/gosmr/slab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newHub(t testing.TB, budget int64) *Hub {
	h, err := NewHub(budget)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, h.Close(ctx))
	})
	return h
}

func send(h *Hub, text string) error {
	return h.Send(context.Background(), len(text), func(b []byte) error {
		copy(b, text)
		return nil
	})
}

type writer func(p []byte) error

func (w writer) Write(p []byte) (int, error) { return len(p), w(p) }

func TestSend_ReachesEach(t *testing.T) {
	h := newHub(t, 1<<20)
	var outs [3]bytes.Buffer
	var g errgroup.Group
	for i := range outs {
		sub, err := h.Subscribe(100)
		require.NoError(t, err)
		g.Go(func() error { return sub.Run(&outs[i]) })
	}
	var want string
	for i := range 100 {
		line := fmt.Sprintf("line %d\n", i)
		require.NoError(t, send(h, line))
		want += line
	}
	failure := errors.New("nothing to send")
	require.ErrorIs(t, h.Send(t.Context(), 10, func([]byte) error { return failure }), failure)
	require.NoError(t, h.Close(t.Context()))
	require.NoError(t, g.Wait())
	for i := range outs {
		require.Equal(t, want, outs[i].String())
	}
	require.ErrorIs(t, send(h, "late"), slab.ErrClosed)
	_, err := h.Subscribe(1)
	require.ErrorIs(t, err, ErrClosed)
	require.Zero(t, h.blocks.Stats().InUse)
}

// A subscriber that is stuck keeps its queue, and others miss nothing. Its failure releases the queue.
func TestRun_Stuck(t *testing.T) {
	h := newHub(t, 1<<20)
	stuck, err := h.Subscribe(3)
	require.NoError(t, err)
	failure, in, release := errors.New("reset"), make(chan struct{}), make(chan struct{})
	var g errgroup.Group
	g.Go(func() error {
		return stuck.Run(writer(func(p []byte) error {
			close(in)
			<-release
			if string(p) != "message 0" {
				return fmt.Errorf("%q", p) // it was used again
			}
			return failure
		}))
	})
	require.NoError(t, send(h, "message 0"))
	<-in
	for i := range 1000 {
		require.NoError(t, send(h, fmt.Sprintf("message %d", i+1)))
	}
	require.EqualValues(t, 997, h.missed.Load())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, h.Close(ctx), context.Canceled) // it says what is held
	close(release)
	require.ErrorIs(t, g.Wait(), failure)
}

// All memory is held: Send fails, and succeeds again after a Release.
func TestSend_NoMemory(t *testing.T) {
	h := newHub(t, 1<<20)
	sub, err := h.Subscribe(100)
	require.NoError(t, err)
	text := string(make([]byte, 50<<10))
	for i := 0; i < 100 && err == nil; i++ {
		err = send(h, text)
	}
	require.ErrorIs(t, err, slab.ErrNoMemory)
	for range len(sub.messages) {
		m := <-sub.messages
		m.held.Release()
	}
	// What was released is free soon after.
	require.Eventually(t, func() bool { return send(h, text) == nil }, time.Minute, time.Millisecond)
	(<-sub.messages).held.Release()
}

// The load: a sender as fast as it can be, and subscribers of which some are behind. A message that is
// reused too early has another's bytes.
func TestLoad_SlowAndFast(t *testing.T) {
	messages := 20_000
	if testing.Short() {
		messages = 3000
	}
	h := newHub(t, 2<<20)
	var g errgroup.Group
	for i := range 4 {
		sub, err := h.Subscribe(1 + 10*i)
		require.NoError(t, err)
		last := uint64(0)
		g.Go(func() error {
			return sub.Run(writer(func(p []byte) error {
				n := binary.LittleEndian.Uint64(p)
				if n <= last {
					return fmt.Errorf("message %d after %d", n, last)
				}
				last = n
				if !bytes.Equal(p[8:], bytes.Repeat([]byte{byte(n)}, len(p)-8)) {
					return fmt.Errorf("message %d has another's bytes", n)
				}
				return nil
			}))
		})
	}
	for i := range messages {
		n := uint64(i + 1)
		err := h.Send(t.Context(), 8+i%3000, func(b []byte) error {
			binary.LittleEndian.PutUint64(b, n)
			for j := range b[8:] {
				b[8+j] = byte(n)
			}
			return nil
		})
		if err != nil {
			require.ErrorIs(t, err, slab.ErrNoMemory)
		}
	}
	require.NoError(t, h.Close(t.Context()))
	require.NoError(t, g.Wait())
	require.Zero(t, h.blocks.Stats().InUse)
}

func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- serve(t.Context(), l, in, 1<<20) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(conn); s.Scan(); {
			lines <- s.Text()
		}
	}()
	for got := false; !got; { // the first lines may come before the connection
		_, err := io.WriteString(out, "hello\n")
		require.NoError(t, err)
		select {
		case line := <-lines:
			require.Equal(t, "hello", line)
			got = true
		case <-time.After(time.Millisecond):
		}
	}
	require.NoError(t, out.Close())
	for line := range lines {
		require.Equal(t, "hello", line)
	}
	require.NoError(t, <-ended)
}

func BenchmarkSend(b *testing.B) {
	h := newHub(b, 64<<20)
	var g errgroup.Group
	for range 3 {
		sub, err := h.Subscribe(1000)
		require.NoError(b, err)
		g.Go(func() error { return sub.Run(io.Discard) })
	}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		if err := h.Send(b.Context(), 4096, func([]byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, h.Close(b.Context()))
	require.NoError(b, g.Wait())
}
