package mistakes

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var write = flag.Bool("write", false, "write the tables of docs/mistakes.md")

const (
	pagePath = "../../docs/mistakes.md"
	begin    = "<!-- tables: go test ./checks/mistakes -run TestPage -write -->\n"
	endMark  = "<!-- end of tables -->\n"
)

// The page's tables are made of this package's.
func TestPage_IsTheTable(t *testing.T) {
	text, err := os.ReadFile(pagePath)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok)
	_, after, ok := strings.Cut(rest, endMark)
	require.True(t, ok)
	page := before + begin + tables() + endMark + after
	if *write {
		require.NoError(t, os.WriteFile(pagePath, []byte(page), 0o644))
		return
	}
	require.Equal(t, page, string(text), "make it anew: go test ./checks/mistakes -run TestPage -write")
}

// The table is complete, and has a reason for each mistake that nothing finds.
func TestTable(t *testing.T) {
	require.Len(t, mistakes, 52)
	names := make(map[string]bool)
	for _, m := range mistakes {
		require.False(t, names[m.name], m.name)
		names[m.name] = true
		require.NotEmpty(t, m.sees, m.name)
		require.NotEmpty(t, m.what, m.name)
		require.NotEmpty(t, m.instead, m.name)
		for _, f := range []finding{m.plain, m.race, m.invariants} {
			require.NotEmpty(t, f.how, m.name)
			require.False(t, f.how != isUnnoticed && len(f.texts) == 0, m.name)
		}
		require.Equal(t, !m.found(), m.why != "", "%s: a reason, if and only if nothing finds it", m.name)
	}
}

// The outcome of a program is told by its output.
func TestOutcomes(t *testing.T) {
	for out, want := range map[string]outcome{
		"unnoticed: the value is 1\n":                                        isUnnoticed,
		"a log line\nerror: closed\n":                                        isError,
		"panic: smr: left\n\ngoroutine 1":                                    isPanic,
		"panic: a\nfatal error: panic holding locks\n":                       isThrow,
		"unexpected fault address 0x1\nfatal error: fault\n[signal SIGSEGV:": isFault,
		"==================\nWARNING: DATA RACE\n":                           isRace,
		"bug: no error\n":                                                    "none",
		"":                                                                   "none",
	} {
		require.Equal(t, want, outcomeOf(out), out)
	}
}

func TestContains(t *testing.T) {
	require.True(t, contains("smrq: Remove of queue 1: it is in no queue", "smrq: Remove of … in no queue"))
	require.False(t, contains("in no queue: smrq: Remove of queue 1", "smrq: Remove of … in no queue"))
	require.False(t, contains("", "a"))
}

// tables returns what the page has between its marks.
func tables() string {
	var b strings.Builder
	b.WriteString("\n" + summary() + "\n## By what you see\n\n| you see | it may be |\n|---|---|\n")
	for _, sees := range []string{changes, twice, grows, hangs, dies, fails, misses} {
		var numbers []string
		for i, m := range mistakes {
			if m.sees == sees {
				numbers = append(numbers, fmt.Sprint(i+1))
			}
		}
		fmt.Fprintf(&b, "| %s | %s |\n", sees, strings.Join(numbers, ", "))
	}
	for i, m := range mistakes {
		if m.group != "" {
			fmt.Fprintf(&b, "\n## %s\n\n| | mistake | you see | what finds it | instead |\n|---|---|---|---|---|\n", m.group)
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", i+1, cell(m.what), cell(m.sees), cell(m.finders()), cell(m.instead))
	}
	b.WriteString("\n")
	return b.String()
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// summary counts what finds how many.
func summary() string {
	var plain, vet, race, checked, none int
	for _, m := range mistakes {
		for _, is := range []struct {
			n  *int
			ok bool
		}{
			{&vet, m.plain.how == isVet},
			{&plain, m.plain.finds() && m.plain.how != isVet},
			{&race, m.race.how == isRace},
			{&checked, m.invariants.finds() && m.invariants.how != isVet},
			{&none, !m.found()},
		} {
			if is.ok {
				*is.n++
			}
		}
	}
	return fmt.Sprintf("Of the %d, `go vet` finds %d, and each build finds %d when they happen. `-race` finds %d more, and\n"+
		"`-tags invariants` finds %d. Nothing finds %d.\n", len(mistakes), vet, plain, race, checked, none)
}

// finders says what finds the mistake.
func (m *mistake) finders() string {
	if !m.found() {
		return "nothing. " + m.why
	}
	if m.plain.how == isVet {
		return "`go vet`: " + m.plain.String()
	}
	var all []string
	if m.plain.finds() {
		all = append(all, "each build: "+m.plain.String())
	}
	if m.race.how == isRace {
		all = append(all, "`-race`")
	}
	if f := m.invariants; f.finds() && (f.how != m.plain.how || f.texts[0] != m.plain.texts[0]) {
		all = append(all, "`-tags invariants`: "+f.String())
	}
	return strings.Join(all, "; ")
}

// String says how a build finds it, and what to look for.
func (f finding) String() string {
	switch f.how {
	case isFault:
		return "the access faults: `unexpected fault address`"
	case isPoison:
		return "the value is `" + f.texts[0] + "`"
	case isError:
		return "error `" + f.texts[0] + "`"
	case isVet:
		return "`" + f.texts[0] + "`"
	}
	return string(f.how) + " `" + f.texts[0] + "`"
}
