package kvserver

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestServer(t *testing.T) {
	sv, err := New(Options{Memory: 16 << 20, Drain: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- sv.Serve(l) }()

	dial := func() (ask func(string) string) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(c)
		return func(command string) string {
			if _, err := fmt.Fprintln(c, command); err != nil {
				return "closed"
			}
			answer, err := in.ReadString('\n')
			if err != nil {
				return "closed"
			}
			return strings.TrimSpace(answer)
		}
	}
	ask := dial()
	large := strings.Repeat("x", 2*largeValue)
	for _, c := range []struct{ command, want string }{
		{"get a", "none"},
		{"set a 1", "ok"},
		{"set b 2 1000", "ok"},
		{"get a", "1"},
		{"incr a", "2"},
		{"incr new", "1"},
		{"copy a c", "ok"},
		{"copy none c", "error: no such key"},
		{"mget c none", `error: no key "none"`},
		{"mget c", "2"},
		{"set l " + large, "ok"},
		{"get l", large},
		{"incr l", ""},
		{"del a b none", "2"},
		{"scan 0 ne", "0 new"},
		{"huh", `error: unknown command "huh"`},
	} {
		if got := ask(c.command); got != c.want && (c.want != "" || !strings.HasPrefix(got, "error")) {
			t.Errorf("%.20s: %.60s", c.command, got)
		}
	}
	var wg sync.WaitGroup
	for range 3 {
		ask := dial()
		wg.Go(func() {
			for range 100 {
				if n := ask("incr n"); n == "closed" || ask("get l") != large {
					t.Error(n)
				}
			}
			ask("quit")
		})
	}
	wg.Wait()
	if n := ask("get n"); n != "300" {
		t.Fatal(n)
	}
	l.Close()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	if err := sv.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := ask("get n"); a != "closed" {
		t.Fatal(a)
	}
}
