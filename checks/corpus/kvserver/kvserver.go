// Package kvserver is a key-value server with a line protocol, transactions that read one after the
// other in one section, and a shutdown that cuts off no request.
package kvserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// largeValue is from what size a value is sent without a copy.
const largeValue = 4 << 10

var errQuit = errors.New("quit")

// Options configure a Server.
type Options struct {
	Memory int64 // bytes for keys and values
	Drain  time.Duration
}

// A Server serves connections.
type Server struct {
	o    Options
	dom  *smr.Domain
	data *smrmap.Bytes

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	wg    sync.WaitGroup
	ended bool
}

// New returns a server without data.
func New(o Options) (*Server, error) {
	dom, err := smr.New(smr.Options{Name: "kv", SampleSections: 1000})
	if err != nil {
		return nil, err
	}
	data, err := smrmap.NewBytes(smrmap.Options{
		Domain:     dom,
		Budget:     slab.NewBudget(o.Memory),
		Quarantine: slab.Quarantine{OneIn: 10000},
	})
	if err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	return &Server{o: o, dom: dom, data: data, conns: make(map[net.Conn]struct{})}, nil
}

// Serve serves the connections of a listener until that is closed.
func (sv *Server) Serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if !sv.add(c) {
			c.Close()
			continue
		}
		go func() {
			defer sv.remove(c)
			sv.serve(c)
		}()
	}
}

func (sv *Server) add(c net.Conn) bool {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	if sv.ended {
		return false
	}
	sv.conns[c] = struct{}{}
	sv.wg.Add(1)
	return true
}

func (sv *Server) remove(c net.Conn) {
	sv.mu.Lock()
	delete(sv.conns, c)
	sv.mu.Unlock()
	c.Close()
	sv.wg.Done()
}

// A client is a connection. Its goroutine has a reader of its own.
type client struct {
	sv     *Server
	reader *smr.Reader
	in     *bufio.Reader
	out    *bufio.Writer
	held   []smrmap.HeldItem // large values that are being sent
	buf    []byte
}

func (sv *Server) serve(c net.Conn) {
	cl := &client{
		sv:     sv,
		reader: sv.dom.NewReader(),
		in:     bufio.NewReader(c),
		out:    bufio.NewWriter(c),
	}
	defer cl.reader.Close()
	for {
		line, err := cl.in.ReadBytes('\n')
		if err != nil {
			return
		}
		err = cl.command(bytes.Fields(line))
		if err == nil && cl.in.Buffered() > 0 && len(cl.held) == 0 {
			continue // the next command came with it
		}
		if ferr := cl.flush(c); ferr != nil || err != nil {
			return
		}
	}
}

// flush sends what was answered. No section is open: the peer may be slow.
func (cl *client) flush(c net.Conn) error {
	defer cl.release()
	if err := cl.out.Flush(); err != nil {
		return err
	}
	for _, h := range cl.held {
		if _, err := c.Write(h.Get().Value); err != nil {
			return err
		}
		if _, err := io.WriteString(c, "\n"); err != nil {
			return err
		}
	}
	return nil
}

func (cl *client) release() {
	for _, h := range cl.held {
		h.Release()
	}
	cl.held = cl.held[:0]
}

// command runs a command and writes its answer to the buffer.
func (cl *client) command(args [][]byte) error {
	if len(args) == 0 {
		return nil
	}
	name, args := string(args[0]), args[1:]
	var err error
	switch {
	case name == "get" && len(args) == 1:
		err = cl.get(args[0])
	case name == "mget" && len(args) > 0:
		err = cl.mget(args)
	case name == "set" && len(args) >= 2:
		err = cl.set(args)
	case name == "incr" && len(args) == 1:
		err = cl.incr(args[0])
	case name == "del" && len(args) > 0:
		n := 0
		for _, k := range args {
			if cl.sv.data.Delete(k) {
				n++
			}
		}
		fmt.Fprintln(cl.out, n)
	case name == "copy" && len(args) == 2:
		err = cl.copy(args[0], args[1])
	case name == "scan" && len(args) == 2:
		err = cl.scan(args[0], args[1])
	case name == "quit":
		return errQuit
	default:
		err = fmt.Errorf("unknown command %q", name)
	}
	if err != nil {
		fmt.Fprintln(cl.out, "error:", err)
	}
	return nil
}

