package server

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

// A linearStep is what one client does as one: a command, or those of a transaction. If it watches, it has
// read the keys in seen since WATCH, and EXEC promises that they are the same still.
type linearStep struct {
	commands [][]string
	multi    bool
	seen     map[string]string // replies of GET
}

const noValue = "$-1\r\n"

// linearKeys are few, so that transactions meet. A state of the model has their values; "" is none.
var linearKeys = [...]string{"a", "b", "c"}

type linearState [len(linearKeys)]string

func (st *linearState) at(key string) *string {
	for i, k := range linearKeys {
		if k == key {
			return &st[i]
		}
	}
	panic("no key of the model: " + key)
}

func bulk(v string) string {
	if v == "" {
		return noValue
	}
	return fmt.Sprintf("$%d\r\n%s\r\n", len(v), v)
}

// do executes a command and returns its reply.
func (st *linearState) do(args []string) string {
	v := st.at(args[1])
	switch args[0] {
	case "GET":
		return bulk(*v)
	case "SET":
		*v = args[2]
	case "INCR":
		n, _ := strconv.Atoi(*v)
		*v = strconv.Itoa(n + 1)
		return ":" + *v + "\r\n"
	case "DEL":
		if *v == "" {
			return ":0\r\n"
		}
		*v = ""
		return ":1\r\n"
	case "RENAME":
		if *v == "" {
			return "-ERR no such key\r\n"
		}
		from := *v
		*v = ""
		*st.at(args[2]) = from
	case "COPY":
		to := st.at(args[2])
		if *v == "" || *to != "" {
			return ":0\r\n"
		}
		*to = *v
		return ":1\r\n"
	case "MSETNX":
		other := st.at(args[3])
		if *v != "" || *other != "" {
			return ":0\r\n"
		}
		*v, *other = args[2], args[4]
		return ":1\r\n"
	}
	return "+OK\r\n"
}

var linearModel = porcupine.Model{
	Init: func() any { return linearState{} },
	Step: func(state, in, out any) (bool, any) {
		st, s, reply := state.(linearState), in.(linearStep), out.(string)
		if s.multi && reply == "*-1\r\n" {
			return s.seen != nil, st // nothing was executed
		}
		for key, seen := range s.seen {
			if bulk(*st.at(key)) != seen {
				return false, st
			}
		}
		var want strings.Builder
		if s.multi {
			fmt.Fprintf(&want, "*%d\r\n", len(s.commands))
		}
		for _, args := range s.commands {
			want.WriteString(st.do(args))
		}
		return reply == want.String(), st
	},
	DescribeOperation: func(in, out any) string {
		s := in.(linearStep)
		return strings.ReplaceAll(fmt.Sprint(s.commands, s.seen, " -> ", out), "\r\n", " ")
	},
}

// A linearClient does steps at random and records them.
type linearClient struct {
	*client
	id     int
	rnd    *rand.Rand
	clock  *atomic.Int64
	values int
	record []porcupine.Operation
}

func (c *linearClient) command() []string {
	i := c.rnd.IntN(len(linearKeys))
	key, other := linearKeys[i], linearKeys[(i+1+c.rnd.IntN(len(linearKeys)-1))%len(linearKeys)]
	c.values++
	value := strconv.Itoa(1000*c.values + 10*c.id)
	switch c.rnd.IntN(8) {
	case 0:
		return []string{"SET", key, value}
	case 1:
		return []string{"INCR", key}
	case 2:
		return []string{"DEL", key}
	case 3:
		return []string{"RENAME", key, other}
	case 4:
		return []string{"COPY", key, other}
	case 5:
		return []string{"MSETNX", key, value, other, value}
	}
	return []string{"GET", key}
}

// add records what do does.
func (c *linearClient) add(s linearStep, do func() string) string {
	call := c.clock.Add(1)
	out := do()
	c.record = append(c.record, porcupine.Operation{ClientId: c.id, Input: s, Call: call, Output: out, Return: c.clock.Add(1)})
	return out
}

// step does one step: a third of them are transactions, and half of those watch what they have read.
func (c *linearClient) step() {
	s := linearStep{multi: c.rnd.IntN(3) == 0}
	if !s.multi {
		s.commands = [][]string{c.command()}
		c.add(s, func() string { return c.do(s.commands[0]...) })
		return
	}
	for range 1 + c.rnd.IntN(3) {
		s.commands = append(s.commands, c.command())
	}
	if c.rnd.IntN(2) == 0 {
		s.seen = make(map[string]string)
		keys := linearKeys[:1+c.rnd.IntN(len(linearKeys))]
		require.Equal(c.t, "+OK\r\n", c.do(append([]string{"WATCH"}, keys...)...))
		for _, key := range keys {
			get := []string{"GET", key}
			s.seen[key] = c.add(linearStep{commands: [][]string{get}}, func() string { return c.do(get...) })
		}
	}
	c.add(s, func() string { return c.exec(s.commands...) })
}

// What clients see of commands and transactions is as if each was done at one moment. Those that watch
// keys are done at a moment when the keys are as they have read them, or not at all.
func TestExec_Linearizable(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4)) // so that processors are taken from them, too
	both(t, func(t *testing.T, o Options) {
		const clients, steps = 4, 25
		rounds := 300
		if testing.Short() {
			rounds = 60
		}
		s := start(t, o)
		setup := s.dial(t)
		var clock atomic.Int64
		all := make([]linearClient, clients)
		for i := range all {
			all[i] = linearClient{client: s.dial(t), id: i, rnd: rand.New(rand.NewPCG(1, uint64(i))), clock: &clock}
		}
		executed, refused := 0, 0
		for round := range rounds {
			require.Equal(t, "+OK\r\n", setup.do("FLUSHALL"))
			var wg sync.WaitGroup
			for i := range all {
				c := &all[i]
				c.record = nil
				wg.Go(func() {
					for range steps {
						c.step()
					}
				})
			}
			wg.Wait()
			var history []porcupine.Operation
			for i := range all {
				for _, op := range all[i].record {
					history = append(history, op)
					if op.Input.(linearStep).seen != nil {
						if op.Output == "*-1\r\n" {
							refused++
						} else {
							executed++
						}
					}
				}
			}
			checkLinear(t, round, history)
		}
		require.Positive(t, executed, "none of those that watch was executed")
		require.Positive(t, refused, "each of those that watch was executed")
	})
}

func checkLinear(t *testing.T, round int, history []porcupine.Operation) {
	result, info := porcupine.CheckOperationsVerbose(linearModel, history, time.Minute)
	if result == porcupine.Ok {
		return
	}
	out, err := os.CreateTemp("", "history-*.html")
	require.NoError(t, err)
	defer out.Close()
	require.NoError(t, porcupine.Visualize(linearModel, info, out))
	t.Fatalf("round %d: %v: see %s", round, result, out.Name())
}

// A transaction by one client is not refused if no other writes to what it watches.
func TestExec_NotRefusedInVain(t *testing.T) {
	both(t, func(t *testing.T, o Options) {
		s := start(t, o)
		other := s.dial(t)
		c := linearClient{client: s.dial(t), rnd: rand.New(rand.NewPCG(2, 0)), clock: new(atomic.Int64)}
		for i := range 500 {
			c.step()
			other.do("INCR", "other"+strconv.Itoa(i%10))
		}
		for _, op := range c.record {
			require.NotEqual(t, "*-1\r\n", op.Output)
		}
		checkLinear(t, 0, c.record)
	})
}
