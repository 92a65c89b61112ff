package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/gosmr/gosmr/bench/internal/family"
	"github.com/gosmr/gosmr/bench/internal/run"
)

// A Stat is what the repetitions of one measurement gave.
type Stat struct {
	Min, Median, Max float64
	N                int
}

// A Table is a run, looked up by what was measured.
type Table struct {
	stats    map[cell]Stat
	families map[string]*extent
}

type cell struct {
	family       string
	param, procs int
	peer, metric string
}

// An extent is what there is of a family.
type extent struct {
	params, procs []int
	peers         []string
}

// NewTable returns the table of a run.
func NewTable(r *run.Run) *Table {
	values := make(map[cell][]float64)
	t := &Table{stats: make(map[cell]Stat), families: make(map[string]*extent)}
	for _, s := range r.Samples {
		c := cell{s.Family, s.Param, s.Procs, s.Peer, s.Metric}
		values[c] = append(values[c], s.Value)
		e := t.families[s.Family]
		if e == nil {
			e = new(extent)
			t.families[s.Family] = e
		}
		e.params = insert(e.params, s.Param)
		e.procs = insert(e.procs, s.Procs)
		e.peers = insert(e.peers, s.Peer)
	}
	for c, v := range values {
		slices.Sort(v)
		n := len(v)
		t.stats[c] = Stat{v[0], v[(n-1)/2]/2 + v[n/2]/2, v[n-1], n}
	}
	return t
}

// check refuses samples of families that there are not, and those that are no finite number.
func check(samples []run.Sample) error {
	for i, s := range samples {
		if _, ok := family.Find(s.Family); !ok {
			return fmt.Errorf("sample %d: there is no family %q", i+1, s.Family)
		}
		if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
			return fmt.Errorf("sample %d: %s of %s in %s (parameter %d, processors %d) is %v", i+1, s.Metric, s.Peer, s.Family, s.Param, s.Procs, s.Value)
		}
	}
	return nil
}

// insert keeps a sorted set.
func insert[T int | string](set []T, v T) []T {
	i, found := slices.BinarySearch(set, v)
	if found {
		return set
	}
	return slices.Insert(set, i, v)
}

// Lookup returns what was measured of a peer.
func (t *Table) Lookup(family string, param, procs int, peer, metric string) (Stat, bool) {
	s, ok := t.stats[cell{family, param, procs, peer, metric}]
	return s, ok
}

// A Result is a peer and what it did.
type Result struct {
	Peer string
	Stat Stat
}

// Results returns what all peers did, the best median first.
func (t *Table) Results(f family.Family, param, procs int, m family.Metric) []Result {
	var all []Result
	for _, peer := range t.extent(f).peers {
		if s, ok := t.Lookup(f.Name, param, procs, peer, m.Name); ok {
			all = append(all, Result{peer, s})
		}
	}
	slices.SortStableFunc(all, func(a, b Result) int {
		if m.Higher {
			a, b = b, a
		}
		switch {
		case a.Stat.Median < b.Stat.Median:
			return -1
		case a.Stat.Median > b.Stat.Median:
			return 1
		}
		return 0
	})
	return all
}

// Bests are the best peers of a setting: this library's, the others' that are in Go, and
// those' that are not. The name is empty where there is none.
type Bests struct{ Ours, InGo, Foreign Result }

// Other is the best of the others.
func (b Bests) Other(m family.Metric) Result {
	if r, ok := Ratio(b.InGo.Stat.Median, b.Foreign.Stat.Median, m); b.InGo.Peer == "" || b.Foreign.Peer != "" && ok && r > 1 {
		return b.Foreign
	}
	return b.InGo
}

// Best returns the best peers of a setting. Floors are not peers.
func (t *Table) Best(f family.Family, param, procs int, m family.Metric) (b Bests) {
	for _, r := range t.Results(f, param, procs, m) {
		best := &b.Foreign
		switch {
		case slices.Contains(f.Floor, r.Peer):
			continue
		case isOurs(r.Peer):
			best = &b.Ours
		case family.InGo(r.Peer):
			best = &b.InGo
		}
		if best.Peer == "" {
			*best = r
		}
	}
	return b
}

// Ratio compares two values of a metric: below 1, ours is the better one, whichever way the
// metric counts. There is none where both are zero, or one is negative.
func Ratio(ours, other float64, m family.Metric) (float64, bool) {
	if m.Higher {
		ours, other = other, ours
	}
	switch {
	case ours < 0 || other < 0 || ours == 0 && other == 0:
		return 0, false
	case other == 0:
		return math.Inf(1), true
	}
	return ours / other, true
}

// A difference below this is none.
const clearly = 1.05

func isOurs(peer string) bool { return strings.HasPrefix(peer, family.Ours) }

func (t *Table) extent(f family.Family) extent {
	if e := t.families[f.Name]; e != nil {
		return *e
	}
	return extent{}
}

// ends are the fewest and the most processors that a family was measured with.
func (t *Table) ends(f family.Family) []int {
	procs := t.extent(f).procs
	if len(procs) > 2 {
		return []int{procs[0], procs[len(procs)-1]}
	}
	return procs
}

// main is the setting that stands for the family: all processors, and of the parameter the
// last value that the quick mode measures too, so that both modes show the same where they can.
func (t *Table) main(f family.Family) (param, procs int) {
	e := t.extent(f)
	if len(e.params) == 0 {
		return 0, 0
	}
	param = e.params[len(e.params)-1]
	for _, p := range f.Quick {
		if slices.Contains(e.params, p) {
			param = p
		}
	}
	return param, e.procs[len(e.procs)-1]
}

// metrics are those that were measured.
func (t *Table) metrics(f family.Family) []family.Metric {
	measured := make(map[string]bool)
	for c := range t.stats {
		if c.family == f.Name {
			measured[c.metric] = true
		}
	}
	var all []family.Metric
	for _, m := range f.Metrics {
		if measured[m.Name] {
			all = append(all, m)
		}
	}
	return all
}

// A floor bounds an operation from below.
type floor struct {
	name  string
	value float64
}

// floors are those of a family, the lowest first: nanoseconds on one processor, or on as few
// as they need.
func (t *Table) floors(f family.Family, m family.Metric) []floor {
	var all []floor
	if m.Unit != "ns" || m.Higher {
		return nil
	}
	for _, name := range f.Floor {
		for _, procs := range t.extent(family.Family{Name: family.Floors}).procs {
			if s, ok := t.Lookup(family.Floors, 0, procs, name, "ns"); ok {
				all = append(all, floor{name, s.Median})
				break
			}
		}
	}
	slices.SortStableFunc(all, func(a, b floor) int {
		if a.value < b.value {
			return -1
		}
		if a.value > b.value {
			return 1
		}
		return 0
	})
	return all
}

// peersByFamily are the peers, as the report comes to them.
func (t *Table) peersByFamily() (all []string, beside map[string]map[string]bool) {
	beside = make(map[string]map[string]bool) // of a peer, those that are in a family with it
	for _, f := range family.All {
		peers := t.extent(f).peers
		if f.Name == family.Floors {
			continue
		}
		for _, p := range peers {
			if beside[p] == nil {
				all = append(all, p)
				beside[p] = make(map[string]bool)
			}
			for _, q := range peers {
				beside[p][q] = true
			}
		}
	}
	return all, beside
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
