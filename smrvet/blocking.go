package smrvet

import (
	"go/token"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// What blocks, or may: then the runtime parks the goroutine, or a system call does.

// blockingFuncs has functions of the standard library that block, or write to a file or connection.
var blockingFuncs = map[string]bool{
	"time.Sleep": true, "runtime.Gosched": true, "runtime.GC": true,
	"sync.Mutex.Lock": true, "sync.RWMutex.Lock": true, "sync.RWMutex.RLock": true, "sync.Locker.Lock": true,
	"sync.WaitGroup.Wait": true, "sync.Cond.Wait": true,
	"os.File.Read": true, "os.File.Write": true, "os.File.ReadAt": true, "os.File.WriteAt": true, "os.File.Sync": true,
	"os.File.WriteString": true, "os.File.Close": true,
	"os.ReadFile": true, "os.WriteFile": true, "os.Open": true, "os.OpenFile": true, "os.Create": true,
	"fmt.Print": true, "fmt.Println": true, "fmt.Printf": true,
	"net.Conn.Read": true, "net.Conn.Write": true, "net.Listener.Accept": true, "net.Dial": true, "net.DialTimeout": true,
	"net/http.Get": true, "net/http.Client.Do": true, "net/http.ResponseWriter.Write": true,
	"os/exec.Cmd.Run": true, "os/exec.Cmd.Wait": true, "os/exec.Cmd.Output": true,
}

// blocking says what an instruction does that blocks, or "".
func (e *engine) blocking(at ssa.Instruction) string {
	switch at := at.(type) {
	case *ssa.Send:
		return "a send to a channel"
	case *ssa.Select:
		if at.Blocking {
			return "a select"
		}
	case *ssa.UnOp:
		if at.Op == token.ARROW {
			return "a receive from a channel"
		}
	case *ssa.Call:
		return e.blockingCall(&at.Call)
	}
	return ""
}

func (e *engine) blockingCall(c *ssa.CallCommon) string {
	fn := callee(c)
	name, ours := nameOf(fn)
	if a, listed := apis[name]; ours && (listed || fn.Pkg() != e.pass.Pkg) {
		if a.blocks {
			return name
		}
		return ""
	} else if blockingFuncs[name] || isLog(name) {
		return name
	}
	if what := e.summaryOf(c).Blocks; what != "" && fn != nil {
		return fn.Name() + ", which calls " + strings.TrimPrefix(what, "a ")
	}
	return ""
}

// isLog reports whether a function of package log or log/slog writes.
func isLog(name string) bool {
	rest, ok := strings.CutPrefix(name, "log.")
	if !ok {
		rest, ok = strings.CutPrefix(name, "log/slog.")
	}
	if !ok {
		return false
	}
	rest = strings.TrimPrefix(rest, "Logger.")
	for _, verb := range []string{"Print", "Fatal", "Panic", "Debug", "Info", "Warn", "Error", "Log"} {
		if strings.HasPrefix(rest, verb) {
			return true
		}
	}
	return false
}

// mayWait reports whether an instruction may wait for another goroutine, as far as one can tell: it
// blocks, or calls something that nothing is known of.
func (e *engine) mayWait(at ssa.Instruction) bool {
	c, ok := at.(*ssa.Call)
	if !ok {
		return e.blocking(at) != ""
	}
	if _, ok := c.Call.Value.(*ssa.Builtin); ok {
		return false
	}
	fn := callee(&c.Call)
	if c.Call.IsInvoke() || fn == nil {
		return true
	}
	name, ours := nameOf(fn)
	if a, listed := apis[name]; ours && (listed || fn.Pkg() != e.pass.Pkg) {
		return a.waits
	}
	return e.blocking(at) != "" || e.summaryOf(&c.Call).May != "" || strings.Contains(fn.Name(), "Wait")
}

// locked reports whether the function may hold a lock at an instruction: one that it took itself.
func (e *engine) locked(at ssa.Instruction) bool {
	fn := at.Parent()
	if strings.HasSuffix(fn.Name(), "Locked") {
		return true
	}
	in, ok := e.locks[fn]
	if !ok {
		in = lockFlow(fn)
		e.locks[fn] = in
	}
	held := in[at.Block()]
	for _, before := range at.Block().Instrs {
		if before == at {
			break
		}
		held = lockStep(held, before)
	}
	if !held && fn.Parent() != nil && e.made[fn] != nil {
		return e.locked(e.made[fn])
	}
	return held
}

// lockFlow finds the blocks at whose start the function may hold a lock.
func lockFlow(fn *ssa.Function) map[*ssa.BasicBlock]bool {
	in := make(map[*ssa.BasicBlock]bool)
	for changed := true; changed; {
		changed = false
		for _, b := range fn.Blocks {
			held := in[b]
			for _, at := range b.Instrs {
				held = lockStep(held, at)
			}
			for _, next := range b.Succs {
				if held && !in[next] {
					in[next], changed = true, true
				}
			}
		}
	}
	return in
}

func lockStep(held bool, at ssa.Instruction) bool {
	call, ok := at.(*ssa.Call)
	if !ok {
		return held
	}
	fn := callee(&call.Call)
	if fn == nil {
		return held
	}
	switch name := fn.Name(); {
	case strings.HasPrefix(strings.ToLower(name), "unlock"), strings.HasPrefix(strings.ToLower(name), "runlock"):
		return false
	case strings.HasPrefix(strings.ToLower(name), "lock"), name == "RLock", name == "TryLock", name == "TryRLock":
		return true
	}
	return held
}
