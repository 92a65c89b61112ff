package server

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// What a client has sent is answered, and then the connection ends; nothing is
// pending and no goroutine is left.
func TestShutdown_AnswersWhatWasSent(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			s := start(t, Options{})
			dialIt := func() *client {
				if network == "tcp" {
					return s.dial(t)
				}
				return dial(t, "unix", s.unix)
			}
			const clients, commands = 20, 1000
			var list []*client
			for range clients {
				c := dialIt()
				c.send(strings.Repeat(encode("INCR", "n")+encode("SET", "k", "v"), commands))
				c.reply()
				c.reply()
				list = append(list, c)
			}
			idle := dialIt()
			require.Equal(t, "+PONG\r\n", idle.do("PING"))
			s.stop(t)
			for _, c := range list {
				require.Equal(t, 2*(commands-1), strings.Count(c.rest(), "\r\n"))
			}
			require.Empty(t, idle.rest())
		})
	}
	goleak.VerifyNone(t)
}

// A client that goes on sending does not hold it up.
func TestShutdown_ClientThatGoesOn(t *testing.T) {
	s := start(t, Options{})
	c := s.dial(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := io.WriteString(c, encode("SET", "k", "v")); err != nil {
				return
			}
		}
	}()
	go io.Copy(io.Discard, c.r)
	s.eventually(t, "it is served", func() bool { return s.Snapshot().Commands > 100 })
	s.stop(t)
	<-done
}

// One that does not read is cut off when the context ends.
func TestShutdown_ClientThatDoesNotRead(t *testing.T) {
	s := start(t, Options{})
	c := s.dial(t)
	require.Equal(t, "+OK\r\n", c.do("SET", "k", strings.Repeat("v", 1<<20)))
	go io.WriteString(c, strings.Repeat(encode("GET", "k"), 1000))
	c.begun()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := s.Shutdown(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "busy")
	require.ErrorIs(t, s.Shutdown(ctx), ErrClosed)
}

func TestServe_AfterShutdown(t *testing.T) {
	s := start(t, Options{})
	s.stop(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorIs(t, s.Serve(l), ErrClosed)
	_, err = l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestNew_BadOptions(t *testing.T) {
	for _, o := range []Options{{MaxMemory: -1}, {MaxClients: -1}, {Timeout: -1}, {Policy: 70}, {IOThreads: -1}} {
		_, err := New(o)
		require.Error(t, err, "%+v", o)
	}
}

// The store's memory is given back whenever the context ends, also when there was
// no connection that could have used the time up.
func TestShutdown_ContextHasEnded(t *testing.T) {
	for range 20 { // the end of the context is seen here or there
		s := start(t, Options{IOThreads: 1})
		for i := range 100 {
			require.NoError(t, s.first().Store([]byte{byte(i)}, make([]byte, 1000)))
		}
		ctx, cancel := context.WithCancel(context.Background())
		go cancel()
		if err := s.Shutdown(ctx); err != nil {
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorContains(t, err, "busy")
		}
		require.Zero(t, s.memory.Used())
		s.stop(t)
	}
}
