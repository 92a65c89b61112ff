package smrdebug

import (
	"compress/gzip"
	"encoding/binary"
	"io"
	"math"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// WriteProfile writes the profile smr_sections of the domains: the open sections that were sampled
// (see smr.Options.SampleSections), by the stack that entered them, with their ages and the label
// domain. The format is pprof's, compressed.
func WriteProfile(w io.Writer, domains ...*smr.Domain) error {
	p := newProfile()
	for _, d := range domains {
		p.addOpen(d, 0)
	}
	return p.write(w)
}

// A profile collects sections by their stacks. See pprof's profile.proto, whose field numbers it writes.
type profile struct {
	made    time.Time
	took    time.Duration
	samples map[string]*sample // by domain and locations
	order   []*sample

	locations map[runtime.Frame]uint64
	body      message // locations and functions
	strings   map[string]uint64
	table     []string
}

type sample struct {
	domain    string
	locations []uint64
	count     int64
	age       time.Duration
}

func newProfile() *profile {
	p := &profile{
		made:      time.Now(),
		samples:   make(map[string]*sample),
		locations: make(map[runtime.Frame]uint64),
		strings:   make(map[string]uint64),
	}
	p.str("")
	return p
}

// addOpen adds the sampled sections of d that are open. each is what each counts as its age; 0: its
// age.
func (p *profile) addOpen(d *smr.Domain, each time.Duration) {
	for _, r := range d.Diagnose(math.MaxInt).Readers {
		if pcs := r.Callers(); len(pcs) > 0 {
			age := r.Age
			if each > 0 {
				age = each
			}
			p.add(d.Name(), pcs, age)
		}
	}
}

func (p *profile) add(domain string, pcs []uintptr, age time.Duration) {
	var ids []uint64
	key := domain + "\x00"
	frames := runtime.CallersFrames(pcs)
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if len(ids) == 0 && isEntry(f.Function) {
			continue
		}
		id := p.location(f)
		ids = append(ids, id)
		key += strconv.FormatUint(id, 36) + " "
	}
	s := p.samples[key]
	if s == nil {
		s = &sample{domain: domain, locations: ids}
		p.samples[key] = s
		p.order = append(p.order, s)
	}
	s.count++
	s.age += age
}

// isEntry reports whether a function is one that enters a section, of package clock or smr.
func isEntry(function string) bool {
	name, ok := strings.CutPrefix(function, "github.com/gosmr/gosmr/")
	return ok && (strings.HasPrefix(name, "clock.(*") || strings.HasPrefix(name, "smr.(*"))
}

// location returns the number of a call's place. Each inlined call has its own.
func (p *profile) location(f runtime.Frame) uint64 {
	f = runtime.Frame{Function: f.Function, File: f.File, Line: f.Line}
	if id := p.locations[f]; id != 0 {
		return id
	}
	id := uint64(len(p.locations) + 1)
	p.locations[f] = id
	var function, line, location message
	function.uint(1, id)
	function.uint(2, p.str(f.Function))
	function.uint(3, p.str(f.Function))
	function.uint(4, p.str(f.File))
	p.body.bytes(5, function)
	line.uint(1, id)
	line.uint(2, uint64(f.Line))
	location.uint(1, id)
	location.bytes(4, line)
	p.body.bytes(4, location)
	return id
}

// str returns a string's number.
func (p *profile) str(s string) uint64 {
	s = strings.ToValidUTF8(s, "\uFFFD")
	id, ok := p.strings[s]
	if !ok {
		id = uint64(len(p.table))
		p.strings[s] = id
		p.table = append(p.table, s)
	}
	return id
}

// write writes the profile, compressed.
func (p *profile) write(w io.Writer) error {
	var m message
	for _, t := range [...][2]string{{"sections", "count"}, {"age", "nanoseconds"}} {
		var typ message
		typ.uint(1, p.str(t[0]))
		typ.uint(2, p.str(t[1]))
		m.bytes(1, typ)
	}
	for _, s := range p.order {
		var label, packed, out message
		label.uint(1, p.str("domain"))
		label.uint(2, p.str(s.domain))
		for _, id := range s.locations {
			packed = binary.AppendUvarint(packed, id)
		}
		out.bytes(1, packed)
		out.bytes(2, binary.AppendUvarint(binary.AppendUvarint(nil, uint64(s.count)), uint64(s.age)))
		out.bytes(3, label)
		m.bytes(2, out)
	}
	m = append(m, p.body...)
	for _, s := range p.table {
		m.bytes(6, message(s))
	}
	m.uint(9, uint64(p.made.UnixNano()))
	m.uint(10, uint64(p.took))
	zip := gzip.NewWriter(w)
	if _, err := zip.Write(m); err != nil {
		return err
	}
	return zip.Close()
}

// serve answers a request with the profile.
func (p *profile) serve(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="smr_sections.pb.gz"`)
	p.write(w) // an error is the client's: it has gone
}

// A message is an encoded protocol buffer.
type message []byte

func (m *message) uint(field int, v uint64) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3)
	*m = binary.AppendUvarint(*m, v)
}

func (m *message) bytes(field int, b message) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3|2)
	*m = binary.AppendUvarint(*m, uint64(len(b)))
	*m = append(*m, b...)
}

// tracing is locked while a trace samples: the next would not find what to restore.
var tracing sync.Mutex

// How often a trace finds out which sections are open, and for how long it may.
const (
	tracePeriod = 20 * time.Millisecond
	traceMost   = time.Minute
)

// trace samples each section for a while, and answers with a profile of those that were open: how
// often they were found so, and the time that stands for.
func trace(w http.ResponseWriter, r *http.Request, domains []*smr.Domain) {
	n, err := strconv.ParseFloat(r.PostForm.Get("seconds"), 64)
	last := time.Duration(n * float64(time.Second))
	if err != nil || !(n > 0 && n <= traceMost.Seconds()) {
		http.Error(w, "smrdebug: seconds must be above 0 and at most 60", http.StatusBadRequest)
		return
	}
	if srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && srv.WriteTimeout > 0 && last >= srv.WriteTimeout {
		http.Error(w, "smrdebug: the trace exceeds the server's WriteTimeout", http.StatusBadRequest)
		return
	}
	if !tracing.TryLock() {
		http.Error(w, "smrdebug: another trace is running", http.StatusConflict)
		return
	}
	defer tracing.Unlock()
	for _, d := range domains {
		before := d.SetSampleSections(1)
		defer d.SetSampleSections(before)
	}
	p := newProfile()
	end, tick := time.NewTimer(last), time.NewTicker(tracePeriod)
	defer end.Stop()
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-end.C:
			p.took = time.Since(p.made)
			p.serve(w)
			return
		case <-tick.C:
			for _, d := range domains {
				p.addOpen(d, tracePeriod)
			}
		}
	}
}
