package goid

import "strings"

// blocked are the states, as traces have them, of goroutines that wait for others, for time or for
// input. Not among them are those in which the runtime makes a goroutine wait (semacquire is one: to
// begin a collection), and system calls: of these no trace tells whether they wait.
var blocked = []string{
	"chan receive", "chan receive (nil chan)", "chan send", "chan send (nil chan)", "select", "select (no cases)",
	"sync.Mutex.Lock", "sync.RWMutex.RLock", "sync.RWMutex.Lock", "sync.Cond.Wait", "sync.WaitGroup.Wait",
	"sleep", "IO wait",
}

// Blocked returns what the goroutine of a trace of [Stacks] blocks in, or "" if it does not block.
func Blocked(trace string) string {
	header, _, _ := strings.Cut(trace, "\n")
	_, state, _ := strings.Cut(header, "[")
	for _, end := range []string{"]:", ", ", " (durable)", " labels:"} { // for how long, in which bubble
		state, _, _ = strings.Cut(state, end)
	}
	for _, s := range blocked {
		if s == state {
			return s
		}
	}
	return ""
}

// Place returns a trace without its first line, which also says for how long it blocks.
func Place(trace string) string {
	_, place, _ := strings.Cut(trace, "\n")
	return place
}
