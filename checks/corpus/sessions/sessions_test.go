package sessions

import (
	"errors"
	"os"
	"sync"
	"testing"
	"time"
)

func TestStore(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	st, err := NewStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	ann, err := st.Login("ann", "admin", "staff")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := st.Attach(ann)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 200 {
				err := st.Request(ann, func(s *Session) error {
					s.Set("k", "v")
					return s.Spill([]byte(s.Get("k")))
				})
				if err != nil && !errors.Is(err, ErrUnknown) {
					t.Error(err)
				}
			}
		})
	}
	again, err := st.Login("ann", "staff")
	if err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if err := socket.Get().Spill([]byte("still open")); err != nil {
		t.Fatal(err)
	}
	socket.Release()
	if roles := st.Roles("ann"); len(roles) != 1 || roles[0] != "staff" {
		t.Fatal(roles)
	}
	if _, err := st.Login("bob"); err != nil {
		t.Fatal(err)
	}
	if l := st.List(); len(l) != 2 || l[0].ID != again {
		t.Fatal(l)
	}
	if n := st.Expire(time.Now().Add(time.Hour)); n != 2 {
		t.Fatal(n)
	}
	if _, err := st.Login("cyd"); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := st.Request(again, func(*Session) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Fatal(left, err)
	}
}
