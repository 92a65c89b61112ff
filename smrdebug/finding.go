package smrdebug

import (
	"cmp"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/smr"
)

// A finding is something that does not go on as it should. Its fields answer what an engineer asks,
// in this order.
type finding struct {
	Domain string  `json:"domain"`
	Level  string  `json:"level"` // slow or stuck
	What   string  `json:"what"`
	Who    string  `json:"who"`
	Calls  int64   `json:"calls"`
	Bytes  int64   `json:"bytes"`
	Since  seconds `json:"since_seconds"`
	Where  string  `json:"where,omitempty"` // the innermost call of Stack
	Stage  string  `json:"stage"`
	Advice string  `json:"advice"`
	Stack  string  `json:"stack,omitempty"`

	level int
}

const (
	slow = 1 + iota
	stuck
)

var levels = [...]string{slow: "slow", stuck: "stuck"}

// worse orders findings, the worst first.
func worse(a, b finding) int {
	return cmp.Or(cmp.Compare(b.level, a.level), cmp.Compare(b.Since, a.Since))
}

// findings says what of the domain does not go on as it should.
func findings(dg *smr.Diagnosis) (found []finding) {
	limit := dg.StallAfter
	if limit <= 0 {
		limit = 10 * time.Second // the default
	}
	warn := min(limit, 10*dg.MaxDelay)
	add := func(since time.Duration, f finding) {
		if since < warn {
			return
		}
		f.level = slow
		if since >= limit {
			f.level = stuck
		}
		f.Level, f.Domain, f.Since = levels[f.level], dg.Name, seconds(since)
		f.Stage = furthest(dg)
		found = append(found, f)
	}
	if f, ok := blocker(dg); ok {
		add(max(dg.Grace, time.Duration(f.Since)), f)
	}
	if len(dg.Parked) > 0 {
		add(dg.Held.For, holder(dg))
	}
	if dg.Running.Calls > 0 {
		add(dg.Running.For, finding{
			What: "a callback does not return", Who: fmt.Sprintf("%s of at most %d", count(int64(dg.Workers), "worker"), dg.MaxWorkers),
			Calls: dg.Running.Calls, Bytes: dg.Running.Bytes,
			Advice: "callbacks must be short and must not block; /debug/pprof/goroutine?debug=1 has the workers' stacks",
		})
	}
	if dg.Ready.Calls > 0 {
		add(dg.Ready.For, finding{
			What: "callbacks wait for a worker", Who: fmt.Sprintf("%s of at most %d, all busy", count(int64(dg.Workers), "worker"), dg.MaxWorkers),
			Calls: dg.Ready.Calls, Bytes: dg.Ready.Bytes,
			Advice: "make callbacks shorter, or raise Options.Workers",
		})
	}
	if f, ok := flood(dg); ok {
		f.level, f.Level, f.Domain = slow, levels[slow], dg.Name
		f.Since, f.Stage = seconds(max(dg.Waiting.For, dg.Ready.For, dg.Running.For, dg.Held.For)), furthest(dg)
		found = append(found, f)
	}
	add(dg.Late.Now, finding{
		What: "the reclaimer is late", Who: "the domain's own goroutine, which is " + dg.Reclaimer,
		Calls: dg.PendingCalls, Bytes: dg.PendingBytes,
		Advice: "it gets no processor (cgroup quota, GOMAXPROCS, a spinning goroutine), or a Quiescent's report function blocks",
	})
	if dg.Closed && (dg.PendingCalls > 0 || dg.Sections > 0 || dg.Holds > 0) && len(found) == 0 {
		found = append(found, finding{
			Domain: dg.Name, level: slow, Level: levels[slow], What: "Close waits",
			Who: count(int64(dg.Sections), "section") + " and " + count(int64(dg.Holds), "hold") + " are open", Calls: dg.PendingCalls, Bytes: dg.PendingBytes,
			Stage: furthest(dg), Advice: "leave and release them; then call Close again, if it has given up",
		})
	}
	return found
}

