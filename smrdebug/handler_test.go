package smrdebug

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
)

// newDomainWith returns a domain that is closed when the test ends.
func newDomainWith(t testing.TB, o smr.Options) *smr.Domain {
	t.Helper()
	o.OnStall = func(smr.Stall) {} // reports come soon where StallAfter is short
	d, err := smr.New(o)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, d.Close(ctx))
	})
	return d
}

// get returns the answer to a GET of the domain's page in a format.
func get(t testing.TB, d *smr.Domain, format string) string {
	t.Helper()
	w := httptest.NewRecorder()
	HandlerFor(Options{Domains: []*smr.Domain{d}}).ServeHTTP(w, httptest.NewRequest("GET", "/debug/smr?format="+format, nil))
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	return w.Body.String()
}

// findIn waits until the finding is in the text, with all that it must say, and then finds it in the
// other formats.
func findIn(t *testing.T, d *smr.Domain, level, what string, says ...string) {
	t.Helper()
	ctx := testkit.Context(t)
	says = append(says, strings.ToUpper(level)+": domain "+d.Name()+": "+what)
	missing := func(text string) bool {
		return slices.ContainsFunc(says, func(say string) bool { return !strings.Contains(text, say) })
	}
	for missing(get(t, d, "text")) {
		require.NoError(t, ctx.Err(), get(t, d, "text"))
		runtime.Gosched()
	}
	says = says[:len(says)-1]
	var rep struct {
		Findings []struct{ Domain, Level, What string }
	}
	require.NoError(t, json.Unmarshal([]byte(get(t, d, "json")), &rep))
	found := false
	for _, f := range rep.Findings {
		found = found || f.Domain == d.Name() && f.Level == level && f.What == what
	}
	require.True(t, found, "%v", rep)
	html := get(t, d, "html")
	require.Contains(t, html, `<article class="`+level+`">`)
	for _, say := range append(says, what) {
		require.Contains(t, html, say)
	}
}

//go:noinline
func enterAndStay(d *smr.Domain) smr.Section { return testkit.Enter(d) }

type mapping struct{ _ [8]byte }

func (*mapping) unmap() {}

// A reader that stays is found, with where it entered and what it holds back.
func TestFinding_StalledReader(t *testing.T) {
	d := newDomainWith(t, smr.Options{Name: "tables", SampleSections: 1, StallAfter: 1})
	s := enterAndStay(d)
	smr.Call(d, new(mapping), 3<<20, (*mapping).unmap)
	findIn(t, d, "stuck", "a reader stays in its section", "a section", "3.0 MiB", "testkit.Enter", "1 call waiting for a grace period")
	require.Contains(t, get(t, d, "text"), "holds back 1 call (3.0 MiB)")
	s.Leave()
	require.NoError(t, d.Barrier(testkit.Context(t)))
	require.NotContains(t, get(t, d, "text"), "STUCK")
	require.Contains(t, get(t, d, "html"), "nothing is stuck")
}

// A hold that is not released is found, with the callback that waits for it.
func TestFinding_LeakedHold(t *testing.T) {
	d := newDomainWith(t, smr.Options{Name: "segments", StallAfter: 1})
	obj := new(mapping)
	s := d.Enter()
	h := smr.Hold(s, obj)
	s.Leave()
	smr.Call(d, obj, 5<<20, (*mapping).unmap)
	findIn(t, d, "stuck", "a hold is not released", "mapping).unmap", "5.0 MiB", "1 call held")
	require.Contains(t, get(t, d, "text"), "held: an object for ")
	h.Release()
	require.NoError(t, d.Barrier(testkit.Context(t)))
	require.NotContains(t, get(t, d, "text"), "STUCK")
}

// Writers that retire more than is freed are found, with the stage at which it is.
func TestFinding_Flood(t *testing.T) {
	d := newDomainWith(t, smr.Options{Name: "flood", MaxPending: 1000, Workers: 1})
	begin, over := make(chan struct{}), make(chan struct{})
	end := sync.OnceFunc(func() { close(over) })
	defer end() // also where a check fails
	d.CallFunc(smr.Expedite, func() { close(begin); <-over })
	<-begin
	for range 40 {
		d.CallFunc(100, func() {})
	}
	var writers sync.WaitGroup
	writers.Go(func() { require.NoError(t, d.Throttle(testkit.Context(t))) })
	findIn(t, d, "slow", "pending bytes are at the bound", "1 writer in Throttle", "3.9 KiB", "40 calls ready, without a worker")
	end()
	writers.Wait()
}

