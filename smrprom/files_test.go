package smrprom_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/gosmr/gosmr/smr"
)

// A dashboard is what of Grafana's format the test reads.
type dashboard struct {
	UID        string `json:"uid"`
	Templating struct {
		List []struct{ Name, Definition string } `json:"list"`
	} `json:"templating"`
	Panels []struct {
		ID      int                      `json:"id"`
		Type    string                   `json:"type"`
		Title   string                   `json:"title"`
		GridPos struct{ H, W, X, Y int } `json:"gridPos"`
		Targets []struct{ Expr string }  `json:"targets"`
	} `json:"panels"`
}

func readDashboard(t *testing.T) (d dashboard, exprs []string) {
	t.Helper()
	text, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &d))
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			require.NotEmpty(t, target.Expr, p.Title)
			exprs = append(exprs, target.Expr)
		}
	}
	return d, exprs
}

func readAlerts(t *testing.T) (exprs []string) {
	t.Helper()
	var alerts struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	text, err := os.ReadFile("alerts.yml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &alerts))
	for _, g := range alerts.Groups {
		for _, r := range g.Rules {
			exprs = append(exprs, r.Expr)
		}
	}
	require.NotEmpty(t, exprs)
	return exprs
}

var seriesName = regexp.MustCompile(`\bsmr_\w+`)

// names returns the series that expressions name.
func names(exprs ...string) (all []string) {
	for _, e := range exprs {
		all = append(all, seriesName.FindAllString(e, -1)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// The dashboard has each series that there is, and no other; and the alerts and the doc have none that
// is not there.
func TestFiles_NameTheSeries(t *testing.T) {
	d := newDomain(t, smr.Options{Name: "d"})
	there := map[string]bool{}
	for s := range series(t, scrape(t, registryOf(t, d))) {
		name, _, _ := strings.Cut(s, "{")
		there[name] = true
	}
	dash, exprs := readDashboard(t)
	for _, v := range dash.Templating.List {
		exprs = append(exprs, v.Definition)
	}
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	for what, named := range map[string][]string{
		"dashboard.json": names(exprs...), "alerts.yml": names(readAlerts(t)...), "doc.go": names(string(doc)),
	} {
		require.NotEmpty(t, named, what)
		for _, name := range named {
			require.True(t, there[name], "%s names %s", what, name)
		}
	}
	shown := names(exprs...)
	for name := range there {
		base := strings.TrimSuffix(strings.TrimSuffix(name, "_sum"), "_count")
		require.True(t, slices.Contains(shown, name) || slices.Contains(shown, base+"_bucket"), "no panel shows %s", name)
	}
}

// Panels do not overlap, and each expression keeps to the domains and instances that are chosen.
func TestDashboard_IsWellFormed(t *testing.T) {
	dash, exprs := readDashboard(t)
	ids := map[int]bool{}
	taken := map[[2]int]string{}
	for _, p := range dash.Panels {
		require.False(t, ids[p.ID], "id %d occurs twice", p.ID)
		ids[p.ID] = true
		require.Equal(t, p.Type == "row", len(p.Targets) == 0, p.Title)
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				require.Empty(t, taken[at], p.Title)
				taken[at] = p.Title
			}
		}
	}
	for _, e := range exprs {
		require.Equal(t, len(seriesName.FindAllString(e, -1)), strings.Count(e, `{domain=~"$domain",instance=~"$instance"`), e)
	}
}

// Prometheus's own tool accepts a scrape, the alerts, and each expression of the dashboard.
func TestPromtool(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("there is no promtool: it is in Debian's package prometheus")
	}
	promtool := func(stdin string, args ...string) {
		t.Helper()
		cmd := exec.Command(tool, args...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "promtool %v: %s", args, out)
	}
	d := newDomain(t, smr.Options{Name: "d"})
	promtool(scrape(t, registryOf(t, d)), "check", "metrics")
	promtool("", "check", "rules", "alerts.yml")

	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var rules []rule
	_, exprs := readDashboard(t)
	for _, e := range exprs {
		rules = append(rules, rule{"dashboard:expr", strings.ReplaceAll(e, "$__rate_interval", "5m")})
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	require.NoError(t, err)
	file := t.TempDir() + "/rules.yml"
	require.NoError(t, os.WriteFile(file, text, 0o666))
	promtool("", "check", "rules", "--lint=none", file)
}
