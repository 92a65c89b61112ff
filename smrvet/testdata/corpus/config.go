// Package corpus has programs without mistakes, in the manner of those that users write.
package corpus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// A mapping is a file in memory, replaced as a whole.
type mapping struct {
	data  []byte
	mtime time.Time
	name  string
	hits  atomic.Int64
}

func (m *mapping) unmap() { syscall.Munmap(m.data) }

type fileStore struct {
	dom *smr.Domain
	mu  sync.Mutex
	cur smr.Pointer[mapping]
	log *log.Logger
}

func openStore(dom *smr.Domain, path string) (*fileStore, error) {
	st := &fileStore{dom: dom, log: log.Default()}
	st.cur.GuardedBy(&st.mu)
	st.cur.In(dom)
	m, err := mapFile(path)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	st.cur.Init(m)
	return st, nil
}

func mapFile(path string) (*mapping, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return &mapping{data: data, mtime: info.ModTime(), name: info.Name()}, nil
}

// reload replaces the mapping.
func (st *fileStore) reload(ctx context.Context, path string) error {
	m, err := mapFile(path)
	if err != nil {
		return err
	}
	if err := st.dom.Throttle(ctx); err != nil {
		m.unmap()
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	old := st.cur.LoadSerialized()
	st.cur.Store(m)
	if old != nil {
		smr.Call(st.dom, old, len(old.data), (*mapping).unmap)
		st.log.Printf("replaced %s of %v", old.name, old.mtime)
	}
	return nil
}

// byteAt copies one byte.
func (st *fileStore) byteAt(i int) (byte, error) {
	s := st.dom.Enter()
	defer s.Leave()
	m := st.cur.Load(s)
	if m == nil {
		return 0, os.ErrClosed
	}
	if i >= len(m.data) {
		return 0, errors.New("out of range")
	}
	m.hits.Add(1)
	return m.data[i], nil
}

// find leaves early, to log without the section.
func (st *fileStore) find(b byte) int {
	s := st.dom.Enter()
	m := st.cur.Load(s)
	if m == nil {
		s.Leave()
		st.log.Print("closed")
		return -1
	}
	for i, c := range m.data {
		if c == b {
			name := m.name
			s.Leave()
			st.log.Printf("found in %s", name)
			return i
		}
	}
	size, when := len(m.data), m.mtime
	s.Leave()
	st.log.Printf("not found in %d bytes of %v", size, when)
	return -1
}

// serve writes the file to a peer, and so must not stay in its section.
func (st *fileStore) serve(w http.ResponseWriter, r *http.Request) {
	s, ok := st.dom.TryEnter()
	if !ok {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	m := st.cur.Load(s)
	if m == nil {
		s.Leave()
		http.NotFound(w, r)
		return
	}
	h := smr.Hold(s, m)
	s.Leave()
	defer h.Release()
	w.Header().Set("Last-Modified", m.mtime.Format(http.TimeFormat))
	w.Write(h.Get().data)
}

// copyOut copies in pieces, each in a section of its own.
func (st *fileStore) copyOut(dst []byte) (n int) {
	for n < len(dst) {
		s := st.dom.Enter()
		m := st.cur.Load(s)
		if m == nil || n >= len(m.data) {
			s.Leave()
			break
		}
		n += copy(dst[n:min(n+4096, len(dst))], m.data[n:])
		s.Leave()
	}
	return n
}

// parse decodes the whole file while it stays.
func (st *fileStore) parse() (v map[string]any, err error) {
	st.dom.Read(func(s smr.Section) {
		if m := st.cur.Load(s); m != nil {
			err = json.Unmarshal(m.data, &v)
		} else {
			err = os.ErrClosed
		}
	})
	return v, err
}

// stat is for what needs no section: whether there is something.
func (st *fileStore) open() bool { return st.cur.LoadUnsafe() != 0 }

// watch polls, with a reader of its own.
func (st *fileStore) watch(ctx context.Context, changed chan<- string) {
	r := st.dom.NewReader()
	defer r.Close()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s := r.Enter()
		var name string
		if m := st.cur.Load(s); m != nil && m.mtime.After(last) {
			last, name = m.mtime, m.name
		}
		s.Leave()
		if name != "" {
			changed <- name
		}
	}
}

// close unlinks the last mapping, and waits for its readers.
func (st *fileStore) close(ctx context.Context) error {
	st.mu.Lock()
	old := st.cur.LoadSerialized()
	st.cur.Store(nil)
	st.mu.Unlock()
	if old == nil {
		return os.ErrClosed
	}
	if err := st.dom.Synchronize(ctx); err != nil {
		return err
	}
	old.unmap()
	return nil
}

// parallel reads with helpers that share the section, and waits for them in it.
func (st *fileStore) parallel(n int) (sum int) {
	s := st.dom.Enter()
	defer s.Leave()
	m := st.cur.Load(s)
	if m == nil {
		return 0
	}
	var wg sync.WaitGroup
	sums := make([]int, n)
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := i; j < len(m.data); j += n {
				sums[i] += int(m.data[j])
			}
		}()
	}
	wg.Wait()
	for _, v := range sums {
		sum += v
	}
	return sum
}

// A session has its section for as long as a query runs.
type session struct {
	st *fileStore
	s  smr.Section
	m  *mapping
}

func (st *fileStore) begin() (*session, error) {
	s := st.dom.Enter()
	m := st.cur.Load(s)
	if m == nil {
		s.Leave()
		return nil, os.ErrClosed
	}
	return &session{st: st, s: s, m: m}, nil
}

func (q *session) at(i int) byte { return q.m.data[i] }

func (q *session) end() {
	q.m = nil
	q.s.Leave()
}

func (st *fileStore) query(is []int) (out []byte, err error) {
	q, err := st.begin()
	if err != nil {
		return nil, err
	}
	defer q.end()
	for _, i := range is {
		out = append(out, q.at(i))
	}
	return out, nil
}

func main() {
	st, err := openStore(smr.Default(), os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	s := st.dom.Enter()
	m := st.cur.Load(s)
	if m == nil {
		log.Fatal("empty") // the process ends
	}
	fmt.Println(len(m.data))
	s.Leave()
	http.HandleFunc("/", st.serve)
	log.Fatal(http.ListenAndServe(":80", nil))
}
