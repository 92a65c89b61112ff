package smrdebug

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// writeText writes the report for a terminal.
func (rep *report) writeText(w io.Writer) {
	t := text{bufio.NewWriter(w)}
	defer t.Flush()
	t.line("%s", rep.Summary())
	for _, f := range rep.Findings {
		t.finding(f)
	}
	for i := range rep.Domains {
		t.domain(&rep.Domains[i])
	}
	for _, c := range rep.Containers {
		t.line("\n%s %s", c.Type, inLine(c.Name))
		if c.Domain != "" {
			t.line("  domain       %s", inLine(c.Domain))
		}
		for _, f := range c.Fields {
			t.line("  %-16s %s", f.Name, f.Text)
		}
	}
	for _, wd := range rep.Worlds {
		t.line("\nstw.World %s: %s", inLine(wd.Name), count(int64(wd.Domains), "domain"))
		for state, n := range sorted(wd.States) {
			t.line("  %-16s %d", state, n)
		}
	}
	t.line("\n%s, GOMAXPROCS %d; %s", rep.Go, rep.Procs, rep.Build)
}

// Summary answers the first question in a line.
func (rep *report) Summary() string {
	stuckOnes, slowOnes := 0, 0
	for _, d := range rep.Domains {
		switch d.State {
		case "stuck":
			stuckOnes++
		case "slow":
			slowOnes++
		}
	}
	s := count(int64(len(rep.Domains)), "domain")
	switch {
	case stuckOnes > 0:
		return fmt.Sprintf("%s: %d stuck, %d slow", s, stuckOnes, slowOnes)
	case slowOnes > 0:
		return fmt.Sprintf("%s: none is stuck, %d slow", s, slowOnes)
	default:
		return s + ": nothing is stuck"
	}
}

type text struct{ *bufio.Writer }

// line writes a line. What comes from names has no control characters: a terminal would obey them.
func (t text) line(format string, args ...any) {
	s := strings.ToValidUTF8(fmt.Sprintf(format, args...), "\uFFFD")
	if strings.ContainsFunc(s, isControl) {
		s = strings.Map(func(r rune) rune {
			if isControl(r) {
				return unicode.ReplacementChar
			}
			return r
		}, s)
	}
	t.WriteString(s)
	t.WriteByte('\n')
}

// isControl tells of control characters and of those that change the direction of text.
func isControl(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf) && r != '\n' && r != '\t'
}

// inLine makes a name a part of its line.
func inLine(s string) string { return strings.ReplaceAll(s, "\n", "\uFFFD") }

func (t text) finding(f finding) {
	t.line("\n%s: domain %s: %s", strings.ToUpper(f.Level), inLine(f.Domain), f.What)
	t.line("  who     %s", inLine(f.Who))
	t.line("  holds   %s (%s)", count(f.Calls, "call"), size(f.Bytes))
	t.line("  since   %v", f.Since)
	if f.Where != "" {
		t.line("  where   %s", f.Where)
	}
	t.line("  stage   %s", f.Stage)
	t.line("  advice  %s", f.Advice)
	t.stack(f.Stack)
}

func (t text) stack(s string) {
	for line := range strings.Lines(s) {
		t.line("  %s", strings.TrimSuffix(line, "\n"))
	}
}

func (t text) domain(d *domain) {
	t.line("\ndomain %s: %s", inLine(d.Name), d.State)
	t.line("  pending      %s (%s), bound %s; %s in Throttle, %s", count(d.PendingCalls, "call"), size(d.PendingBytes), bound(d.MaxPending),
		count(int64(d.Throttled), "writer"), count(int64(d.Barriers), "barrier"))
	if d.PendingCalls > 0 {
		for _, s := range d.Stages() {
			if s.Calls > 0 {
				t.line("    %-10s %s (%s)%s", s.Name, count(s.Calls, "call"), size(s.Bytes), since(s.For))
			}
		}
	}
	if t.WriteString("  grace period "); d.Grace > 0 {
		t.WriteString(d.Grace.String() + " so far, ")
	}
	if d.GraceMax > 0 {
		t.line("median %v, longest %v of the last", d.GraceMedian, d.GraceMax)
	} else {
		t.line("none has ended for a call")
	}
	t.line("  readers      %s open, %s, %s; %s", count(int64(d.Sections), "section"), count(int64(d.Records), "record"), d.Sampled(),
		count(int64(d.Holds), "hold"))
	for _, r := range d.Readers {
		blocks := ""
		if r.Blocks {
			blocks = fmt.Sprintf(", holds back %s (%s)", count(r.HeldBack.Calls, "call"), size(r.HeldBack.Bytes))
		}
		t.line("    %s%s%s", inLine(r.What), since(r.Age), blocks)
		t.stack(r.Stack)
	}
	for _, h := range d.Parked {
		t.line("    held: an object for %s%s, %s (%s)", h.Callback, since(h.Held.For), count(h.Held.Calls, "call"), size(h.Held.Bytes))
		for _, s := range h.Stacks {
			t.stack(s)
		}
	}
	t.line("  reclaimer    %s; %s", d.Reclaimer, d.Lateness())
	t.line("  workers      %d of at most %d; check-in %v, delay at most %v, stalls after %v", d.Workers, d.MaxWorkers, d.CheckIn, d.MaxDelay, d.StallAfter)
	t.line("  since New    %s calls, %s callbacks, %s advances, %s scans, %s stall reports", group(int64(d.Calls)), group(int64(d.Callbacks)),
		group(int64(d.Advances)), group(int64(d.Scans)), group(int64(d.Stalls)))
}

// Sampled says how many sections are sampled.
func (d *domain) Sampled() string {
	switch d.SampleOne {
	case 0:
		return "none is sampled"
	case 1:
		return "each is sampled"
	default:
		return "one in " + group(int64(d.SampleOne)) + " is sampled"
	}
}

// Lateness says how late the reclaimer is.
func (d *domain) Lateness() string {
	if d.LateWorst == 0 {
		return "never late"
	}
	s := fmt.Sprintf("last ran %v late; at most %v late, %v ago", d.LateLast, d.LateWorst, d.LateWorstAgo)
	if d.Late > 0 {
		s = fmt.Sprintf("due %v ago; %s", d.Late, s)
	}
	return s
}

func since(s seconds) string {
	if s == 0 {
		return ""
	}
	return " for " + s.String()
}

func bound(n int64) string {
	if n < 0 {
		return "none"
	}
	return size(n)
}

// sorted walks over the states of a world by name.
func sorted(m map[string]int) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
