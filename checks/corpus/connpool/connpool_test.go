package connpool

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type countedConn struct {
	net.Conn
	open *atomic.Int64
}

func (c *countedConn) Close() error {
	c.open.Add(-1)
	return c.Conn.Close()
}

func TestPool(t *testing.T) {
	ctx := t.Context()
	var open atomic.Int64
	p, err := New(Options{
		MaxIdle: 4,
		IdleFor: time.Minute,
		Dial: func(context.Context, string) (net.Conn, error) {
			c, peer := net.Pipe()
			go func() {
				defer peer.Close()
				var b [1]byte
				for {
					if _, err := peer.Read(b[:]); err != nil {
						return
					}
				}
			}()
			open.Add(1)
			return &countedConn{c, &open}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ping := func(c net.Conn) error {
		_, err := c.Write([]byte{1})
		return err
	}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for range 50 {
				if err := p.Do(ctx, "a", ping); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		p.Check("a", func(c net.Conn) bool { return c.RemoteAddr() != nil })
	}
	wg.Wait()
	if p.Idle() == 0 || p.Reuses.Load() == 0 {
		t.Fatal(p.Idle(), p.Dials.Load())
	}
	idle := p.Idle()
	if n := p.Check("a", func(net.Conn) bool { return false }); n != idle {
		t.Fatal(n)
	}
	broken := errors.New("broken")
	if err := p.Do(ctx, "a", func(net.Conn) error { return broken }); err != broken || p.Idle() != 0 {
		t.Fatal(err, p.Idle())
	}
	c, err := p.Get(ctx, "b")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	p.Put(c)
	if n := open.Load(); n != 0 {
		t.Fatal(n)
	}
}
