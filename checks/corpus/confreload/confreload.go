// Package confreload keeps the configuration of a service current. Requests read it without a lock; a
// reload closes what the old configuration had open once the last request that read it has ended.
package confreload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// ErrStopped is returned once the reloader was closed.
var ErrStopped = errors.New("confreload: stopped")

// An Upstream is a server that requests are sent to.
type Upstream struct {
	Host   string `json:"host"`
	Addr   string `json:"addr"`
	Weight int    `json:"weight"`
}

// A Config is one version of the configuration. It does not change once it is current.
type Config struct {
	Version   int             `json:"version"`
	Timeout   time.Duration   `json:"timeout"`
	AccessLog string          `json:"access_log"`
	Upstreams []Upstream      `json:"upstreams"`
	Flags     map[string]bool `json:"flags"`

	access *os.File
}

// Logf writes a line to the access log of this version.
func (c *Config) Logf(format string, args ...any) error {
	if c.access == nil {
		return nil
	}
	_, err := fmt.Fprintf(c.access, format+"\n", args...)
	return err
}

func (c *Config) upstream(host string) *Upstream {
	for i := range c.Upstreams {
		if c.Upstreams[i].Host == host {
			return &c.Upstreams[i]
		}
	}
	return nil
}

func (c *Config) close() {
	if c.access != nil {
		c.access.Close()
	}
}

func parse(r io.Reader) (*Config, error) {
	c := new(Config)
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(c); err != nil {
		return nil, fmt.Errorf("confreload: %w", err)
	}
	if c.Timeout <= 0 {
		return nil, errors.New("confreload: a timeout must be positive")
	}
	if c.AccessLog != "" {
		f, err := os.OpenFile(c.AccessLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, err
		}
		c.access = f
	}
	return c, nil
}

// A Reloader has the current configuration.
type Reloader struct {
	dom     *smr.Domain
	path    string
	current smr.Pointer[Config]

	mu       sync.Mutex // reloads
	modified time.Time
}

// Open loads the configuration at path.
func Open(path string) (*Reloader, error) {
	dom, err := smr.New(smr.Options{Name: "config", StallAfter: time.Minute})
	if err != nil {
		return nil, err
	}
	r := &Reloader{dom: dom, path: path}
	r.current.In(dom)
	r.current.GuardedBy(&r.mu)
	c, modified, err := r.load()
	if err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	r.modified = modified
	r.current.Init(c)
	return r, nil
}

func (r *Reloader) load() (*Config, time.Time, error) {
	f, err := os.Open(r.path)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	c, err := parse(f)
	return c, st.ModTime(), err
}

// Reload makes what is in the file now the current configuration.
func (r *Reloader) Reload() error {
	c, modified, err := r.load()
	if err != nil {
		return err // the old one stays
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.current.LoadSerialized()
	if c.Version <= old.Version {
		c.close() // nobody has seen it
		return fmt.Errorf("confreload: version %d is not newer than %d", c.Version, old.Version)
	}
	r.current.Store(c)
	r.modified = modified
	smr.Call(r.dom, old, 0, (*Config).close)
	return nil
}

// Watch reloads the file whenever it has changed, until ctx ends.
func (r *Reloader) Watch(ctx context.Context, every time.Duration, failed func(error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		st, err := os.Stat(r.path)
		if err != nil {
			failed(err)
			continue
		}
		r.mu.Lock()
		same := st.ModTime().Equal(r.modified)
		r.mu.Unlock()
		if same {
			continue
		}
		if err := r.Reload(); err != nil {
			failed(err)
		}
	}
}

// Read calls fn with the current configuration, which stays open until fn returns.
func (r *Reloader) Read(fn func(*Config) error) error {
	s, ok := r.dom.TryEnter()
	if !ok {
		return ErrStopped
	}
	defer s.Leave()
	return fn(r.current.Load(s))
}

// Timeout returns the present timeout. It is called for each packet.
func (r *Reloader) Timeout() time.Duration {
	s := r.dom.Pin()
	d := r.current.Load(s).Timeout
	s.Leave()
	return d
}

// Flag reports whether a feature is on.
func (r *Reloader) Flag(name string) bool {
	s, ok := r.dom.TryEnter()
	if !ok {
		return false
	}
	on := r.current.Load(s).Flags[name]
	s.Leave()
	return on
}

// Flags returns the names of the features that are on.
func (r *Reloader) Flags() []string {
	s, ok := r.dom.TryEnter()
	if !ok {
		return nil
	}
	defer s.Leave()
	c := r.current.Load(s)
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.Flags)) {
		if !c.Flags[name] {
			continue
		}
		names = append(names, name)
	}
	return names
}

// Upstream returns the upstream of a host.
func (r *Reloader) Upstream(host string) (u Upstream, ok bool) {
	err := r.Read(func(c *Config) error {
		if p := c.upstream(host); p != nil {
			u, ok = *p, true
		}
		return nil
	})
	return u, ok && err == nil
}

// Acquire returns the current configuration for a request that takes long. The caller releases it.
func (r *Reloader) Acquire() (smr.Held[Config], error) {
	s, ok := r.dom.TryEnter()
	if !ok {
		return smr.Held[Config]{}, ErrStopped
	}
	defer s.Leave()
	return smr.Hold(s, r.current.Load(s)), nil
}

// Close waits for the requests that read a configuration, and closes the last one.
func (r *Reloader) Close(ctx context.Context) error {
	if err := r.dom.Close(ctx); err != nil {
		return err // somebody may still read
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.current.LoadSerialized(); c != nil {
		r.current.Clear()
		c.close()
	}
	return nil
}
