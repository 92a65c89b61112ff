package acl

import (
	"fmt"
	"sync"
	"testing"
)

func TestEngine(t *testing.T) {
	ctx := t.Context()
	e, err := New()
	if err != nil {
		t.Fatal(err)
	}
	policy := func(n int) []Rule {
		return []Rule{
			{"block", "guest", "/admin*", Deny},
			{fmt.Sprintf("v%d", n), "*", "/public*", Allow},
			{"root", "admin", "/admin", Allow},
		}
	}
	if err := e.SetPolicy(ctx, policy(0)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 500 {
				if effect, name := e.Check("guest", "/public/a"); effect != Allow || name[0] != 'v' {
					t.Error(effect, name)
				}
			}
		})
	}
	for n := range 100 {
		if err := e.SetPolicy(ctx, policy(n)); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()

	out := make([]Effect, 3)
	err = e.CheckAll([]Request{{"admin", "/admin"}, {"guest", "/admin/x"}, {"guest", "/x"}}, out)
	if err != nil || out[0] != Allow || out[1] != Deny || out[2] != Deny {
		t.Fatal(out, err)
	}
	if rules := e.Rules(); len(rules) != 3 || rules[2].Name != "root" {
		t.Fatal(rules)
	}
	n := 0
	e.Explain("guest", func(r Rule) bool {
		n++
		if n == 1 {
			if err := e.SetPolicy(ctx, nil); err != nil {
				t.Error(err)
			}
		}
		return true
	})
	if n != 2 {
		t.Fatal(n)
	}
	if err := e.SetPolicy(ctx, []Rule{{}}); err == nil {
		t.Fatal("a rule without a name")
	}
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
