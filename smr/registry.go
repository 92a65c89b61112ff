package smr

import (
	"cmp"
	"maps"
	"slices"
	"sync"
)

// registry lists the open domains of the process.
var registry domainRegistry

type domainRegistry struct {
	mu      sync.Mutex
	domains map[uint64]*Domain
}

func (r *domainRegistry) add(d *Domain) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.domains == nil {
		r.domains = make(map[uint64]*Domain)
	}
	r.domains[d.id] = d
}

func (r *domainRegistry) remove(d *Domain) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.domains, d.id)
}

// Domains returns the open domains, oldest first. A domain that is never closed stays in
// this list, so the collector never frees it.
func Domains() []*Domain {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	return slices.SortedFunc(maps.Values(registry.domains), func(a, b *Domain) int {
		return cmp.Compare(a.id, b.id)
	})
}