func (cl *client) enter() (smr.Section, error) {
	s, ok := cl.reader.TryEnter()
	if !ok {
		return s, errors.New("the service ends")
	}
	return s, nil
}

func (cl *client) get(key []byte) error {
	s, err := cl.enter()
	if err != nil {
		return err
	}
	defer s.Leave()
	it, ok := cl.sv.data.LoadIn(s, key)
	if !ok {
		cl.out.WriteString("none\n")
		return nil
	}
	if len(it.Value) < largeValue && cl.out.Available() > len(it.Value) {
		cl.out.Write(it.Value) // to the buffer, which has room
		cl.out.WriteByte('\n')
		return nil
	}
	h, ok := cl.sv.data.Hold(s, key)
	if !ok {
		cl.out.WriteString("none\n")
		return nil
	}
	cl.held = append(cl.held, h)
	return nil
}

// mget answers with all values, or none where one is missing.
func (cl *client) mget(keys [][]byte) error {
	cl.buf = cl.buf[:0]
	s, err := cl.enter()
	if err != nil {
		return err
	}
	for _, k := range keys {
		it, ok := cl.sv.data.LoadIn(s, k)
		if !ok {
			s.Leave()
			return fmt.Errorf("no key %q", k)
		}
		cl.buf = append(cl.buf, it.Value...)
		cl.buf = append(cl.buf, '\n')
	}
	s.Leave()
	_, err = cl.out.Write(cl.buf)
	return err
}

func (cl *client) set(args [][]byte) error {
	it := smrmap.Item{Value: args[1]}
	if len(args) == 3 {
		seconds, err := strconv.Atoi(string(args[2]))
		if err != nil {
			return err
		}
		it.Expires = time.Now().Add(time.Duration(seconds) * time.Second).UnixMilli()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := cl.sv.data.StoreEvicting(ctx, args[0], it); err != nil {
		return err
	}
	cl.out.WriteString("ok\n")
	return nil
}

func (cl *client) incr(key []byte) error {
	var n int64
	var bad error
	var digits [20]byte
	_, err := cl.sv.data.Compute(key, func(old smrmap.Item, loaded bool) (smrmap.Item, smrmap.Op) {
		if loaded {
			if n, bad = strconv.ParseInt(string(old.Value), 10, 64); bad != nil {
				return old, smrmap.CancelOp
			}
		}
		n++
		return smrmap.Item{Value: strconv.AppendInt(digits[:0], n, 10), Expires: old.Expires}, smrmap.UpdateOp
	})
	if err = errors.Join(err, bad); err != nil {
		return err
	}
	fmt.Fprintln(cl.out, n)
	return nil
}

// copy copies a value to another key. The store copies what it is given.
func (cl *client) copy(from, to []byte) error {
	s, err := cl.enter()
	if err != nil {
		return err
	}
	defer s.Leave()
	it, ok := cl.sv.data.LoadIn(s, from)
	if !ok {
		return errors.New("no such key")
	}
	if err := cl.sv.data.StoreItem(to, it); err != nil {
		return err
	}
	cl.out.WriteString("ok\n")
	return nil
}

func (cl *client) scan(cursor, prefix []byte) error {
	at, err := strconv.ParseUint(string(cursor), 10, 64)
	if err != nil {
		return err
	}
	var keys [][]byte
	next := cl.sv.data.Scan(at, 20, func(key []byte, _ smrmap.Item) {
		if bytes.HasPrefix(key, prefix) {
			keys = append(keys, bytes.Clone(key))
		}
	})
	fmt.Fprintf(cl.out, "%d %s\n", next, bytes.Join(keys, []byte(" ")))
	return nil
}

// Close ends the server: requests that run have a while to end. The listener is closed before.
func (sv *Server) Close(ctx context.Context) error {
	sv.mu.Lock()
	sv.ended = true
	for c := range sv.conns {
		c.SetReadDeadline(time.Now()) // idle ones end at once
	}
	sv.mu.Unlock()
	drained := make(chan struct{})
	go func() {
		sv.wg.Wait()
		close(drained)
	}()
	select {
	case <-drained:
	case <-ctx.Done():
	case <-time.After(sv.o.Drain):
		sv.mu.Lock()
		for c := range sv.conns {
			c.Close()
		}
		sv.mu.Unlock()
		<-drained
	}
	return errors.Join(sv.data.Close(ctx), sv.dom.Close(ctx))
}
