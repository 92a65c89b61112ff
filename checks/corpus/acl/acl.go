// Package acl answers who may do what. A policy is compiled to one block off the Go heap, which all
// checks share; a new policy replaces it while they go on.
package acl

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/gosmr/gosmr/checks/corpus/snapshot"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// An Effect is what a rule says.
type Effect byte

// The effects.
const (
	Deny Effect = iota
	Allow
)

// A Rule is one line of a policy. A "*" at the end of Resource matches what follows.
type Rule struct {
	Name, Role, Resource string
	Effect               Effect
}

// compiled is a policy: records of effect, lengths and texts.
type compiled struct {
	code  []byte
	rules int
}

// A record is a rule in a compiled policy, and borrows from it.
type record struct {
	name, role, resource []byte
	effect               Effect
}

func (r record) matches(role, resource string) bool {
	if string(r.role) != role && string(r.role) != "*" {
		return false
	}
	if prefix, ok := bytes.CutSuffix(r.resource, []byte("*")); ok {
		return len(resource) >= len(prefix) && resource[:len(prefix)] == string(prefix)
	}
	return string(r.resource) == resource
}

func (r record) rule() Rule {
	return Rule{string(r.name), string(r.role), string(r.resource), r.effect}
}

// records iterates over the rules. They are valid as long as the policy is.
func (c *compiled) records() iter.Seq2[int, record] {
	return func(yield func(int, record) bool) {
		code := c.code
		for i := range c.rules {
			var r record
			r.effect = Effect(code[0])
			code = code[1:]
			r.name, code = field(code)
			r.role, code = field(code)
			r.resource, code = field(code)
			if !yield(i, r) {
				return
			}
		}
	}
}

func field(code []byte) (text, rest []byte) {
	n := int(binary.LittleEndian.Uint16(code))
	return code[2 : 2+n], code[2+n:]
}

func appendField(code []byte, text string) []byte {
	code = binary.LittleEndian.AppendUint16(code, uint16(len(text)))
	return append(code, text...)
}

// An Engine has the current policy.
type Engine struct {
	dom    *smr.Domain
	blocks *slab.Blocks
	policy *snapshot.Value[compiled]
}

// New returns an engine without rules.
func New() (*Engine, error) {
	dom, err := smr.New(smr.Options{Name: "acl"})
	if err != nil {
		return nil, err
	}
	e := &Engine{dom: dom, blocks: slab.NewBlocks(dom, slab.Options{Name: "policies"})}
	e.policy = snapshot.New(dom, &compiled{},
		func(c *compiled) int { return cap(c.code) },
		func(c *compiled) {
			if c.code != nil {
				e.blocks.Free(c.code) // its grace period is over
			}
		})
	return e, nil
}

// SetPolicy replaces the policy.
func (e *Engine) SetPolicy(ctx context.Context, rules []Rule) error {
	var code []byte
	for _, r := range rules {
		if r.Name == "" || len(r.Name)+len(r.Role)+len(r.Resource) > 1<<15 {
			return fmt.Errorf("acl: rule %q is malformed", r.Name)
		}
		code = append(code, byte(r.Effect))
		code = appendField(code, r.Name)
		code = appendField(code, r.Role)
		code = appendField(code, r.Resource)
	}
	next := &compiled{rules: len(rules)}
	if len(code) > 0 {
		block, err := e.blocks.Get(len(code))
		if err != nil {
			return err
		}
		copy(block, code)
		next.code = block
	}
	err := e.policy.Update(ctx, func(*compiled) (*compiled, error) { return next, nil })
	if err != nil && next.code != nil {
		e.blocks.Free(next.code)
	}
	return err
}

// Check returns the effect of the first rule that matches, and its name.
func (e *Engine) Check(role, resource string) (Effect, string) {
	g := e.policy.Enter()
	defer g.Leave()
	for _, r := range g.Get().records() {
		if r.matches(role, resource) {
			return r.effect, string(r.name)
		}
	}
	return Deny, ""
}

// A Request is what CheckAll is asked.
type Request struct{ Role, Resource string }

// CheckAll answers all requests by one policy. out has the length of requests.
func (e *Engine) CheckAll(requests []Request, out []Effect) error {
	if len(out) != len(requests) {
		return errors.New("acl: lengths differ")
	}
	s := e.dom.Enter()
	defer s.Leave()
	c := e.policy.Load(s)
next:
	for i, q := range requests {
		out[i] = Deny
		for _, r := range c.records() {
			if !r.matches(q.Role, q.Resource) {
				continue
			}
			out[i] = r.effect
			continue next
		}
	}
	return nil
}

// Rules returns the policy.
func (e *Engine) Rules() []Rule {
	return snapshot.Map(e.policy, func(c *compiled) []Rule {
		rules := make([]Rule, 0, c.rules)
		for _, r := range c.records() {
			rules = append(rules, r.rule())
		}
		return rules
	})
}

// Explain describes, for an administrator, each rule that concerns a role. visit may take its time:
// the policy is held, and no section is open.
func (e *Engine) Explain(role string, visit func(Rule) bool) {
	g := e.policy.Enter()
	h := g.Keep()
	g.Leave()
	defer h.Release()
	for _, r := range h.Get().records() {
		if string(r.role) != role && string(r.role) != "*" {
			continue
		}
		if !visit(r.rule()) {
			break
		}
	}
}

// Close ends the engine.
func (e *Engine) Close(ctx context.Context) error {
	return errors.Join(e.policy.Close(ctx), e.blocks.Close(ctx), e.dom.Close(ctx))
}