// A callback that does not return is found, and those that wait for its worker.
func TestFinding_SlowCallback(t *testing.T) {
	d := newDomainWith(t, smr.Options{Name: "callbacks", Workers: 1, ChunkCalls: 1, StallAfter: 1})
	begin, end := make(chan struct{}), make(chan struct{})
	defer close(end)
	d.CallFunc(10, func() { close(begin); <-end })
	<-begin
	d.CallFunc(7, func() {})
	findIn(t, d, "stuck", "a callback does not return", "1 worker of at most 1", "10 B")
	findIn(t, d, "stuck", "callbacks wait for a worker", "1 worker of at most 1", "7 B", "shorter")
}

// Close that waits is found, though nothing is late.
func TestFinding_Close(t *testing.T) {
	d, err := smr.New(smr.Options{Name: "closing"})
	require.NoError(t, err)
	s := testkit.Enter(d)
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	require.Error(t, d.Close(canceled))
	findIn(t, d, "slow", "Close waits", "1 section")
	s.Leave()
	require.NoError(t, d.Close(testkit.Context(t)))
}

// A finding's rules on numbers that no test can bring about at will.
func TestFindings_LateReclaimer(t *testing.T) {
	dg := smr.Diagnosis{MaxDelay: 100 * time.Millisecond, StallAfter: 10 * time.Second, Reclaimer: "asleep"}
	dg.Late.Now = 999 * time.Millisecond
	require.Empty(t, findings(&dg))
	dg.Late.Now = time.Second
	require.Equal(t, "slow", findings(&dg)[0].Level)
	dg.Late.Now = 10 * time.Second
	f := findings(&dg)[0]
	require.Equal(t, "stuck", f.Level)
	require.Equal(t, "the reclaimer is late", f.What)
	dg.StallAfter = -1 // no reports: but the page tells
	require.Equal(t, "stuck", findings(&dg)[0].Level)
}

// Names are data: no markup, no script, no attribute, no control of a terminal comes of them.
func TestHandler_NamesAreData(t *testing.T) {
	for _, name := range []string{
		`<script>alert(1)</script>`,
		`"><img src=x onerror=alert(1)>`,
		`' onmouseover='alert(1)`,
		`javascript:alert(1)`,
		`</main><main>`,
		`</title></style>`,
		"{{.}}",
		"\x1b[2J\x07 \u202e \xff",
		"a\nSTUCK: domain b: invented",
	} {
		d := newDomainWith(t, smr.Options{Name: name, StallAfter: 1, SampleSections: 1})
		pool := slab.New[[8]byte](d, slab.Options{Name: name})
		unpublish := Publish(name, pool)
		w, err := stw.NewWorld(stw.Options{})
		require.NoError(t, err)
		unpublishWorld := Publish(name, w)
		s := testkit.Enter(d)
		d.CallFunc(1, func() {})
		ctx := testkit.Context(t)
		for len(newReport([]*smr.Domain{d}).Findings) == 0 {
			require.NoError(t, ctx.Err())
			runtime.Gosched()
		}

		asked := serve(Options{Domains: []*smr.Domain{d}, Actions: true}, "GET", "/?format=html&domain="+url.QueryEscape(name), nil)
		require.Equal(t, http.StatusOK, asked.Code)
		html, script, ok := strings.Cut(asked.Body.String(), "<script nonce=") // the page's own is the last element
		require.True(t, ok)
		require.True(t, strings.HasSuffix(script, "</script>\n</html>\n"))
		require.NotContains(t, html, "<script")
		for _, tag := range []string{"<img", "<main", "</main", "</style"} {
			require.LessOrEqual(t, strings.Count(html, tag), 1, "%q in the page of %q", tag, name)
		}
		require.NotContains(t, html, "</title></style")
		require.NotContains(t, html, `' onmouseover='`)
		require.NotContains(t, html, `href="javascript:`)

		text := get(t, d, "text")
		require.NotContains(t, text, "\x1b")
		require.NotContains(t, text, "\u202e")
		require.NotContains(t, text, "\xff")
		require.NotContains(t, text, "\nSTUCK: domain b")
		require.True(t, json.Valid([]byte(get(t, d, "json"))))
		require.True(t, json.Valid([]byte(Var(d).String())))
		get(t, d, "pprof")

		s.Leave()
		unpublish()
		unpublishWorld()
		require.NoError(t, w.Close(ctx))
		require.NoError(t, pool.Close(ctx))
	}
}

