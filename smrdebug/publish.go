package smrdebug

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
)

// published lists what Publish was given, in that order.
var published struct {
	mu  sync.Mutex
	all []*publication
}

type publication struct {
	name string
	v    any
}

// Publish shows v under name on all pages: a map, a pool, whatever has a method Stats that returns a
// struct, or a *[stw.World]. It panics for anything else. Names need not be unique. The page keeps v
// alive until unpublish is called: do so before v is closed.
func Publish(name string, v any) (unpublish func()) {
	if _, ok := v.(*stw.World); !ok {
		if _, ok := statsOf(v); !ok {
			panic(fmt.Sprintf("smrdebug: Publish of %q, a %T: it has no method Stats that returns a struct, and is no *stw.World", name, v))
		}
	}
	p := &publication{name, v}
	published.mu.Lock()
	defer published.mu.Unlock()
	published.all = append(published.all, p)
	return func() {
		published.mu.Lock()
		defer published.mu.Unlock()
		published.all = slices.DeleteFunc(published.all, func(o *publication) bool { return o == p })
	}
}

// publications returns what is published now.
func publications() []*publication {
	published.mu.Lock()
	defer published.mu.Unlock()
	return slices.Clone(published.all)
}

// A container is a published value with Stats.
type container struct {
	Name   string         `json:"name"`
	Type   string         `json:"type"`
	Domain string         `json:"domain,omitempty"`
	Stats  map[string]any `json:"stats"`

	Fields []field `json:"-"` // Stats, in their order
}

type field struct{ Name, Text string }

// statsOf returns the result of v's method Stats.
//
// Rejected: to import the containers' packages. Each program that shows its domains would link them
// all, and those of other modules could not be shown.
func statsOf(v any) (stats reflect.Value, ok bool) {
	if v == nil {
		return reflect.Value{}, false
	}
	m := reflect.ValueOf(v).MethodByName("Stats")
	if !m.IsValid() {
		return reflect.Value{}, false
	}
	if t := m.Type(); t.NumIn() != 0 || t.NumOut() != 1 || t.Out(0).Kind() != reflect.Struct {
		return reflect.Value{}, false
	}
	return m.Call(nil)[0], true
}

func newContainer(p *publication) container {
	c := container{Name: p.name, Type: typeName(p.v), Stats: make(map[string]any)}
	if in, ok := p.v.(interface{ Domain() *smr.Domain }); ok && in.Domain() != nil {
		c.Domain = in.Domain().Name()
	}
	stats, _ := statsOf(p.v)
	for i, f := range reflect.VisibleFields(stats.Type()) {
		if !f.IsExported() || len(f.Index) != 1 || f.Name == "Name" {
			continue
		}
		v := stats.Field(i)
		name := snake(f.Name)
		switch x := v.Interface().(type) {
		case time.Duration:
			c.Stats[name+"_seconds"] = x.Seconds()
			c.Fields = append(c.Fields, field{f.Name, duration(x)})
		default:
			if !v.CanInt() && !v.CanUint() && !v.CanFloat() {
				continue
			}
			c.Stats[name] = x
			c.Fields = append(c.Fields, field{f.Name, number(f.Name, v)})
		}
	}
	return c
}

// A world is a published stw.World.
type world struct {
	Name    string         `json:"name"`
	Domains int            `json:"domains"`
	States  map[string]int `json:"states"` // how many domains are in each state
}

func newWorld(p *publication) world {
	w := world{Name: p.name, States: make(map[string]int)}
	for _, d := range p.v.(*stw.World).Domains() {
		w.Domains++
		w.States[d.State().String()]++
	}
	return w
}
