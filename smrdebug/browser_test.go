//go:build linux

package smrdebug

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/smr"
)

// In a real browser the page shows within two refreshes what goes wrong after it was loaded: a reader
// that stays, a hold that is not released, and a flood. A name that is HTML stays text there. The
// browser's time is virtual: it goes on as fast as the page's requests are answered.
func TestBrowser_FindsWithinTwoRefreshes(t *testing.T) {
	if testing.Short() {
		t.Skip("once in the gate is enough")
	}
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs chromium")
	}
	const evil = `<img src=x onerror="document.title='changed'">`
	readers := newDomainWith(t, smr.Options{Name: evil, StallAfter: 1})
	holds := newDomainWith(t, smr.Options{Name: "holds", StallAfter: 1})
	flood := newDomainWith(t, smr.Options{Name: "flood", MaxPending: 1000, Workers: 1})
	domains := []*smr.Domain{readers, holds, flood}

	var undo []func()
	inject := sync.OnceFunc(func() {
		s := readers.Enter()
		readers.CallFunc(1, func() {})

		obj := new(mapping)
		inside := holds.Enter()
		h := smr.Hold(inside, obj)
		inside.Leave()
		smr.Call(holds, obj, 1, (*mapping).unmap)

		begin, over := make(chan struct{}), make(chan struct{})
		flood.CallFunc(smr.Expedite, func() { close(begin); <-over })
		<-begin
		flood.CallFunc(1000, func() {})
		undo = append(undo, s.Leave, h.Release, func() { close(over) })

		ctx := testkit.Context(t)
		for len(newReport(domains).Findings) < 3 && ctx.Err() == nil {
			runtime.Gosched()
		}
	})
	page := HandlerFor(Options{Domains: domains})
	var pages atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("format") == "html" && pages.Add(1) == 2 { // the first refresh
			inject()
		}
		page.ServeHTTP(w, r)
	}))
	defer server.Close()
	defer func() {
		for _, fn := range undo {
			fn()
		}
	}()

	profile, err := os.MkdirTemp("", "browser")
	require.NoError(t, err)
	defer os.RemoveAll(profile) // as far as the browser's processes have ended
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	// Three refreshes, of which the second and the third are after the injection.
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+profile,
		"--virtual-time-budget=7000", "--dump-dom", server.URL+"/?format=html")
	dom, err := cmd.Output()
	require.NoError(t, err)
	html := string(dom)
	require.Greater(t, pages.Load(), int32(2), "the page was refreshed")
	for _, finding := range []string{"a reader stays in its section", "a hold is not released", "pending bytes are at the bound"} {
		require.Contains(t, html, finding)
	}
	require.Contains(t, html, "&lt;img src=x onerror=")
	require.Contains(t, html, "<title>/debug/smr</title>")
	require.Contains(t, html, "<polyline", "the charts are drawn")
	require.NotContains(t, html, "<img")
}