func serve(o Options, method, target string, form url.Values, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	HandlerFor(o).ServeHTTP(w, r)
	return w
}

// Only a POST from the page's origin changes anything, and only where it is allowed.
func TestHandler_Actions(t *testing.T) {
	d := newDomainWith(t, smr.Options{Name: "actions", CheckIn: time.Hour, MaxDelay: 24 * time.Hour})
	o := Options{Domains: []*smr.Domain{d}}
	run := make(chan struct{})
	d.CallFunc(1, func() { close(run) })
	flush := url.Values{"action": {"flush"}, "domain": {"actions"}}

	require.Equal(t, http.StatusMethodNotAllowed, serve(o, "POST", "/", flush).Code, "actions are off")
	o.Actions = true
	for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS"} {
		require.Equal(t, http.StatusMethodNotAllowed, serve(o, method, "/", flush).Code)
	}
	require.Equal(t, http.StatusOK, serve(o, "GET", "/?action=flush", nil).Code)
	require.Equal(t, http.StatusBadRequest, serve(o, "POST", "/?action=flush", url.Values{}).Code, "it is not in the form")
	require.Equal(t, http.StatusForbidden, serve(o, "POST", "/", flush, "Sec-Fetch-Site", "cross-site").Code)
	require.Equal(t, http.StatusNotFound, serve(o, "POST", "/", url.Values{"action": {"flush"}, "domain": {"other"}}).Code)
	require.EqualValues(t, 1, d.Stats().PendingCalls, "none of these did anything")

	w := serve(o, "POST", "/debug/smr", flush, "Sec-Fetch-Site", "same-origin")
	require.Equal(t, http.StatusSeeOther, w.Code)
	require.Equal(t, "?domain=actions", w.Header().Get("Location"))
	<-run
}

// A trace samples each section while it lasts, and no longer.
func TestHandler_Trace(t *testing.T) {
	d := newDomainWith(t, smr.Options{Name: "traced", SampleSections: 77})
	o := Options{Domains: []*smr.Domain{d}, Actions: true}
	for _, seconds := range []string{"", "0", "-1", "61", "NaN", "x"} {
		require.Equal(t, http.StatusBadRequest, serve(o, "POST", "/", url.Values{"action": {"trace"}, "seconds": {seconds}}).Code, seconds)
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			s := enterAndStay(d)
			select {
			case <-stop:
				s.Leave()
				return
			case <-time.After(time.Millisecond): // the section lasts
			}
			s.Leave()
		}
	})
	defer readers.Wait()
	defer close(stop)
	for ctx := testkit.Context(t); ; { // no reader need run while one trace lasts
		require.NoError(t, ctx.Err())
		w := serve(o, "POST", "/", url.Values{"action": {"trace"}, "seconds": {"0.1"}})
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		require.Equal(t, 77, d.SetSampleSections(77))
		if strings.Contains(unzip(t, w.Body), "testkit.Enter") {
			break
		}
	}
	tracing.Lock()
	defer tracing.Unlock()
	require.Equal(t, http.StatusConflict, serve(o, "POST", "/", url.Values{"action": {"trace"}, "seconds": {"1"}}).Code)
}

func unzip(t *testing.T, r io.Reader) string {
	t.Helper()
	z, err := gzip.NewReader(r)
	require.NoError(t, err)
	b, err := io.ReadAll(z)
	require.NoError(t, err)
	return string(b)
}

// The client's Accept decides where no format is asked for; what is unknown is refused.
func TestHandler_Formats(t *testing.T) {
	d := newDomainWith(t, smr.Options{Name: "formats"})
	o := Options{Domains: []*smr.Domain{d}}
	browser := "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, c := range []struct{ query, accept, want string }{
		{"", "", "text/plain; charset=utf-8"},
		{"", "*/*", "text/plain; charset=utf-8"},
		{"", browser, "text/html; charset=utf-8"},
		{"?format=text", browser, "text/plain; charset=utf-8"},
		{"?format=json&domain=formats", browser, "application/json; charset=utf-8"},
		{"?format=pprof", "", "application/octet-stream"},
	} {
		w := serve(o, "GET", "/"+c.query, nil, "Accept", c.accept)
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, c.want, w.Header().Get("Content-Type"))
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	}
	csp := serve(o, "GET", "/?format=html", nil).Header().Get("Content-Security-Policy")
	require.Contains(t, csp, "default-src 'none'")
	require.NotContains(t, csp, "unsafe")
	require.Equal(t, http.StatusBadRequest, serve(o, "GET", "/?format=xml", nil).Code)
	require.Equal(t, http.StatusNotFound, serve(o, "GET", "/?domain=other", nil).Code)
	require.Contains(t, serve(Options{}, "GET", "/?domain=formats", nil).Body.String(), "domain formats: idle", "all open domains are there")
}

