package corpus

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/stw"
)

type service struct {
	dom   *smr.Domain
	cache *smrmap.Bytes
	users *smrmap.Map[uint64, user]
	conns sync.WaitGroup
	quit  chan struct{}
}

type user struct {
	id    uint64
	score int32
	name  [16]byte
}

func newService() (_ *service, err error) {
	dom, err := smr.New(smr.Options{Name: "service", MaxPending: 64 << 20})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			dom.Close(context.Background())
		}
	}()
	budget := slab.NewBudget(1 << 30)
	cache, err := smrmap.NewBytes(smrmap.Options{Domain: dom, Budget: budget})
	if err != nil {
		return nil, err
	}
	users, err := smrmap.New[uint64, user](smrmap.Options{Domain: dom, Budget: budget})
	if err != nil {
		return nil, err
	}
	return &service{dom: dom, cache: cache, users: users, quit: make(chan struct{})}, nil
}

// answer appends the reply to a command to dst.
func (sv *service) answer(dst []byte, cmd string, key, arg []byte) []byte {
	switch cmd {
	case "GET":
		v, ok := sv.cache.Load(key, dst)
		if !ok {
			return append(dst, "-\n"...)
		}
		return append(v, '\n')
	case "LEN":
		s := sv.cache.Enter()
		it, ok := sv.cache.LoadIn(s, key)
		n := len(it.Value)
		s.Leave()
		if !ok {
			n = -1
		}
		return strconv.AppendInt(dst, int64(n), 10)
	case "TTL":
		s := sv.cache.Enter()
		defer s.Leave()
		it, ok := sv.cache.LoadIn(s, key)
		if !ok || it.Expires == 0 {
			return append(dst, "none\n"...)
		}
		return append(dst, time.UnixMilli(it.Expires).String()...)
	case "SET":
		if err := sv.cache.StoreEvicting(context.Background(), key, smrmap.Item{Value: arg}); err != nil {
			return append(dst, err.Error()...)
		}
		return append(dst, "ok\n"...)
	case "APPEND":
		_, err := sv.cache.Compute(key, func(old smrmap.Item, loaded bool) (smrmap.Item, smrmap.Op) {
			joined := make([]byte, 0, len(old.Value)+len(arg))
			joined = append(joined, old.Value...)
			return smrmap.Item{Value: append(joined, arg...), Expires: old.Expires}, smrmap.UpdateOp
		})
		if err != nil {
			return append(dst, err.Error()...)
		}
		return append(dst, "ok\n"...)
	case "KEYS":
		var keys []string
		for k := range sv.cache.Keys() {
			if bytes.HasPrefix(k, arg) {
				keys = append(keys, string(k))
			}
		}
		return append(dst, strings.Join(keys, " ")...)
	case "MGET":
		s := sv.cache.Enter()
		for _, k := range bytes.Fields(arg) {
			if it, ok := sv.cache.LoadIn(s, k); ok {
				dst = append(dst, it.Value...)
			}
			dst = append(dst, '\n')
		}
		s.Leave()
		return dst
	}
	return fmt.Appendf(dst, "unknown command %q", cmd)
}

func (sv *service) serve(c net.Conn) error {
	defer sv.conns.Done()
	defer c.Close()
	in := bufio.NewScanner(c)
	var reply []byte
	for in.Scan() {
		fields := bytes.SplitN(in.Bytes(), []byte{' '}, 3)
		for len(fields) < 3 {
			fields = append(fields, nil)
		}
		reply = sv.answer(reply[:0], string(fields[0]), fields[1], fields[2])
		if _, err := c.Write(reply); err != nil {
			return err
		}
		select {
		case <-sv.quit:
			return nil
		default:
		}
	}
	return in.Err()
}

// dump writes everything, and so copies each entry before it writes.
func (sv *service) dump(w io.Writer) error {
	var buf []byte
	var cursor uint64
	for {
		buf = buf[:0]
		cursor = sv.cache.Scan(cursor, 64, func(k []byte, it smrmap.Item) {
			buf = binary.AppendUvarint(buf, uint64(len(k)))
			buf = append(buf, k...)
			buf = binary.AppendUvarint(buf, uint64(len(it.Value)))
			buf = append(buf, it.Value...)
		})
		if _, err := w.Write(buf); err != nil {
			return err
		}
		if cursor == 0 {
			return nil
		}
	}
}

// longest keeps the longest key in a buffer of its own.
func (sv *service) longest() string {
	var best []byte
	for k := range sv.cache.Keys() {
		if len(k) > len(best) {
			best = append(best[:0], k...)
		}
	}
	return string(best)
}

