package shutdown

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrdebug"
	"github.com/gosmr/gosmr/smrfile"
	"github.com/gosmr/gosmr/smrmap"
)

type Node struct{ key uint64 }

// block 1

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (sv *Service) get(path string) string {
	w := httptest.NewRecorder()
	sv.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return fmt.Sprint(w.Code, " ", strings.TrimSpace(w.Body.String()))
}

func Run() {
	dir := must(os.MkdirTemp("", "shutdown"))
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "journal")
	if err := os.WriteFile(path, bytes.Repeat([]byte{1}, 100), 0o600); err != nil {
		panic(err)
	}
	dom := must(smr.New(smr.Options{Name: "service"}))
	sv := &Service{
		dom:     dom,
		pages:   must(smrmap.NewBytes(smrmap.Options{Domain: dom})),
		nodes:   slab.New[Node](dom, slab.Options{}),
		journal: must(smrfile.Open(dom, path, smrfile.Options{Write: true})),
	}
	sv.http = &http.Server{Handler: sv}
	sv.unpublish = smrdebug.Publish("pages", sv.pages)
	if err := sv.pages.Store([]byte("/a"), []byte("the page")); err != nil {
		panic(err)
	}
	served := make(chan error)
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	go func() { served <- sv.http.Serve(listener) }()
	fmt.Println(sv.get("/a"))

	var page smrmap.HeldItem
	var view error
	var ok bool
	next := make(chan struct{})
	go func() { // a request that runs
		s := dom.Enter()
		page, _ = sv.pages.Hold(s, []byte("/a"))
		next <- struct{}{}
		<-next
		_, view = sv.journal.View(s, 0, 1)
		_, ok = sv.pages.Hold(s, []byte("/a"))
		next <- struct{}{}
		<-next
		s.Leave()
	}()
	<-next
	over, cancel := context.WithCancel(context.Background())
	cancel()
	err := sv.Shutdown(over)
	fmt.Println(errors.Is(err, context.Canceled), strings.Contains(err.Error(), "1 section and 1 hold open"))
	fmt.Println(sv.get("/a"), errors.Is(<-served, http.ErrServerClosed))

	// What is late.
	next <- struct{}{}
	<-next
	store := sv.pages.Store(nil, nil)
	fmt.Println(errors.Is(store, smr.ErrClosed), errors.Is(view, fs.ErrClosed), ok)

	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	done := make(chan error)
	go func() { done <- sv.Shutdown(ctx) }()
	fmt.Printf("%s\n", page.Get().Value) // is there as long as it is held
	next <- struct{}{}
	page.Release()
	fmt.Println(<-done)
	_, get := sv.nodes.Get()
	fmt.Println(errors.Is(get, smr.ErrClosed), errors.Is(sv.journal.Close(ctx), fs.ErrClosed))
}

// Output:
// 200 the page
// true true
// 503 the service ends true
// true true false
// the page
// <nil>
// true true