// blocker is the finding for the oldest reader that a grace period waits for.
func blocker(dg *smr.Diagnosis) (f finding, ok bool) {
	blocking := 0
	for i := range dg.Readers {
		if dg.Readers[i].Blocks {
			blocking++
		}
	}
	if blocking == 0 {
		return finding{}, false
	}
	r := dg.Readers[0]
	f = finding{
		What: "a reader stays in its section", Who: who(r.StalledReader),
		Calls: r.HeldBack.Calls, Bytes: r.HeldBack.Bytes, Stack: r.Stack, Where: innermost(r.Stack),
		Since: seconds(min(dg.Grace, r.Age)),
	}
	if blocking > 1 {
		f.Who += fmt.Sprintf(", the oldest of %d", blocking)
		if blocking == listed {
			f.Who += " or more"
		}
	}
	switch {
	case r.Kind == clock.Quiescent:
		f.Advice = "it must come to a quiescent state: Quiesce, Offline or, in package stw, a safe point"
	case r.Stack == "":
		f.Advice = "it must be left; to learn where it is entered, sample sections: Domain.SetSampleSections(1)"
	default:
		f.Advice = "it must be left; for one object that is needed longer use smr.Hold"
	}
	return f, true
}

// holder is the finding for the oldest held object.
func holder(dg *smr.Diagnosis) finding {
	h := dg.Parked[0]
	f := finding{
		What: "a hold is not released", Who: "the hold of an object for " + h.Callback,
		Calls: dg.Held.Calls, Bytes: dg.Held.Bytes,
		Advice: "each Held must be released; -tags invariants tell which was dropped",
	}
	if dg.Held.Calls > 1 {
		f.Who += fmt.Sprintf(", the oldest of %d", dg.Held.Calls)
	}
	for _, stack := range h.Stacks {
		f.Stack += stack
	}
	f.Where = innermost(f.Stack)
	return f
}

// flood is the finding for writers that retire more than is freed.
func flood(dg *smr.Diagnosis) (f finding, ok bool) {
	if dg.MaxPending <= 0 || dg.PendingBytes < dg.MaxPending && dg.Throttled == 0 {
		return finding{}, false
	}
	return finding{
		What: "pending bytes are at the bound", Who: count(int64(dg.Throttled), "writer") + " in Throttle",
		Calls: dg.PendingCalls, Bytes: dg.PendingBytes,
		Advice: "see at which stage most of it is; raise MaxPending only if readers are as long as they should be",
	}, true
}

// innermost returns the innermost call of a stack, in one line.
func innermost(stack string) string {
	lines := strings.SplitN(stack, "\n", 3)
	if len(lines) < 3 {
		return ""
	}
	return strings.TrimSpace(lines[0]) + " at " + path.Base(strings.TrimSpace(lines[1]))
}

// who names a reader.
func who(r smr.StalledReader) string {
	s := cmp.Or(r.Name, "a "+r.Kind.String())
	if r.Processor >= 0 {
		s += fmt.Sprintf(" entered on processor %d", r.Processor)
	}
	if r.Labels != "" {
		s += ", labels " + r.Labels
	}
	if r.Leaked {
		s += ", dropped without Leave"
	}
	return s
}

// A namedStage is a stage with its name, for text.
type namedStage struct {
	Name string
	stage
}

// stages returns the stages that a call comes through.
func (d *domain) Stages() []namedStage {
	return []namedStage{{"collecting", d.Collecting}, {"waiting", d.Waiting}, {"ready", d.Ready}, {"running", d.Running}, {"held", d.Held}}
}

// furthest says where most of what is pending is.
func furthest(dg *smr.Diagnosis) string {
	d := domain{
		Collecting: newStage(dg.Collecting), Waiting: newStage(dg.Waiting), Ready: newStage(dg.Ready),
		Running: newStage(dg.Running), Held: newStage(dg.Held),
	}
	most := namedStage{Name: "nothing is pending"}
	for _, s := range d.Stages() {
		if s.Bytes > most.Bytes || s.Bytes == most.Bytes && s.Calls > most.Calls {
			most = s
		}
	}
	if most.Calls == 0 {
		return most.Name
	}
	explained := map[string]string{
		"collecting": "collected by the processors that called",
		"waiting":    "waiting for a grace period",
		"ready":      "ready, without a worker",
		"running":    "running",
		"held":       "held",
	}
	return fmt.Sprintf("%s %s", count(most.Calls, "call"), explained[most.Name])
}