// ranked compares values in one section.
func (sv *service) ranked(a, b uint64) (int, error) {
	s := sv.users.Enter()
	defer s.Leave()
	x, ok := sv.users.LoadIn(s, a)
	if !ok {
		return 0, fmt.Errorf("no user %d", a)
	}
	y, ok := sv.users.LoadIn(s, b)
	if !ok {
		return 0, fmt.Errorf("no user %d", b)
	}
	return int(x.score - y.score), nil
}

func (sv *service) named(id uint64) (name string, ok bool) {
	ok = sv.users.View(id, func(u *user) {
		name = string(bytes.TrimRight(u.name[:], "\x00"))
	})
	return name, ok
}

func (sv *service) snapshot(id uint64) (user, bool) {
	s := sv.users.Enter()
	u, ok := sv.users.LoadIn(s, id)
	if !ok {
		s.Leave()
		return user{}, false
	}
	cp := *u
	s.Leave()
	cp.score++ // of the copy
	return cp, true
}

func (sv *service) raise(id uint64) error {
	_, _, err := sv.users.Compute(id, func(u user, loaded bool) (user, smrmap.Op) {
		if !loaded {
			return u, smrmap.CancelOp
		}
		u.score++
		return u, smrmap.UpdateOp
	})
	return err
}

func (sv *service) shutdown(ctx context.Context) error {
	close(sv.quit)
	sv.conns.Wait()
	if err := sv.users.Close(ctx); err != nil {
		return err
	}
	if err := sv.cache.Close(ctx); err != nil {
		return err
	}
	return sv.dom.Close(ctx)
}

// An interpreter runs workers that a collector stops.
type interpreter struct {
	w    *stw.World
	mu   sync.Mutex
	work chan func(*stw.Domain)
}

func (in *interpreter) run(n int) error {
	for range n {
		_, err := in.w.Spawn(func(d *stw.Domain) {
			for {
				var fn func(*stw.Domain)
				d.Blocking(func() { fn = <-in.work })
				if fn == nil {
					return
				}
				fn(d)
				d.Poll()
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (in *interpreter) locked(d *stw.Domain, fn func()) {
	d.Blocking(in.mu.Lock)
	defer in.mu.Unlock()
	fn()
}

// A loop is a quiescent reader.
func loop(ctx context.Context, dom *smr.Domain, root *smr.Pointer[user], events <-chan int) int {
	q := dom.NewQuiescent(nil)
	defer q.Close()
	q.Online()
	sum := 0
	for {
		q.Offline()
		select {
		case <-ctx.Done():
			return sum
		case <-events:
		}
		q.Online()
		if u := root.Load(q.Section()); u != nil {
			sum += int(u.score)
		}
		q.Quiesce()
	}
}

func testDomain(t *testing.T) *smr.Domain {
	dom, err := smr.New(smr.Options{Name: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dom.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return dom
}

func testEnter(t *testing.T, dom *smr.Domain) smr.Section {
	t.Helper()
	s := dom.Enter()
	t.Cleanup(s.Leave)
	return s
}

func TestGracePeriod(t *testing.T) {
	dom := testDomain(t)
	var p smr.Pointer[user]
	p.Init(&user{id: 1})
	s := dom.Enter()
	u := p.Load(s)
	freed := make(chan uint64, 1)
	smr.Call(dom, p.Swap(nil), 8, func(u *user) { freed <- u.id })
	select {
	case <-freed:
		t.Error("freed early")
	case <-time.After(time.Millisecond):
	}
	if u.id != 1 {
		t.Fatal("changed")
	}
	s.Leave()
	if <-freed != 1 {
		t.Error("another")
	}
	other := testEnter(t, dom)
	if p.Load(other) != nil {
		t.Error("there")
	}
}

func TestGoal(t *testing.T) {
	dom := testDomain(t)
	s := dom.Enter()
	goal := dom.Advance()
	if dom.Poll(goal) {
		t.Fatal("early")
	}
	s.Leave()
	if err := dom.Wait(context.Background(), goal); err != nil {
		t.Fatal(err)
	}
}

func TestConcurrentReaders(t *testing.T) {
	dom := testDomain(t)
	var p smr.Pointer[user]
	var mu sync.Mutex
	p.GuardedBy(&mu)
	p.Init(new(user))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			r := dom.NewReader()
			defer r.Close()
			for {
				select {
				case <-stop:
					return
				default:
				}
				s := r.Enter()
				u := p.Load(s)
				if u.id != uint64(u.score) {
					t.Errorf("torn: %+v", *u)
				}
				s.Leave()
			}
		})
	}
	for i := range 1000 {
		fresh := &user{id: uint64(i), score: int32(i)}
		mu.Lock()
		old := p.LoadSerialized()
		p.Store(fresh)
		mu.Unlock()
		smr.Call(dom, old, 32, func(u *user) { u.id = 0 })
	}
	close(stop)
	wg.Wait()
}
