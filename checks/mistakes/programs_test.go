package mistakes

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// A program makes its mistake and prints the outcome, unless it dies of it. Each line that says an
// outcome begins with a word that outcomeOf knows.

// unnoticed ends the program: the mistake did its harm, or would have, and nothing said so.
func unnoticed(format string, args ...any) { end("unnoticed: ", fmt.Sprintf(format, args...)) }

// told ends the program: the library returned an error.
func told(err error) {
	if err == nil {
		end("bug: ", "no error")
	}
	end("error: ", err.Error())
}

func end(word, text string) {
	fmt.Println(word + text)
	os.Exit(0)
}

// quiet returns a domain that frees soon and reports no stalls.
func quiet(name string) *smr.Domain {
	return domain(smr.Options{Name: name, StallAfter: -1, SampleSections: 1})
}

// stalling returns a domain whose first report, of those that which picks, ends the program. It says
// after a millisecond what others say after 10 s, and samples each section.
func stalling(name string, which func(smr.Stall) bool) *smr.Domain {
	return domain(smr.Options{Name: name, StallAfter: time.Millisecond, SampleSections: 1, OnStall: func(s smr.Stall) {
		if which == nil || which(s) {
			end("report: ", s.String())
		}
	}})
}

func domain(o smr.Options) *smr.Domain {
	o.MaxDelay = 2 * time.Millisecond
	return must(smr.New(o))
}

func must[T any](v T, err error) T {
	if err != nil {
		end("bug: ", err.Error())
	}
	return v
}

func check(err error) { must(0, err) }

var ctx = context.Background()

// A record is what readers follow a Pointer to. Its callback writes to it, as the next user of the
// memory would.
type record struct{ value uint64 }

const (
	good  = 0x600d
	fresh = 0xf4e5
	freed = 0xdead
)

func (r *record) free() { r.value = freed }

// replace is a writer: it unlinks the record that p leads to, and retires it.
func replace(dom *smr.Domain, p *smr.Pointer[record]) {
	old := p.LoadSerialized()
	p.Store(&record{fresh})
	smr.Call(dom, old, 8, (*record).free)
}

// peek loads a word out of the race detector's sight, so that the program does not become ordered
// by what it waits for.
//
//go:norace
//go:noinline
func peek(p *uint64) uint64 { return *p }

// set is the store that peek looks for.
//
//go:norace
//go:noinline
func set(p *uint64) { *p = 1 }

// overwritten waits until the word at p is not what it was.
func overwritten(p *uint64, was uint64) {
	for peek(p) == was {
		runtime.Gosched()
	}
}

const poison = 0xdbdbdbdbdbdbdbdb // what -tags invariants writes to freed memory

// read is the read of a value that was overwritten: the program notices it itself.
func read(p *uint64) {
	v := *p
	if v == poison {
		end("poison: ", fmt.Sprintf("the value is %#x", v))
	}
	unnoticed("the value is %#x now", v)
}

// reuse gets objects until obj, which was given back, is given out again, and overwrites it.
func reuse(dom *smr.Domain, pool *slab.Pool[record], obj *record) {
	pool.Trim()
	check(dom.Barrier(ctx))
	for range 1 << 20 {
		if got := must(pool.Get()); got == obj {
			got.value = fresh
			return
		}
	}
	end("bug: ", "the pool does not give the object out again")
}

// stuck calls fn, which never returns, and ends the program when fn waits in a function.
func stuck(fn func(), in string) {
	go func() {
		fn()
		end("bug: ", "it returned")
	}()
	for {
		if trace := waiting(in); trace != "" {
			end("hangs: ", trace)
		}
		runtime.Gosched()
	}
}

// waiting returns the stack of a goroutine that is in the function and waits, or "".
func waiting(function string) string {
	buf := make([]byte, 1<<20)
	for trace := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		head, _, _ := strings.Cut(trace, "\n")
		if strings.Contains(trace, function) && !strings.Contains(head, "[runn") {
			return trace
		}
	}
	return ""
}

// elsewhere runs fn in another goroutine and waits for it.
func elsewhere(fn func()) {
	var wg sync.WaitGroup
	wg.Go(fn)
	wg.Wait()
}