// All sections of the profile have their stack, and the domain's label.
func TestWriteProfile(t *testing.T) {
	d := newDomainWith(t, smr.Options{Name: "profiled", SampleSections: 1})
	a, b := enterAndStay(d), enterAndStay(d)
	var out strings.Builder
	require.NoError(t, WriteProfile(&out, d))
	profile := unzip(t, strings.NewReader(out.String()))
	for _, s := range []string{"sections", "nanoseconds", "domain", "profiled", "testkit.Enter", "testkit.go"} {
		require.Contains(t, profile, s)
	}
	require.NotContains(t, profile, "clock.(*Clock)")
	p := newProfile()
	p.addOpen(d, time.Second)
	require.Len(t, p.order, 1, "both entered in one place")
	require.EqualValues(t, 2, p.order[0].count)
	require.Equal(t, 2*time.Second, p.order[0].age)
	a.Leave()
	b.Leave()
}

// Published values are shown until they are not, and what can't be shown is refused.
func TestPublish(t *testing.T) {
	d := testkit.Domain(t)
	pool := slab.New[mapping](d, slab.Options{Name: "mappings"})
	unpublish := Publish("the pool", pool)
	_, err := pool.Get()
	require.NoError(t, err)
	text := get(t, d, "text")
	require.Contains(t, text, "slab.Pool the pool")
	require.Regexp(t, `InUse\s+1\n`, text)
	require.Regexp(t, `InUseBytes\s+8 B\n`, text)
	var rep struct {
		Containers []struct {
			Name, Type, Domain string
			Stats              map[string]any
		}
	}
	require.NoError(t, json.Unmarshal([]byte(get(t, d, "json")), &rep))
	require.Len(t, rep.Containers, 1)
	require.Equal(t, t.Name(), rep.Containers[0].Domain)
	require.EqualValues(t, 8, rep.Containers[0].Stats["in_use_bytes"])

	w, err := stw.NewWorld(stw.Options{})
	require.NoError(t, err)
	unpublishWorld := Publish("the world", w)
	begun, end := make(chan struct{}), make(chan struct{})
	wd, err := w.Spawn(func(d *stw.Domain) {
		d.Blocking(func() { close(begun); <-end })
	})
	require.NoError(t, err)
	<-begun
	require.Regexp(t, `stw.World the world: 1 domain\n\s+blocked\s+1\n`, get(t, d, "text"))
	close(end)
	require.NoError(t, wd.Join(testkit.Context(t)))
	unpublish()
	unpublishWorld()
	text = get(t, d, "text")
	require.NotContains(t, text, "the pool")
	require.NotContains(t, text, "the world")
	require.NoError(t, w.Close(testkit.Context(t)))

	require.Panics(t, func() { Publish("nothing", nil) })
	require.Panics(t, func() { Publish("a number", 1) })
}

// Importing the package registers nothing, and the library does not import it.
func TestImports(t *testing.T) {
	deps := func(pkg string) string {
		out, err := exec.Command("go", "list", "-deps", pkg).Output()
		require.NoError(t, err)
		return "\n" + string(out)
	}
	for _, registers := range []string{"expvar", "net/http/pprof"} {
		require.NotContains(t, deps("."), "\n"+registers+"\n")
	}
	for _, pkg := range []string{"smr", "smrq", "slab", "stw", "smrmap"} {
		for _, heavy := range []string{"net/http", "html/template", "github.com/gosmr/gosmr/smrdebug"} {
			require.NotContains(t, deps("github.com/gosmr/gosmr/"+pkg), "\n"+heavy+"\n")
		}
	}
}

func TestFormat(t *testing.T) {
	require.Equal(t, "1,234,567", group(1234567))
	require.Equal(t, "-123,456", group(-123456))
	require.Equal(t, "1023 B", size(1023))
	require.Equal(t, "1.0 KiB", size(1024))
	require.Equal(t, "1.0 MiB", size(1<<20-1))
	require.Equal(t, "8.0 EiB", size(1<<63-1))
	require.Equal(t, "in_use_bytes", snake("InUseBytes"))
	require.Equal(t, "1 call", count(1, "call"))
	require.Equal(t, "", innermost(""))
}
